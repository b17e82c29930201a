"""A bound on the memory of a process, by what this machine lets us use."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_FILES = {"memory.limit_in_bytes": _ROOT / "memory", "memory.max": _ROOT}
"""The file that sets the limit, in cgroups of the first version and of the second."""


@contextlib.contextmanager
def limited(pid: int, limit: int) -> Iterator[str]:
    """Bound the memory of a process in a cgroup, or of its data by a resource limit where none can be made.

    Yields:
        What bounds it.
    """
    made = _group(pid, limit)
    if made is None:
        resource.prlimit(pid, resource.RLIMIT_DATA, (limit, limit))
        yield "resource limit"
        return
    try:
        yield "cgroup"
    finally:
        # The process has gone by now, or goes back to where it was.
        for member in (made / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (made.parent / "cgroup.procs").write_text(member)
        made.rmdir()


def _group(pid: int, limit: int) -> Path | None:
    for name, parent in _FILES.items():
        group = parent / f"pulsing-test-{pid}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / name).write_text(str(limit))
            (group / "cgroup.procs").write_text(str(pid))
        except OSError:
            group.rmdir()
            continue
        return group
    return None


def peak_of(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
