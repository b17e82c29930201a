"""The durable store across machines: a stream in Redis a bucket, with dense offsets that a script gives and fences.

Any node may own a bucket, for the data is with the server. How durable it is, is the server's setting: it is checked
at opening against what was asked for. A server that comes back with less than its owner has seen begins a new
generation: what is missing stays missing and is told, no offset is given twice.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pulsing.exceptions import PulsingRuntimeError
from pulsing.logs import logger_of
from pulsing.streaming.backends import redis_traces
from pulsing.streaming.backends.arrivals import Arrivals
from pulsing.streaming.backends.bodies import Bodies, Row
from pulsing.streaming.backends.bounds import DROP_OLDEST, Bounds, records_of_size
from pulsing.streaming.backends.durable import DurableBackend
from pulsing.streaming.backends.memory import Record, Window
from pulsing.streaming.backends.redis_entries import end_of, entries_of, rows_of, time_of
from pulsing.streaming.backends.redis_scripts import APPEND, COMMIT, DESTROY, OPEN, RESUME, TRIM, TRIM_LIMIT
from pulsing.streaming.backends.redis_traces import Run
from pulsing.streaming.backends.rows import in_parts

if TYPE_CHECKING:
    from pulsing.streaming.backends.redis_server import Server
    from pulsing.streaming.backends.redis_settings import RedisSettings

logger = logger_of("pulsing.streaming")

DURABILITIES = ("none", "normal", "full")
SCHEMES = ("redis://", "rediss://", "unix://")
"""What a URL of a server begins with."""
SLICE_S = 2.0
"""Longest that a read blocks in the server; longer ones meet the client's own timeouts."""
CALL_LIMIT = 1_000
"""Records, or entries, a call: 10,000 in one held the server for 39 ms."""
CALL_BYTES = 1 << 20
"""Bytes a call."""


class Lost(Exception):
    """The server knows less of a bucket than its owner has seen."""


