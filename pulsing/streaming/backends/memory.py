"""The store that lives and dies with its process: a bounded list whose offsets never change."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence
from sys import getsizeof
from typing import Any, NamedTuple

from pulsing.clock import Clock, clock_here
from pulsing.streaming.backends.arrivals import Arrivals
from pulsing.streaming.backends.bounds import DROP_OLDEST, Bounds, records_of_size

Record = dict[str, Any]

MAX_RECORDS = 1_000_000
MAX_BYTES = 1 << 30
_CHUNK = 100

NOWHERE = (1 << 62) - 1
"""From where on a log was written anew that has never lost its end."""

_SAMPLED_FROM = 16
# A batch of 100 for a queue of four buckets is 25 for each.
_SAMPLE_STEP = 8

_FLAT = frozenset({int, float, bool, type(None), str, bytes, bytearray})


class Window(NamedTuple):
    """Records that were read, and where reading goes on."""

    records: list[Record]
    next: int
    """offset behind the last of them; the offset asked for where there are none"""
    earliest: int
    """the oldest offset that there still is"""


class MemoryBackend:
    """Keeps records in memory, up to a bound.

    Args:
        bucket_id: which bucket of its queue this is.
        max_records: records kept; None for no bound.
        max_bytes: their approximate size; None for no bound.
        max_age: seconds after which a record is dropped; None for never.
        overflow: what happens at a bound; see `Bounds`.
        clock: where time comes from.
    """

    durable = False

    def __init__(
        self,
        bucket_id: int,
        *,
        max_records: int | None = MAX_RECORDS,
        max_bytes: int | None = MAX_BYTES,
        max_age: float | None = None,
        overflow: str = DROP_OLDEST,
        clock: Clock | None = None,
        **_: Any,
    ) -> None:
        self._bounds = Bounds(max_records, max_bytes, max_age, overflow)
        self.bucket_id = bucket_id
        self.buffer: list[Record] = []
        clock = clock or clock_here()
        self._now = clock.monotonic
        # Fixed at birth, so that the shown age of a record never jumps.
        self._wall_ahead = clock.wall() - self._now()
        self._first = 0
        self._bytes = 0
        self._sizes = array("q")
        self._removed: set[int] = set()
        self._batch_offsets: list[int] = []
        self._batch_times: list[float] = []
        self._arrivals = Arrivals(self.total_count)
        self._committed: dict[str, int] = {}

    # --- the seven ---------------------------------------------------------------------------------------------------

    async def put(self, record: Record) -> None:
        """Append one record."""
        self.append([record])

    async def put_batch(self, records: list[Record]) -> None:
        """Append records in their order, all or none."""
        self.append(records)

    async def get(self, limit: int, offset: int) -> list[Record]:
        """Up to `limit` records from `offset` on; rows that were removed are passed over."""
        return self.read(limit, offset).records

    async def get_stream(
        self, limit: int, offset: int, wait: bool = False, timeout: float | None = None
    ) -> AsyncIterator[list[Record]]:
        """Lists of up to 100 records, until `limit` is reached, or the end, or `timeout` seconds without news."""
        while limit > 0:
            window = self.read(min(limit, _CHUNK), offset)
            offset = window.next
            if window.records:
                limit -= len(window.records)
                yield window.records
            elif not wait or not await self.wait_beyond(offset, timeout):
                return

    async def flush(self) -> None:
        """Nothing to do: memory is as durable as it gets."""

    async def stats(self) -> dict[str, Any]:
        """Figures in the fixed shape of this store."""
        return {
            "bucket_id": self.bucket_id,
            "buffer_size": self.record_count(),
            "persisted_count": 0,
            "total_count": self.total_count(),
            "backend": "memory",
        }

    def total_count(self) -> int:
        """The offset that the next record gets."""
        return self._first + len(self.buffer)

    # --- the log, without awaiting -----------------------------------------------------------------------------------

    def append(self, records: Sequence[Record]) -> int:
        """Append copies of records and return the offset of the first.

        Raises:
            Overloaded: a bound is reached and `overflow` is "reject"; or the store is too small for what is put.
        """
        sizes = sizes_of(records)
        added = sum(sizes)
        self._bounds.check_fits(self.bucket_id, len(records), added, sizes)
        if self._bounds.overflow != DROP_OLDEST:
            self._bounds.check_room(self.bucket_id, len(self.buffer) + len(records), self._bytes + added)
        first = self._first + len(self.buffer)
        self.buffer.extend(map(dict, records))
        self._sizes.extend(sizes)
        self._bytes += added
        self._batch_offsets.append(first)
        self._batch_times.append(self._now())
        if excess := self._bounds.excess_records(len(self.buffer)):
            self._drop(excess)
        if surplus := self._bounds.excess_bytes(self._bytes):
            self._drop(min(records_of_size(self._sizes, surplus), len(self.buffer) - 1))
        self._arrivals.announce()
        return first

    def read(self, limit: int, offset: int) -> Window:
        """Up to `limit` records from `offset` on, as copies, with the place to go on from."""
        if self._bounds.max_age is not None:
            self._drop_aged(self._bounds.max_age)
        limit = max(limit, 0)
        start = max(offset - self._first, 0)
        rows = self.buffer[start : start + limit]
        if self._removed:
            return self._read_around_removed(limit, start, offset)
        if not rows:
            return Window([], max(offset, self._first), self._first)
        return Window([row.copy() for row in rows], self._first + start + len(rows), self._first)

    def _read_around_removed(self, limit: int, start: int, offset: int) -> Window:
        rows: list[Record] = []
        at = self._first + start
        for row in self.buffer[start:]:
            if len(rows) == limit:
                break
            if at not in self._removed:
                rows.append(row.copy())
            at += 1
        return Window(rows, max(at, offset), self._first)

    async def wait_beyond(self, offset: int, timeout: float | None) -> bool:
        """Wait until there is a record at `offset` or after it; False after `timeout` seconds (None for ever)."""
        return await self._arrivals.beyond(offset, timeout)

    # --- bounds ------------------------------------------------------------------------------------------------------

    def earliest(self) -> int:
        """The oldest offset that there still is."""
        return self._first

    def record_count(self) -> int:
        """Records that can be read."""
        return len(self.buffer) - len(self._removed)

    def unflushed_count(self) -> int:
        """Always 0: a put is done at once."""
        return 0

    def byte_count(self) -> int:
        """Their approximate size."""
        return self._bytes

    def size_at(self, offset: int) -> int:
        """Approximate size of the record at an offset."""
        return size_of(self.buffer[offset - self._first])

    def put_at(self, offset: int) -> float | None:
        """When the record at an offset was put, on the wall clock; None if it is not here."""
        if not self._first <= offset < self.total_count():
            return None
        batch = bisect_right(self._batch_offsets, offset) - 1
        return self._batch_times[batch] + self._wall_ahead

    def offset_at(self, wall: float) -> int:
        """The first offset whose record was put at that wall time or later."""
        batch = bisect_left(self._batch_times, wall - self._wall_ahead)
        if batch == len(self._batch_offsets):
            return self.total_count()
        return max(self._batch_offsets[batch], self._first)

    async def bounds(self) -> dict[str, int]:
        """Oldest and next offset, records and bytes."""
        return {
            "earliest": self._first,
            "next": self.total_count(),
            "records": self.record_count(),
            "bytes": self._bytes,
        }

    async def trim(self, before_offset: int) -> int:
        """Remove the records below an offset."""
        return self._drop(min(before_offset, self.total_count()) - self._first)

    async def clear_all(self) -> int:
        """Remove every record; offsets go on."""
        return self._drop(len(self.buffer))

    async def destroy(self) -> None:
        """Remove every record, and the groups."""
        self._drop(len(self.buffer))
        self._committed.clear()

    async def committed(self) -> dict[str, int]:
        """The committed offset of every group."""
        return dict(self._committed)

    async def commit(self, group: str, offset: int | None) -> None:
        """Keep the committed offset of a group; None forgets the group."""
        if offset is None:
            self._committed.pop(group, None)
        else:
            self._committed[group] = offset

    def _drop_aged(self, max_age: float) -> None:
        limit = self._now() - max_age
        fresh = bisect_right(self._batch_times, limit)
        if fresh:
            end = self._batch_offsets[fresh] if fresh < len(self._batch_offsets) else self.total_count()
            self._drop(end - self._first)

    def _drop(self, count: int) -> int:
        if count <= 0:
            return 0
        before = self.record_count()
        self._bytes -= sum(self._sizes[:count])
        del self.buffer[:count], self._sizes[:count]
        self._first += count
        if self._removed:
            self._removed = {offset for offset in self._removed if offset >= self._first}
        batches = bisect_right(self._batch_offsets, self._first) - 1
        if batches > 0 or not self.buffer:
            keep = len(self._batch_offsets) if not self.buffer else batches
            del self._batch_offsets[:keep], self._batch_times[:keep]
        return before - self.record_count()

    # --- moving to another process ------------------------------------------------------------------------------------

    def whereabouts(self) -> dict[str, Any]:
        """All there is to know of the log beside its records, as `move_in` takes it."""
        return {
            "first": self._first,
            "removed": sorted(self._removed),
            "batches": list(self._batch_offsets),
            "put_at": [at + self._wall_ahead for at in self._batch_times],
            "committed": dict(self._committed),
        }

    def move_in(self, whereabouts: Mapping[str, Any], records: list[Record]) -> None:
        """Become the log that was elsewhere; only for a store that is new."""
        self._first = whereabouts["first"]
        self.buffer = records
        self._sizes = sizes_of(records)
        self._bytes = sum(self._sizes)
        self._removed = set(whereabouts["removed"])
        self._batch_offsets = list(whereabouts["batches"])
        self._batch_times = [at - self._wall_ahead for at in whereabouts["put_at"]]
        self._committed = dict(whereabouts["committed"])

    # --- rows as training data ---------------------------------------------------------------------------------------

    async def put_tensor(self, data: Any, **_: Any) -> dict[str, int]:
        """Append a row or a list of rows."""
        if isinstance(data, dict):
            self.append([data])
            return {"size": 1}
        if isinstance(data, list):
            if data:
                self.append(data)
            return {"size": len(data)}
        raise TypeError("MemoryBackend.put_tensor expects dict or list[dict]")

    async def get_meta(
        self,
        fields: Sequence[str],
        batch_size: int,
        task_name: str = "default",
        sampler: Any = None,
        **sampling_kwargs: Any,
    ) -> dict[str, Any]:
        """Describe the first rows that have all `fields`; who consumed which is the bucket's account."""
        from pulsing.streaming.backend import build_batch_meta

        ready = self.rows_with(fields)
        sampled = ready[:batch_size] if sampler is None else sampler.sample(ready, batch_size, **sampling_kwargs)[0]
        return build_batch_meta(sampled, fields)

    def rows_with(self, fields: Sequence[str]) -> list[int]:
        """Indexes of the rows that have all of `fields`; a field that begins with "_" is never ready."""
        wanted = set(fields)
        if any(field.startswith("_") for field in wanted):
            return []
        rows = enumerate(self.buffer, self._first)
        return [index for index, row in rows if index not in self._removed and wanted <= row.keys()]

    async def get_data(self, batch_meta: Mapping[str, Any], fields: Sequence[str] | None = None) -> list[Record]:
        """The rows of a batch, with the named columns only."""
        indexes = batch_meta.get("global_indexes")
        if indexes is None:
            indexes = [sample["global_index"] for sample in batch_meta["samples"]]
        rows = await self.get_by_indices(indexes)
        if fields is None:
            return rows
        return [{name: row[name] for name in fields if name in row} for row in rows]

    async def get_by_indices(self, indexes: Sequence[int]) -> list[Record]:
        """The rows of these indexes that there are."""
        end = self.total_count()
        there = [i for i in indexes if self._first <= i < end and i not in self._removed]
        return [self.buffer[index - self._first].copy() for index in there]

    async def clear(self, global_indexes: Sequence[int]) -> None:
        """Remove rows; the others keep their indexes, and reads pass over the gaps."""
        for index in global_indexes:
            if self._first <= index < self.total_count() and index not in self._removed:
                self._removed.add(index)
                place = index - self._first
                self.buffer[place] = {}
                self._bytes -= self._sizes[place]
                self._sizes[place] = 0

    async def mark_consumed(self, task_name: str, global_indexes: Sequence[int]) -> None:
        """Nothing to do: the bucket keeps the account."""

    async def reset_consumption(self, task_name: str) -> None:
        """Nothing to do: the bucket keeps the account."""


def sizes_of(records: Sequence[Record]) -> array[int]:
    """About how many bytes each record takes.

    Of a large batch every eighth is measured and stands for its neighbours: measuring all would cost more than
    storing them.
    """
    step = 1 if len(records) < _SAMPLED_FROM else _SAMPLE_STEP
    if step == 1:
        return array("q", map(size_of, records))
    sizes = array("q")
    for size in map(size_of, records[::step]):
        sizes.extend((size,) * step)
    return sizes[: len(records)]


def size_of(record: Record) -> int:
    """About how many bytes a record takes; cheap rather than exact."""
    values = record.values()
    if _FLAT.issuperset(map(type, values)):
        return 64 + sum(map(getsizeof, values))
    return _deep_size(record, 8)


def _deep_size(value: Any, depth: int) -> int:
    if type(value) in _FLAT:
        return getsizeof(value)
    if depth and isinstance(value, Mapping):
        return 64 + sum(_deep_size(k, depth - 1) + _deep_size(v, depth - 1) for k, v in value.items())
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return 64 + sum(_deep_size(item, depth - 1) for item in value)
    size = getattr(value, "nbytes", None)
    return 64 + size if isinstance(size, int) else 64
