"""Puts of single records that come while others are under way to the same bucket: they go together, next.

A call and a commit cost far more than a record, so many callers of one handle share them. Order is that of arrival,
each caller is told the place of its own record, and where a batch is refused as a whole they are tried one by one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from pulsing.exceptions import NotSendable, Overloaded, SystemStopped
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.bucket_words import Appended

TOGETHER = 256
"""Records a call at most."""

REFUSED = (NotSendable, Overloaded)
"""What says that nothing of a batch was written, and may not be so for each of its records."""

ONE_BY_ONE_S = 5.0
"""For so long after it was sent the records of a refused batch are tried one by one. Those left then get the same
error: a bucket that is slow to refuse lacks time, and not room."""

Entry = tuple[list[Record], "asyncio.Future[Appended]"]


class Line:
    """The line of one handle in front of one bucket.

    Args:
        write: appends records and tells where the first is.
        room: how many of some records go in one call.
        start: runs a coroutine until the system ends.
    """

    def __init__(
        self,
        write: Callable[[list[Record]], Awaitable[Appended]],
        room: Callable[[list[Record]], int],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._write = write
        self._room = room
        self._start = start
        self._waiting: deque[Entry] = deque()
        self._is_busy = False

    @property
    def has_waiting(self) -> bool:
        """Whether somebody waits, and whoever comes must stand behind."""
        return bool(self._waiting)

    async def append(self, record: Record) -> Appended:
        """Append a record; errors as of `write`."""
        if self._is_busy:
            return await self.enter([record])
        self._is_busy = True
        try:
            return await self._write([record])
        finally:
            if self._waiting:
                self._start(self._serve())
            else:
                self._is_busy = False

    def enter(self, records: list[Record]) -> asyncio.Future[Appended]:
        """Stand in line behind others; several records go in a call of their own."""
        told: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self._waiting.append((records, told))
        return told

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await self._write_together(self._next_batch(), asyncio.get_running_loop().time())
                # Those who have just been told may come again at once: they belong to the next batch.
                await asyncio.sleep(0)
        finally:
            self._is_busy = False
            while self._waiting:
                _fail(self._waiting.popleft(), SystemStopped())

    def _next_batch(self) -> list[Entry]:
        """The next callers in line who have not left: one with several records, or as many with one as have room."""
        batch: list[Entry] = []
        while self._waiting and len(batch) < TOGETHER:
            records, told = self._waiting[0]
            if batch and len(records) > 1:
                break
            entry = self._waiting.popleft()
            if not told.done():
                batch.append(entry)
            if len(records) > 1:
                break
        count = self._room([records[0] for records, _ in batch])
        self._waiting.extendleft(reversed(batch[count:]))
        return batch[:count]

    async def _write_together(self, batch: list[Entry], began: float) -> None:
        records = [record for entry in batch for record in entry[0]]
        if not records:
            return
        try:
            first, ground = await self._write(records)
        except REFUSED as error:
            if len(batch) == 1:
                _fail(batch[0], error)
            else:
                for entry in batch:
                    if asyncio.get_running_loop().time() - began < ONE_BY_ONE_S:
                        await self._write_together([entry], began)
                    else:
                        _fail(entry, error)
        except Exception as error:
            for entry in batch:
                _fail(entry, error)
        except BaseException:
            for entry in batch:
                _fail(entry, SystemStopped())
            raise
        else:
            for mine, told in batch:
                if not told.done():
                    told.set_result((first, ground))
                first += len(mine)


def _fail(entry: Entry, error: Exception) -> None:
    if not entry[1].done():
        entry[1].set_exception(error)
