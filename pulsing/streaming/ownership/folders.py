"""Where a node's stores keep their files, and what they remember there of their queues over a restart."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pulsing.exceptions import Forbidden, PulsingRuntimeError
from pulsing.logs import logger_of
from pulsing.streaming.ownership.catalogue import Holding, QueueSettings, dead_queue

logger = logger_of("pulsing.streaming")

SETTINGS_FILE = "queue.json"
HOLDINGS_FILE = "buckets.json"


def folder_text(storage_path: str | os.PathLike[str] | None) -> str | None:
    """A folder as it travels and is remembered.

    Raises:
        TypeError: it is no path.
    """
    if storage_path is None:
        return None
    if not isinstance(storage_path, (str, os.PathLike)):
        raise TypeError(f"storage_path is text or a path, not {storage_path!r}")
    return os.fspath(storage_path)


def make_private(folder: Path) -> None:
    """Make a folder into which this user alone can look; one that is there already stays as it is."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def open_private(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file, which this user alone can read if it is made by that; never one that a link leads to.

    Returns:
        Its descriptor.

    Raises:
        OSError: it cannot be opened so.
    """
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


class Folders:
    """The folders of one node.

    Args:
        base: folder under which every queue has one, unless it was given another by this process.
    """

    def __init__(self, base: str) -> None:
        self._base = Path(base)
        self._allowed: set[Path] = set()
        self._unread: set[Path] = set()
        """folders of which it could not be seen at the start whether they have queues"""

    def free_share(self) -> float | None:
        """How much of the disk below the base is free, of 1; None where that cannot be told."""
        existing = next((folder for folder in (self._base, *self._base.absolute().parents) if folder.exists()), None)
        try:
            usage = None if existing is None else shutil.disk_usage(existing)
        except OSError:
            return None
        return usage.free / usage.total if usage and usage.total else None

    def of(self, queue: str, storage_path: str | None) -> str:
        """The folder of a queue."""
        return storage_path or str(self._base / queue)

    def allow(self, folder: str) -> None:
        """Let stores use a folder outside the base, and its dead queue's: this process asked, not another node."""
        self._allowed |= {Path(name).resolve() for name in (folder, dead_queue(folder))}

    def allows(self, folder: str) -> bool:
        """Whether stores may use a folder."""
        path = Path(folder).resolve()
        return path in self._allowed or path.is_relative_to(self._base.resolve())

    def check(self, folder: str) -> None:
        """Raise Forbidden unless stores may use the folder."""
        if not self.allows(folder):
            raise Forbidden(f"storing in {folder}", f"it lies outside {self._base}, the folder of this node's queues")

    def remember(self, folder: str, queue: str, settings: QueueSettings) -> None:
        """Write the settings of a queue beside its files, unless they are there already."""
        path = Path(folder) / SETTINGS_FILE
        if _read(path) == (queue, settings):
            return
        make_private(path.parent)
        _write(path, {"queue": queue, "settings": settings.to_dict()})

    def note(self, folder: str, holdings: Mapping[int, Holding]) -> None:
        """Write who has the buckets of a queue beside its files, where there are any."""
        if (Path(folder) / SETTINGS_FILE).exists():
            _write(Path(folder) / HOLDINGS_FILE, {str(bucket_id): [*one] for bucket_id, one in holdings.items()})

    def noted(self, folder: str) -> dict[int, Holding]:
        """What `note` has written; nothing where that cannot be read."""
        try:
            written = json.loads((Path(folder) / HOLDINGS_FILE).read_text())
            return {int(bucket_id): Holding(int(epoch), int(node)) for bucket_id, (epoch, node) in written.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def recall(self, folder: str, queue: str) -> QueueSettings | None:
        """The settings that were written for a queue; None if there are none that make sense.

        Raises:
            PulsingRuntimeError: it cannot be seen whether there are any.
        """
        try:
            read = _read(Path(folder) / SETTINGS_FILE)
        except OSError as error:
            raise PulsingRuntimeError(f"whether there is a queue {queue} cannot be seen: {error}", error) from error
        return read[1] if read is not None and read[0] == queue else None

    def remembered(self) -> Iterator[tuple[str, QueueSettings]]:
        """The queues that have files under the base, in folders that can be read."""
        if not self._base.is_dir():
            return
        for name, subfolders, files in os.walk(self._base, onerror=self._cannot_read):
            subfolders.sort()
            if SETTINGS_FILE not in (*subfolders, *files):
                continue
            try:
                read = _read(Path(name) / SETTINGS_FILE)
            except OSError as error:
                self._cannot_read(error, name)
            else:
                if read is not None:
                    yield read

    def _cannot_read(self, error: OSError, folder: str | None = None) -> None:
        logger.warning("queues cannot be seen: %s", error)
        self._unread.add(Path(error.filename if folder is None else folder))

    def is_unread(self, folder: str) -> bool:
        """Whether it could not be seen at the start if a folder has a queue."""
        path = Path(folder)
        return not self._unread.isdisjoint((path, *path.parents))

    def forget(self, folder: str) -> None:
        """Remove what was written for a queue that has been deleted."""
        if self.allows(folder):
            for name in (SETTINGS_FILE, HOLDINGS_FILE):
                (Path(folder) / name).unlink(missing_ok=True)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that is there in full, or as it was before; other processes may do the same in this folder."""
    draft = path.with_suffix(f".{secrets.token_hex(4)}.new")
    try:
        with open(draft, "w", opener=open_private) as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _read(path: Path) -> tuple[str, QueueSettings] | None:
    """What is written; None if there is no file, or nothing in it that makes sense."""
    try:
        written = json.loads(path.read_text())
        return written["queue"], QueueSettings.from_dict(written["settings"])
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