class RedisBackend(DurableBackend):
    """Keeps records in a Redis server.

    Args:
        bucket_id: which bucket of its queue this is.
        storage_path: names the queue in the server.
        url: of the server.
        durability: what the server must promise: "normal", an append-only file; "full", synced at every write;
            "none", nothing.
        max_records: records kept; None for no bound.
        max_bytes: their size; None for no bound.
        max_age: seconds after which a record is dropped; None for never.
        overflow: what happens at a bound; see `Bounds`.
        epoch: of the ownership; a bucket that has seen a higher one refuses.
    """

    def __init__(
        self,
        bucket_id: int,
        storage_path: str,
        batch_size: int = 100,
        *,
        url: str = "redis://127.0.0.1:6379",
        durability: str = "normal",
        max_records: int | None = None,
        max_bytes: int | None = None,
        max_age: float | None = None,
        overflow: str = DROP_OLDEST,
        epoch: int = 0,
        thread: Any = None,
    ) -> None:
        if durability not in DURABILITIES:
            raise ValueError(f"durability is 'none', 'normal' or 'full', not {durability!r}")
        if not isinstance(url, str) or not url.startswith(SCHEMES):
            raise ValueError(f"url begins with {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}")  # it may have a password
        self._bounds = Bounds(max_records, max_bytes, max_age, overflow)
        self.bucket_id = bucket_id
        self.batch_size = batch_size
        self.lineage = 0
        self.generation = 1
        self._next = 0
        self._first = 0
        self._bytes = 0
        self._unflushed = 0
        self._oldest_at: float | None = None
        self._together = 16
        """records an entry, about, as was read last"""
        self._url = url
        self._durability = durability
        self._epoch = epoch
        self._owner = secrets.randbits(61) + 1
        """tells two owners apart who were given the same epoch: the first to open the bucket has it"""
        # One hash tag, so that the keys of a bucket are on one node of a Redis cluster.
        self._bucket = f"pulsing:{{{storage_path}:{bucket_id}}}"
        self._stream, self._meta, self._groups = (f"{self._bucket}:{kind}" for kind in "smg")
        self._traces = f"{self._bucket}:t"
        self._bodies = Bodies()
        self._arrivals = Arrivals(self.total_count)
        self._waiting = 0
        self._watching: asyncio.Task[None] | None = None
        self._opening: asyncio.Future[None] | None = None
        self._server: Server

    @staticmethod
    def settings_keeper(name: str, options: Mapping[str, Any]) -> RedisSettings:
        """What the server knows of a queue, by its name there, and the options of its store."""
        # The client is an extra; without it the class can be named all the same.
        from pulsing.streaming.backends.redis_settings import RedisSettings

        store = RedisBackend(0, name, **options)
        return RedisSettings(name, options, store._url, store._durability)

    # --- opening and closing -----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect and check the server; done by the first call that needs it.

        Raises:
            PulsingRuntimeError: the server is away, or promises less than `durability`.
            NotOwner: the bucket has seen a higher epoch.
        """
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = asyncio.ensure_future(self._open())
        await asyncio.shield(self._opening)

    async def _open(self) -> None:
        # The client is an extra; without it the class can be named all the same.
        from pulsing.streaming.backends.redis_server import Server

        self._server = Server(self._url, self._bucket)
        try:
            await self._server.check_durability(self._durability)
            await self._load()
        except BaseException:
            await self._server.close()
            raise

    async def _load(self) -> None:
        found = await self._run(OPEN, time.time_ns())
        known = {key.decode(): int(value) for key, value in zip(found[::2], found[1::2], strict=True)}
        self._epoch = known["epoch"]
        self.lineage, self.generation = known["lineage"], known.get("generation", 1)
        self._next, self._first, self._bytes = known.get("next", 0), known.get("first", 0), known.get("bytes", 0)
        await self._look_at_oldest()

    async def close(self) -> None:
        """Close the connections; nothing to do if there are none."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.wait([watching])
        opening, self._opening = self._opening, None
        if opening is not None:
            await asyncio.wait([opening])
            if opening.exception() is None:
                await self._server.close()

    # --- beside what every durable store has --------------------------------------------------------------------------

    async def flush(self) -> None:
        """Nothing to do: the server writes by its own setting, which was checked at opening."""
        await self.open()

    async def stats(self) -> dict[str, Any]:
        """Figures of the bucket."""
        await self.open()
        return {
            "bucket_id": self.bucket_id,
            "buffer_size": 0,
            "persisted_count": self.record_count(),
            "total_count": self.total_count(),
            "backend": "redis",
            "bytes": self.byte_count(),
            "durability": self._durability,
        }

    def total_count(self) -> int:
        """The offset that the next record gets, as this owner knows; 0 until it is open."""
        return self._next

    # --- the log -----------------------------------------------------------------------------------------------------

    async def append(self, records: Sequence[Record]) -> int:
        """Append records and return the offset of the first.

        Raises:
            NotSendable: a value cannot be stored.
            Overloaded: a bound is reached and `overflow` is not "drop_oldest".
            NotOwner: another owner has taken the bucket over.
            PulsingRuntimeError: the server failed; what was sent to it may have been stored.
        """
        await self.open()
        bodies = self._bodies.encode(records)
        size = sum(map(len, bodies))
        self._bounds.check_fits(self.bucket_id, len(bodies), size, map(len, bodies))
        self._bounds.check_room(self.bucket_id, self.record_count() + len(bodies), self._bytes + size)
        first: int | None = None
        self._unflushed += len(bodies)
        try:
            for part in _calls(bodies):
                where = await self._append(part)
                first = where if first is None else first
        finally:
            self._unflushed -= len(bodies)
        assert first is not None
        self._arrivals.announce()
        await self._drop_excess()
        return first

    async def _append(self, bodies: list[bytes]) -> int:
        at = time.time()
        try:
            where: int = await self._send_append(at, bodies)
        except Lost:
            await self._resume()
            where = await self._send_append(at, bodies)
        if where == self._first:
            self._oldest_at = at
        self._next = max(self._next, where + len(bodies))
        self._bytes += sum(map(len, bodies))
        return where

    async def _send_append(self, at: float, bodies: list[bytes]) -> int:
        keys = self._stream, self._meta
        about = self._epoch, self._owner, at, self._next, sum(map(len, bodies))
        first: int = await self._server.send_together("EVAL", APPEND, 2, *keys, *about, *entries_of(bodies))
        return first

    async def _resume(self) -> None:
        """Go on with a server that has lost records."""
        had, first, generation = await self._run(RESUME, self.lineage, self._next, self.generation)
        if generation != self.generation:
            self._first = max(self._first, first)
            self.generation = generation
            gone = (self._bucket, had, self._next - 1, generation)
            logger.error("redis store: the server has lost %s from offset %d to %d; now generation %d", *gone)
        self._next = max(self._next, had)

    async def read(self, limit: int, offset: int) -> Window:
        """Up to `limit` records from `offset` on, with the place to go on from."""
        await self.open()
        if offset >= self._next:
            await self._look_at_end()
        return await self._read(limit, offset)

    async def _read(self, limit: int, offset: int) -> Window:
        if self._bounds.max_age is not None:
            await self._drop_aged(self._bounds.max_age)
        first, end = self._first, self._next
        start = max(offset, first)
        if limit <= 0 or start >= end:
            return Window([], start, first)
        rows = await self._rows(start, limit)
        if start < self._first:
            return await self._read(limit, offset)  # trimmed while this was read
        return self._bodies.window(self.bucket_id, self.generation, rows, start, end, first)

    async def _look_at_end(self) -> None:
        """See what another owner has written, and that the server is there: an empty answer must be true."""
        following, first = await self._server.ask("hmget", self._meta, ["next", "first"])
        self._next, self._first = max(self._next, int(following or 0)), max(self._first, int(first or 0))

    async def _rows(self, start: int, limit: int) -> list[Row]:
        """Up to `limit` records from `start` on, without those that are missing or damaged."""
        rows: list[Row] = []
        while len(rows) < limit:
            missing = limit - len(rows)
            count = min((missing - 2) // self._together + 2, CALL_LIMIT)  # it may begin and end within an entry
            found = await self._server.ask("xrange", self._stream, f"0-{start + 1}", "+", count=count)
            for entry in found:
                rows += rows_of(entry, start)
            if found:
                end = end_of(found[-1])
                self._together = max(1, (end - start) // len(found))
                start = end
            if len(found) < count:
                break
        return rows[:limit]

    async def wait(self, limit: int, offset: int, timeout: float | None) -> Window:
        """The same, but wait up to `timeout` seconds for the first record; no need to ask for the end then."""
        await self.open()
        window = await self._read(limit, offset)
        if not window.records and await self.wait_beyond(window.next, timeout):
            return await self._read(limit, window.next)
        return window

    async def wait_beyond(self, offset: int, timeout: float | None) -> bool:
        """However many wait, one read blocks in the server: another program may write to the stream."""
        self._waiting += 1
        if self._watching is None:
            self._watching = asyncio.ensure_future(self._watch())
        try:
            return await self._arrivals.beyond(offset, timeout)
        finally:
            self._waiting -= 1

    async def _watch(self) -> None:
        try:
            while self._waiting:
                after = {self._stream: f"0-{self._next}"}
                arrived = await self._server.ask("xread", after, block=int(SLICE_S * 1_000))
                if arrived:
                    self._next = max(self._next, end_of(arrived[0][1][-1]))
                    self._arrivals.announce()
        except PulsingRuntimeError as error:
            self._arrivals.fail(error)
        finally:
            self._watching = None

    # --- bounds ------------------------------------------------------------------------------------------------------

    def earliest(self) -> int:
        """The oldest offset that there still is."""
        return self._first

    def record_count(self) -> int:
        """Records that can be read."""
        return self._next - self._first

    def unflushed_count(self) -> int:
        """Records of puts under way, which the server has not confirmed."""
        return self._unflushed

    def byte_count(self) -> int:
        """The size of the stored records."""
        return self._bytes

    def put_at(self, offset: int) -> float | None:
        """When the record at an offset was put, where that is known without reading: for the oldest one."""
        return self._oldest_at if offset == self._first else None

    def size_at(self, offset: int) -> int | None:
        """Not known without reading."""
        return None

    async def bounds(self) -> dict[str, int]:
        """Oldest and next offset, records and bytes."""
        await self.open()
        return {"earliest": self._first, "next": self._next, "records": self.record_count(), "bytes": self._bytes}

    async def trim(self, before_offset: int) -> int:
        """Remove the records below an offset."""
        await self.open()
        before = self._first
        wanted = min(before_offset, self._next)
        while self._first < wanted:
            reached, self._bytes = await self._run(TRIM, wanted)
            if reached == self._first:  # the server has no record to remove: it has lost some
                await self._resume()
            else:
                self._first = reached
        if self._first != before:
            await self._look_at_oldest()
        return self._first - before

    async def _drop_excess(self) -> None:
        if excess := self._bounds.excess_records(self.record_count()):
            await self.trim(self._first + excess)
        while surplus := self._bounds.excess_bytes(self._bytes):
            rows = await self._rows(self._first, TRIM_LIMIT)
            before = self._first + records_of_size((len(body) for _, body in rows), surplus)
            if not await self.trim(min(before, self._next - 1)):
                return

    async def _drop_aged(self, max_age: float) -> None:
        limit = time.time() - max_age
        if self._oldest_at is not None and self._oldest_at < limit:
            await self.trim(await self.offset_at(limit))

    async def _look_at_oldest(self) -> None:
        found = await self._server.ask("xrange", self._stream, "-", "+", count=1)
        self._oldest_at = time_of(found[0]) if found else None

    async def clear_all(self) -> int:
        """Remove every record; offsets go on."""
        await self.open()
        return await self.trim(self._next)

    async def destroy(self) -> None:
        """Remove the bucket from the server, and fence off all who have it open, this owner too.

        Raises:
            NotOwner: another owner has taken the bucket over.
        """
        await self.open()
        await self._look_at_end()  # connections of before the server's restart fail here, where it is no harm
        keys = self._stream, self._meta, self._groups, self._traces
        await self._server.send("eval", DESTROY, 4, *keys, self._epoch, self._owner)

    async def offset_at(self, wall: float) -> int:
        """The first offset whose record was put at that wall time or later."""
        await self.open()
        low, high = self._first, self._next
        while low < high:
            middle = (low + high) // 2
            found = await self._server.ask("xrange", self._stream, f"0-{middle + 1}", "+", count=1)
            if found and time_of(found[0]) < wall:
                low = middle + 1
            else:
                high = middle
        return low

    async def committed(self) -> dict[str, int]:
        """The committed offset of every group."""
        await self.open()
        groups = await self._server.ask("hgetall", self._groups)
        return {group.decode(): int(offset) for group, offset in groups.items()}

    async def commit(self, group: str, offset: int | None) -> None:
        """Keep the committed offset of a group; None forgets the group.

        Raises:
            NotOwner: another owner has taken the bucket over.
        """
        await self.open()
        kept = "" if offset is None else str(offset)
        keys = self._meta, self._groups
        await self._server.ask("eval", COMMIT, 2, *keys, self._epoch, self._owner, group, kept)

    async def keep_traces(self, runs: Sequence[Run]) -> None:
        """Keep of which puts some records are, which are in the server already."""
        await redis_traces.keep(self._server, self._traces, runs, self._first)

    async def kept_traces(self, first: int, end: int) -> list[Run]:
        """The runs that have records from `first` up to before `end`."""
        await self.open()
        return await redis_traces.kept(self._server, self._traces, first, end)

    async def _run(self, script: str, *arguments: Any) -> Any:
        """Run a script of this owner; it may run twice."""
        keys = self._stream, self._meta
        return await self._server.ask("eval", script, 2, *keys, self._epoch, self._owner, *arguments)


def _calls(bodies: list[bytes]) -> list[list[bytes]]:
    """Bodies in calls of bounded length; one call for none."""
    return list(in_parts(bodies, CALL_LIMIT, CALL_BYTES)) or [bodies]
