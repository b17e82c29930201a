"""The optional fields of a call: the trace that it is part of, the actor that sent it, the method that it is for."""

from __future__ import annotations

from pulsing.wire.errors import ProtocolError
from pulsing.wire.layout import HAS_METHOD, HAS_SENDER, HAS_TRACE, TRACE_SIZE, UNKNOWN_FLAGS


def pack_options(trace: bytes | None, sender: int | None, flags: int) -> tuple[bytes, int]:
    """The optional fields of a call as bytes, and the flags that tell of them."""
    options = b""
    if trace is not None:
        if len(trace) != TRACE_SIZE:
            raise ValueError(f"a trace context has {TRACE_SIZE} bytes, got {len(trace)}")
        flags |= HAS_TRACE
        options = trace
    if sender is not None:
        flags |= HAS_SENDER
        options += sender.to_bytes(16, "big")
    return options, flags


def call_options(
    message: bytes, offset: int, end: int, flags: int, name_size: int
) -> tuple[str | None, bytes | None, int | None, int]:
    """Method, trace, sender, and where the value begins."""
    trace = sender = method = None
    if flags & UNKNOWN_FLAGS:
        raise ProtocolError(f"a call has unknown flags {flags:#x}")
    if flags & HAS_TRACE:
        trace = message[offset : offset + TRACE_SIZE]
        offset += TRACE_SIZE
    if flags & HAS_SENDER:
        sender = int.from_bytes(message[offset : offset + 16], "big")
        offset += 16
    if flags & HAS_METHOD:
        method = str(message[offset : offset + name_size], "utf-8")
        offset += name_size
    if offset > end:
        raise ProtocolError("a call ends within its options")
    return method, trace, sender, offset
