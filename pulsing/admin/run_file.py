"""The note that a serving node leaves for the commands of its user: where its admin plane is, and nothing secret.

One file a node in the user's runtime directory, gone when the node stops. What a killed node left behind is known by
its process id and taken away by the next node that starts.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunningNode:
    """What a node says about itself."""

    pid: int
    url: str
    """of its admin plane, without a path"""
    name: str


def runtime_directory(environ: Mapping[str, str]) -> Path:
    """Where the nodes of this user leave their notes."""
    base = environ.get("XDG_RUNTIME_DIR")
    return Path(base) / "pulsing" if base else Path(tempfile.gettempdir()) / f"pulsing-{os.getuid()}"


def running_nodes(directory: Path) -> list[RunningNode]:
    """The nodes that have left a note and whose process lives, by process id."""
    return sorted((node for _, node in _notes(directory) if _lives(node.pid)), key=lambda node: node.pid)


def leave_note(directory: Path, node: RunningNode) -> Path | None:
    """Write the note of a node and return its path; None where the directory cannot be used safely."""
    if not _prepare(directory):
        return None
    for path, other in _notes(directory):
        if not _lives(other.pid):
            path.unlink(missing_ok=True)
    for path in _candidates(directory, node.pid):
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(asdict(node), file)
            return path
    return None


def _candidates(directory: Path, pid: int) -> Iterator[Path]:
    """`<pid>.json`, and further names for further nodes of one process."""
    yield directory / f"{pid}.json"
    for number in itertools.islice(itertools.count(2), 1_000):
        yield directory / f"{pid}-{number}.json"


def _prepare(directory: Path) -> bool:
    """Whether the directory is there and this user's alone: under a shared one a stranger may have made it first."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return _is_safe(directory)


def _is_safe(directory: Path) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _notes(directory: Path) -> Iterator[tuple[Path, RunningNode]]:
    if _is_safe(directory):
        for path in directory.glob("*.json"):
            node = _read(path)
            if node is not None:
                yield path, node


def _read(path: Path) -> RunningNode | None:
    try:
        fields = json.loads(path.read_text())
        return RunningNode(int(fields["pid"]), str(fields["url"]), str(fields.get("name", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        # Of another user: the node is gone, and its number somebody else's.
        return False
    return True
