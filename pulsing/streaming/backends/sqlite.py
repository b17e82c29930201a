"""The durable store of one node: one SQLite file a bucket, written by the node's one store thread.

A `put` returns when its commit is on disk, which it shares with all that came meanwhile. Offsets are row numbers, so
that reading costs the same at any place. Every record carries a checksum: damage is told, never read over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pulsing.exceptions import PulsingRuntimeError
from pulsing.streaming.backends import sqlite_traces
from pulsing.streaming.backends.arrivals import Arrivals
from pulsing.streaming.backends.bodies import Bodies
from pulsing.streaming.backends.bounds import DROP_OLDEST, Bounds
from pulsing.streaming.backends.durable import DurableBackend
from pulsing.streaming.backends.memory import Record, Window
from pulsing.streaming.backends.sqlite_file import SqliteFile
from pulsing.streaming.backends.sqlite_folder import last_epoch, set_aside
from pulsing.streaming.backends.sqlite_traces import Run
from pulsing.streaming.backends.writer import StoreThread
from pulsing.streaming.ownership.takeover import SHARED, WAIT, check_failover

FULL = "full"
NORMAL = "normal"


class SqliteBackend(DurableBackend):
    """Keeps records in a file.

    Args:
        bucket_id: which bucket of its queue this is.
        storage_path: folder of the queue's files; made if it is not there.
        durability: "full", on disk before `put` returns; or "normal", which may lose the last commits at a power cut.
        max_records: records kept; None for no bound.
        max_bytes: their size; None for no bound.
        max_age: seconds after which a record is dropped; None for never.
        overflow: what happens at a bound; see `Bounds`.
        failover: what becomes of the bucket while the node that has the file is away: "wait" refuses with
            BucketUnavailable, "fresh" begins anew elsewhere, "shared" goes on with the same file, for nodes of one
            machine that have the folder in common.
        epoch: of the ownership; a file that has seen a higher one refuses.
        thread: does the work; by default one of its own.
    """

    file_based = True
    """the data stays on the node's disk"""

    def __init__(
        self,
        bucket_id: int,
        storage_path: str,
        batch_size: int = 100,
        *,
        durability: str = FULL,
        max_records: int | None = None,
        max_bytes: int | None = None,
        max_age: float | None = None,
        overflow: str = DROP_OLDEST,
        failover: str = WAIT,
        epoch: int = 0,
        thread: StoreThread | None = None,
    ) -> None:
        if durability not in (FULL, NORMAL):
            raise ValueError(f"durability is 'full' or 'normal', not {durability!r}")
        check_failover(failover)
        self._bounds = Bounds(max_records, max_bytes, max_age, overflow)
        self.bucket_id = bucket_id
        self.batch_size = batch_size
        self.path = file_of(storage_path, bucket_id)
        self._durability = durability
        self._thread = thread or StoreThread(f"pulsing-store-{bucket_id}")
        self._file = SqliteFile(
            self.path, bucket_id, self._bounds, durability == FULL, epoch, exclusive=failover != SHARED
        )
        self.given_up: Callable[[], None] = _nothing
        """called once when the file has been closed over a failure, so that it has to be opened anew"""
        self._opening: asyncio.Future[None] | None = None
        self._is_open = False
        self._bodies = Bodies()
        self._arrivals = Arrivals(self.total_count)
        self._handed_in = 0

    # --- opening and closing -----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the file, or make it; done by the first call that needs it.

        Raises:
            PulsingRuntimeError: it cannot be opened, is damaged beyond use, or another process has it.
            NotOwner: it has seen a higher epoch.
        """
        if self._opening is None or (self._opening.done() and not self._is_open):
            self._thread.acquire()
            self._opening = asyncio.ensure_future(self._open())
        await asyncio.shield(self._opening)

    async def _open(self) -> None:
        try:
            await self._thread.submit(self._file, self._file.open)
            self._is_open = True
        except BaseException:
            self._thread.release()
            raise

    async def close(self) -> None:
        """Close the file; nothing to do if it is not open."""
        opening, self._opening = self._opening, None
        if opening is not None:
            await asyncio.wait([opening])
        if not self._is_open:
            return
        self._is_open = False
        try:
            await self._thread.submit(self._file, self._file.finish)
        finally:
            self._thread.release()

    # --- beside what every durable store has --------------------------------------------------------------------------

    async def flush(self) -> None:
        """Bring everything into the main file, synced."""
        await self._do(self._file.checkpoint)

    async def stats(self) -> dict[str, Any]:
        """Figures of the file."""
        await self.open()
        return {
            "bucket_id": self.bucket_id,
            "buffer_size": 0,
            "persisted_count": self.record_count(),
            "total_count": self.total_count(),
            "backend": "sqlite",
            "bytes": self.byte_count(),
            "durability": self._durability,
        }

    def total_count(self) -> int:
        """The offset that the next record gets; 0 until the file is open."""
        return self._file.next

    @property
    def generation(self) -> int:
        """How many times the bucket began anew, counting this one, as far as the file knows."""
        return self._file.generation

    @property
    def may_lack(self) -> bool:
        """Whether the last commits may be gone: the machine went down while they were not on disk."""
        return self._file.may_lack

    @property
    def anew_from(self) -> int:
        """From which offset on this generation may have written anew what a power cut took."""
        return self._file.anew_from

    @property
    def lineage(self) -> int:
        """Identity of the log; 0 until the file is open."""
        return self._file.lineage

    # --- the log -----------------------------------------------------------------------------------------------------

    @staticmethod
    def exists(storage_path: str, bucket_id: int) -> bool:
        """Whether this node has the file of a bucket."""
        return file_of(storage_path, bucket_id).exists()

    @staticmethod
    def epoch_of(storage_path: str, bucket_id: int) -> int:
        """The last epoch that the file of a bucket has seen; 0 if it cannot be read."""
        return last_epoch(file_of(storage_path, bucket_id))

    @staticmethod
    def set_aside(storage_path: str, bucket_id: int) -> None:
        """Rename the file of a bucket, if there is one: another log has taken its place, and it is of use to people."""
        set_aside(file_of(storage_path, bucket_id))

    async def append(self, records: Sequence[Record]) -> int:
        """Append records and return the offset of the first.

        Raises:
            NotSendable: a value cannot be stored.
            Overloaded: a bound is reached and `overflow` is "reject", or the disk is nearly full.
            NotOwner: another owner has taken the file over.
        """
        if not self._is_open:
            await self.open()
        payloads = self._bodies.payloads(records)
        self._handed_in += len(payloads)
        try:
            first: int = await self._submit(payloads)
        except asyncio.CancelledError:
            # It is written once it is handed in, whether or not the caller still waits: before the thread's next job.
            self._thread.submit(self._file, _nothing).add_done_callback(lambda _: self._arrivals.announce())
            raise
        self._arrivals.announce()
        return first

    async def read(self, limit: int, offset: int) -> Window:
        """Up to `limit` records from `offset` on, with the place to go on from."""
        if not self._is_open:
            await self.open()
        file = self._file
        if self._bounds.max_age is not None:
            await self._do(file.drop_aged)
        first, end = file.first, file.next
        start = max(offset, first)
        if limit <= 0 or start >= end:
            return Window([], start, first)
        stop = min(end, start + limit)
        rows = await self._do(lambda: file.rows(start, stop))
        if start < file.first:
            return await self.read(limit, offset)  # trimmed while this was read
        return self._bodies.window_of_rows(self.bucket_id, self.generation, rows, start, stop, end, first)

    async def wait_beyond(self, offset: int, timeout: float | None) -> bool:
        return await self._arrivals.beyond(offset, timeout)

    # --- bounds ------------------------------------------------------------------------------------------------------

    def earliest(self) -> int:
        """The oldest offset that there still is."""
        return self._file.first

    def record_count(self) -> int:
        """Records that can be read."""
        return self._file.next - self._file.first

    def byte_count(self) -> int:
        """The size of the stored records."""
        return self._file.bytes

    def unflushed_count(self) -> int:
        """Records handed in that are not in the file yet; with full durability, not on disk yet."""
        return self._handed_in - self._file.settled

    def put_at(self, offset: int) -> float | None:
        """When the record at an offset was put, where that is known without reading: for the oldest one."""
        return self._file.oldest_at if offset == self._file.first else None

    def size_at(self, offset: int) -> int | None:
        """Not known without reading."""
        return None

    async def bounds(self) -> dict[str, int]:
        """Oldest and next offset, records and bytes."""
        await self.open()
        file = self._file
        return {"earliest": file.first, "next": file.next, "records": self.record_count(), "bytes": file.bytes}

    async def trim(self, before_offset: int) -> int:
        """Remove the records below an offset."""
        removed: int = await self._do(lambda: self._file.drop_below(before_offset))
        return removed

    async def clear_all(self) -> int:
        """Remove every record; offsets go on."""
        removed: int = await self._do(lambda: self._file.drop_below(self._file.next))
        return removed

    async def destroy(self) -> None:
        """Remove the file."""
        await self.open()
        await self._do(self._file.remove)
        await self.close()

    async def offset_at(self, wall: float) -> int:
        """The first offset whose record was put at that wall time or later."""
        found: int = await self._do(lambda: self._file.first_since(wall))
        return found

    async def committed(self) -> dict[str, int]:
        """The committed offset of every group."""
        groups: dict[str, int] = await self._do(self._file.groups)
        return groups

    async def commit(self, group: str, offset: int | None) -> None:
        """Keep the committed offset of a group; None forgets the group.

        Raises:
            NotOwner: another owner has taken the file over.
        """
        await self._do(lambda: self._file.commit_group(group, offset))

    async def keep_traces(self, runs: Sequence[Run]) -> None:
        """Keep of which puts some records are, which are in the file already."""
        await self._do(lambda: sqlite_traces.keep(self._file, runs))

    async def kept_traces(self, first: int, end: int) -> list[Run]:
        """The runs that have records from `first` up to before `end`."""
        found: list[Run] = await self._do(lambda: sqlite_traces.kept(self._file, first, end))
        return found

    async def _do(self, work: Callable[[], Any]) -> Any:
        """Let the store thread do something."""
        if not self._is_open:
            await self.open()
        return await self._submit(work)

    async def _submit(self, argument: Any) -> Any:
        try:
            return await self._thread.submit(self._file, argument)
        except PulsingRuntimeError:
            if self._file.has_failed:
                given_up, self.given_up = self.given_up, _nothing
                given_up()
            raise


def _nothing() -> None:
    pass


def file_of(storage_path: str, bucket_id: int) -> Path:
    """The file of a bucket."""
    return Path(storage_path) / f"bucket_{bucket_id}.sqlite"
