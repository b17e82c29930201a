"""The handle of a queue, which writes and reads by offset wherever the buckets are.

A queue is a log in buckets: reading removes nothing, order holds within a bucket, and a record is readable when its
`put` has returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pulsing.core.registry import check_name
from pulsing.core.timers import check_seconds
from pulsing.exceptions import DeadlineExceeded, NotSendable, PulsingError
from pulsing.modules import found_in
from pulsing.streaming.access import CALL_TIMEOUT_S
from pulsing.streaming.backend import backend_name, check_options
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.bucket_words import Fetched
from pulsing.streaming.footing import Footing
from pulsing.streaming.names import MAX_BUCKETS, bucket_actor, check_topic
from pulsing.streaming.ownership.catalogue import QueueSettings
from pulsing.streaming.ownership.folders import folder_text
from pulsing.streaming.ownership.takeover import check_quorum, store_options
from pulsing.streaming.parts import Pages
from pulsing.streaming.readers import ReaderInfo
from pulsing.streaming.writing import QueueWriting

if TYPE_CHECKING:
    from pulsing.streaming.sync_queue import SyncQueue

__getattr__ = found_in("pulsing.streaming", "QueueReader", "read_queue", "write_queue")

T = TypeVar("T")

SILENCE_S = 2.0
"""How long after its time is over a read waits for a bucket that has not answered at all."""
WAIT_SLICE_S = 20.0
"""How long one call waits in a bucket before the reader asks again: calls to other nodes need a deadline."""
GROUP_FIGURES = ("committed", "end", "lag", "pending", "consumer")
"""What is told of a group in each bucket."""


class Queue(QueueWriting):
    """A queue to write to and to read from by offset. Constructing does no I/O.

    Args:
        system: the system to work from.
        topic: name of the queue.
        bucket_column: the key of a record whose value chooses the bucket.
        num_buckets: how many buckets there are, 4,096 at most.
        batch_size: passed on to the store.
        storage_path: folder for stores that keep files; `./queue_storage/<topic>` by default.
        backend: name or class of the store.
        backend_options: further arguments of the store's class.

    Raises:
        ValueError: an invalid name or number, an unknown store, or an option of it that makes no sense.
        TypeError: the store's class lacks methods, or does not take the options; the folder is no path.
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
        storage_path = folder_text(storage_path)
        if not isinstance(backend_options, (Mapping, type(None))):
            raise TypeError(f"backend_options is a dict, not {backend_options!r}")
        check_quorum(backend_options)
        _check_count("num_buckets", num_buckets, MAX_BUCKETS)
        _check_count("batch_size", batch_size)
        check_name(f"actors/{bucket_actor(topic, num_buckets - 1)}", "actor name")
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
        super().__init__(system, topic, num_buckets, bucket_column, settings)
        self.system = system
        self.batch_size = batch_size
        self.storage_path = storage_path or f"./queue_storage/{topic}"
        self.backend = backend
        self.backend_options = backend_options
        self._pages = Pages()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the system runs on."""
        return self._inner.loop

    @property
    def stale_buckets(self) -> frozenset[int]:
        """The buckets that `get` read last on a side of a partition without the majority: the other may have more."""
        return frozenset(self._footing.stale)

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
            timeout: seconds to wait; None for ever, 0 or less not at all. Without `wait` it means nothing.

        Raises:
            ValueError: a negative limit or offset, a bucket that there is not, a timeout that is no number of seconds,
                or the queue was set up otherwise.
            DataLost: records at or after `offset` are gone; told once.
            DeadlineExceeded: a bucket is silent, so that it is not known two seconds after `timeout` what there is.
        """
        check_window(limit, offset)
        if bucket_id is not None:
            self.check_bucket(bucket_id)
        patience = patience_of(wait, timeout)
        if limit == 0:
            return []
        return await in_time(self._get(bucket_id, limit, offset, patience), self.topic, patience)

    async def _get(self, bucket_id: int | None, limit: int, offset: int, patience: float | None) -> list[Record]:
        buckets = range(self.num_buckets) if bucket_id is None else (bucket_id,)
        records: list[Record] = []
        for one in buckets:
            fetched = await self.fetch(one, limit - len(records), offset)
            records += self._sound(one, fetched, offset)
            if len(records) == limit:
                break
        if records or patience == 0:
            return records
        arrived = await self.first_of(dict.fromkeys(buckets, offset), limit, patience, footing=self._footing)
        for one, fetched in arrived.items():
            records += self._sound(one, fetched, offset)
        return records[:limit]

    def _sound(self, bucket_id: int, fetched: Fetched | None, offset: int) -> list[Record]:
        if fetched is None:
            return []
        loss = self._footing.read(bucket_id, fetched, offset, anchored=offset > 0)
        if loss is not None:
            raise loss
        return fetched.records

    async def fetch(
        self,
        bucket_id: int,
        limit: int,
        offset: int,
        wait: float = 0.0,
        reader: ReaderInfo | None = None,
        answers_within: float = CALL_TIMEOUT_S,
    ) -> Fetched | None:
        """Read from one bucket, wherever it is now; None while nobody has put anything into the queue.

        After a move the new owner is asked without waiting, so that a loss is told at once.
        """
        fetched = await self._fetch_page(bucket_id, limit, offset, wait, reader, answers_within)
        while fetched is not None and 0 < len(fetched.records) < limit and fetched.following < fetched.end:
            more = await self._fetch_next_page(bucket_id, limit - len(fetched.records), fetched, reader)
            if more is None:
                break
            fetched = fetched._replace(
                records=fetched.records + more.records,
                following=more.following,
                stale=fetched.stale or more.stale,
                end=more.end,
            )
        return fetched

    async def _fetch_next_page(
        self, bucket_id: int, limit: int, before: Fetched, reader: ReaderInfo | None
    ) -> Fetched | None:
        """Go on behind a page, if it was cut short on the way; what has happened there, the next call tells."""
        ref = self._buckets.get(bucket_id)
        if ref is None or ref.is_local():
            return None
        try:
            page = await self._fetch_page(bucket_id, limit, before.following, 0.0, reader)
        except PulsingError:
            return None
        if page is None or not page.records or page.ground != before.ground or page.earliest > before.following:
            return None
        return page

    async def _fetch_page(
        self,
        bucket_id: int,
        limit: int,
        offset: int,
        wait: float,
        reader: ReaderInfo | None,
        answers_within: float = CALL_TIMEOUT_S,
    ) -> Fetched | None:
        """Read as much as one answer has room for; a bucket of this node has room for all."""
        timeout = wait + 10.0 if wait else answers_within
        while True:
            ref = self._buckets.get(bucket_id) or (await self._locate(bucket_id) if await self.is_set_up() else None)
            asked = limit if ref is None or ref.is_local() else min(limit, self._pages.size)
            now, later = (asked, offset, wait, reader), (asked, offset, 0.0, reader)
            try:
                answer = await self.follow(bucket_id, "fetch", now, later, timeout)
            except NotSendable:
                if asked == 1 or not self._pages.shrink():
                    raise
            else:
                fetched = None if answer is None else Fetched(*answer)
                if asked < limit and fetched is not None and len(fetched.records) == asked:
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
        is_new = False
        while not await self.is_set_up():  # one wait does for all buckets
            is_new = True
            left = WAIT_SLICE_S if deadline is None else deadline - self.loop.time()
            if left <= 0:
                return {}
            await self.wait_set_up(left)
        if len(offsets) == 1:
            ((bucket_id, offset),) = offsets.items()
            fetched = await self._wait_in(bucket_id, limit, offset, deadline, footing, reader, is_new)
            return {} if fetched is None else {bucket_id: fetched}
        waits = {
            bucket_id: asyncio.ensure_future(self._wait_in(bucket_id, limit, offset, deadline, footing, reader, is_new))
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
        is_new: bool,
    ) -> Fetched | None:
        while True:
            left = WAIT_SLICE_S if deadline is None else deadline - self.loop.time()
            if left <= 0:
                return None
            # A queue that was not there may have been, and been deleted: what is lost by that is told at once.
            wait = 0.0 if is_new else min(left, WAIT_SLICE_S)
            fetched = await self.fetch(bucket_id, limit, offset, wait, reader)
            is_new = fetched is None
            if fetched is None:
                await self.wait_set_up(left)
            elif fetched.records or footing.owes(bucket_id, fetched, offset):
                return fetched
            else:
                offset = fetched.following

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


