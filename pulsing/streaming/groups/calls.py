"""What the members of consumer groups ask of a bucket; each answer says on which log the bucket stands."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from pulsing.streaming.bucket_words import Ground
from pulsing.streaming.groups.bucket_groups import BucketGroups, Caller, CallerFields, Lent, Standing
from pulsing.streaming.readers import ReaderInfo

DatedStanding = tuple[tuple[Any, ...], Ground]
"""The fields of a `Standing`, and the log that it is about."""


class _Bucket(Protocol):
    read_total: int
    _groups: BucketGroups | None

    @property
    def groups(self) -> BucketGroups: ...

    @property
    def ground(self) -> Ground: ...

    def _check_may_write(self) -> None: ...

    def _waiting(self, reader: ReaderInfo | None) -> AbstractContextManager[None]: ...


class GroupCalls:
    """The part of a bucket that members of groups call."""

    async def group_report(self: _Bucket, caller: CallerFields, joins: bool) -> DatedStanding:
        """See `BucketGroups.report`; also which log it is."""
        return _dated(self, await self.groups.report(Caller(*caller), joins))

    async def group_lend(self: _Bucket, caller: CallerFields, limit: int) -> tuple[list[Lent], DatedStanding]:
        """See `BucketGroups.lend`."""
        lent, standing = await self.groups.lend(Caller(*caller), limit)
        self.read_total += len(lent)
        return lent, _dated(self, standing)

    async def group_wait(self: _Bucket, caller: CallerFields, timeout: float) -> DatedStanding:
        """See `BucketGroups.wait`."""
        with self._waiting(None):
            return _dated(self, await self.groups.wait(Caller(*caller), timeout))

    async def group_ack(
        self: _Bucket, caller: CallerFields, loans: Sequence[tuple[int, int]]
    ) -> tuple[list[bool], DatedStanding]:
        """See `BucketGroups.ack`."""
        self._check_may_write()
        outcomes, standing = await self.groups.ack(Caller(*caller), loans)
        return outcomes, _dated(self, standing)

    async def group_nack(
        self: _Bucket, caller: CallerFields, offset: int, loan: int, delay: float
    ) -> tuple[list[bool], DatedStanding]:
        """See `BucketGroups.nack`."""
        self._check_may_write()
        outcomes, standing = await self.groups.nack(Caller(*caller), offset, loan, delay)
        return outcomes, _dated(self, standing)

    async def group_extend(
        self: _Bucket, caller: CallerFields, offset: int, loan: int
    ) -> tuple[list[bool], DatedStanding]:
        """See `BucketGroups.extend`."""
        outcomes, standing = await self.groups.extend(Caller(*caller), offset, loan)
        return outcomes, _dated(self, standing)

    async def group_seek(self: _Bucket, caller: CallerFields, offset: int | None) -> DatedStanding:
        """See `BucketGroups.seek`."""
        self._check_may_write()
        return _dated(self, await self.groups.seek(Caller(*caller), offset))

    async def group_leave(self: _Bucket, caller: CallerFields) -> None:
        """See `BucketGroups.leave`."""
        await self.groups.leave(Caller(*caller))

    async def group_delete(self: _Bucket, group: str) -> bool:
        """See `BucketGroups.delete`."""
        return await self.groups.delete(group)

    def group_rows(self: _Bucket) -> list[dict[str, Any]]:
        """See `BucketGroups.rows`; nothing before the bucket has started."""
        return [] if self._groups is None else self._groups.rows()


def _dated(bucket: _Bucket, standing: Standing) -> DatedStanding:
    return tuple(standing), bucket.ground
