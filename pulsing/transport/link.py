"""One WebSocket between two nodes, at either end: messages out, messages in, and how it ends.

A thin shell around the sans-I/O core of `websockets`, in one `asyncio.Protocol`: no task and no queue lies between
the socket and the handler. What happens before the connection is proven is the business of its `Opening`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, Side
from websockets.protocol import Protocol as WebSocketCore

from pulsing.descriptors import keep_from_children
from pulsing.transport.address import is_loopback, join_address
from pulsing.transport.base import Attach, Buffer, ConnectionFault, ConnectionHandler, FaultKind, PeerInfo
from pulsing.transport.framing import FrameReader, frame_parts
from pulsing.transport.limits import Limits

_ENDS = (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY)

# From here on a second system call costs less than copying the message behind its header.
_JOIN_BELOW = 128 * 1024

# In these releases asyncio's `writelines` never tells the protocol that its buffer is full.
_WRITELINES_TELLS = not ((3, 12) <= sys.version_info < (3, 12, 8) or (3, 13) <= sys.version_info < (3, 13, 1))

# Nodes cut a message only where it is over the limit of a fragment; empty fragments would cost memory without end.
_MAX_FRAGMENTS = 64

_LOCAL_BUFFER = 64 * 1024


class Opening(Protocol):
    """What a connection does until it is proven."""

    def connected(self, link: WebSocketLink) -> None:
        """The link has its transport, after the TLS handshake if there is one."""
        ...

    def received(self, data: bytes) -> None:
        """Bytes have arrived."""
        ...

    def lost(self, error: Exception | None) -> None:
        """The connection is gone without having been proven."""
        ...


class WebSocketLink(asyncio.Protocol):
    """A connection of the `pulsing.transport.base.Connection` kind.

    Args:
        core: the WebSocket protocol of this end.
        limits: the bounds to keep.
        opening: in charge until it calls `open`.
    """

    def __init__(self, core: WebSocketCore, limits: Limits, opening: Opening) -> None:
        self.core = core
        self.peer: PeerInfo
        self.transport: asyncio.Transport
        self._limits = limits
        self._opening: Opening | None = opening
        self._handler: ConnectionHandler | None = None
        self._masks = core.side is Side.CLIENT
        self._max_frame = min(limits.max_message, limits.max_fragment)
        self._takes_messages = False
        self._reader = FrameReader(
            masked=not self._masks,
            max_frame=self._max_frame,
            on_message=self._pass_on,
            on_other=self._read_by_core,
        )
        self._fragments: list[bytes | bytearray] = []
        self._closing = False
        self._deaf = False
        self._has_answers = False
        self._muted = False
        self._gone = False
        self._fault: Exception | None = None
        self._deadline: asyncio.TimerHandle | None = None

    # What its owner calls

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait for the network at this end."""
        return 0 if self._gone else self.transport.get_write_buffer_size()

    def send(self, message: Buffer | Sequence[Buffer]) -> None:
        """Queue one message, given whole or as consecutive parts; never blocks."""
        parts = message if isinstance(message, (list, tuple)) else (cast(Buffer, message),)
        size = sum(map(len, parts))
        if size > self._max_frame:
            self._send_fragments(parts, size)
        elif self._takes_messages:
            frame = frame_parts(parts, size, masked=self._masks)
            if size < _JOIN_BELOW:
                self.transport.write(b"".join(frame))
            else:
                self._send_parts(frame)

    def pause_reading(self) -> None:
        """Read nothing more from the network; what has been read already may still come."""
        if not (self._gone or self.transport.is_closing()):
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take `pause_reading` back. Idempotent, and nothing on a connection that is gone."""
        if not (self._gone or self.transport.is_closing()):
            self.transport.resume_reading()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued, then close and tell the other end why. Idempotent."""
        if self._closing or self._gone:
            return
        self._closing = True
        self._takes_messages = False
        # Whoever is closed on for a fault has nothing more to say, but its own close is still read.
        self._muted = code not in _ENDS
        if self.core.state is OPEN:
            self.core.send_close(code, reason)
        self.flush()

    def abort(self) -> None:
        """Drop the connection at once, with what is queued. Idempotent."""
        self._closing = self._deaf = True
        self._takes_messages = False
        if not self._gone:
            self.transport.abort()

    # What its opening calls

    def open(self, peer: PeerInfo, attach: Attach) -> None:
        """Hand the proven connection to its handler."""
        self.peer = peer
        self._opening = None
        self._takes_messages = self.core.state is OPEN and not self._closing
        self._handler = attach(self)

    def feed(self, data: bytes | bytearray) -> list[Request | Response | Frame]:
        """Let the core read, send what it answers, and return what it has read."""
        events = self._take(data)
        self.flush()
        return events

    def flush(self) -> None:
        """Send what the core has written, up to the end of the stream.

        In one piece for all that was read at once: since Python 3.12 asyncio adds up all pieces that wait at each
        write, which a flood of pings made many.
        """
        written = self.core.data_to_send()
        data = b"".join(written)
        if data:
            self.transport.write(data)
        if not all(written):  # an empty one stands for the end
            self._end_stream()
        if self._deadline is None and self.core.close_expected():
            self._expect_progress(self._limits.close_timeout)

    @property
    def remote_address(self) -> str:
        """The other end's socket address."""
        return join_address(*self.transport.get_extra_info("peername")[:2])

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=self._limits.write_high)
        info = self.transport.get_extra_info
        _tune(info("socket"), info("peername"), self._limits.write_timeout)
        assert self._opening is not None
        self._opening.connected(self)

    def data_received(self, data: bytes) -> None:
        if self._opening is not None:
            self._opening.received(data)
        elif not self._deaf:
            self._reader.feed(data)
            if self._has_answers:
                self._has_answers = False
                self.flush()

    def eof_received(self) -> None:
        self.core.receive_eof()
        self._takes_messages = False
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        if sys.version_info < (3, 11):
            # A TLS transport counts as open there until it is told, and warns when it is dropped.
            self.transport.abort()
        if self._deadline is not None:
            self._deadline.cancel()
        if self._opening is not None:
            self._opening.lost(exc)
        elif self._handler is not None:
            handler, self._handler = self._handler, None
            handler.on_lost(self._ending(exc))

    def pause_writing(self) -> None:
        if self._deadline is None:
            self._expect_progress(self._limits.write_timeout)
        if self._handler is not None:
            self._handler.on_blocked()

    def resume_writing(self) -> None:
        if self._deadline is not None and not self._closing:
            self._deadline.cancel()
            self._deadline = None
        if self._handler is not None:
            self._handler.on_writable()

    # How it is done

    def _send_parts(self, frame: Sequence[Buffer]) -> None:
        if _WRITELINES_TELLS:
            self.transport.writelines(frame)
        else:
            for part in frame:
                self.transport.write(part)

    def _send_fragments(self, parts: Sequence[Buffer], size: int) -> None:
        if size > self._limits.max_message:
            raise ValueError(f"a message of {size} bytes is over the limit of {self._limits.max_message}")
        if not self._takes_messages:
            return
        message = b"".join(parts)
        step, view = self._max_frame, memoryview(message)
        self.core.send_binary(view[:step], fin=False)
        for start in range(step, len(message), step):
            self.core.send_continuation(view[start : start + step], fin=start + step >= len(message))
        self.flush()

    def _read_by_core(self, data: bytes | bytearray) -> None:
        """Leave a frame to the core: control frames, fragments, and whatever breaks the protocol."""
        self._has_answers = True
        for event in self._take(data):
            if self._deaf:
                break
            frame = cast(Frame, event)
            if frame.opcode is Opcode.TEXT:
                self._fail(CloseCode.UNSUPPORTED_DATA, "text message")
            elif frame.opcode is Opcode.BINARY or frame.opcode is Opcode.CONT:
                self._collect(frame)
        if self.core.close_rcvd is not None or self.core.parser_exc is not None:
            self._deaf = True

    def _take(self, data: bytes | bytearray) -> list[Request | Response | Frame]:
        self.core.receive_data(data)
        self._takes_messages = self._takes_messages and self.core.state is OPEN
        return self.core.events_received()

    def _collect(self, frame: Frame) -> None:
        if len(self._fragments) >= _MAX_FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG, "message in too many fragments")
            return
        self._fragments.append(cast("bytes | bytearray", frame.data))
        if frame.fin:
            message, self._fragments = b"".join(self._fragments), []
            self._pass_on(message)

    def _pass_on(self, message: bytes) -> None:
        if self._handler is not None and not (self._deaf or self._muted):
            self._handler.on_message(message)

    def _fail(self, code: CloseCode, reason: str) -> None:
        kind: FaultKind = "oversize" if code is CloseCode.MESSAGE_TOO_BIG else "protocol"
        self._fault = ConnectionFault(kind, f"the other end sent a {reason}")
        self._closing = self._deaf = True
        self._takes_messages = False
        self.core.fail(code, reason)
        self.flush()

    def _end_stream(self) -> None:
        # TLS has no half-closed state.
        if self.transport.can_write_eof():
            # Whoever has gone answers what was just written by a reset, and then there is no stream to end.
            with contextlib.suppress(OSError):
                self.transport.write_eof()
        else:
            self.transport.close()

    def _expect_progress(self, seconds: float) -> None:
        """Drop the connection if `seconds` pass in which nothing leaves the buffer."""
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(seconds, self._check_progress, seconds, self.buffered_bytes)

    def _check_progress(self, seconds: float, before: int) -> None:
        if 0 < self.buffered_bytes < before:
            self._expect_progress(seconds)
            return
        if not self._closing and self.core.state is OPEN:
            self._fault = ConnectionFault("timeout", f"the other end took nothing for {seconds:g} s")
        self.abort()

    def _ending(self, error: Exception | None) -> Exception | None:
        """Why the connection is gone, None where it was closed in good order."""
        if self._fault is not None or self._closing:
            return self._fault
        received = self.core.close_rcvd
        if received is not None:
            return None if received.code in _ENDS else _closed_for(received)
        fault = self.core.parser_exc
        if fault is not None and not isinstance(fault, EOFError):
            kind: FaultKind = "oversize" if isinstance(fault, PayloadTooBig) else "protocol"
            return ConnectionFault(kind, f"the other end broke the protocol: {fault}")
        return error or ConnectionResetError("the other end is gone without a goodbye")


def _closed_for(received: Close) -> ConnectionError:
    """What the other end holds against this one."""
    text = f"the other end closed with {received.code} {received.reason!r}"
    if received.code == CloseCode.MESSAGE_TOO_BIG:
        return ConnectionFault("oversize", text)
    return ConnectionFault("protocol", text) if received.code == CloseCode.PROTOCOL_ERROR else ConnectionError(text)


def _tune(sock: socket.socket | None, peer: tuple[str, int] | None, unacknowledged_s: float) -> None:
    if sock is None:
        return
    keep_from_children(sock.fileno())
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if peer is not None and is_loopback(peer[0]):
        # The kernel would hold megabytes, behind which a small message waits a hundred milliseconds, and for nothing:
        # there is no distance to be filled.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LOCAL_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LOCAL_BUFFER)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unacknowledged_s * 1000))
