"""Messages that reached nobody, encoded and within a budget, so that they can be sent again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pulsing.clock import Clock
from pulsing.core.envelope import Envelope

KEPT_BYTES = 8 << 20
MESSAGE_BYTES = 16 << 10
ENCODINGS_PER_S = 100

Call = tuple[str | None, tuple[Any, ...], dict[str, Any]]
"""Method, arguments by position, arguments by name."""


class Packing(Protocol):
    """Turns calls into bytes and back; encoding is the business of the layer that carries messages."""

    def pack(self, call: Call) -> bytes:
        """Encode a call; raises where it is not sendable or larger than `MESSAGE_BYTES`."""
        ...

    def unpack(self, data: bytes) -> Call:
        """Decode a call."""
        ...


@dataclass(slots=True)
class _Kept:
    data: bytes
    replays: int = 0


class KeptMessages:
    """The messages of the last dead letters, by the number of the letter.

    Args:
        clock: where time comes from.
        packing: gives the packing, when the first message is to be kept.
        most: bytes that they may take together.
    """

    def __init__(self, clock: Clock, packing: Callable[[], Packing], most: int = KEPT_BYTES) -> None:
        self._clock = clock
        self._most = most
        self._make_packing = packing
        self._packing: Packing | None = None
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._bytes = 0
        self._second = 0
        self._encoded = 0

    def keep(self, number: int, envelope: Envelope) -> int | None:
        """Keep a message if it is small and there is time for it; returns its size in bytes if it was kept."""
        if not self._has_time() or any(_is_long(argument) for argument in envelope.args):
            return None
        try:
            data = self._pack((envelope.method, tuple(envelope.args), dict(envelope.kwargs or {})))
        except Exception:
            # Whatever a user's object does when it is encoded, its letter is recorded all the same.
            return None
        if len(data) > MESSAGE_BYTES:
            return None
        self._kept[number] = _Kept(data)
        self._bytes += len(data)
        while self._bytes > self._most:
            self.forget(next(iter(self._kept)))
        return len(data)

    def call(self, number: int) -> Call | None:
        """The message of a letter, decoded anew; None where it was not kept."""
        kept = self._kept.get(number)
        return None if kept is None else self._the_packing().unpack(kept.data)

    def replays(self, number: int) -> int | None:
        """How often a message was sent again; None where it was not kept."""
        kept = self._kept.get(number)
        return None if kept is None else kept.replays

    def count_replay(self, number: int) -> None:
        """Note that a message was sent again."""
        if number in self._kept:
            self._kept[number].replays += 1

    def forget(self, number: int) -> None:
        """Let go of a message."""
        kept = self._kept.pop(number, None)
        if kept is not None:
            self._bytes -= len(kept.data)

    def clear(self) -> None:
        """Let go of all."""
        self._kept.clear()
        self._bytes = 0

    def _has_time(self) -> bool:
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._encoded = second, 0
        self._encoded += 1
        return self._encoded <= ENCODINGS_PER_S

    def _pack(self, call: Call) -> bytes:
        return self._the_packing().pack(call)

    def _the_packing(self) -> Packing:
        if self._packing is None:
            self._packing = self._make_packing()
        return self._packing


def _is_long(argument: Any) -> bool:
    # Encoding it would cost more than looking.
    return isinstance(argument, (bytes, bytearray, str, list, dict, tuple, set)) and len(argument) > MESSAGE_BYTES
