"""The one shape in which a bucket sees its store, whatever the store offers beyond the seven methods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from pulsing.streaming.backend import ManageableBackend, StorageBackend
from pulsing.streaming.backends.durable import DurableBackend
from pulsing.streaming.backends.memory import MemoryBackend, Record, Window


class Log(Protocol):
    """An append-only sequence of records with absolute offsets."""

    async def append(self, records: list[Record]) -> int:
        """Append records and return the offset of the first."""
        ...

    async def read(self, limit: int, offset: int) -> Window:
        """Up to `limit` records from `offset` on."""
        ...

    async def wait(self, limit: int, offset: int, timeout: float | None) -> Window:
        """The same, but wait up to `timeout` seconds for the first record."""
        ...


class MemoryLog:
    """The memory store seen as a log."""

    def __init__(self, backend: MemoryBackend) -> None:
        self._backend = backend

    async def append(self, records: list[Record]) -> int:
        return self._backend.append(records)

    async def read(self, limit: int, offset: int) -> Window:
        return self._backend.read(limit, offset)

    async def wait(self, limit: int, offset: int, timeout: float | None) -> Window:
        backend = self._backend
        window = backend.read(limit, offset)
        if not window.records and await backend.wait_beyond(window.next, timeout):
            return backend.read(limit, window.next)
        return window


class PlainLog:
    """Any store of seven methods seen as a log: one writer at a time, so that offsets are known."""

    def __init__(self, backend: StorageBackend) -> None:
        self._backend = backend
        self._writing = asyncio.Lock()

    async def append(self, records: list[Record]) -> int:
        async with self._writing:
            first = self._backend.total_count()
            if len(records) == 1:
                await self._backend.put(records[0])
            else:
                await self._backend.put_batch(records)
            return first

    async def read(self, limit: int, offset: int) -> Window:
        earliest = await self._earliest()
        offset = max(offset, earliest)
        records = await self._backend.get(limit, offset)
        return Window(records, offset + len(records), earliest)

    async def wait(self, limit: int, offset: int, timeout: float | None) -> Window:
        window = await self.read(limit, offset)
        if window.records:
            return window
        stream = self._backend.get_stream(limit, window.next, True, timeout)
        try:
            records = await _first(stream)
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
        return Window(records, window.next + len(records), window.earliest)

    async def _earliest(self) -> int:
        if isinstance(self._backend, ManageableBackend):
            return (await self._backend.bounds())["earliest"]
        return 0


async def _first(stream: AsyncIterator[list[Record]]) -> list[Record]:
    async for records in stream:
        if records:
            return records
    return []


_OF_RECORDS = ("put", "put_batch", "get", "get_stream")
"""What a class that inherits from one of our stores may do in a way of its own."""


def log_of(backend: Any) -> Log:
    """The log that a store is, or is made into."""
    if _differs_from(MemoryBackend, backend) or _differs_from(DurableBackend, backend):
        return PlainLog(backend)
    if isinstance(backend, MemoryBackend):
        return MemoryLog(backend)
    own: Log | None = getattr(backend, "log", None)
    return own if own is not None else PlainLog(backend)


def _differs_from(ours: type, backend: Any) -> bool:
    """Whether a store inherits from one of ours, and treats records otherwise."""
    own = type(backend)
    return isinstance(backend, ours) and any(getattr(own, name) is not getattr(ours, name) for name in _OF_RECORDS)
