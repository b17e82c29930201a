"""The one thread of a node that touches store files, and the group commit that makes it fast.

Whoever wants something of a file hands in a job and awaits its result. The thread takes all jobs that have come,
lets each file do its own in order, and reports the results to the loop in one call.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

GROUP_LIMIT = 512
"""Jobs that are done together at most: a commit is shared by all appends of a file among them."""

JOIN_TIMEOUT_S = 5.0
"""How long the last user waits for jobs that are under way; a disk may be slow, and the thread ends by itself."""

Outcome = tuple[Any, BaseException | None]


class Job:
    """Something to do with a file."""

    __slots__ = ("argument", "file", "outcome", "result")

    def __init__(self, file: StoreFile, argument: Any, result: asyncio.Future[Any]) -> None:
        self.file = file
        self.argument = argument
        self.result = result
        self.outcome: Outcome = (None, None)


class StoreFile(Protocol):
    """What the thread works on."""

    def perform(self, jobs: Sequence[Job]) -> None:
        """Do jobs of this file in order and set the outcome of each; called on the thread."""
        ...


class StoreThread:
    """The thread; it runs while somebody uses it.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str = "pulsing-stores") -> None:
        self._name = name
        self._users = 0
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Begin to use the thread."""
        self._users += 1
        if self._thread is None:
            self._jobs = queue.SimpleQueue()
            self._thread = threading.Thread(target=self._run, args=(self._jobs,), name=self._name, daemon=True)
            self._thread.start()

    def release(self) -> None:
        """End to use it; after the last user it ends, with all jobs done."""
        self._users -= 1
        if self._users == 0 and self._thread is not None:
            self._jobs.put(None)
            self._thread.join(JOIN_TIMEOUT_S)
            self._thread = None

    def submit(self, file: StoreFile, argument: Any) -> asyncio.Future[Any]:
        """Hand in a job for a file; the future has its result."""
        job = Job(file, argument, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        return job.result

    def _run(self, jobs: queue.SimpleQueue[Job | None]) -> None:
        while True:
            group, ended = _next_group(jobs)
            by_file: dict[int, list[Job]] = {}
            for job in group:
                by_file.setdefault(id(job.file), []).append(job)
            for mine in by_file.values():
                _perform(mine)
            _report(group)
            if ended:
                return


def _next_group(jobs: queue.SimpleQueue[Job | None]) -> tuple[list[Job], bool]:
    """Wait for a job, and take those that stand behind it; the second value says that none will follow."""
    group: list[Job] = []
    job = jobs.get()
    while job is not None:
        group.append(job)
        if len(group) == GROUP_LIMIT:
            return group, False
        try:
            job = jobs.get_nowait()
        except queue.Empty:
            return group, False
    return group, True


def _perform(jobs: list[Job]) -> None:
    try:
        jobs[0].file.perform(jobs)
    except BaseException as error:
        for job in jobs:
            if job.outcome == (None, None):
                job.outcome = (None, error)


def _report(group: list[Job]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in group:
        by_loop.setdefault(job.result.get_loop(), []).append(job)
    for loop, jobs in by_loop.items():
        call: Callable[..., Any] = loop.call_soon_threadsafe
        try:
            call(_resolve, jobs)
        except RuntimeError:
            pass  # the loop has closed, and with it whoever waited


def _resolve(jobs: list[Job]) -> None:
    for job in jobs:
        if not job.result.done():
            value, error = job.outcome
            if error is None:
                job.result.set_result(value)
            else:
                job.result.set_exception(error)
