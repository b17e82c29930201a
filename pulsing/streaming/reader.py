"""A reader of a queue: it keeps a position in each of its buckets to itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from pulsing.core.ties import QUEUE
from pulsing.exceptions import DataLost, DeadlineExceeded, PulsingError
from pulsing.streaming.access import CALL_TIMEOUT_S
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.bucket_words import Fetched
from pulsing.streaming.footing import Footing
from pulsing.streaming.queue import Queue, check_whole, check_window, in_time, patience_of
from pulsing.streaming.readers import ReaderInfo

if TYPE_CHECKING:
    from pulsing.streaming.sync_queue import SyncQueueReader

READ_AHEAD = 100
"""Records that an iteration asks for at once."""
SILENT_AFTER_S = 1.0
"""How long a read that may wait lets a bucket keep it from those behind it, twice as long each time that no answer came
in that time; with a timeout, all of them together for that long beyond it, which is less than `in_time` grants."""
LEAST_PATIENCE_S = 0.1
"""How long one may still take after that."""


class _Page(NamedTuple):
    """What was read from one bucket."""

    bucket_id: int
    asked: int
    """the reader's position then"""
    records: list[Record]
    start: int
    """no record of the page has a lower offset"""
    after: int
    """where to go on behind the page"""


class QueueReader:
    """Reads a queue from a position in each of its buckets.

    Args:
        queue: the queue.
        bucket_ids: buckets to read, each once; None for all.
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
        self._patience: dict[int, float] = {}
        """how long each bucket may take for its answer that had none in time before"""
        self._footing = Footing(queue.topic)
        self._turn = 0
        self._times_set = 0
        """how often somebody has set a position"""
        inner = queue._inner
        reader_id = f"reader_{inner.random.getrandbits(32):08x}"
        inner.ties.reads(self, QUEUE, queue.topic)
        self._info: ReaderInfo = (reader_id, str(inner.node_id), tuple(self._assigned()), rank, world_size)

    async def get(self, limit: int = 100, wait: bool = False, timeout: float | None = None) -> list[Record]:
        """The next records of its buckets.

        Positions move only when records are returned: a call that raises or is cancelled has read nothing. One that is
        set meanwhile, by `reset` or `set_offset`, stays as it was set. Of several calls at once one gets a record. A
        bucket that cannot answer keeps none of the others from being read: its error is raised once they have nothing.

        Args:
            limit: most records to return.
            wait: return as soon as there is at least one record, instead of at once.
            timeout: seconds to wait; None for ever, 0 or less not at all. Without `wait` it means nothing.

        Raises:
            ValueError: a negative limit, a timeout that is no number of seconds, or the queue was set up otherwise.
            DataLost: records that this reader has not read are gone; told once, the next call goes on after them.
            DeadlineExceeded: a bucket is silent, so that it is not known two seconds after `timeout` what there is.
        """
        check_window(limit, 0)
        left = patience = patience_of(wait, timeout)
        now = self.queue.loop.time
        start = now()
        while True:
            times_set = self._times_set
            pages = await in_time(self._read_pages(limit, left), self.queue.topic, left)
            records = self._give_out(pages, set_meanwhile=self._times_set != times_set)
            if records or not any(page.records for page in pages):
                return records
            left = None if patience is None else max(0.0, patience - (now() - start))

    def _give_out(self, pages: list[_Page], set_meanwhile: bool) -> list[Record]:
        """Move past pages and return their records, without those that another call has given out meanwhile."""
        given = [page for page in pages if self._go_on(page.bucket_id, page.asked, page.after) or set_meanwhile]
        return list(chain.from_iterable(page.records for page in given))

    async def _read_pages(self, limit: int, patience: float | None) -> list[_Page]:
        """What there is to read next, without moving; waits so many seconds for it, None for ever and 0 not at all."""
        buckets = self._assigned()
        if limit == 0:
            return []
        if not buckets:
            return await _nothing(patience)
        pages = await self._read_in_turn(buckets, limit, patience)
        if patience == 0 or any(page.records for page in pages):
            return pages
        for page in pages:
            self._go_on(page.bucket_id, page.asked, page.after)  # past what was removed
        offsets = {bucket_id: self._positions.get(bucket_id, 0) for bucket_id in buckets}
        arrived = await self.queue.first_of(offsets, limit, patience, footing=self._footing, reader=self._info)
        return self._take(arrived, offsets, limit)

    async def _read_in_turn(self, buckets: list[int], limit: int, patience: float | None) -> list[_Page]:
        """What there is now; a bucket that cannot answer is an error only where no other has anything."""
        start = self._turn % len(buckets)
        order = buckets[start:] + buckets[:start]
        found: dict[int, Fetched] = {}
        asked: dict[int, int] = {}
        failure: PulsingError | None = None
        left = limit
        reached = 0
        now = self.queue.loop.time
        ends_at = inf if patience is None else now() + patience + SILENT_AFTER_S
        for bucket_id in order:
            asked[bucket_id] = self._positions.get(bucket_id, 0)
            within = min(self._patience.get(bucket_id, SILENT_AFTER_S), max(ends_at - now(), LEAST_PATIENCE_S))
            reached += 1
            try:
                fetched = await self._fetch(bucket_id, left, CALL_TIMEOUT_S if patience == 0 else within)
            except PulsingError as error:
                if isinstance(error, (DataLost, ValueError)):
                    raise
                failure = failure or error
                continue
            if fetched is None:
                return []
            found[bucket_id] = fetched
            left -= len(fetched.records)
            if left == 0:
                break
        if failure is not None and left == limit and (patience == 0 or not isinstance(failure, DeadlineExceeded)):
            raise failure
        pages = self._take(found, asked, limit)
        # Only a call that was cut short leaves its place to the buckets that it did not reach.
        self._turn = start + reached if reached < len(order) else 0
        return pages

    async def _fetch(self, bucket_id: int, limit: int, within: float) -> Fetched | None:
        try:
            position = self._positions.get(bucket_id, 0)
            fetched = await self.queue.fetch(bucket_id, limit, position, 0.0, self._info, within)
        except DeadlineExceeded:
            # It may be slow and not silent: a page that takes its time must come some day.
            self._patience[bucket_id] = min(2 * within, CALL_TIMEOUT_S)
            raise
        except DataLost as loss:
            if loss.last is not None:
                self._positions[bucket_id] = loss.last + 1
            raise
        self._patience.pop(bucket_id, None)
        return fetched

    def _take(self, found: Mapping[int, Fetched], asked: Mapping[int, int], limit: int) -> list[_Page]:
        """Check for losses, then say what is to be returned."""
        for bucket_id, fetched in found.items():
            self._check_loss(bucket_id, fetched)
        pages: list[_Page] = []
        left = limit
        for bucket_id, fetched in found.items():
            if len(fetched.records) <= left:
                left -= len(fetched.records)
                position = asked[bucket_id]
                begins_at = max(position, fetched.earliest)
                pages.append(_Page(bucket_id, position, fetched.records, begins_at, fetched.following))
        return pages

    def _go_on(self, bucket_id: int, before: int, after: int) -> bool:
        """Go on from one position to another; False if somebody has set it otherwise since."""
        if self._positions.get(bucket_id, 0) != before:
            return False
        self._positions[bucket_id] = after
        return True

    def _check_loss(self, bucket_id: int, fetched: Fetched) -> None:
        anchored = bucket_id in self._positions
        offset = self._positions.get(bucket_id, 0)
        loss = self._footing.read(bucket_id, fetched, offset, anchored)
        if loss is not None:
            if loss.reason == "retention":
                self._positions[bucket_id] = fetched.earliest
            elif loss.first is None or loss.last is None:
                self._positions.pop(bucket_id, None)
            elif anchored:
                self._positions[bucket_id] = min(offset, loss.first)
            raise loss

    def reset(self) -> None:
        """Go back to the beginning of every bucket."""
        self._times_set += 1
        self._positions.clear()
        self._turn = 0

    def _check_place(self, offset: int, bucket_id: int | None) -> None:
        check_window(0, offset)
        if bucket_id is not None:
            self.queue.check_bucket(bucket_id)

    def set_offset(self, offset: int, bucket_id: int | None = None) -> None:
        """Go to an offset in one bucket, or in all of this reader's.

        Raises:
            ValueError: a negative offset, or a bucket that the queue does not have.
        """
        self._check_place(offset, bucket_id)
        self._times_set += 1
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
        """Records for ever, waiting where there is none; whoever stops goes on behind the last that came out."""
        while True:
            for page in await self._read_pages(READ_AHEAD, None):
                for record in self._walk(page):
                    yield record

    def _walk(self, page: _Page) -> Iterator[Record]:
        """The records of a page, moving past each; it ends where the reader is set elsewhere meanwhile."""
        at, last = page.asked, len(page.records)
        for count, record in enumerate(page.records, 1):
            # Rows that were removed leave gaps: the position is then behind, and never ahead, of what has come out.
            following = page.after if count == last else page.start + count
            if not self._go_on(page.bucket_id, at, following):
                return
            at = following
            yield record
        if not page.records:
            self._go_on(page.bucket_id, at, page.after)

    def _assigned(self) -> list[int]:
        return list(range(self.queue.num_buckets) if self.bucket_ids is None else dict.fromkeys(self.bucket_ids))


async def _nothing(patience: float | None) -> list[_Page]:
    """Wait as long as a reader without buckets was told to."""
    if patience is None:
        await asyncio.get_running_loop().create_future()
    elif patience:
        await asyncio.sleep(patience)
    return []


def share_of(num_buckets: int, rank: int, world_size: int) -> list[int]:
    """The buckets of one consumer among several.

    Raises:
        ValueError: `rank` is outside 0 to `world_size` - 1.
        TypeError: one of them is no whole number.
    """
    for name, value in (("rank", rank), ("world_size", world_size)):
        check_whole(name, value)
    if not 0 <= rank < world_size:
        raise ValueError(f"rank must be 0 to world_size - 1, got rank={rank}, world_size={world_size}")
    return [bucket_id for bucket_id in range(num_buckets) if bucket_id % world_size == rank]
