"""Those who wait for a log to grow; they cost nothing while they wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pulsing.core.timers import check_seconds


class Arrivals:
    """The waiting readers of one log.

    Args:
        end: the offset that the next record gets.
    """

    def __init__(self, end: Callable[[], int]) -> None:
        self._end = end
        self._waiting: set[asyncio.Future[None]] = set()

    def announce(self) -> None:
        """Wake all who wait: there are new records."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, set()
        for arrival in waiting:
            if not arrival.done():
                arrival.set_result(None)

    def fail(self, error: Exception) -> None:
        """Let all who wait have an error."""
        waiting, self._waiting = self._waiting, set()
        for arrival in waiting:
            if not arrival.done():
                arrival.set_exception(error)

    async def beyond(self, offset: int, timeout: float | None) -> bool:
        """Wait until there is a record at `offset` or after it; False after `timeout` seconds (None for ever).

        Raises:
            ValueError: the timeout is no number of seconds; nan would put the timers of the loop out of order.
        """
        check_seconds(timeout, "timeout")
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while self._end() <= offset:
            left = None if deadline is None else deadline - loop.time()
            if left is not None and left <= 0:
                return False
            arrival: asyncio.Future[None] = loop.create_future()
            self._waiting.add(arrival)
            try:
                await asyncio.wait_for(arrival, left)
            except asyncio.TimeoutError:
                return False
            finally:
                self._waiting.discard(arrival)
        return True
