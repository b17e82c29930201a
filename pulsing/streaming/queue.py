"""The handle of a queue, which writes and reads by offset wherever the buckets are.

A queue is a log in buckets: reading removes nothing, order holds within a bucket, and a record is readable when its
`put` has returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pulsing.core.registry import check_name
from pulsing.exceptions import NotOwner, NotSendable, PulsingError
from pulsing.streaming.access import CALL_TIMEOUT_S, QueueAccess, has_failed
from pulsing.streaming.backend import backend_name, check_options
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.bucket_words import Appended, Fetched
from pulsing.streaming.catalogue import QueueSettings
from pulsing.streaming.finding import GONE, MAX_REDIRECTS
from pulsing.streaming.footing import Footing
from pulsing.streaming.line import Line
from pulsing.streaming.names import check_topic
from pulsing.streaming.parts import Pages, one_part, parts_of
from pulsing.streaming.readers import ReaderInfo
from pulsing.streaming.takeover import check_quorum, store_options

try:
    # That of OpenSSL, in hashlib, takes three times as long for a short text: a fifth of a put in a batch.
    from _md5 import md5  # type: ignore[import-not-found]
except ImportError:  # an interpreter may be built without it
    from hashlib import md5

if TYPE_CHECKING:
    from pulsing.streaming.sync_queue import SyncQueue

OWNER_NEWS_S = 0.4
"""How long a handle waits before it looks again for a bucket whose owner was found to be none any more."""
WAIT_SLICE_S = 20.0
"""How long one call waits in a bucket before the reader asks again: calls to other nodes need a deadline."""
GROUP_FIGURES = ("committed", "end", "lag", "pending", "consumer")
"""What is told of a group in each bucket."""


class Queue(QueueAccess):
    """A queue to write to and to read from by offset. Constructing does no I/O.

    Args:
        system: the system to work from.
        topic: name of the queue.
        bucket_column: the key of a record whose value chooses the bucket.
        num_buckets: how many buckets there are.
        batch_size: passed on to the store.
        storage_path: folder for stores that keep files; `./queue_storage/<topic>` by default.
        backend: name or class of the store.
        backend_options: further arguments of the store's class.

    Raises:
        ValueError: an invalid name or number, an unknown store, or an option of it that makes no sense.
        TypeError: the store's class lacks methods, or does not take the options.
    """

    def __init__(
        self,
        system: Any,
        topic: str,
        bucket_column: str = "id",
        num_buckets: int = 4,
        batch_size: int = 100,
        storage_path: str | None = None,
        backend: str | type = "memory",
        backend_options: dict[str, Any] | None = None,
    ) -> None:
        topic = check_topic(topic)
        check_quorum(backend_options)
        _check_count("num_buckets", num_buckets)
        _check_count("batch_size", batch_size)
        check_name(f"actors/bucket_{topic}_{num_buckets - 1}", "actor name")
        name = backend_name(backend)
        check_options(name, batch_size, store_options(backend_options))
        settings = QueueSettings(
            num_buckets,
            bucket_column,
            name,
            None if backend_options is None else dict(backend_options),
            batch_size,
            storage_path,
        )
        super().__init__(system, topic, num_buckets, settings)
        self.system = system
        self.bucket_column = bucket_column
        self.batch_size = batch_size
        self.storage_path = storage_path or f"./queue_storage/{topic}"
        self.backend = backend
        self.backend_options = backend_options
        self._footing = Footing(topic)
        self._pages = Pages()
        self._lines: dict[int, Line] = {}

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the system runs on."""
        return self._inner.loop

    @property
    def stale_buckets(self) -> frozenset[int]:
        """The buckets that `get` read last on a side of a partition without the majority: the other may have more."""
        return frozenset(self._footing.stale)

    def get_bucket_id(self, partition_value: Any) -> int:
        """The bucket of a value of the bucket column: MD5 of its text, modulo the number of buckets."""
        return bucket_of(partition_value, self.num_buckets)

    # --- writing -----------------------------------------------------------------------------------------------------

    async def put(self, record: Record | list[Record]) -> Any:
        """Store one record, or a list of records as one batch a bucket.

        The first put of all fixes the settings of the queue. A list is checked whole before anything is written. What
        is too much for one message to another node goes there in several, one after the other.

        Returns:
            `{"bucket_id", "status": "ok"}`; for a list, a list of those in the order of the records.

        Raises:
            TypeError: neither a dict nor a list of dicts.
            ValueError: a record lacks the bucket column, or the queue was set up otherwise.
            Overloaded: a bucket is full and rejects.
            PulsingRuntimeError: a bucket failed; of a list, the others have been written, and `results` of the error
                has `{"bucket_id", "status": "ok" or "error"}` for each record.
        """
        if isinstance(record, dict):
            bucket_id = self._bucket_of(record)
            await self._append_one(bucket_id, record)
            return {"bucket_id": bucket_id, "status": "ok"}
        if not (isinstance(record, list) and all(isinstance(each, dict) for each in record)):
            raise TypeError("record must be a dict or list of dicts")
        return await self._put_all(record)

    async def append(self, record: Record) -> dict[str, int]:
        """Store one record and tell where it is: `{"bucket_id", "offset", "generation"}`; errors as of `put`."""
        if not isinstance(record, dict):
            raise TypeError("record must be a dict")
        bucket_id = self._bucket_of(record)
        first, (_, generation, _) = await self._append_one(bucket_id, record)
        return {"bucket_id": bucket_id, "offset": first, "generation": generation}

    def _bucket_of(self, record: Record) -> int:
        try:
            value = record[self.bucket_column]
        except KeyError:
            raise self._without_column() from None
        return bucket_of(value, self.num_buckets)

    def _buckets_of(self, records: list[Record]) -> list[int]:
        column, count = self.bucket_column, self.num_buckets
        try:
            values = [record[column] for record in records]
        except KeyError:
            raise self._without_column() from None
        return [bucket_of(value, count) for value in values]

    def _without_column(self) -> ValueError:
        return ValueError(f"Missing partition column {self.bucket_column!r}")

    async def _put_all(self, records: list[Record]) -> list[dict[str, Any]]:
        places = self._buckets_of(records)
        groups: dict[int, list[Record]] = {}
        for bucket_id, record in zip(places, records, strict=True):
            group = groups.get(bucket_id)
            if group is None:
                groups[bucket_id] = [record]
            else:
                group.append(record)
        failed = await self._append_groups(groups)
        if not failed:
            return [{"bucket_id": bucket_id, "status": "ok"} for bucket_id in places]
        error = next(iter(failed.values()))
        error.results = [  # type: ignore[attr-defined]
            {"bucket_id": bucket_id, "status": "error" if bucket_id in failed else "ok"} for bucket_id in places
        ]
        raise error

    async def _append_one(self, bucket_id: int, record: Record) -> Appended:
        if not self._settled:
            await self._settle()
        if not self._shares_calls:
            return await self._write(bucket_id, [record])
        line = self._lines.get(bucket_id)
        if line is None:
            line = self._lines[bucket_id] = self._line_to(bucket_id)
        return await line.append(record)

    def _line_to(self, bucket_id: int) -> Line:
        def room(records: list[Record]) -> int:
            ref = self._buckets.get(bucket_id)
            return len(records) if ref is None or ref.is_local() else one_part(records)

        name = f"puts into bucket {bucket_id} of {self.topic}"
        return Line(partial(self._write, bucket_id), room, lambda work: self._inner.tasks.start(work, name))

    async def _append_groups(self, groups: Mapping[int, list[Record]]) -> dict[int, Exception]:
        """Write to several buckets at once; returns what failed."""
        if not self._settled:
            await self._settle()
        sent = {
            bucket_id: line.enter(group)
            if (line := self._lines.get(bucket_id)) is not None and line.has_waiting
            else ref.request("append", (group,), None, CALL_TIMEOUT_S)
            for bucket_id, group in groups.items()
            if (ref := self._buckets.get(bucket_id)) is not None
        }
        failed: dict[int, Exception] = {}
        for bucket_id, group in groups.items():
            try:
                if bucket_id in sent:
                    await self._appended(bucket_id, sent[bucket_id], group)
                else:
                    await self._append(bucket_id, group)
            except Exception as error:
                failed[bucket_id] = error
        return failed

    async def _appended(self, bucket_id: int, sent: asyncio.Future[Appended], group: list[Record]) -> None:
        try:
            first, ground = await sent
        except (NotOwner, NotSendable):
            await self._append(bucket_id, group)
        except GONE as error:
            self._forget(bucket_id)
            if getattr(error, "maybe_executed", False):
                raise
            await self._append(bucket_id, group)
        else:
            self._footing.wrote(bucket_id, ground, first + len(group))

    async def _append(self, bucket_id: int, records: list[Record]) -> Appended:
        try:
            return await self._write(bucket_id, records)
        except NotSendable as refused:
            return await self._append_in_parts(bucket_id, records, refused)

    async def _write(self, bucket_id: int, records: list[Record]) -> Appended:
        """Append records by one call, wherever the bucket is now."""
        if not self._settled:
            await self._settle()
        lost: Exception | None = None
        for _ in range(MAX_REDIRECTS + 1):
            ref = self._buckets.get(bucket_id) or await self._locate(bucket_id)
            try:
                appended: Appended = await ref.request("append", (records,), None, CALL_TIMEOUT_S)
            except GONE as error:
                self._forget(bucket_id)
                if getattr(error, "maybe_executed", False) or has_failed(error):
                    raise
                await self._settle()
                lost = error
            except NotOwner as error:
                # The store has refused it, so that nothing was written; news of the new owner are under way.
                self._forget(bucket_id)
                await asyncio.sleep(OWNER_NEWS_S)
                await self._settle()
                lost = error
            else:
                self._footing.wrote(bucket_id, appended[1], appended[0] + len(records))
                return appended
        raise self._not_found(bucket_id, lost) from lost

    async def _append_in_parts(self, bucket_id: int, records: list[Record], refused: NotSendable) -> Appended:
        """Write what is too much for one message to another node; each part is written whole, one after the other."""
        try:
            parts = list(parts_of(records))
        except NotSendable:
            raise refused from None
        if len(parts) == 1:
            raise refused
        appended = await self._write(bucket_id, parts[0])
        for part in parts[1:]:
            await self._write(bucket_id, part)
        return appended

    # --- reading -----------------------------------------------------------------------------------------------------

    async def get(
        self,
        bucket_id: int | None = None,
        limit: int = 100,
        offset: int = 0,
        wait: bool = False,
        timeout: float | None = None,
    ) -> list[Record]:
        """Read records from an offset on.

        Args:
            bucket_id: the bucket; None for all of them in order, with the same offset in each.
            limit: most records to return.
            offset: the first offset to return; where the oldest record is newer, 0 means the oldest.
            wait: return as soon as there is at least one record, instead of at once.
            timeout: seconds to wait; None for ever, 0 not at all. Without `wait` it means nothing.

        Raises:
            ValueError: a negative limit or offset, a bucket that there is not, or the queue was set up otherwise.
            DataLost: records at or after `offset` are gone; told once.
        """
        check_window(limit, offset)
        if bucket_id is not None:
            self.check_bucket(bucket_id)
        if limit == 0:
            return []
        buckets = range(self.num_buckets) if bucket_id is None else (bucket_id,)
        records: list[Record] = []
        for one in buckets:
            fetched = await self.fetch(one, limit - len(records), offset)
            records += self._sound(one, fetched, offset)
            if len(records) == limit:
                break
        if records or not wait or timeout == 0:
            return records
        arrived = await self.first_of(dict.fromkeys(buckets, offset), limit, timeout, footing=self._footing)
        for one, fetched in arrived.items():
            records += self._sound(one, fetched, offset)
        return records[:limit]

    def _sound(self, bucket_id: int, fetched: Fetched | None, offset: int) -> list[Record]:
        if fetched is None:
            return []
        loss = self._footing.read(bucket_id, fetched, offset, anchored=offset > 0)
        if loss is not None:
            raise loss
        return fetched[0]

    async def fetch(
        self, bucket_id: int, limit: int, offset: int, wait: float = 0.0, reader: ReaderInfo | None = None
    ) -> Fetched | None:
        """Read from one bucket, wherever it is now; None while nobody has put anything into the queue.

        After a move the new owner is asked without waiting, so that a loss is told at once.
        """
        fetched = await self._fetch_page(bucket_id, limit, offset, wait, reader)
        while fetched is not None and 0 < len(fetched[0]) < limit and fetched[1] < fetched[5]:
            more = await self._fetch_next_page(bucket_id, limit - len(fetched[0]), fetched, reader)
            if more is None:
                break
            fetched = (fetched[0] + more[0], more[1], fetched[2], fetched[3], fetched[4] or more[4], more[5])
        return fetched

    async def _fetch_next_page(
        self, bucket_id: int, limit: int, before: Fetched, reader: ReaderInfo | None
    ) -> Fetched | None:
        """Go on behind a page, if it was cut short on the way; what has happened there, the next call tells."""
        ref = self._buckets.get(bucket_id)
        if ref is None or ref.is_local():
            return None
        try:
            page = await self._fetch_page(bucket_id, limit, before[1], 0.0, reader)
        except PulsingError:
            return None
        goes_on = page is not None and page[0] and page[3] == before[3] and page[2] <= before[1]
        return page if goes_on else None

    async def _fetch_page(
        self, bucket_id: int, limit: int, offset: int, wait: float, reader: ReaderInfo | None
    ) -> Fetched | None:
        """Read as much as one answer has room for; a bucket of this node has room for all."""
        timeout = wait + 10.0 if wait else CALL_TIMEOUT_S
        while True:
            ref = self._buckets.get(bucket_id) or (await self._locate(bucket_id) if await self.is_set_up() else None)
            asked = limit if ref is None or ref.is_local() else min(limit, self._pages.size)
            now, later = (asked, offset, wait, reader), (asked, offset, 0.0, reader)
            try:
                fetched: Fetched | None = await self.follow(bucket_id, "fetch", now, later, timeout)
            except NotSendable:
                if asked == 1 or not self._pages.shrink():
                    raise
            else:
                if asked < limit and fetched is not None and len(fetched[0]) == asked:
                    self._pages.grow()
                return fetched

    async def first_of(
        self,
        offsets: Mapping[int, int],
        limit: int,
        timeout: float | None,
        *,
        footing: Footing,
        reader: ReaderInfo | None = None,
    ) -> dict[int, Fetched]:
        """Wait in several buckets at once, and return what there is as soon as one of them has something."""
        deadline = None if timeout is None else self.loop.time() + timeout
        if len(offsets) == 1:
            ((bucket_id, offset),) = offsets.items()
            fetched = await self._wait_in(bucket_id, limit, offset, deadline, footing, reader)
            return {} if fetched is None else {bucket_id: fetched}
        waits = {
            bucket_id: asyncio.ensure_future(self._wait_in(bucket_id, limit, offset, deadline, footing, reader))
            for bucket_id, offset in offsets.items()
        }
        try:
            await asyncio.wait(waits.values(), return_when=asyncio.FIRST_COMPLETED)
            return _arrived(waits)
        finally:
            for task in waits.values():
                task.cancel()
            await asyncio.gather(*waits.values(), return_exceptions=True)

    async def _wait_in(
        self,
        bucket_id: int,
        limit: int,
        offset: int,
        deadline: float | None,
        footing: Footing,
        reader: ReaderInfo | None,
    ) -> Fetched | None:
        while True:
            left = WAIT_SLICE_S if deadline is None else deadline - self.loop.time()
            if left <= 0:
                return None
            fetched = await self.fetch(bucket_id, limit, offset, min(left, WAIT_SLICE_S), reader)
            if fetched is None:
                await self.wait_set_up(left)
            elif fetched[0] or footing.owes(bucket_id, fetched, offset):
                return fetched
            else:
                offset = fetched[1]

    # --- consumer groups ---------------------------------------------------------------------------------------------

    async def groups(self) -> list[dict[str, Any]]:
        """The consumer groups of the queue.

        Returns:
            `{"group", "members", "buckets": {bucket_id: {"committed", "end", "lag", "pending", "consumer"}}}` each:
            the ids of the live members; the first offset that is not acknowledged, the next that will be written and
            the distance; records on loan or to be delivered again; the member that reads the bucket.
        """
        groups: dict[str, dict[str, Any]] = {}
        for bucket_id in range(self.num_buckets):
            for row in await self.follow(bucket_id, "group_rows", ()) or ():
                group = groups.setdefault(row["group"], {"group": row["group"], "members": [], "buckets": {}})
                group["members"] = sorted({*group["members"], *row["members"]})
                group["buckets"][bucket_id] = {name: row[name] for name in GROUP_FIGURES}
        return [groups[name] for name in sorted(groups)]

    async def delete_group(self, group: str) -> bool:
        """Forget how far a group has read; False if there is no such group.

        Members that go on reading begin a new group where they were told to start.
        """
        deleted = [await self.follow(bucket_id, "group_delete", (group,)) for bucket_id in range(self.num_buckets)]
        return any(deleted)

    # --- care --------------------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Make durable, in every bucket that there is, what was put before."""
        await asyncio.gather(*(self.call_bucket(b, "flush") for b in await self.existing_buckets()))

    async def stats(self) -> dict[str, Any]:
        """Figures of every bucket that there is.

        Returns:
            `{"topic", "bucket_column", "num_buckets", "buckets": {bucket_id: figures}}`
        """
        existing = await self.existing_buckets()
        figures = await asyncio.gather(*(self.call_bucket(bucket_id, "stats") for bucket_id in existing))
        return {
            "topic": self.topic,
            "bucket_column": self.bucket_column,
            "num_buckets": self.num_buckets,
            "buckets": dict(zip(existing, figures, strict=True)),
        }

    def sync(self) -> SyncQueue:
        """The same queue for threads that do not await."""
        from pulsing.streaming.sync_queue import SyncQueue

        return SyncQueue(self)


def bucket_of(value: Any, count: int) -> int:
    """The bucket of a value among `count`: MD5 of its text as a number, modulo the count; None counts as empty."""
    text = "" if value is None else str(value)
    return int.from_bytes(md5(text.encode(), usedforsecurity=False).digest(), "big") % count


def check_window(limit: int, offset: int) -> None:
    """Raise ValueError for a negative limit or offset."""
    if limit < 0:
        raise ValueError(f"limit must not be negative, got {limit}")
    if offset < 0:
        raise ValueError(f"offset must not be negative, got {offset}")


def _check_count(name: str, count: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"{name} is a number from 1 on, got {count!r}")


def _arrived(waits: Mapping[int, asyncio.Task[Fetched | None]]) -> dict[int, Fetched]:
    """The results of the waits that are over; the error of one only if no other has anything."""
    done = {bucket_id: task for bucket_id, task in waits.items() if task.done() and not task.cancelled()}
    arrived: dict[int, Fetched] = {}
    failure: BaseException | None = None
    for bucket_id, task in done.items():
        error = task.exception()
        if error is not None:
            failure = failure or error
        elif (fetched := task.result()) is not None:
            arrived[bucket_id] = fetched
    if failure is not None and not arrived:
        raise failure
    return arrived
