"""The durable store across machines: a stream in Redis a bucket, with dense offsets that a script gives and fences.

Any node may own a bucket, for the data is with the server. How durable it is, is the server's setting: it is checked
at opening against what was asked for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, TypeVar
from zlib import crc32

import redis.asyncio as aioredis
from redis.exceptions import RedisError, ResponseError

from pulsing.exceptions import DataLost, NotOwner, Overloaded, PulsingRuntimeError
from pulsing.streaming.backends.memory import DROP_OLDEST, REJECT, Record, Window
from pulsing.wire.values import Codec

T = TypeVar("T")

logger = logging.getLogger("pulsing.streaming")

DURABILITIES = ("none", "normal", "full")
SLICE_S = 2.0
"""Longest that a read blocks in the server; longer ones meet the client's own timeouts."""
CALL_LIMIT = 1_000
"""Records a call: 10,000 in one held the server for 39 ms."""

_VERSION = 1
_CHUNK = 100

_APPEND = """
local epoch = tonumber(redis.call('HGET', KEYS[2], 'epoch') or '0')
local mine = tonumber(ARGV[1])
if mine < epoch then return redis.error_reply('FENCED ' .. epoch) end
if mine > epoch then redis.call('HSET', KEYS[2], 'epoch', mine) end
local count = #ARGV - 2
local first = redis.call('HINCRBY', KEYS[2], 'next', count) - count
for i = 1, count do
  redis.call('XADD', KEYS[1], '0-' .. string.format('%.0f', first + i), 't', ARGV[2], 'd', ARGV[i + 2])
end
return first
"""
_COMMIT = """
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
if tonumber(ARGV[1]) < epoch then return redis.error_reply('FENCED ' .. epoch) end
if ARGV[3] == '' then return redis.call('HDEL', KEYS[2], ARGV[2]) end
return redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
"""
_TRIM = """
local following = tonumber(redis.call('HGET', KEYS[2], 'next') or '0')
local before = math.min(tonumber(ARGV[1]), following)
local first = tonumber(redis.call('HGET', KEYS[2], 'first') or '0')
if before <= first then return 0 end
redis.call('XTRIM', KEYS[1], 'MINID', '0-' .. string.format('%.0f', before + 1))
redis.call('HSET', KEYS[2], 'first', before)
return before - first
"""


