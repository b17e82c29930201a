"""What has come over a connection and is more than one turn of the loop should take in: the rest waits its turn.

Nothing more is read from the network meanwhile, so that what waits here is bounded by what had come already.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pulsing.transport.base import Connection


class Portions:
    """Messages of one connection that have not been taken in to their end.

    Args:
        connection: where they come from.
        loop: whose turns are counted.
        read: takes in a portion of a message from an offset on, and returns where it ends.
    """

    __slots__ = ("_connection", "_loop", "_read", "waiting")

    def __init__(
        self, connection: Connection, loop: asyncio.AbstractEventLoop, read: Callable[[bytes, int], int]
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._read = read
        self.waiting: deque[tuple[bytes, int]] = deque()
        """Each with the offset from which on it waits; the first one stays while it is read."""

    def add(self, message: bytes, offset: int) -> None:
        """Let a message wait from an offset on, behind those that wait already."""
        if not self.waiting:
            self._connection.pause_reading()
            self._loop.call_soon(self._go_on)
        self.waiting.append((message, offset))

    def clear(self) -> None:
        """Nothing that waits is of interest any more."""
        if self.waiting:
            self.waiting.clear()
            self._connection.resume_reading()

    def _go_on(self) -> None:
        if not self.waiting:
            return
        message, offset = self.waiting[0]
        offset = self._read(message, offset)
        if not self.waiting:
            return
        if offset < len(message):
            self.waiting[0] = message, offset
        else:
            self.waiting.popleft()
        if self.waiting:
            self._loop.call_soon(self._go_on)
        else:
            self._connection.resume_reading()
