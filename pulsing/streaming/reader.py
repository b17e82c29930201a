"""A reader of a queue: it keeps a position in each of its buckets to itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from pulsing.core.ties import QUEUE
from pulsing.exceptions import DataLost
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.bucket_words import Fetched
from pulsing.streaming.footing import Footing
from pulsing.streaming.queue import Queue, check_window
from pulsing.streaming.readers import ReaderInfo

if TYPE_CHECKING:
    from pulsing.streaming.sync_queue import SyncQueueReader


class QueueReader:
    """Reads a queue from a position in each of its buckets.

    Args:
        queue: the queue.
        bucket_ids: buckets to read; None for all.
        rank, world_size: by which the buckets were shared, for figures only.
    """

    def __init__(
        self,
        queue: Queue,
        bucket_ids: list[int] | None = None,
        *,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        for bucket_id in bucket_ids or ():
            queue.check_bucket(bucket_id)
        self.queue = queue
        self.bucket_ids = bucket_ids
        self._positions: dict[int, int] = {}
        self._footing = Footing(queue.topic)
        self._turn = 0
        inner = queue._inner
        reader_id = f"reader_{inner.random.getrandbits(32):08x}"
        inner.ties.reads(self, QUEUE, queue.topic)
        self._info: ReaderInfo = (reader_id, str(inner.node_id), tuple(self._assigned()), rank, world_size)

    async def get(self, limit: int = 100, wait: bool = False, timeout: float | None = None) -> list[Record]:
        """The next records of its buckets.

        Positions move only when records are returned: a call that raises or is cancelled has read nothing.

        Args:
            limit: most records to return.
            wait: return as soon as there is at least one record, instead of at once.
            timeout: seconds to wait; None for ever, 0 not at all. Without `wait` it means nothing.

        Raises:
            ValueError: a negative limit, or the queue was set up otherwise.
            DataLost: records that this reader has not read are gone; told once, the next call goes on after them.
        """
        check_window(limit, 0)
        buckets = self._assigned()
        if limit == 0:
            return []
        if not buckets:
            return await _nothing(timeout if wait else 0.0)
        records = await self._read_in_turn(buckets, limit)
        if records or not wait or timeout == 0:
            return records
        offsets = {bucket_id: self._positions.get(bucket_id, 0) for bucket_id in buckets}
        arrived = await self.queue.first_of(offsets, limit, timeout, footing=self._footing, reader=self._info)
        return self._take(arrived, limit)

    async def _read_in_turn(self, buckets: list[int], limit: int) -> list[Record]:
        start = self._turn % len(buckets)
        order = buckets[start:] + buckets[:start]
        found: dict[int, Fetched] = {}
        left = limit
        reached = 0
        for bucket_id in order:
            fetched = await self._fetch(bucket_id, left)
            if fetched is None:
                return []
            found[bucket_id] = fetched
            left -= len(fetched[0])
            reached += 1
            if left == 0:
                break
        records = self._take(found, limit)
        # Only a call that was cut short leaves its place to the buckets that it did not reach.
        self._turn = start + reached if reached < len(order) else 0
        return records

    async def _fetch(self, bucket_id: int, limit: int) -> Fetched | None:
        try:
            return await self.queue.fetch(bucket_id, limit, self._positions.get(bucket_id, 0), 0.0, self._info)
        except DataLost as loss:
            if loss.last is not None:
                self._positions[bucket_id] = loss.last + 1
            raise

    def _take(self, found: Mapping[int, Fetched], limit: int) -> list[Record]:
        """Check for losses, then move past the records that are returned."""
        for bucket_id, fetched in found.items():
            self._check_loss(bucket_id, fetched)
        records: list[Record] = []
        for bucket_id, fetched in found.items():
            left = limit - len(records)
            got, after = fetched[0], fetched[1]
            if len(got) <= left:
                records += got
                self._positions[bucket_id] = after
        return records

    def _check_loss(self, bucket_id: int, fetched: Fetched) -> None:
        anchored = bucket_id in self._positions
        offset = self._positions.get(bucket_id, 0)
        loss = self._footing.read(bucket_id, fetched, offset, anchored)
        if loss is not None:
            if loss.reason == "retention":
                self._positions[bucket_id] = fetched[2]
            elif loss.first is None or loss.last is None:
                self._positions.pop(bucket_id, None)
            elif anchored:
                self._positions[bucket_id] = min(offset, loss.first)
            raise loss

    def reset(self) -> None:
        """Go back to the beginning of every bucket."""
        self._positions.clear()
        self._turn = 0

    def set_offset(self, offset: int, bucket_id: int | None = None) -> None:
        """Go to an offset in one bucket, or in all of this reader's.

        Raises:
            ValueError: a negative offset, or a bucket that the queue does not have.
        """
        check_window(0, offset)
        if bucket_id is not None:
            self.queue.check_bucket(bucket_id)
        for one in self._assigned() if bucket_id is None else (bucket_id,):
            self._positions[one] = offset

    def positions(self) -> dict[int, int]:
        """The next offset to read, for each of its buckets."""
        return {bucket_id: self._positions.get(bucket_id, 0) for bucket_id in self._assigned()}

    @property
    def stale_buckets(self) -> frozenset[int]:
        """The buckets that were read last on a side of a partition without the majority: the other may have more."""
        return frozenset(self._footing.stale)

    def sync(self) -> SyncQueueReader:
        """The same reader for threads that do not await."""
        from pulsing.streaming.sync_queue import SyncQueueReader

        return SyncQueueReader(self)

    async def __aiter__(self) -> AsyncIterator[Record]:
        """Records for ever, waiting where there is none."""
        while True:
            for record in await self.get(wait=True):
                yield record

    def _assigned(self) -> list[int]:
        return list(range(self.queue.num_buckets)) if self.bucket_ids is None else self.bucket_ids


async def _nothing(timeout: float | None) -> list[Record]:
    """Wait as long as a reader without buckets was told to."""
    if timeout is None:
        await asyncio.get_running_loop().create_future()
    elif timeout:
        await asyncio.sleep(timeout)
    return []


def share_of(num_buckets: int, rank: int, world_size: int) -> list[int]:
    """The buckets of one consumer among several.

    Raises:
        ValueError: `rank` is outside 0 to `world_size` - 1.
    """
    if not 0 <= rank < world_size:
        raise ValueError(f"rank must be 0 to world_size - 1, got rank={rank}, world_size={world_size}")
    return [bucket_id for bucket_id in range(num_buckets) if bucket_id % world_size == rank]
