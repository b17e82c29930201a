"""The file of a bucket as the store thread sees it: group commits, reading, forgetting.

What it tells of itself (`next`, `first`, `bytes`) changes only when that is as durable as was asked for, so that
nobody reads what a power cut may still take.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pulsing.exceptions import NotOwner, Overloaded, PulsingRuntimeError
from pulsing.logs import logger_of
from pulsing.streaming.backends.bounds import Bounds, records_of_size
from pulsing.streaming.backends.memory import NOWHERE
from pulsing.streaming.backends.rows import Columns, StoredRow, read_row, rows_of
from pulsing.streaming.backends.sqlite_folder import (
    FAILURES,
    Whereabouts,
    connected,
    locked,
    sync_folder,
)
from pulsing.streaming.backends.sqlite_recovery import Recovered, check_file, offset_in, recovered
from pulsing.streaming.backends.wal import PAGE, WITHIN_PAGES, WriteAheadLog
from pulsing.streaming.backends.writer import Job
from pulsing.streaming.ownership.folders import make_private, open_private

logger = logger_of("pulsing.streaming")

SPARE = 32 << 20
"""Bytes of the disk that no put takes, nor more than a tenth of it: to trim a bucket takes room in its log, and its log
in its file. On a disk that is full to its end nothing could be removed."""


class SqliteFile:
    """One file; its methods run on the store thread, its figures may be read anywhere.

    Args:
        path: of the file.
        bucket_id: the bucket, for errors.
        bounds: how much is kept.
        synced: whether a commit is done only when it is on disk.
        epoch: of the ownership; a file that has seen a higher one refuses.
        exclusive: whether nobody else may have the file open; else the last who opened it has it.
    """

    def __init__(
        self, path: Path, bucket_id: int, bounds: Bounds, synced: bool, epoch: int, *, exclusive: bool = True
    ) -> None:
        self.path = path.absolute()
        self.lineage = 0
        self.generation = 1
        self.next = 0
        """the offset that the next record gets"""
        self.first = 0
        """the oldest offset that there is"""
        self.bytes = 0
        self._dropped = 0
        """bytes of the records before `first`, as rows count them"""
        self._noted = 0
        """the end as the file says it itself, beside what its last row says"""
        self.settled = 0
        """records handed in, since this was made, whose fate is decided: they are kept, or their put has failed"""
        self.may_lack = False
        """whether the machine went down while commits were not on disk, so that the last may be gone"""
        self.anew_from = NOWHERE
        """from where on this generation may write anew what was lost in that way"""
        self.oldest_at: float | None = None
        self.has_failed = False
        """whether it was closed because nothing of it can be trusted any more; another opening of it may do"""
        self._bucket_id = bucket_id
        self._bounds = bounds
        self._synced = synced
        self._epoch = epoch
        self._exclusive = exclusive
        self._owner = secrets.randbits(61) + 1
        """tells two owners apart who were given the same epoch: the first to open the file has it"""
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._wal: WriteAheadLog | None = None
        self._whereabouts: Whereabouts | None = None
        self._unsynced = False
        self._done: list[Job] = []
        """jobs whose outcome counts only when they are settled"""
        self._written: tuple[int, int] | None = None
        """the end and the size with what was appended and is not settled"""
        self._in_hand = 0

    # --- the thread's jobs -------------------------------------------------------------------------------------------

    def perform(self, jobs: Sequence[Job]) -> bool:
        """Do jobs in order; appends that stand side by side share a commit."""
        appends: list[Job] = []
        for job in jobs:
            if isinstance(job.argument, list):
                appends.append(job)
                continue
            if appends:
                self._append_all(appends)
                self._settle_now()
                appends = []
            try:
                job.outcome = (job.argument(), None)
            except BaseException as error:
                job.outcome = (None, told(error))
            self._done.append(job)
        self._append_all(appends)
        if not self._must_sync():
            self.settle(None)
            return False
        return True

    def _must_sync(self) -> bool:
        return self._unsynced and self._synced and self._wal is not None

    def sync(self) -> None:
        """Bring the log of the last commits onto the disk."""
        assert self._wal is not None
        self._wal.sync()

    def work_aside(self) -> Callable[[], None] | None:
        """Bringing the log into the file, when it has grown."""
        return self._wal.checkpoint if self._wal is not None and self._wal.is_due() else None

    def settle(self, error: BaseException | None) -> None:
        """Count what was committed, now that it is durable; without that, nothing of the file can be trusted."""
        done, self._done = self._done, []
        written, self._written = self._written, None
        self._unsynced = False
        self.settled += self._in_hand
        self._in_hand = 0
        if error is not None:
            for job in done:
                job.outcome = (None, told(error))
            self._give_up()
        elif written is not None:
            if self.first == self.next:
                self.oldest_at = time.time()
            self.next, self.bytes = written
            try:
                self._drop_excess()
            except (*FAILURES, PulsingRuntimeError) as failed:
                # What was appended is there all the same, and the next append tries again.
                logger.warning("%s: the oldest records could not be dropped: %s", self.path, failed)

    def _settle_now(self) -> None:
        error: BaseException | None = None
        if self._must_sync():
            try:
                self.sync()
            except OSError as failed:
                error = failed
        self.settle(error)

    # --- opening and closing -----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open and check the file, or make it."""
        make_private(self.path.parent)
        # SQLite gives the files beside it the same rights. One that is there is not touched: to close it would take the
        # locks from whoever has it open in this process.
        with contextlib.suppress(FileExistsError):
            os.close(open_private(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        if self.path.is_symlink():
            # SQLite would write where it leads, and keep its log there.
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(self.path))
        if self._exclusive:
            self._lock = locked(Path(f"{self.path}.lock"))
        try:
            connection = connected(self.path)
            self._connection = connection
            connection.execute("PRAGMA journal_mode=WAL")
            # With this SQLite syncs all but commits; those are synced here, for several files at once.
            connection.execute("PRAGMA synchronous=NORMAL")
            # Where SQLite was built to overwrite what is removed, to trim writes as much as it removes: 49 MB for 50 MB
            # in place of 70 kB, and more than is left of a disk that is nearly full.
            connection.execute("PRAGMA secure_delete=OFF")
            check_file(connection, self.path)
            self._take(recovered(connection, self.path, self._epoch, self._owner, synced=self._synced))
            connection.execute(f"PRAGMA wal_autocheckpoint={WITHIN_PAGES}")
            self._wal = WriteAheadLog(self.path, alone=self._exclusive)
            self._wal.sync()
            sync_folder(self.path.parent)
            self._whereabouts = Whereabouts(self.path)
        except BaseException:
            self.close()
            raise

    def _take(self, log: Recovered) -> None:
        self._epoch = log.epoch
        self.lineage, self.generation, self.anew_from = log.lineage, log.generation, log.anew_from
        self.next, self.first = log.next, log.first
        self._noted = log.next
        self._dropped, self.bytes = log.dropped, log.bytes
        self.oldest_at, self.may_lack = log.oldest_at, log.may_lack

    def finish(self) -> None:
        """Bring everything onto the disk, say so in the file, and close it."""
        try:
            if self._connection is not None and not (self._synced and self._noted == self.next):
                with self._owned() as connection:
                    _note(connection, next=self.next, boot=0)
                self.sync()
        except (*FAILURES, PulsingRuntimeError) as error:
            logger.info("%s: closed without a last sync: %s", self.path, error)
        finally:
            self.close()

    def close(self) -> None:
        """Close the file and unlock it."""
        connection, self._connection = self._connection, None
        wal, self._wal = self._wal, None
        lock, self._lock = self._lock, None
        if wal is not None:
            wal.close()
        if connection is not None:
            connection.close()
        if lock is not None:
            os.close(lock)

    def _give_up(self) -> None:
        self.has_failed = True
        self.close()

    def remove(self) -> None:
        """Close the file and remove it; where that fails, another opening of it goes on with what is left."""
        self.close()
        try:
            for suffix in ("", "-wal", "-shm", ".lock"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        except OSError:
            self.has_failed = True
            raise

    def checkpoint(self) -> None:
        """Bring the log into the main file."""
        self._open_connection().execute("PRAGMA wal_checkpoint(FULL)").fetchall()

    # --- writing -----------------------------------------------------------------------------------------------------

    def _append_all(self, jobs: list[Job]) -> None:
        accepted: list[Job] = []
        payloads: list[bytes] = []
        firsts: list[int] = []
        size = self.bytes
        limit = size + self._room_on_disk()
        for job in jobs:
            self._in_hand += len(job.argument)
            added = sum(map(len, job.argument))
            try:
                self._bounds.check_fits(self._bucket_id, len(job.argument), added, map(len, job.argument))
                records = self.next - self.first + len(payloads) + len(job.argument)
                self._bounds.check_room(self._bucket_id, records, size + added)
                if size + added > limit and not self._bounds.makes_room(records, size + added):
                    raise Overloaded(f"the disk of bucket {self._bucket_id} (bytes to spare)", SPARE)
            except PulsingRuntimeError as error:
                job.outcome = (None, error)
                continue
            firsts.append(self.next + len(payloads))
            payloads += job.argument
            size += added
            accepted.append(job)
        if not accepted:
            return
        try:
            self._commit(payloads, size)
        except BaseException as error:
            for job in accepted:
                job.outcome = (None, told(error))
            return
        self._written = self.next + len(payloads), size
        self._done += accepted
        for job, first in zip(accepted, firsts, strict=True):
            job.outcome = (first, None)

    def _room_on_disk(self) -> float:
        """How many bytes may be put: what the disk has to spare, or half of what was freed in the file."""
        try:
            disk = os.statvfs(self.path)
            room = disk.f_bavail * disk.f_frsize - min(SPARE, disk.f_blocks * disk.f_frsize // 10)
            if room > SPARE or not disk.f_blocks or self._connection is None:
                return math.inf
            (freed,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        except FAILURES:
            return math.inf  # who knows; the put itself will tell
        return float(max(room, freed * PAGE // 2))

    def _commit(self, payloads: list[bytes], size: int) -> None:
        rows = rows_of(self.next, time.time(), self._dropped + self.bytes, payloads)
        if len(rows) == 1:
            # A transaction of its own, in one statement: half of the time of three.
            self._insert(self._open_connection(), rows[0])
            self._unsynced = True
        elif rows:
            with self._owned() as connection:
                for row in rows:
                    self._insert(connection, row)
        if self._wal is not None:
            self._wal.grew_by(size - self.bytes)

    def _insert(self, connection: sqlite3.Connection, row: Columns) -> None:
        if connection.execute(_APPEND, (*row, self._epoch, self._owner)).rowcount != 1:
            raise self._taken_over()

    def _taken_over(self) -> NotOwner:
        return NotOwner(str(self.path), None, 0, f"{self.path} was taken over by another owner")

    @contextmanager
    def _owned(self) -> Iterator[sqlite3.Connection]:
        """A transaction that fails if another owner has taken the file over."""
        connection = self._open_connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not connection.execute(f"SELECT {_FENCE}", (self._epoch, self._owner)).fetchone()[0]:
                raise self._taken_over()
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._unsynced = True

    def commit_group(self, group: str, offset: int | None) -> None:
        """Write how far a group has acknowledged, or with None that there is no such group."""
        with self._owned() as connection:
            if offset is None:
                connection.execute("DELETE FROM groups WHERE name=?", (group,))
            else:
                connection.execute("INSERT OR REPLACE INTO groups(name, committed) VALUES(?, ?)", (group, offset))

    def groups(self) -> dict[str, int]:
        """The committed offset of every group."""
        groups = dict(self._open_connection().execute("SELECT name, committed FROM groups").fetchall())
        if not all(isinstance(offset, int) and offset >= 0 for offset in groups.values()):
            raise PulsingRuntimeError(f"{self.path} is damaged: the offset of a group makes no sense")
        return groups

    # --- forgetting --------------------------------------------------------------------------------------------------

    def _drop_excess(self) -> None:
        bounds = self._bounds
        if records := bounds.excess_records(self.next - self.first):
            self.drop_below(self.first + records)
        if surplus := bounds.excess_bytes(self.bytes):
            self.drop_below(min(self._offset_after(surplus), self.next - 1))

    def _offset_after(self, size: int) -> int:
        """The first offset below which there are so many bytes."""
        wanted = self._dropped + size
        rows = self._open_connection().execute("SELECT first, at, base, head FROM batches ORDER BY first")
        with contextlib.closing(rows):
            for found in rows:
                row = read_row(*found)
                if row is not None and row.base_at(row.end) >= wanted:
                    return row.first + records_of_size(row.sizes, wanted - row.base)
        return self.next

    def drop_aged(self) -> None:
        """Drop what is older than the bucket's age."""
        assert self._bounds.max_age is not None
        limit = time.time() - self._bounds.max_age
        if self.oldest_at is not None and self.oldest_at < limit:
            self.drop_below(self.first_since(limit))

    def drop_below(self, offset: int) -> int:
        """Remove the records below an offset."""
        offset = min(offset, self.next)
        if offset <= self.first:
            return 0
        with self._owned() as connection:
            kept, dropped = self._kept_from(connection, offset)
            connection.execute("DELETE FROM batches WHERE first < ?", (kept,))
            _note(connection, first=offset, next=self.next, dropped=dropped)
        oldest = self._open_connection().execute("SELECT at FROM batches ORDER BY first LIMIT 1").fetchone()
        removed = offset - self.first
        self.bytes -= dropped - self._dropped
        self.first, self._dropped, self._noted = offset, dropped, self.next
        self.oldest_at = oldest[0] if oldest else None
        return removed

    def _kept_from(self, connection: sqlite3.Connection, offset: int) -> tuple[int, int]:
        """The first row with records from an offset on, and the bytes of all that were ever put before the offset."""
        found = connection.execute(_HEADS, (offset,))
        with contextlib.closing(found):
            for columns in found:
                row = read_row(*columns)
                if row is not None and row.end > offset:
                    return min(row.first, offset), row.base_at(offset)
        return self.next, self._dropped + self.bytes

    def first_since(self, wall: float) -> int:
        """The first offset whose record was put at that wall time or later."""
        since = self._open_connection().execute(
            "SELECT first FROM batches WHERE at >= ? ORDER BY first LIMIT 1", (wall,)
        )
        found = since.fetchone()
        return self.next if found is None else max(offset_in(self.path, found[0]), self.first)

    # --- reading -----------------------------------------------------------------------------------------------------

    def rows(self, offset: int, stop: int) -> list[StoredRow]:
        """The whole rows with records from an offset to another; if there are none, the first behind them."""
        found = self._open_connection().execute(_ROWS, (offset, offset, min(stop, self.next)))
        rows = [(row, stored) for *columns, stored in found if (row := read_row(*columns)) is not None]
        if not any(row.end > offset for row, _ in rows):
            rows += self._next_row(offset)
        return rows

    def _next_row(self, offset: int) -> list[StoredRow]:
        """The first whole row behind an offset."""
        found = self._open_connection().execute(
            "SELECT first, at, base, head FROM batches WHERE first > ? AND first < ? ORDER BY first",
            (offset, self.next),
        )
        with contextlib.closing(found):
            return next(([(row, b"")] for columns in found if (row := read_row(*columns)) is not None), [])

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise PulsingRuntimeError(f"{self.path} is closed")
        if self._whereabouts is not None and self._whereabouts.is_lost():
            # Nothing more is written into a file that nobody will find again.
            self._give_up()
            logger.error("%s was removed or replaced while it was open: its records are lost", self.path)
            raise PulsingRuntimeError(f"{self.path} was removed or replaced while it was open")
        return self._connection


_FENCE = "EXISTS(SELECT 1 FROM meta WHERE name='epoch' AND value<=?) AND ?=(SELECT value FROM meta WHERE name='owner')"

_APPEND = f"INSERT INTO batches(first, at, base, head, payloads) SELECT ?,?,?,?,? WHERE {_FENCE}"

_HEADS = """
SELECT first, at, base, head FROM batches
WHERE first >= coalesce((SELECT max(first) FROM batches WHERE first <= ?), 0) ORDER BY first
"""

_ROWS = """
SELECT first, at, base, head, payloads FROM batches
WHERE first >= coalesce((SELECT max(first) FROM batches WHERE first <= ?), ?) AND first < ? ORDER BY first
"""


def _note(connection: sqlite3.Connection, **figures: int) -> None:
    """Write what the file says of itself."""
    connection.executemany("UPDATE meta SET value=? WHERE name=?", [(value, name) for name, value in figures.items()])


def told(error: BaseException) -> BaseException:
    """What a caller is told of a failure of the database or the disk."""
    if isinstance(error, FAILURES):
        failure = PulsingRuntimeError(f"the store failed: {error}", error if isinstance(error, Exception) else None)
        failure.__cause__ = error
        return failure
    return error
