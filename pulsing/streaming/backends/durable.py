"""Stores that outlive their process are logs, and most of what they do follows from appending and reading."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from pulsing.streaming.backends.memory import Record, Window

_CHUNK = 100
Self = TypeVar("Self", bound="DurableBackend")


class DurableBackend(ABC):
    """What is the same for all of them; `append`, `read` and `wait_beyond` are a store's own."""

    durable = True
    shares_commits = True
    """many records by one append cost little more than one"""
    fenced = True
    """takes the epoch of its owner"""

    @abstractmethod
    async def append(self, records: Sequence[Record]) -> int:
        """Append records, all or none, and return the offset of the first."""

    @abstractmethod
    async def read(self, limit: int, offset: int) -> Window:
        """Up to `limit` records from `offset` on, with the place to go on from."""

    @abstractmethod
    async def wait_beyond(self, offset: int, timeout: float | None) -> bool:
        """Wait until there is a record at `offset` or after it; False after `timeout` seconds (None for ever)."""

    @property
    def log(self: Self) -> Self:
        """This store is a log as it is."""
        return self

    async def put(self, record: Record) -> None:
        """Append one record; it is as durable as promised on return."""
        await self.append([record])

    async def put_batch(self, records: list[Record]) -> None:
        """Append records in their order, all or none."""
        await self.append(records)

    async def get(self, limit: int, offset: int) -> list[Record]:
        """Up to `limit` records from `offset` on.

        Raises:
            DataLost: a record in between is missing or damaged.
        """
        return (await self.read(limit, offset)).records

    async def get_stream(
        self, limit: int, offset: int, wait: bool = False, timeout: float | None = None
    ) -> AsyncIterator[list[Record]]:
        """Lists of up to 100 records, until `limit` is reached, or the end, or `timeout` seconds without news."""
        while limit > 0:
            window = await self.read(min(limit, _CHUNK), offset)
            offset = window.next
            if window.records:
                limit -= len(window.records)
                yield window.records
            elif not wait or not await self.wait_beyond(offset, timeout):
                return

    async def wait(self, limit: int, offset: int, timeout: float | None) -> Window:
        """The same as `read`, but wait up to `timeout` seconds for the first record."""
        window = await self.read(limit, offset)
        if not window.records and await self.wait_beyond(window.next, timeout):
            return await self.read(limit, window.next)
        return window
