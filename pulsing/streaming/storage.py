"""One bucket of a queue: an actor around a store, which also remembers who reads from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pulsing.clock import Clock, clock_here
from pulsing.core.remote import remote
from pulsing.exceptions import DataLost, NotOwner, Overloaded
from pulsing.streaming.backend import MemoryBackend, backend_name, get_backend_class
from pulsing.streaming.backends.bounds import BLOCK, TooLarge
from pulsing.streaming.backends.memory import NOWHERE, Record, Window
from pulsing.streaming.backends.writer import StoreThread
from pulsing.streaming.bucket_care import BucketCare
from pulsing.streaming.bucket_words import Appended, FetchedFields, Ground, Moved
from pulsing.streaming.counters import StreamingCounters
from pulsing.streaming.groups.bucket_groups import BucketGroups, BuryRecord
from pulsing.streaming.groups.calls import GroupCalls
from pulsing.streaming.log import log_of
from pulsing.streaming.ownership.takeover import no_majority, store_options
from pulsing.streaming.put_traces import PutTraces
from pulsing.streaming.readers import ReaderInfo, Readers
from pulsing.streaming.training import TrainingRows

CALLS_AT_ONCE = 100_000
"""A read that waits is a call in progress: however many wait, those who put must not stand behind them."""

LOOK_FOR_ROOM_S = 0.25
"""How often a put that waits looks whether old records have aged away."""


@remote(cancellable=True, max_concurrency=CALLS_AT_ONCE)
class BucketStorage(GroupCalls, BucketCare, PutTraces, TrainingRows):
    """Stores the records of one bucket.

    Args:
        bucket_id: number of the bucket in its queue.
        storage_path: where a store that keeps files puts them.
        batch_size: passed on to the store.
        backend: name or class of the store.
        backend_options: further arguments of the store's class.
        topic: the queue, for figures and errors.
        generation: how many times the bucket began anew, counting this one.
        lineage: identity of this log.
        epoch: of the ownership; by default the generation.
        moved: the log as another process had it; see `move_out`.
        clock: where time comes from.
        thread: the node's thread for stores that keep files.
        bury: takes records that consumer groups have not acknowledged in too many deliveries.
        next_epoch: gives an epoch above the one that the store has seen; without it the store is another owner's.
        fenced_off: called when the store says that another owner has taken it over, or cannot go on as it is open.
        may_lack: called with the next offset when the store may have lost its last records to a power cut.
        counters: the node's figures, which get the times of this bucket.
    """

    def __init__(
        self,
        bucket_id: int,
        storage_path: str,
        batch_size: int = 100,
        backend: str | type = "memory",
        backend_options: Mapping[str, Any] | None = None,
        *,
        topic: str = "",
        generation: int = 1,
        lineage: int = 1,
        epoch: int | None = None,
        moved: Moved | None = None,
        clock: Clock | None = None,
        thread: StoreThread | None = None,
        bury: BuryRecord | None = None,
        next_epoch: Callable[[int], int] | None = None,
        fenced_off: Callable[[], None] = lambda: None,
        may_lack: Callable[[int], None] = lambda _: None,
        counters: StreamingCounters | None = None,
    ) -> None:
        super().__init__()
        self.bucket_id = bucket_id
        self.storage_path = storage_path
        self.batch_size = batch_size
        self.topic = topic
        self._generation = generation
        self.epoch = generation if epoch is None else epoch
        self.lineage = lineage
        self.put_total = 0
        self.read_total = 0
        self.failures: dict[str, int] = {}
        self._clock = clock or clock_here()
        self._now = self._clock.monotonic
        self.readers = Readers(self._clock)
        # Drawn at each opening, unlike the lineage of a store that lasts.
        self._first_loan = lineage
        self._bury = bury or _drop
        self._groups: BucketGroups | None = None
        self._backend_class = get_backend_class(backend)
        self._times = (counters or StreamingCounters()).operations[backend_name(backend)]
        self._backend_options = store_options(backend_options)
        if getattr(self._backend_class, "fenced", False):
            self._backend_options.update(epoch=self.epoch, thread=thread)
        self._next_epoch = next_epoch
        self._fenced_off = fenced_off
        self._may_lack = may_lack
        self._moved = moved
        self._may_write = True
        self._waits_for_room = self._backend_options.get("overflow") == BLOCK
        self._asks_before = self._waits_for_room
        """whether an append has more to look at than the store"""
        self._line = asyncio.Lock()
        self._room = asyncio.Event()
        self._waits: set[asyncio.Task[Any]] = set()
        self._backend: Any = None
        self._memory: MemoryBackend | None = None
        self._memory_ground: Ground = (lineage, generation, NOWHERE)

    async def on_start(self, actor_id: object) -> None:
        """Open the store."""
        try:
            await self._open_store()
        except NotOwner as refused:
            if self._next_epoch is None:
                raise
            self.epoch = self._next_epoch(refused.epoch)
            self._backend_options["epoch"] = self.epoch
            await self._open_store()
        if getattr(self._backend, "may_lack", False):
            self._may_lack(self.next_offset)
        if getattr(self._backend, "durable", False):
            self.lineage = self._backend.lineage
        if type(self._backend) is MemoryBackend:
            self._memory = self._backend
            self._move_in(self._backend)
            self._memory_ground = self.ground  # it stays as long as this process
        self._log = log_of(self._backend)
        groups = BucketGroups(
            self.topic,
            self.bucket_id,
            self._backend,
            self._log,
            self.generation,
            self._clock,
            self._first_loan,
            self._bury,
        )
        await groups.load()
        self._groups = groups

    async def _open_store(self) -> None:
        self._backend = self._backend_class(
            bucket_id=self.bucket_id,
            storage_path=self.storage_path,
            batch_size=self.batch_size,
            **self._backend_options,
        )
        if hasattr(self._backend, "given_up"):
            self._backend.given_up = self._fenced_off
        opened = getattr(self._backend, "open", None)
        if opened is not None:
            await opened()

    def _move_in(self, store: MemoryBackend) -> None:
        moved, self._moved = self._moved, None
        if moved is not None:
            about, records = moved
            store.move_in(about["log"], records)
            self._consumed = {task: set(indexes) for task, indexes in about["consumed"].items()}
            self._indexes = dict(about["indexes"])
            self.take_traces(about["traces"])

    def move_out(self) -> Moved | None:
        """The log of a store that dies with its process, for another one; None for a store that lasts."""
        store = self._memory
        if store is None:
            return None
        about = {
            "generation": self.generation,
            "lineage": self.lineage,
            "log": store.whereabouts(),
            "consumed": {task: sorted(indexes) for task, indexes in self._consumed.items()},
            "indexes": dict(self._indexes),
            "traces": list(self._runs or ()),
        }
        return about, store.buffer

    def end_waits(self) -> None:
        """Let reads that wait end now; their callers look for the bucket's next owner."""
        for wait in self._waits:
            wait.cancel()

    async def on_stop(self) -> None:
        """Close the store."""
        if self._groups is not None:
            await self._groups.close()
        closed = getattr(self._backend, "close", None)
        if closed is not None:
            await closed()

    # --- records -----------------------------------------------------------------------------------------------------

    async def put(self, record: Record) -> dict[str, Any]:
        """Store one record.

        Returns:
            `{"status": "ok"}`

        Raises:
            ValueError: there is no record.
            TypeError: it is not a dict.
        """
        if not record:
            raise ValueError("Missing 'record'")
        _check_records([record])
        await self._append([record])
        return {"status": "ok"}

    async def put_batch(self, records: list[Record]) -> dict[str, Any]:
        """Store records in their order.

        Returns:
            `{"status": "ok", "count": n}`

        Raises:
            ValueError: there are none.
            TypeError: not all are dicts; nothing is stored.
        """
        if not records:
            raise ValueError("Missing 'records'")
        _check_records(records)
        await self._append(records)
        return {"status": "ok", "count": len(records)}

    async def get(self, limit: int = 100, offset: int = 0) -> list[Record]:
        """Up to `limit` records from `offset` on, without waiting."""
        start = self._now()
        records: list[Record] = await self._backend.get(limit, offset)
        self._times.get.observe(self._now() - start)
        self.read_total += len(records)
        return records

    async def get_stream(
        self, limit: int = 100, offset: int = 0, wait: bool = False, timeout: float | None = None
    ) -> AsyncIterator[list[Record]]:
        """Lists of records as they come; see `StorageBackend.get_stream`."""
        async for found in self._backend.get_stream(limit, offset, wait, timeout):
            self.read_total += len(found)
            yield found

    async def flush(self) -> dict[str, Any]:
        """Make durable what was put before.

        Returns:
            `{"status": "ok"}`
        """
        start = self._now()
        await self._backend.flush()
        self._times.flush.observe(self._now() - start)
        return {"status": "ok"}

    async def stats(self) -> dict[str, Any]:
        """The store's own figures, with the bucket's `generation` and `epoch`."""
        return {**await self._backend.stats(), "generation": self.generation, "epoch": self.epoch}

    # --- what queues use ---------------------------------------------------------------------------------------------

    def append(self, records: list[Record]) -> Appended | Coroutine[Any, Any, Appended]:
        """Store records and tell where; the memory store answers in the same turn, without a task."""
        memory = self._memory
        if memory is None or self._asks_before:
            return self._append(records)
        start = self._now()
        first = memory.append(records)
        self._times.put.observe(self._now() - start)
        self.put_total += len(records)
        return first, self._memory_ground

    def fetch(
        self, limit: int, offset: int, wait: float, reader: ReaderInfo | None = None
    ) -> FetchedFields | Coroutine[Any, Any, FetchedFields]:
        """Read records; with `wait`, stay up to so many seconds until there is one."""
        if reader is not None:
            self.readers.asked(reader, offset)
        memory = self._memory
        if memory is not None:
            start = self._now()
            window = memory.read(limit, offset)
            if window.records or wait <= 0:
                self._times.get.observe(self._now() - start)
                return self._fetched(window)
        return self._fetch(limit, offset, wait, reader)

    async def _append(self, records: list[Record]) -> Appended:
        self._check_may_write()
        start = self._now()
        try:
            first = await (self._append_with_room(records) if self._waits_for_room else self._log.append(records))
        except Exception as error:
            self.failures["put"] = self.failures.get("put", 0) + 1
            if isinstance(error, NotOwner):
                self._fenced_off()
            raise
        self._times.put.observe(self._now() - start)
        self.put_total += len(records)
        return first, self.ground

    async def _append_with_room(self, records: list[Record]) -> int:
        """Wait until the store has room; the caller's deadline ends it. One after the other, so that order holds."""
        async with self._line:
            while True:
                try:
                    return await self._log.append(records)
                except TooLarge:
                    raise
                except Overloaded:
                    await self._log.read(0, 0)  # what is too old goes by that
                    try:
                        await asyncio.wait_for(self._room.wait(), LOOK_FOR_ROOM_S)
                    except asyncio.TimeoutError:
                        pass
                    self._room.clear()

    async def _fetch(self, limit: int, offset: int, wait: float, reader: ReaderInfo | None) -> FetchedFields:
        try:
            if wait <= 0:
                start = self._now()
                window = await self._log.read(limit, offset)
                self._times.get.observe(self._now() - start)
                return self._fetched(window)
            with self._waiting(reader):
                return self._fetched(await self._log.wait(limit, offset, wait))
        except DataLost as loss:
            raise DataLost(self.topic, self.bucket_id, loss.reason, loss.first, loss.last, self.generation) from loss

    @contextmanager
    def _waiting(self, reader: ReaderInfo | None) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self.readers.waiting(reader, 1)
        self._waits.add(task)
        try:
            yield
        finally:
            self._waits.discard(task)
            self.readers.waiting(reader, -1)

    def _fetched(self, window: Window) -> FetchedFields:
        self.read_total += len(window.records)
        return window.records, window.next, window.earliest, self.ground, not self._may_write, self.next_offset

    # --- figures and care --------------------------------------------------------------------------------------------

    @property
    def groups(self) -> BucketGroups:
        """The consumer groups; there once the bucket has started."""
        assert self._groups is not None
        return self._groups

    @property
    def may_write(self) -> bool:
        """Whether records are taken: not on a side of a partition that does not go on."""
        return self._may_write

    @may_write.setter
    def may_write(self, allowed: bool) -> None:
        self._may_write = allowed
        self._asks_before = self._waits_for_room or not allowed

    def _check_may_write(self) -> None:
        if not self._may_write:
            raise no_majority(self.topic, self.bucket_id, self.epoch)

    @property
    def backend(self) -> Any:
        """The store; None until the bucket has started."""
        return self._backend

    @property
    def generation(self) -> int:
        """How many times the log began anew, counting this one; a store that lasts knows it itself."""
        generation: int = getattr(self._backend, "generation", self._generation)
        return generation

    @property
    def ground(self) -> Ground:
        """Which log there is."""
        return self.lineage, self.generation, getattr(self._backend, "anew_from", NOWHERE)


def _check_records(records: list[Record]) -> None:
    if not all(isinstance(record, dict) for record in records):
        raise TypeError("a record must be a dict")


async def _drop(record: Record) -> None:
    """Where a bucket stands for itself there is no dead queue."""


__all__ = ["Appended", "BucketStorage", "FetchedFields", "Moved"]
