"""The short way for the one kind of WebSocket frame that nodes send all day: binary, unfragmented, uncompressed.

Everything else, every rule and every error, is left to the core of `websockets`, which gets such frames whole. The
short way takes a tenth of the core's time for a small message, and copies a large one once where the core does thrice.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from os import urandom

from pulsing.transport.base import Buffer

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

_FIN = 0x80
_MASKED = 0x80
_CONTINUATION = 0x0
_BINARY = 0x2
_PLAIN = _FIN | _BINARY

_MEDIUM = struct.Struct("!BBH")
_LARGE = struct.Struct("!BBQ")


def frame_parts(parts: Sequence[Buffer], size: int, *, masked: bool) -> Sequence[Buffer]:
    """One frame around a message of `size` bytes, in parts to be written one after the other."""
    mask = _MASKED if masked else 0
    if size < 126:
        header = bytes((_PLAIN, mask | size))
    elif size < 65536:
        header = _MEDIUM.pack(_PLAIN, mask | 126, size)
    else:
        header = _LARGE.pack(_PLAIN, mask | 127, size)
    if not masked:
        return (header, *parts)
    key = urandom(4)
    return (header + key, apply_mask(parts[0] if len(parts) == 1 else b"".join(parts), key))


class FrameReader:
    """Cuts a stream into frames.

    Args:
        masked: whether frames must be masked: those of a client.
        max_frame: a longer frame is passed on as soon as its header shows it, for the core to refuse.
        on_message: called with each message that took the short way.
        on_other: called with the bytes of each other frame, whole, and with everything from a frame on that is too
            long.
    """

    def __init__(
        self,
        *,
        masked: bool,
        max_frame: int,
        on_message: Callable[[bytes], None],
        on_other: Callable[[bytes | bytearray], None],
    ) -> None:
        self._mask = _MASKED if masked else 0
        self._max_frame = max_frame
        self._on_message = on_message
        self._on_other = on_other
        self._buffer = bytearray()
        self._needed = 2
        self._fragmented = False
        self._spoilt = False

    def feed(self, data: bytes) -> None:
        """Take what has arrived; calls back for each frame that is complete."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return
            whole, self._buffer = self._buffer, bytearray()
            self._cut(whole)
        elif not self._pass_whole(data):
            self._cut(data)

    def _pass_whole(self, data: bytes) -> bool:
        """Pass on what is exactly one frame, as nearly all small ones are: half as many steps as `_cut` takes."""
        body = 6 if self._mask else 2
        size = len(data) - body
        if size < 126:
            lengths = size
        else:
            body += 2
            size -= 2
            lengths = 126
        if (
            size < 0
            or data[0] != _PLAIN
            or data[1] != self._mask | lengths
            or (lengths == 126 and _MEDIUM.unpack_from(data)[2] != size)
            or size > self._max_frame
            or self._fragmented
            or self._spoilt
        ):
            return False
        self._on_message(apply_mask(memoryview(data)[body:], data[body - 4 : body]) if self._mask else data[body:])
        return True

    def _cut(self, data: bytes | bytearray) -> None:
        start, available = 0, len(data)
        self._needed = 2
        while available - start >= 2:
            body, end = self._measure(data, start)
            if self._spoilt:
                self._on_other(data[start:])
                return
            if end > available:
                self._needed = end - start
                break
            self._emit(data, start, body, end)
            start = end
        if start < available:
            self._buffer += memoryview(data)[start:]

    def _measure(self, data: bytes | bytearray, start: int) -> tuple[int, int]:
        """Where the payload of the frame at `start` begins and ends; a header that is cut short ends where it would."""
        size, body = data[start + 1] & 0x7F, start + 2
        if size == 126:
            body += 2
            size = int.from_bytes(data[start + 2 : body], "big")
        elif size == 127:
            body += 8
            size = int.from_bytes(data[start + 2 : body], "big")
        if data[start + 1] & _MASKED:
            body += 4
        if body > len(data):
            return body, body
        self._spoilt = self._spoilt or size > self._max_frame
        return body, body + size

    def _emit(self, data: bytes | bytearray, start: int, body: int, end: int) -> None:
        if data[start] != _PLAIN or data[start + 1] & _MASKED != self._mask or self._fragmented:
            self._note_fragments(data[start])
            self._on_other(data[start:end])
        elif self._mask:
            self._on_message(apply_mask(memoryview(data)[body:end], data[body - 4 : body]))
        else:
            self._on_message(bytes(memoryview(data)[body:end]))

    def _note_fragments(self, head: int) -> None:
        """The frames of a fragmented message, and what comes between them, belong to the core."""
        if head & 0x0F == _BINARY and not head & _FIN:
            self._fragmented = True
        elif head & 0x0F == _CONTINUATION and head & _FIN:
            self._fragmented = False
