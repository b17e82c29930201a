"""What the file of a bucket says when it is opened: whose it is, where its log ends, and what may be missing."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from pulsing.exceptions import NotOwner, PulsingRuntimeError
from pulsing.logs import logger_of
from pulsing.streaming.backends.memory import NOWHERE
from pulsing.streaming.backends.rows import MOST_RECORDS, read_row
from pulsing.streaming.backends.sqlite_folder import this_boot

logger = logger_of("pulsing.streaming")

LAYOUT = 2
"""Of the tables; the first had a row a record."""

_MOST = 1 << 62
"""above every offset and every figure"""

_CHECKED_SIZE = 64 << 20
"""A larger file would take seconds to check at each opening; the checksums of its records remain."""

_TABLES = (
    "CREATE TABLE batches(first INTEGER PRIMARY KEY, at REAL NOT NULL, base INTEGER NOT NULL, head BLOB NOT NULL,"
    " payloads BLOB NOT NULL)",
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE groups(name TEXT PRIMARY KEY, committed INTEGER NOT NULL) WITHOUT ROWID",
)


@dataclass(frozen=True)
class Recovered:
    """A log as it was found; the fields are those of `SqliteFile`."""

    epoch: int
    lineage: int
    generation: int
    next: int
    first: int
    dropped: int
    bytes: int
    oldest_at: float | None
    may_lack: bool
    anew_from: int


def check_file(connection: sqlite3.Connection, path: Path) -> None:
    """Raise PulsingRuntimeError if the file is damaged; a large one is not looked at."""
    if path.stat().st_size > _CHECKED_SIZE:
        return
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise PulsingRuntimeError(f"{path} is damaged: quick_check found errors")


def recovered(connection: sqlite3.Connection, path: Path, epoch: int, owner: int, *, synced: bool) -> Recovered:
    """Take the file for an owner, and tell the log that is in it; a new file gets its tables.

    Args:
        connection: to the file, outside of a transaction.
        path: of the file, for errors.
        epoch: of the owner; 0 for the last that the file has seen.
        owner: tells apart two of the same epoch.
        synced: whether commits will be on disk before they are told.

    Raises:
        NotOwner: it has seen a higher epoch, or another owner of this one.
        PulsingRuntimeError: it is damaged, or has another layout.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        _lay_out(connection, path)
        log = _read(connection, path, epoch, owner)
        rows = {"epoch": log.epoch, "owner": owner, "lineage": log.lineage, "generation": log.generation}
        rows |= {"next": log.next, "first": log.first, "dropped": log.dropped, "anew_from": log.anew_from}
        rows["boot"] = 0 if synced else this_boot()
        connection.executemany("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)", rows.items())
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    if log.may_lack:
        logger.warning("%s: the machine went down, and records from offset %d on may be lost", path, log.next)
    return log


def offset_in(path: Path, found: object) -> int:
    """An offset out of a file; damage, also of the description of its tables, may have left anything."""
    if type(found) is int and 0 <= found < _MOST - MOST_RECORDS:
        return found
    raise PulsingRuntimeError(f"{path} is damaged: it has records at {found!r}")


def _lay_out(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file, and refuse one that has others."""
    layout = connection.execute("PRAGMA user_version").fetchone()[0]
    if layout == LAYOUT:
        return
    if layout or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise PulsingRuntimeError(
            f"{path} has layout {layout or 1}, and this version of Pulsing reads layout {LAYOUT}: read it "
            "with the version that wrote it and put its records into another queue, or move the file away"
        )
    for statement in (*_TABLES, f"PRAGMA user_version={LAYOUT}"):
        connection.execute(statement)


def _read(connection: sqlite3.Connection, path: Path, mine: int, owner: int) -> Recovered:
    known = _known(connection, path)
    epoch = known.get("epoch", 0)
    if mine and (mine < epoch or (mine == epoch and owner != known.get("owner"))):
        raise NotOwner(str(path), None, epoch, f"{path} belongs to an owner of epoch {epoch}")
    epoch = max(mine, epoch)
    dropped = known.get("dropped", 0)
    following, total = _end(connection, path, known.get("next", 0), dropped)
    oldest = connection.execute("SELECT first, at FROM batches ORDER BY first LIMIT 1").fetchone()
    generation = known.get("generation") or (1 if known else max(1, epoch))
    # Where commits may be gone, offsets are given again, but not under the generation of before.
    may_lack = known.get("boot", 0) not in (0, this_boot())
    return Recovered(
        epoch=epoch,
        lineage=known.get("lineage") or secrets.randbits(61) + 1,
        generation=generation + may_lack,
        next=following,
        first=known.get("first", offset_in(path, oldest[0]) if oldest else following),
        dropped=dropped,
        bytes=max(0, total - dropped),
        oldest_at=oldest[1] if oldest and isinstance(oldest[1], float) else None,
        may_lack=may_lack,
        anew_from=following if may_lack else known.get("anew_from", NOWHERE),
    )


def _known(connection: sqlite3.Connection, path: Path) -> dict[str, int]:
    """What the file says of itself; damage may have left anything."""
    known = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    if not all(isinstance(value, int) and 0 <= value < _MOST for value in known.values()):
        raise PulsingRuntimeError(f"{path} is damaged: its own figures make no sense")
    return known


def _end(connection: sqlite3.Connection, path: Path, noted: int, dropped: int) -> tuple[int, int]:
    """The offset that the next record gets, and the bytes of all that were ever put.

    What was noted when the file was closed, and what the last row says. If that one is damaged, nobody knows how many
    records it had: so many offsets are given up, and told as lost, as it may have had.
    """
    following = noted
    found = connection.execute("SELECT first, at, base, head FROM batches ORDER BY first DESC")
    with contextlib.closing(found):
        for first, *others in found:
            if (row := read_row(offset_in(path, first), *others)) is not None:
                return max(following, row.end), row.base_at(row.end)
            if first >= following:
                following = first + MOST_RECORDS
    return following, dropped
