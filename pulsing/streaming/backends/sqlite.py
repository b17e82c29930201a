"""The durable store of one node: one SQLite file a bucket, written by the node's one store thread.

A `put` returns when its commit is on disk, which it shares with all that came meanwhile. Offsets are row numbers, so
that reading costs the same at any place. Every record carries a checksum: damage is told, never read over.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import sqlite3
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from pulsing.exceptions import DataLost, NotOwner, Overloaded, PulsingRuntimeError
from pulsing.streaming.backends.memory import DROP_OLDEST, REJECT, Record, Window
from pulsing.streaming.backends.writer import Job, StoreThread
from pulsing.wire.values import Codec

FULL = "full"
NORMAL = "normal"
WAIT = "wait"
FRESH = "fresh"

_VERSION = 1
_HEAD = struct.Struct(">BI")
_CHUNK = 100
_SLACK = 256
# A larger file would take seconds to check at each opening; the checksums of its records remain.
_CHECKED_SIZE = 64 << 20

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records(off INTEGER PRIMARY KEY, at REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS groups(name TEXT PRIMARY KEY, committed INTEGER NOT NULL) WITHOUT ROWID;
"""


class SqliteBackend:
    """Keeps records in a file.

    Args:
        bucket_id: which bucket of its queue this is.
        storage_path: folder of the queue's files; made if it is not there.
        durability: "full", on disk before `put` returns; or "normal", which may lose the last commits at a power cut.
        max_records: records kept; None for no bound.
        max_bytes: their size; None for no bound.
        max_age: seconds after which a record is dropped; None for never.
        overflow: at a bound, "drop_oldest" gives up the oldest records and "reject" raises Overloaded.
        failover: what becomes of the bucket while the node that has the file is away: "wait" refuses with
            BucketUnavailable, "fresh" begins anew elsewhere.
        epoch: of the ownership; a file that has seen a higher one refuses.
        thread: does the work; by default one of its own.
    """

    durable = True
    file_based = True
    """the data stays on the node's disk"""
    fenced = True
    """takes the epoch of its owner, and the node's store thread"""

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
        if overflow not in (DROP_OLDEST, REJECT):
            raise ValueError(f"overflow is 'drop_oldest' or 'reject', not {overflow!r}")
        if failover not in (WAIT, FRESH):
            raise ValueError(f"failover is 'wait' or 'fresh', not {failover!r}")
        for name, bound in (("max_records", max_records), ("max_bytes", max_bytes), ("max_age", max_age)):
            if bound is not None and bound <= 0:
                raise ValueError(f"{name} must be positive, got {bound!r}")
        self.bucket_id = bucket_id
        self.batch_size = batch_size
        self.path = file_of(storage_path, bucket_id)
        self.lineage = 0
        self.generation = 1
        self._durability = durability
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._overflow = overflow
        self._epoch = epoch
        self._thread = thread or StoreThread(f"pulsing-store-{bucket_id}")
        self._file = _File(self)
        self._opening: asyncio.Future[None] | None = None
        self._codec = Codec()
        self._waiting: list[asyncio.Future[None]] = []
        self.next = 0
        self.first = 0
        self.bytes = 0
        self.oldest_at: float | None = None

    # --- opening and closing -----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the file, or make it; done by the first call that needs it.

        Raises:
            PulsingRuntimeError: it cannot be opened, is damaged beyond use, or another process has it.
            NotOwner: it has seen a higher epoch.
        """
        if self._opening is None:
            self._thread.acquire()
            self._opening = asyncio.ensure_future(self._open())
        await asyncio.shield(self._opening)

    async def _open(self) -> None:
        try:
            await self._thread.submit(self._file, self._file.open)
        except BaseException:
            self._thread.release()
            raise

    async def close(self) -> None:
        """Close the file; nothing to do if it is not open."""
        opening, self._opening = self._opening, None
        if opening is None or (opening.done() and opening.exception() is not None):
            return
        try:
            await opening
            await self._thread.submit(self._file, self._file.close)
        finally:
            self._thread.release()

    # --- the seven ---------------------------------------------------------------------------------------------------

    async def put(self, record: Record) -> None:
        """Append one record; it is as durable as promised on return."""
        await self.append([record])

    async def put_batch(self, records: list[Record]) -> None:
        """Append records in their order, all or none."""
        await self.append(records)

    async def get(self, limit: int, offset: int) -> list[Record]:
        """Up to `limit` records from `offset` on.

        Raises:
            DataLost: a record in between is damaged.
        """
        return (await self.read(limit, offset)).records

    async def get_stream(
        self, limit: int, offset: int, wait: bool = False, timeout: float | None = None
    ) -> AsyncIterator[list[Record]]:
        """Lists of up to 100 records, until `limit` is reached, or the end, or `timeout` seconds without news."""
        while limit > 0:
            window = await self.read(min(limit, _CHUNK), offset)
            offset = window.next
            if window.records:
                limit -= len(window.records)
                yield window.records
            elif not wait or not await self._wait_beyond(offset, timeout):
                return

    async def flush(self) -> None:
        """Bring everything into the main file, synced."""
        await self._do(self._file.checkpoint)

    async def stats(self) -> dict[str, Any]:
        """Figures of the file."""
        await self.open()
        return {
            "bucket_id": self.bucket_id,
            "buffer_size": 0,
            "persisted_count": self.next - self.first,
            "total_count": self.next,
            "backend": "sqlite",
            "bytes": self.bytes,
            "durability": self._durability,
        }

    def total_count(self) -> int:
        """The offset that the next record gets; 0 until the file is open."""
        return self.next

    # --- the log -----------------------------------------------------------------------------------------------------

    @staticmethod
    def exists(storage_path: str, bucket_id: int) -> bool:
        """Whether this node has the file of a bucket."""
        return file_of(storage_path, bucket_id).exists()

    @property
    def log(self) -> SqliteBackend:
        """This store is a log as it is."""
        return self

    async def append(self, records: Sequence[Record]) -> int:
        """Append records and return the offset of the first.

        Raises:
            NotSendable: a value cannot be stored.
            Overloaded: a bound is reached and `overflow` is "reject".
            NotOwner: another owner has taken the file over.
        """
        if self._opening is None or not self._opening.done():
            await self.open()
        encode = self._codec.encode
        bodies = []
        for record in records:
            payload = encode(record)
            bodies.append(_HEAD.pack(_VERSION, crc32(payload)) + payload)
        # Written once it is handed in, whether or not the caller still waits.
        first: int = await self._thread.submit(self._file, bodies)
        if self._waiting:
            self._wake()
        return first

    async def read(self, limit: int, offset: int) -> Window:
        """Up to `limit` records from `offset` on, with the place to go on from."""
        await self.open()
        if self._max_age is not None:
            await self._do(self._file.drop_aged)
        if offset >= self.next or limit <= 0:
            return Window([], max(offset, self.first), self.first)
        start = max(offset, self.first)
        rows: list[tuple[int, bytes]] = await self._do(lambda: self._file.rows(start, limit))
        records = self._sound(start, rows)
        if not records:
            last = max(start, rows[0][0] - 1) if rows else self.next - 1
            raise DataLost("", self.bucket_id, "corrupt", start, last, self.generation)
        return Window(records, start + len(records), self.first)

    async def wait(self, limit: int, offset: int, timeout: float | None) -> Window:
        """The same, but wait up to `timeout` seconds for the first record."""
        window = await self.read(limit, offset)
        if not window.records and await self._wait_beyond(window.next, timeout):
            return await self.read(limit, window.next)
        return window

    def _sound(self, start: int, rows: list[tuple[int, bytes]]) -> list[Record]:
        """The records up to the first that is missing or damaged."""
        records: list[Record] = []
        for place, (number, body) in enumerate(rows):
            record = self._decoded(body) if number == start + place else None
            if record is None:
                break
            records.append(record)
        return records

    def _decoded(self, body: bytes) -> Record | None:
        """The record in a stored body; None if it is damaged."""
        if len(body) < _HEAD.size:
            return None
        version, checksum = _HEAD.unpack_from(body)
        payload = body[_HEAD.size :]
        if version != _VERSION or crc32(payload) != checksum:
            return None
        record: Record = self._codec.decode(payload)
        return record

    async def _wait_beyond(self, offset: int, timeout: float | None) -> bool:
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while self.next <= offset:
            left = None if deadline is None else deadline - loop.time()
            if left is not None and left <= 0:
                return False
            arrival: asyncio.Future[None] = loop.create_future()
            self._waiting.append(arrival)
            try:
                await asyncio.wait_for(arrival, left)
            except asyncio.TimeoutError:
                return False
            finally:
                if arrival in self._waiting:
                    self._waiting.remove(arrival)
        return True

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for arrival in waiting:
            if not arrival.done():
                arrival.set_result(None)

    # --- bounds ------------------------------------------------------------------------------------------------------

    def earliest(self) -> int:
        """The oldest offset that there still is."""
        return self.first

    def record_count(self) -> int:
        """Records that can be read."""
        return self.next - self.first

    def byte_count(self) -> int:
        """The size of the stored records."""
        return self.bytes

    def put_at(self, offset: int) -> float | None:
        """When the record at an offset was put, where that is known without reading: for the oldest one."""
        return self.oldest_at if offset == self.first else None

    def size_at(self, offset: int) -> int | None:
        """Not known without reading."""
        return None

    async def bounds(self) -> dict[str, int]:
        """Oldest and next offset, records and bytes."""
        await self.open()
        return {"earliest": self.first, "next": self.next, "records": self.next - self.first, "bytes": self.bytes}

    async def trim(self, before_offset: int) -> int:
        """Remove the records below an offset."""
        removed: int = await self._do(lambda: self._file.drop_below(before_offset))
        return removed

    async def clear_all(self) -> int:
        """Remove every record; offsets go on."""
        removed: int = await self._do(lambda: self._file.drop_below(self.next))
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

    async def _do(self, work: Callable[[], Any]) -> Any:
        if self._opening is None or not self._opening.done():
            await self.open()
        return await self._thread.submit(self._file, work)


class _File:
    """The file as the store thread sees it. Figures of the store are changed only after a commit."""

    def __init__(self, store: SqliteBackend) -> None:
        self._store = store
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None

    def perform(self, jobs: Sequence[Job]) -> None:
        """Do jobs in order; appends that stand side by side share a commit."""
        appends: list[Job] = []
        for job in jobs:
            if isinstance(job.argument, list):
                appends.append(job)
                continue
            self._append_all(appends)
            appends = []
            try:
                job.outcome = (job.argument(), None)
            except BaseException as error:
                job.outcome = (None, _told(error))
        self._append_all(appends)

    # --- opening and closing -----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open and check the file, or make it."""
        store = self._store
        created = not store.path.exists()
        store.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(Path(f"{store.path}.lock"))
        try:
            connection = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
            self._connection = connection
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={store._durability}")
            self._check(connection)
            self._prepare(connection)
            if created:
                _sync_folder(store.path.parent)
        except BaseException:
            self.close()
            raise

    def _check(self, connection: sqlite3.Connection) -> None:
        path = self._store.path
        if path.stat().st_size > _CHECKED_SIZE:
            return
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise PulsingRuntimeError(f"{path} is damaged: quick_check found errors")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        store = self._store
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN IMMEDIATE")
        try:
            known = dict(connection.execute("SELECT name, value FROM meta").fetchall())
            epoch = known.get("epoch", 0)
            if store._epoch < epoch and store._epoch:
                raise NotOwner(str(store.path), None, epoch, f"{store.path} belongs to an owner of epoch {epoch}")
            store._epoch = max(store._epoch, epoch)
            lineage = known.get("lineage") or secrets.randbits(62) + 1
            last = connection.execute("SELECT max(off) FROM records").fetchone()[0]
            oldest = connection.execute("SELECT off, at FROM records ORDER BY off LIMIT 1").fetchone()
            following = max(known.get("next", 0), last or 0)
            size = known.get("bytes", 0)
            rows = [("epoch", store._epoch), ("lineage", lineage), ("next", following), ("bytes", size)]
            connection.executemany("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)", rows)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        store.lineage, store.next, store.bytes = lineage, following, size
        store.first = oldest[0] - 1 if oldest else following
        store.oldest_at = oldest[1] if oldest else None

    def close(self) -> None:
        """Close the file and unlock it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def remove(self) -> None:
        """Close the file and remove it."""
        self.close()
        for suffix in ("", "-wal", "-shm", ".lock"):
            Path(f"{self._store.path}{suffix}").unlink(missing_ok=True)

    def checkpoint(self) -> None:
        """Bring the log into the main file."""
        self._open_connection().execute("PRAGMA wal_checkpoint(FULL)").fetchall()

    # --- writing -----------------------------------------------------------------------------------------------------

    def _append_all(self, jobs: list[Job]) -> None:
        accepted = [job for job in jobs if self._has_room(job)]
        if not accepted:
            return
        store = self._store
        at = time.time()
        first = number = store.next
        rows: list[tuple[int, float, bytes]] = []
        firsts = []
        for job in accepted:
            firsts.append(number)
            for body in job.argument:
                number += 1
                rows.append((number, at, body))
        size = store.bytes + sum(len(body) for _, _, body in rows)
        try:
            self._commit(rows, number, size)
        except BaseException as error:
            for job in accepted:
                job.outcome = (None, _told(error))
            return
        store.next = number
        store.bytes = size
        if store.oldest_at is None or store.first == first:
            store.oldest_at = at
        for job, where in zip(accepted, firsts, strict=True):
            job.outcome = (where, None)
        self._drop_excess()

    def _commit(self, rows: list[tuple[int, float, bytes]], following: int, size: int) -> None:
        with self._owned() as connection:
            connection.executemany("INSERT INTO records(off, at, body) VALUES(?, ?, ?)", rows)
            connection.executemany("UPDATE meta SET value=? WHERE name=?", [(following, "next"), (size, "bytes")])

    @contextmanager
    def _owned(self) -> Iterator[sqlite3.Connection]:
        """A transaction that fails if another owner has taken the file over."""
        connection = self._open_connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            fenced = connection.execute(
                "UPDATE meta SET value=? WHERE name='epoch' AND value<=?", (self._store._epoch, self._store._epoch)
            )
            if fenced.rowcount != 1:
                raise NotOwner(str(self._store.path), None, 0, f"{self._store.path} was taken over by another owner")
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def commit_group(self, group: str, offset: int | None) -> None:
        """Write how far a group has acknowledged, or with None that there is no such group."""
        with self._owned() as connection:
            if offset is None:
                connection.execute("DELETE FROM groups WHERE name=?", (group,))
            else:
                connection.execute("INSERT OR REPLACE INTO groups(name, committed) VALUES(?, ?)", (group, offset))

    def groups(self) -> dict[str, int]:
        """The committed offset of every group."""
        return dict(self._open_connection().execute("SELECT name, committed FROM groups").fetchall())

    def _has_room(self, job: Job) -> bool:
        store = self._store
        if store._overflow != REJECT:
            return True
        if store._max_records is not None and store.next - store.first + len(job.argument) > store._max_records:
            job.outcome = (None, Overloaded(f"bucket {store.bucket_id} (records)", store._max_records))
        elif store._max_bytes is not None and store.bytes + sum(map(len, job.argument)) > store._max_bytes:
            job.outcome = (None, Overloaded(f"bucket {store.bucket_id} (bytes)", store._max_bytes))
        else:
            return True
        return False

    # --- forgetting --------------------------------------------------------------------------------------------------

    def _drop_excess(self) -> None:
        store = self._store
        records = store.next - store.first
        if store._max_records is not None and records > store._max_records:
            excess = records - store._max_records
            self.drop_below(store.first + max(excess, store._max_records // _SLACK))
        if store._max_bytes is not None and store.bytes > store._max_bytes:
            surplus = max(store.bytes - store._max_bytes, store._max_bytes // _SLACK)
            self.drop_below(self._end_of_first(surplus))

    def _end_of_first(self, size: int) -> int:
        """The offset behind the oldest records that together have at least this size."""
        found = self._open_connection().execute("SELECT off, length(body) FROM records ORDER BY off")
        for off, length in found:
            size -= length
            if size <= 0:
                found.close()
                return int(off)
        return self._store.next

    def drop_aged(self) -> None:
        """Drop what is older than the store's age."""
        assert self._store._max_age is not None
        limit = time.time() - self._store._max_age
        if self._store.oldest_at is not None and self._store.oldest_at < limit:
            self.drop_below(self.first_since(limit))

    def drop_below(self, offset: int) -> int:
        """Remove the records below an offset."""
        store = self._store
        offset = min(offset, store.next)
        if offset <= store.first:
            return 0
        connection = self._open_connection()
        lost = connection.execute("SELECT coalesce(sum(length(body)), 0) FROM records WHERE off <= ?", (offset,))
        size = lost.fetchone()[0]
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM records WHERE off <= ?", (offset,))
            connection.execute("UPDATE meta SET value=? WHERE name='bytes'", (store.bytes - size,))
        oldest = connection.execute("SELECT at FROM records ORDER BY off LIMIT 1").fetchone()
        removed = offset - store.first
        store.first = offset
        store.bytes -= size
        store.oldest_at = oldest[0] if oldest else None
        return removed

    def first_since(self, wall: float) -> int:
        """The first offset whose record was put at that wall time or later."""
        found = self._open_connection().execute("SELECT min(off) FROM records WHERE at >= ?", (wall,)).fetchone()[0]
        return self._store.next if found is None else found - 1

    # --- reading -----------------------------------------------------------------------------------------------------

    def rows(self, offset: int, limit: int) -> list[tuple[int, bytes]]:
        """Offsets and bodies from an offset on."""
        found = self._open_connection().execute(
            "SELECT off - 1, body FROM records WHERE off > ? ORDER BY off LIMIT ?", (offset, limit)
        )
        return found.fetchall()

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise PulsingRuntimeError(f"{self._store.path} is closed")
        return self._connection


def file_of(storage_path: str, bucket_id: int) -> Path:
    """The file of a bucket."""
    return Path(storage_path) / f"bucket_{bucket_id}.sqlite"


def _locked(path: Path) -> int:
    """Lock a file for this process and this opening of it; the lock goes with the descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise PulsingRuntimeError(f"{path} is locked: another process has the bucket open") from error
    return descriptor


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _told(error: BaseException) -> BaseException:
    """What a caller is told of a failure of the database or the disk."""
    if isinstance(error, sqlite3.Error | OSError):
        told = PulsingRuntimeError(f"the store failed: {error}", error if isinstance(error, Exception) else None)
        told.__cause__ = error
        return told
    return error
