"""What a piece of code has left behind: tasks, threads, open files and sockets, child processes."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

_GRACE_S = 2.0
_PAUSE_S = 0.005

_OPEN_FILES = Path("/proc/self/fd")
_THREADS = Path("/proc/self/task")


def assert_no_leaks(grace: float = _GRACE_S) -> LeakCheck:
    """Fail with an AssertionError if the block leaves resources behind that were not there before.

    Use it as `with` in plain code and as `async with` on a loop, where tasks on their way out get the turns that they
    need. A `with` on a loop has no turns to give: a cancelled task counts as one that ends, any other as one that
    stays. On a loop the threads of its own pool are no leak, because they end with it. Files and processes are seen on
    Linux only.

    Args:
        grace: Seconds that resources on their way out may take.
    """
    return LeakCheck(grace)


class LeakCheck:
    """The block between two looks at this process."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._before = Resources()

    def __enter__(self) -> None:
        self._before = Resources.now()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None:
            return
        deadline = time.monotonic() + self._grace
        while (left := self._left_behind(cancelled=False)) and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        _fail_if_any(left)

    async def __aenter__(self) -> None:
        self._before = Resources.now()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None:
            return
        deadline = time.monotonic() + self._grace
        # Nothing announces that a thread or a process is gone, so there is no event to wait for.
        while (left := self._left_behind()) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE_S)
        _fail_if_any(left)

    def _left_behind(self, *, cancelled: bool = True) -> list[str]:
        left = Resources.now(cancelled=cancelled).beyond(self._before)
        if left:
            # Some of it may only wait for the collector: a closed generator, an object in a cycle.
            gc.collect()
            left = Resources.now(cancelled=cancelled).beyond(self._before)
        return left


@dataclass(frozen=True)
class Resources:
    """What a process holds at one moment."""

    tasks: frozenset[asyncio.Task[Any]] = frozenset()
    threads: frozenset[threading.Thread] = frozenset()
    files: frozenset[tuple[int, str]] = frozenset()
    """Descriptor and what it leads to, so that a number used again by another file counts as new."""
    processes: frozenset[int] = frozenset()

    @classmethod
    def now(cls, *, cancelled: bool = True) -> Resources:
        """Look at this process and at the tasks of the running loop, the cancelled ones among them if so said."""
        on_loop = asyncio._get_running_loop() is not None
        tasks = asyncio.all_tasks() if on_loop else set()
        return cls(
            tasks=frozenset(task for task in tasks if cancelled or not _is_cancelled(task)),
            threads=frozenset(thread for thread in threading.enumerate() if not (on_loop and _is_of_the_loop(thread))),
            files=frozenset(_open_files()),
            processes=frozenset(_child_processes()),
        )

    def beyond(self, before: Resources) -> list[str]:
        """Describe what is here now and was not there before, except the task that looks: fixtures end in another."""
        looking = {asyncio.current_task()} if self.tasks else set()
        return [
            *(f"task {task.get_name()}: {task.get_coro()!r}" for task in self.tasks - before.tasks - looking),
            *(f"thread {thread.name}" for thread in self.threads - before.threads),
            *(f"file descriptor {number} -> {target}" for number, target in sorted(self.files - before.files)),
            *(f"process {pid}: {_command_of(pid)}" for pid in sorted(self.processes - before.processes)),
        ]


def _is_cancelled(task: asyncio.Task[Any]) -> bool:
    """Whether a task has been told to end."""
    if sys.version_info >= (3, 11):
        return bool(task.cancelling())
    waits_for = task._fut_waiter
    return task._must_cancel or (waits_for is not None and waits_for.cancelled())


def _is_of_the_loop(thread: threading.Thread) -> bool:
    # asyncio gives its default executor this prefix.
    return thread.name.startswith("asyncio_")


def _fail_if_any(left: list[str]) -> None:
    if left:
        raise AssertionError("left behind:\n  " + "\n  ".join(left))


def _open_files() -> list[tuple[int, str]]:
    try:
        links = list(_OPEN_FILES.iterdir())
    except FileNotFoundError:
        return []
    found = [(int(link.name), _target(link)) for link in links]
    # The descriptor of the listing itself is closed by now; device files such as /dev/urandom are kept by libraries.
    return [(number, target) for number, target in found if target and not target.startswith("/dev/")]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""


def _child_processes() -> list[int]:
    children: list[int] = []
    for thread in _THREADS.glob("*/children"):
        try:
            children.extend(int(pid) for pid in thread.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return children


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return "ended"
