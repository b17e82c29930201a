"""What there is to do around the file of a bucket: its lock, its other names, its folder, the run of its machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sqlite3
import time
from pathlib import Path

from pulsing.descriptors import keep_from_children
from pulsing.exceptions import PulsingRuntimeError
from pulsing.streaming.ownership.folders import open_private

FAILURES = (sqlite3.Error, OSError, UnicodeDecodeError)
"""What the database and the disk raise; the last where bytes of a damaged file stand in a message of SQLite's."""


def connected(path: Path) -> sqlite3.Connection:
    """A connection to a file that is there, outside of a transaction; any thread may use it, one at a time."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


Identity = tuple[int, int]
"""What tells a file from another one of its name: its device and its inode."""


LOOK_S = 0.1
"""How often a file that is used is looked for under its name: somebody may have removed or replaced it."""


class Whereabouts:
    """Whether an open file still has its name.

    Args:
        path: its name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = identity_of(path)
        self._looked_at = time.monotonic()

    def is_lost(self) -> bool:
        """Whether it was removed or replaced; looked at every `LOOK_S` seconds at most."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_S:
            return False
        self._looked_at = now
        with contextlib.suppress(PermissionError):  # it is open all the same
            return identity_of(self._path) != self._identity
        return False


def identity_of(path: Path) -> Identity | None:
    """Which file has a name; None if there is none.

    Raises:
        OSError: that cannot be told.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


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
    except FAILURES:
        return 0
    return found[0] if found and isinstance(found[0], int) else 0


def set_aside(path: Path) -> None:
    """Give a file and its log other names, if they are there."""
    mark = secrets.token_hex(4)
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{path}.dropped-{mark}{suffix}")


def locked(path: Path) -> int:
    """Lock a file for this process and this opening of it; the lock goes with the descriptor."""
    descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise PulsingRuntimeError(f"{path} is locked: another process has the bucket open") from error
    keep_from_children(descriptor)
    return descriptor


def sync_folder(folder: Path) -> None:
    """Bring onto the disk which files there are."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
