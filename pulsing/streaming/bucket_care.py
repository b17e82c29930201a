"""What operators ask of a bucket: how much it has, who reads from it, and to give records up."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Protocol

from pulsing.exceptions import PulsingUnsupportedError
from pulsing.streaming.backend import ManageableBackend
from pulsing.streaming.readers import Readers


class _Bucket(Protocol):
    readers: Readers
    _backend: Any
    _backend_class: type
    _room: asyncio.Event

    @property
    def next_offset(self) -> int: ...

    def _check_may_write(self) -> None: ...

    def group_rows(self) -> list[dict[str, Any]]: ...

    async def bounds(self) -> dict[str, int]: ...


class BucketCare:
    """The part of a bucket that operators call."""

    async def bounds(self: _Bucket) -> dict[str, int]:
        """`{"earliest", "next"}`, and `"records"`, `"bytes"` where the store knows them."""
        if isinstance(self._backend, ManageableBackend):
            return dict(await self._backend.bounds())
        return {"earliest": 0, "next": self.next_offset, "records": self.next_offset}

    def check_manageable(self: _Bucket, operation: str) -> bool:
        """True, where the store can give records up.

        Raises:
            PulsingUnsupportedError: it cannot.
        """
        return _manageable(self, operation) is not None

    async def trim(self: _Bucket, before_offset: int) -> dict[str, int]:
        """Remove records below an offset.

        Returns:
            `{"removed", "earliest", "next"}`
        """
        self._check_may_write()
        removed = await _manageable(self, "trim").trim(before_offset)
        return await _removal(self, removed)

    async def purge(self: _Bucket) -> dict[str, int]:
        """Remove every record; offsets go on.

        Returns:
            `{"removed", "earliest", "next"}`
        """
        self._check_may_write()
        removed = await _manageable(self, "purge").clear_all()
        return await _removal(self, removed)

    async def destroy(self: _Bucket) -> int:
        """Remove the store itself; returns how many records it had."""
        backend = _manageable(self, "delete")
        records = (await backend.bounds())["records"]
        await backend.destroy()
        return records

    async def offset_at(self: _Bucket, wall: float) -> Any:
        """The first offset whose record was put at that wall time or later."""
        find = getattr(self._backend, "offset_at", None)
        if find is None:
            raise PulsingUnsupportedError(f"{self._backend_class.__name__}.offset_at")
        found = find(wall)
        return await found if inspect.isawaitable(found) else found

    def readers_behind(self: _Bucket, offset: int) -> int:
        """Readers whose last known position is below an offset, and groups that have not acknowledged up to it."""
        groups = [row for row in self.group_rows() if row["committed"] < offset]
        return self.readers.behind(offset) + len(groups)

    def reader_count(self: _Bucket) -> int:
        """Readers heard of lately, and members of groups."""
        members: int = sum(len(row["members"]) for row in self.group_rows())
        return len(self.readers.known()) + members


async def _removal(bucket: _Bucket, removed: int) -> dict[str, int]:
    bucket._room.set()
    bounds = await bucket.bounds()
    return {"removed": removed, "earliest": bounds["earliest"], "next": bounds["next"]}


def _manageable(bucket: _Bucket, operation: str) -> ManageableBackend:
    if not isinstance(bucket._backend, ManageableBackend):
        raise PulsingUnsupportedError(f"{bucket._backend_class.__name__}.{operation}")
    return bucket._backend
