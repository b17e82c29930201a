"""The write-ahead log of a SQLite file, which is brought into the file beside the work, and has room ahead of it.

SQLite brings it in within a commit, which then takes 20 to 90 ms, every thousand pages. And each of its commits makes
the log longer, so that a sync has to write where the file is on the disk besides: two to ten times as much time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from pathlib import Path

from pulsing.logs import logger_of
from pulsing.streaming.backends.sqlite_folder import FAILURES, connected

logger = logger_of("pulsing.streaming")

PAGE = 4096

ASIDE_PAGES = 1_000
"""After so many pages in the log they are brought into the file beside the work."""

WITHIN_PAGES = 4_000
"""With so many in the log a commit does it: while others write, what is done beside them never reaches the end."""

LEAST_ROOM = 64 << 10
MOST_ROOM = 1 << 20
"""Bytes of room that are made at once: as many as the log has, within these."""


class WriteAheadLog:
    """The log of one file that is open.

    Args:
        path: of the file.
        alone: whether only this process writes the file, so that room can be made behind the end of the log.
    """

    def __init__(self, path: Path, *, alone: bool) -> None:
        self._path = path
        self._alone = alone
        self._descriptor = os.open(f"{path}-wal", (os.O_RDWR if alone else os.O_RDONLY) | os.O_CLOEXEC)
        self._size = os.fstat(self._descriptor).st_size
        """with the room"""
        self._pages = 0
        self._busy = threading.Lock()
        self._second: sqlite3.Connection | None = None
        self._closed = False

    def sync(self) -> None:
        """Bring what has been written to it onto the disk; called while nobody writes."""
        if self._alone:
            self._make_room()
        os.fdatasync(self._descriptor)

    def _make_room(self) -> None:
        """Lengthen it when it has outgrown its room, by zeros: SQLite takes them for its end, as it does old frames."""
        size = os.fstat(self._descriptor).st_size
        if size > self._size:
            room = min(max(size, LEAST_ROOM), MOST_ROOM)
            with contextlib.suppress(OSError):  # on a full disk there is none
                os.pwrite(self._descriptor, bytes(room), size)
            self._size = os.fstat(self._descriptor).st_size

    def grew_by(self, size: int) -> None:
        """Count a commit that wrote so many bytes."""
        self._pages += 3 + size // PAGE

    def is_due(self) -> bool:
        """Whether it has grown so much that it has to be brought into the file; said once."""
        if self._pages < ASIDE_PAGES:
            return False
        self._pages = 0
        return True

    def checkpoint(self) -> None:
        """Bring what is in it now into the file; on any thread, while others write."""
        with self._busy:
            if self._closed:
                return
            try:
                if self._second is None:
                    self._second = connected(self._path)
                    self._second.execute("PRAGMA synchronous=NORMAL")
                self._second.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except FAILURES as error:
                # A commit does it, and tells of what is wrong.
                logger.info("%s: its log was not brought into it: %s", self._path, error)

    def close(self) -> None:
        """Let go of it, when what is under way has ended."""
        with self._busy:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)
                if self._second is not None:
                    self._second.close()
