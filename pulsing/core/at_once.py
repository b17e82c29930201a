"""How many asks may be run where they are made, before the loop has its turn again.

A sync method of an idle actor needs nobody else: its caller can run it in place, as if the drain had come at once, and
goes on without a turn of the loop. A caller that never waits would keep the loop from everybody, so this is granted for
a number of asks and for a time, counted from one turn of the loop to the next.
"""

from __future__ import annotations

import asyncio

ASKS_PER_TURN = 256
SECONDS_PER_TURN = 0.001


class AtOnce:
    """How many asks may yet be run in place in this turn of the loop, and until when.

    There are none within such a method and within a drain: methods do not stand on one another's stack.
    """

    __slots__ = ("_loop", "left", "until")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.left = ASKS_PER_TURN
        """asks that may yet be run in place"""
        self.until = 0.0
        """the moment from which on none may; set by the first ask of each turn of the loop"""

    def begin(self, now: float) -> None:
        """The first ask of this turn of the loop."""
        self.until = now + SECONDS_PER_TURN
        self._loop.call_soon(self._renew)

    def _renew(self) -> None:
        self.left = ASKS_PER_TURN
