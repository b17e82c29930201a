"""What waits to be sent over one connection: what is queued in one turn of the loop leaves together.

Large values follow in chunks between later messages, one chunk a turn, so that nothing small waits behind them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pulsing.transport.base import Connection
from pulsing.wire.encoded import EncodedFrame
from pulsing.wire.limits import ACTIVE_TRANSFERS, CHUNK
from pulsing.wire.session import SMALL, WINDOW_BYTES

EARLY = 24
"""Frames that are sent off before the turn is over: the other end begins with them while this one makes the rest."""
EARLY_AT_MOST = 64
"""Later in the turn each such part has twice as many frames, up to this: the other end has enough to do by then, and
each message costs."""
MESSAGE_TARGET = 512 * 1024
"""Bytes at which a WebSocket message is closed; the other end takes a megabyte at most, chunks apart."""
PILE = 4 * WINDOW_BYTES
"""When so many bytes wait, answers have piled up, for messages take no more than a window. No message of the other end
is run then until half of the pile is gone."""


class Outbox:
    """The sending side of a connection.

    Args:
        connection: where everything goes.
        loop: the connection's loop.
        on_empty: called when all that was queued has been handed to the connection.
    """

    __slots__ = (
        "_begun",
        "_beside_heads",
        "_blocked",
        "_bulk",
        "_bulk_bytes",
        "_connection",
        "_early",
        "_heads",
        "_loop",
        "_on_empty",
        "_scheduled",
        "_size",
        "_wanting",
        "bytes",
        "frames",
    )

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop, on_empty: Callable[[], None]) -> None:
        self._connection = connection
        self._loop = loop
        self._on_empty = on_empty
        self._heads: list[bytes] = []
        self._size = 0
        self._beside_heads = 0
        self._bulk: deque[Iterator[Sequence[Any]]] = deque()
        self._bulk_bytes = 0
        self._wanting: list[Callable[[], None]] = []
        self._scheduled = False
        self._blocked = False
        # A connection takes nothing before the call is over in which its handler was made.
        self._begun = False
        self._early = EARLY
        self.frames = 0
        """Frames that were queued since the connection was opened, without chunks."""
        self.bytes = 0
        """Bytes handed to the connection."""

    def put(self, encoded: bytes | EncodedFrame) -> None:
        """Queue a frame."""
        self.frames += 1
        heads = self._heads
        if type(encoded) is bytes:
            heads.append(encoded)
            size = len(encoded)
            self._size += size
            if size > SMALL:
                self._beside_heads += size
        else:
            self._put_with_chunks(encoded)  # type: ignore[arg-type]
        if not self._scheduled:
            if not self._blocked:
                self._scheduled = True
                self._loop.call_soon(self._flush_now)
        elif len(heads) >= self._early and self._begun and not self._blocked:
            self._send_heads()
            self._early = min(2 * self._early, EARLY_AT_MOST)

    def _put_with_chunks(self, encoded: EncodedFrame) -> None:
        """A value that is no larger than a chunk goes out with its head: a message of its own costs more."""
        self._heads.append(encoded.head)
        self._size += len(encoded.head)
        if encoded.chunks is None:
            return
        self._beside_heads += encoded.attached
        if self._beside_heads <= CHUNK and not self._bulk:
            # Joined, since a message that grows too large is cut between any two elements of the list.
            joined = [b"".join(parts) for parts in encoded.chunks]
            self._heads += joined
            self._size += sum(map(len, joined))
        else:
            self._bulk.append(encoded.chunks)
            self._bulk_bytes += encoded.attached

    @property
    def waiting(self) -> int:
        """Bytes that have not been handed to the connection."""
        return self._size + self._bulk_bytes

    @property
    def frames_waiting(self) -> int:
        """Frames, and values that follow in chunks, that have not been handed to it."""
        return len(self._heads) + len(self._bulk)

    def when_smaller(self, tell: Callable[[], None]) -> None:
        """Call back once when half of a `PILE` is left, or nothing will be sent any more."""
        self._wanting.append(tell)

    def room(self) -> int:
        """Bytes of large values that may go out with the next frames, before others have their turn."""
        return 0 if self._bulk else max(0, CHUNK - self._beside_heads)

    def block(self) -> None:
        """Hold everything back: the network takes less than is sent."""
        self._blocked = True

    def unblock(self) -> None:
        """Send what has gathered meanwhile."""
        self._blocked = False
        if not self.is_empty and not self._scheduled:
            self._schedule()

    @property
    def is_empty(self) -> bool:
        """Whether all that was queued has been handed to the connection."""
        return not self._heads and not self._bulk

    def flush(self) -> None:
        """Send what is queued, and the next chunk."""
        if self._heads:
            self._send_heads()
        if self._bulk:
            if not self._blocked:
                self._send_chunk()
                self._schedule()
        else:
            self._on_empty()

    def clear(self) -> None:
        """The connection is lost, and what was queued with it."""
        self._blocked = True
        self._heads.clear()
        self._bulk.clear()
        self._size = self._bulk_bytes = 0
        self._look_smaller()

    def _schedule(self) -> None:
        if not self._blocked:
            self._scheduled = True
            self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._scheduled = False
        self._begun = True
        self._early = EARLY
        if self._heads or self._bulk:
            self.flush()

    def _send_heads(self) -> None:
        heads, size = self._heads, self._size
        self._heads, self._size, self._beside_heads = [], 0, 0
        self.bytes += size
        if size <= MESSAGE_TARGET:
            self._connection.send(heads)
        else:
            for parts in _portions(heads):
                self._connection.send(parts)
        if self._wanting:
            self._look_smaller()

    def _send_chunk(self) -> None:
        """One chunk of the large value whose turn it is."""
        chunks = self._bulk.popleft()
        parts = next(chunks, None)
        if parts is not None:
            size = sum(map(len, parts))
            self.bytes += size
            self._bulk_bytes -= size - len(parts[0])
            self._connection.send(parts)
            # The first few take turns; had all begun, the receiver would hold a part of each.
            self._bulk.insert(ACTIVE_TRANSFERS - 1, chunks)
        if self._wanting:
            self._look_smaller()

    def _look_smaller(self) -> None:
        if self.waiting <= PILE // 2:
            wanting, self._wanting = self._wanting, []
            for tell in wanting:
                tell()


def _portions(heads: list[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut what is to be sent into messages of about a megabyte."""
    portion: list[bytes] = []
    size = 0
    for part in heads:
        if portion and size + len(part) > MESSAGE_TARGET:
            yield portion
            portion, size = [], 0
        portion.append(part)
        size += len(part)
    yield portion