def patience_of(wait: bool, timeout: float | None) -> float | None:
    """How many seconds a read waits, None for ever and 0 not at all; a time that is over already is not waited for.

    Raises:
        ValueError: the timeout is no number of seconds.
    """
    if not wait:
        return 0.0
    check_seconds(timeout, "timeout")
    return None if timeout is None else max(0.0, timeout)


async def in_time(read: Coroutine[Any, Any, T], topic: str, patience: float | None) -> T:
    """Await a read that may wait so many seconds, None for ever and 0 not at all.

    Raises:
        DeadlineExceeded: it is not over long after that, because a bucket is silent.
    """
    if not patience:
        return await read
    try:
        return await asyncio.wait_for(read, patience + SILENCE_S)
    except asyncio.TimeoutError as error:
        if isinstance(error, PulsingError):
            raise
        raise DeadlineExceeded(f"queue {topic}", patience, maybe_executed=False) from None


def check_window(limit: int, offset: int) -> None:
    """Raise ValueError for a negative limit or offset, TypeError for one that is no whole number."""
    for name, value in (("limit", limit), ("offset", offset)):
        check_whole(name, value)
    if limit < 0:
        raise ValueError(f"limit must not be negative, got {limit}")
    if offset < 0:
        raise ValueError(f"offset must not be negative, got {offset}")


def check_whole(name: str, value: object) -> None:
    """Raise TypeError unless a value can stand for a whole number, as those of numpy can."""
    if not hasattr(type(value), "__index__"):
        raise TypeError(f"{name} is a whole number, not {value!r}")


def _check_count(name: str, count: int, most: int | None = None) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= (most or count):
        allowed = "from 1 on" if most is None else f"from 1 to {most}"
        raise ValueError(f"{name} is a number {allowed}, got {count!r}")


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