class RedisBackend:
    """Keeps records in a Redis server.

    Args:
        bucket_id: which bucket of its queue this is.
        storage_path: names the queue in the server.
        url: of the server.
        durability: what the server must promise: "normal", an append-only file; "full", synced at every write;
            "none", nothing.
        max_records: records kept; None for no bound.
        overflow: at the bound, "drop_oldest" gives up the oldest records and "reject" raises Overloaded.
        epoch: of the ownership; a bucket that has seen a higher one refuses.
    """

    durable = True
    fenced = True

    def __init__(
        self,
        bucket_id: int,
        storage_path: str,
        batch_size: int = 100,
        *,
        url: str = "redis://127.0.0.1:6379",
        durability: str = "normal",
        max_records: int | None = None,
        overflow: str = DROP_OLDEST,
        epoch: int = 0,
        thread: Any = None,
    ) -> None:
        if durability not in DURABILITIES:
            raise ValueError(f"durability is 'none', 'normal' or 'full', not {durability!r}")
        if overflow not in (DROP_OLDEST, REJECT):
            raise ValueError(f"overflow is 'drop_oldest' or 'reject', not {overflow!r}")
        if max_records is not None and max_records <= 0:
            raise ValueError(f"max_records must be positive, got {max_records!r}")
        self.bucket_id = bucket_id
        self.batch_size = batch_size
        self.lineage = 0
        self.generation = 1
        self.next = 0
        self.first = 0
        self._url = url
        self._durability = durability
        self._max_records = max_records
        self._overflow = overflow
        self._epoch = epoch
        # One hash tag, so that the keys of a bucket are on one node of a Redis cluster.
        tag = f"pulsing:{{{storage_path}:{bucket_id}}}"
        self._stream, self._meta, self._groups = f"{tag}:s", f"{tag}:m", f"{tag}:g"
        self._codec = Codec()
        self._opening: asyncio.Future[None] | None = None
        self._client: Any = None

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
        self._client = aioredis.from_url(self._url, socket_timeout=SLICE_S + 8.0, socket_connect_timeout=5.0)
        try:
            await self._told(self._check_server())
            await self._told(self._load())
        except BaseException:
            await self._client.aclose()
            raise

    async def _check_server(self) -> None:
        if self._durability == "none":
            logger.warning("redis store: durability is 'none', records may be lost with the server")
            return
        persistence = await self._client.info("persistence")
        if not persistence.get("aof_enabled"):
            raise PulsingRuntimeError("redis keeps no append-only file: set 'appendonly yes', or durability='none'")
        settings = await self._client.config_get("appendfsync", "maxmemory-policy")
        if self._durability == "full" and settings.get("appendfsync") != "always":
            raise PulsingRuntimeError("redis does not sync every write: set 'appendfsync always'")
        if str(settings.get("maxmemory-policy", "")).startswith("allkeys-"):
            raise PulsingRuntimeError("redis may evict queues: set 'maxmemory-policy noeviction'")

    async def _load(self) -> None:
        await self._client.hsetnx(self._meta, "lineage", time.time_ns())
        known = {key.decode(): int(value) for key, value in (await self._client.hgetall(self._meta)).items()}
        epoch = known.get("epoch", 0)
        if self._epoch and self._epoch < epoch:
            raise NotOwner(self._meta, None, epoch, f"{self._meta} belongs to an owner of epoch {epoch}")
        self._epoch = max(self._epoch, epoch)
        await self._client.hset(self._meta, "epoch", self._epoch)
        self.lineage, self.next, self.first = known["lineage"], known.get("next", 0), known.get("first", 0)

    async def close(self) -> None:
        """Close the connections; nothing to do if there are none."""
        opening, self._opening = self._opening, None
        if opening is not None:
            await asyncio.wait([opening])
            if opening.exception() is None:
                await self._client.aclose()

    # --- the seven ---------------------------------------------------------------------------------------------------

    async def put(self, record: Record) -> None:
        """Append one record."""
        await self.append([record])

    async def put_batch(self, records: list[Record]) -> None:
        """Append records in their order."""
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
            if not window.records and wait:
                window = await self.wait(min(limit, _CHUNK), window.next, timeout)
            if not window.records:
                return
            offset = window.next
            limit -= len(window.records)
            yield window.records

    async def flush(self) -> None:
        """Nothing to do: the server writes by its own setting, which was checked at opening."""
        await self.open()

    async def stats(self) -> dict[str, Any]:
        """Figures of the bucket."""
        await self.open()
        return {
            "bucket_id": self.bucket_id,
            "buffer_size": 0,
            "persisted_count": self.next - self.first,
            "total_count": self.next,
            "backend": "redis",
            "durability": self._durability,
        }

    def total_count(self) -> int:
        """The offset that the next record gets, as this owner knows; 0 until it is open."""
        return self.next

    # --- the log -----------------------------------------------------------------------------------------------------

    @property
    def log(self) -> RedisBackend:
        """This store is a log as it is."""
        return self

    async def append(self, records: Sequence[Record]) -> int:
        """Append records and return the offset of the first.

        Raises:
            NotSendable: a value cannot be stored.
            Overloaded: the bound is reached and `overflow` is "reject".
            NotOwner: another owner has taken the bucket over.
            PulsingRuntimeError: the server failed.
        """
        await self.open()
        bodies = [self._encoded(record) for record in records]
        bound = self._max_records
        if bound is not None and self._overflow == REJECT and self.next - self.first + len(bodies) > bound:
            raise Overloaded(f"bucket {self.bucket_id} (records)", bound)
        first: int | None = None
        for start in range(0, len(bodies), CALL_LIMIT):
            part = bodies[start : start + CALL_LIMIT]
            where = await self._told(
                self._client.eval(_APPEND, 2, self._stream, self._meta, self._epoch, time.time(), *part)
            )
            first = where if first is None else first
            self.next = max(self.next, where + len(part))
        if bound is not None and self.next - self.first > bound:
            await self.trim(self.next - bound)
        assert first is not None
        return first

    async def read(self, limit: int, offset: int) -> Window:
        """Up to `limit` records from `offset` on, with the place to go on from."""
        await self.open()
        if limit <= 0 or offset >= self.next:
            return Window([], max(offset, self.first), self.first)
        start = max(offset, self.first)
        found = await self._told(self._client.xrange(self._stream, f"0-{start + 1}", "+", count=limit))
        records = self._sound(start, found)
        if not records:
            last = max(start, _offset_of(found[0]) - 1) if found else self.next - 1
            raise DataLost("", self.bucket_id, "corrupt", start, last, self.generation)
        return Window(records, start + len(records), self.first)

    async def wait(self, limit: int, offset: int, timeout: float | None) -> Window:
        """The same, but wait up to `timeout` seconds for the first record."""
        window = await self.read(limit, offset)
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while not window.records:
            left = SLICE_S if deadline is None else min(SLICE_S, deadline - loop.time())
            if left <= 0:
                return window
            block = max(1, int(left * 1_000))
            arrived = await self._told(self._client.xread({self._stream: f"0-{window.next}"}, count=limit, block=block))
            if arrived:
                self.next = max(self.next, _offset_of(arrived[0][1][-1]) + 1)
                window = await self.read(limit, window.next)
        return window

    def _encoded(self, record: Record) -> bytes:
        payload = self._codec.encode(record)
        return bytes((_VERSION,)) + crc32(payload).to_bytes(4, "big") + payload

    def _sound(self, start: int, found: Sequence[Any]) -> list[Record]:
        """The records up to the first that is missing or damaged."""
        records: list[Record] = []
        for place, entry in enumerate(found):
            body = entry[1][b"d"]
            payload = body[5:]
            intact = body[:1] == bytes((_VERSION,)) and int.from_bytes(body[1:5], "big") == crc32(payload)
            if _offset_of(entry) != start + place or not intact:
                break
            records.append(self._codec.decode(payload))
        return records

    # --- bounds ------------------------------------------------------------------------------------------------------

    async def bounds(self) -> dict[str, int]:
        """Oldest and next offset, records and bytes (as the server counts them)."""
        await self.open()
        size = await self._told(self._client.memory_usage(self._stream))
        return {"earliest": self.first, "next": self.next, "records": self.next - self.first, "bytes": size or 0}

    async def trim(self, before_offset: int) -> int:
        """Remove the records below an offset."""
        await self.open()
        removed: int = await self._told(self._client.eval(_TRIM, 2, self._stream, self._meta, before_offset))
        self.first += removed
        return removed

    async def clear_all(self) -> int:
        """Remove every record; offsets go on."""
        await self.open()
        return await self.trim(self.next)

    async def destroy(self) -> None:
        """Remove the bucket from the server."""
        await self.open()
        await self._told(self._client.delete(self._stream, self._meta, self._groups))

    async def offset_at(self, wall: float) -> int:
        """The first offset whose record was put at that wall time or later."""
        await self.open()
        low, high = self.first, self.next
        while low < high:
            middle = (low + high) // 2
            found = await self._told(self._client.xrange(self._stream, f"0-{middle + 1}", "+", count=1))
            if found and float(found[0][1][b"t"]) < wall:
                low = middle + 1
            else:
                high = middle
        return low

    async def committed(self) -> dict[str, int]:
        """The committed offset of every group."""
        await self.open()
        groups = await self._told(self._client.hgetall(self._groups))
        return {group.decode(): int(offset) for group, offset in groups.items()}

    async def commit(self, group: str, offset: int | None) -> None:
        """Keep the committed offset of a group; None forgets the group.

        Raises:
            NotOwner: another owner has taken the bucket over.
        """
        await self.open()
        kept = "" if offset is None else str(offset)
        await self._told(self._client.eval(_COMMIT, 2, self._meta, self._groups, self._epoch, group, kept))

    async def _told(self, call: Awaitable[T]) -> T:
        """Await a call to the server; what it raises is told in our terms."""
        try:
            return await call
        except ResponseError as error:
            if "FENCED" in str(error):
                raise NotOwner(self._meta, message=f"{self._meta} was taken over by another owner") from error
            raise PulsingRuntimeError(f"redis refused: {error}", error) from error
        except (RedisError, OSError) as error:
            raise PulsingRuntimeError(f"redis failed: {error}", error) from error


def _offset_of(entry: Any) -> int:
    return int(entry[0].partition(b"-")[2]) - 1
