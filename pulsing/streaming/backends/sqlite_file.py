"""The file of a bucket as the store thread sees it: opening, group commits, reading, forgetting.

What it tells of itself (`next`, `first`, `bytes`) changes only when that is as durable as was asked for, so that
nobody reads what a power cut may still take.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pulsing.exceptions import NotOwner, PulsingRuntimeError
from pulsing.streaming.backends.bodies import Row
from pulsing.streaming.backends.bounds import Bounds, records_of_size
from pulsing.streaming.backends.memory import NOWHERE
from pulsing.streaming.backends.writer import Job

logger = logging.getLogger("pulsing.streaming")

ROWS_A_STATEMENT = 64
"""Each statement gives the interpreter to other threads and must get it back; longer ones are not faster."""

# A larger file would take seconds to check at each opening; the checksums of its records remain.
_CHECKED_SIZE = 64 << 20

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records(off INTEGER PRIMARY KEY, at REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS groups(name TEXT PRIMARY KEY, committed INTEGER NOT NULL) WITHOUT ROWID;
"""


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
        self.path = path
        self.lineage = 0
        self.generation = 1
        self.next = 0
        """the offset that the next record gets"""
        self.first = 0
        """the oldest offset that there is"""
        self.bytes = 0
        self.settled = 0
        """records handed in, since this was made, whose fate is decided: they are kept, or their put has failed"""
        self.may_lack = False
        """whether the machine went down while commits were not on disk, so that the last may be gone"""
        self.anew_from = NOWHERE
        """from where on this generation may write anew what was lost in that way"""
        self.oldest_at: float | None = None
        self._bucket_id = bucket_id
        self._bounds = bounds
        self._synced = synced
        self._epoch = epoch
        self._exclusive = exclusive
        self._owner = secrets.randbits(61) + 1
        """tells two owners apart who were given the same epoch: the first to open the file has it"""
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._wal: int | None = None
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
        os.fdatasync(self._wal)

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
            self.close()
        elif written is not None:
            if self.first == self.next:
                self.oldest_at = time.time()
            self.next, self.bytes = written
            try:
                self._drop_excess()
            except (sqlite3.Error, PulsingRuntimeError) as failed:
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
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._exclusive:
            self._lock = _locked(Path(f"{self.path}.lock"))
        try:
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._connection = connection
            connection.execute("PRAGMA journal_mode=WAL")
            # With this SQLite syncs all but commits; those are synced here, for several files at once.
            connection.execute("PRAGMA synchronous=NORMAL")
            self._check(connection)
            self._prepare(connection)
            self._wal = os.open(f"{self.path}-wal", os.O_RDONLY | os.O_CLOEXEC)
            os.fdatasync(self._wal)
            _sync_folder(self.path.parent)
        except BaseException:
            self.close()
            raise

    def _check(self, connection: sqlite3.Connection) -> None:
        if self.path.stat().st_size > _CHECKED_SIZE:
            return
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise PulsingRuntimeError(f"{self.path} is damaged: quick_check found errors")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN IMMEDIATE")
        try:
            known = self._known(connection)
            epoch = known.get("epoch", 0)
            is_mine = self._owner == known.get("owner")
            if self._epoch and (self._epoch < epoch or (self._epoch == epoch and not is_mine)):
                raise NotOwner(str(self.path), None, epoch, f"{self.path} belongs to an owner of epoch {epoch}")
            self._epoch = max(self._epoch, epoch)
            lineage = known.get("lineage") or secrets.randbits(61) + 1
            generation = known.get("generation") or (1 if known else max(1, self._epoch))
            last = connection.execute("SELECT max(off) FROM records").fetchone()[0]
            oldest = connection.execute("SELECT off, at FROM records ORDER BY off LIMIT 1").fetchone()
            following = max(known.get("next", 0), last or 0)
            first = known.get("first", oldest[0] - 1 if oldest else following)
            size = known.get("bytes", 0)
            self.may_lack = known.get("boot", 0) not in (0, this_boot())
            anew_from = known.get("anew_from", NOWHERE)
            if self.may_lack:
                # Offsets are given again, but not under the generation under which they were given before.
                generation, anew_from = generation + 1, following
            rows = {"epoch": self._epoch, "owner": self._owner, "lineage": lineage, "generation": generation}
            rows |= {"next": following, "first": first, "bytes": size, "boot": 0 if self._synced else this_boot()}
            rows["anew_from"] = anew_from
            connection.executemany("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)", rows.items())
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.lineage, self.generation, self.anew_from = lineage, generation, anew_from
        self.next, self.first, self.bytes = following, first, size
        self.oldest_at = oldest[1] if oldest and isinstance(oldest[1], float) else None
        if self.may_lack:
            logger.warning("%s: the machine went down, and records from offset %d on may be lost", self.path, following)

    def _known(self, connection: sqlite3.Connection) -> dict[str, int]:
        """What the file says of itself; damage may have left anything."""
        known = dict(connection.execute("SELECT name, value FROM meta").fetchall())
        if not all(isinstance(value, int) and 0 <= value < 1 << 62 for value in known.values()):
            raise PulsingRuntimeError(f"{self.path} is damaged: its own figures make no sense")
        return known

    def finish(self) -> None:
        """Bring everything onto the disk, say so in the file, and close it."""
        try:
            if not self._synced and self._connection is not None:
                with self._owned() as connection:
                    connection.execute("UPDATE meta SET value=0 WHERE name='boot'")
                self.sync()
        except (sqlite3.Error, OSError, NotOwner) as error:
            logger.info("%s: closed without a last sync: %s", self.path, error)
        finally:
            self.close()

    def close(self) -> None:
        """Close the file and unlock it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        for descriptor in (self._wal, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._wal = self._lock = None

    def remove(self) -> None:
        """Close the file and remove it."""
        self.close()
        for suffix in ("", "-wal", "-shm", ".lock"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def checkpoint(self) -> None:
        """Bring the log into the main file."""
        self._open_connection().execute("PRAGMA wal_checkpoint(FULL)").fetchall()

    # --- writing -----------------------------------------------------------------------------------------------------

    def _append_all(self, jobs: list[Job]) -> None:
        accepted: list[Job] = []
        bodies: list[bytes] = []
        firsts: list[int] = []
        size = self.bytes
        for job in jobs:
            self._in_hand += len(job.argument)
            added = sum(map(len, job.argument))
            try:
                records = self.next - self.first + len(bodies) + len(job.argument)
                self._bounds.check_room(self._bucket_id, records, size + added)
            except PulsingRuntimeError as error:
                job.outcome = (None, error)
                continue
            firsts.append(self.next + len(bodies))
            bodies += job.argument
            size += added
            accepted.append(job)
        if not accepted:
            return
        try:
            self._commit(bodies, size)
        except BaseException as error:
            for job in accepted:
                job.outcome = (None, told(error))
            return
        self._written = self.next + len(bodies), size
        self._done += accepted
        for job, first in zip(accepted, firsts, strict=True):
            job.outcome = (first, None)

    def _commit(self, bodies: list[bytes], size: int) -> None:
        at = time.time()
        following = self.next + len(bodies)
        with self._owned() as connection:
            for start in range(0, len(bodies), ROWS_A_STATEMENT):
                part = bodies[start : start + ROWS_A_STATEMENT]
                values: list[object] = []
                for number, body in enumerate(part, self.next + start + 1):
                    values += (number, at, body)
                connection.execute(_INSERTS[len(part)], values)
            connection.executemany("UPDATE meta SET value=? WHERE name=?", [(following, "next"), (size, "bytes")])

    @contextmanager
    def _owned(self) -> Iterator[sqlite3.Connection]:
        """A transaction that fails if another owner has taken the file over."""
        connection = self._open_connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            fenced = connection.execute(_FENCE, (self._epoch, self._epoch, self._owner))
            if fenced.rowcount != 1:
                raise NotOwner(str(self.path), None, 0, f"{self.path} was taken over by another owner")
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
            found = self._open_connection().execute("SELECT length(body) FROM records ORDER BY off")
            records = records_of_size((size for (size,) in found), surplus)
            found.close()
            self.drop_below(self.first + records)

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
            lost = connection.execute("SELECT coalesce(sum(length(body)), 0) FROM records WHERE off <= ?", (offset,))
            size = self.bytes - lost.fetchone()[0]
            connection.execute("DELETE FROM records WHERE off <= ?", (offset,))
            connection.executemany("UPDATE meta SET value=? WHERE name=?", [(offset, "first"), (size, "bytes")])
        oldest = self._open_connection().execute("SELECT at FROM records ORDER BY off LIMIT 1").fetchone()
        removed = offset - self.first
        self.first, self.bytes = offset, size
        self.oldest_at = oldest[0] if oldest else None
        return removed

    def first_since(self, wall: float) -> int:
        """The first offset whose record was put at that wall time or later."""
        found = self._open_connection().execute("SELECT min(off) FROM records WHERE at >= ?", (wall,)).fetchone()[0]
        return self.next if found is None else found - 1

    # --- reading -----------------------------------------------------------------------------------------------------

    def rows(self, offset: int, limit: int) -> list[Row]:
        """Offsets and bodies from an offset on; by row number, which costs the same at any place."""
        found = self._open_connection().execute(
            "SELECT off - 1, body FROM records WHERE off > ? AND off <= ? ORDER BY off LIMIT ?",
            (offset, self.next, limit),
        )
        return found.fetchall()

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise PulsingRuntimeError(f"{self.path} is closed")
        return self._connection


_FENCE = "UPDATE meta SET value=? WHERE name='epoch' AND value<=? AND ?=(SELECT value FROM meta WHERE name='owner')"

_INSERTS = [
    "INSERT INTO records(off, at, body) VALUES" + ",".join(["(?,?,?)"] * count) for count in range(ROWS_A_STATEMENT + 1)
]


def this_boot() -> int:
    """The identity of this run of the machine; 1 where it has none that can be read."""
    try:
        return int(Path("/proc/sys/kernel/random/boot_id").read_text().replace("-", "")[:15], 16) or 1
    except (OSError, ValueError):
        return 1


def last_epoch(path: Path) -> int:
    """The last epoch that a file has seen; 0 if it cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT value FROM meta WHERE name='epoch'").fetchone()
    except sqlite3.Error:
        return 0
    return found[0] if found and isinstance(found[0], int) else 0


def set_aside(path: Path) -> None:
    """Give a file and its log other names, if they are there."""
    mark = secrets.token_hex(4)
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{path}.dropped-{mark}{suffix}")


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


def told(error: BaseException) -> BaseException:
    """What a caller is told of a failure of the database or the disk."""
    if isinstance(error, sqlite3.Error | OSError):
        failure = PulsingRuntimeError(f"the store failed: {error}", error if isinstance(error, Exception) else None)
        failure.__cause__ = error
        return failure
    return error
