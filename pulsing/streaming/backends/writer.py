"""The one thread of a node that writes store files, and the group commit that makes it fast.

Whoever wants something of a file hands in a job and awaits its result. All jobs of one turn of the loop go to the
thread together; it lets each file do its own in order, has what they wrote synced side by side, and reports the results
to the loop in one call.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

GROUP_LIMIT = 512
"""Jobs that are done together at most: a commit is shared by all appends of a file among them."""

HANDED_IN_AT_ONCE = 32
"""Jobs of one turn of the loop: the thread begins with these while the loop makes more."""

SYNCS_AT_ONCE = 4
"""Files that are synced side by side: four one after the other took 1.7 times as long as four together."""

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

    def perform(self, jobs: Sequence[Job]) -> bool:
        """Do jobs of this file in order and set the outcome of each; returns whether `sync` is needed."""
        ...

    def sync(self) -> None:
        """Make durable what was written; called on another thread, while no job of this file is done."""
        ...

    def settle(self, error: BaseException | None) -> None:
        """Take the last jobs for done, or for failed if what they wrote could not be synced."""
        ...

    def work_aside(self) -> Callable[[], None] | None:
        """What has to be done for this file, on another thread and while its next jobs are done; None if nothing."""
        ...


class StoreThread:
    """The thread; it runs while somebody uses it, for one loop.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str = "pulsing-stores") -> None:
        self._name = name
        self._users = 0
        self._jobs: queue.SimpleQueue[list[Job] | None] = queue.SimpleQueue()
        self._collected: list[Job] = []
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Begin to use the thread."""
        self._users += 1
        if self._thread is None:
            self._jobs = queue.SimpleQueue()
            self._thread = threading.Thread(target=_run, args=(self._jobs, self._name), name=self._name, daemon=True)
            self._thread.start()

    def release(self) -> None:
        """End to use it; after the last user it ends, with all jobs done."""
        self._users -= 1
        if self._users == 0 and self._thread is not None:
            self._hand_in()
            self._jobs.put(None)
            self._thread.join(JOIN_TIMEOUT_S)
            self._thread = None

    def submit(self, file: StoreFile, argument: Any) -> asyncio.Future[Any]:
        """Hand in a job for a file; the future has its result."""
        loop = asyncio.get_running_loop()
        job = Job(file, argument, loop.create_future())
        collected = self._collected
        collected.append(job)
        if len(collected) == 1:
            # At the end of this turn of the loop, so that those who come with this one share its commit.
            loop.call_soon(self._hand_in)
        elif len(collected) == HANDED_IN_AT_ONCE:
            self._hand_in()
        return job.result

    def _hand_in(self) -> None:
        if self._collected:
            collected, self._collected = self._collected, []
            self._jobs.put(collected)


def _run(jobs: queue.SimpleQueue[list[Job] | None], name: str) -> None:
    """The thread: a group of jobs after the other, until there will be no more."""
    with (
        ThreadPoolExecutor(SYNCS_AT_ONCE - 1, f"{name}-sync") as helpers,
        ThreadPoolExecutor(1, f"{name}-aside") as aside,
    ):
        ended = False
        while not ended:
            group, ended = _next_group(jobs)
            by_file = _by_file(group)
            _do(by_file, helpers)
            _report(group)
            for file, _ in by_file:
                if (work := file.work_aside()) is not None:
                    aside.submit(work)


def _next_group(jobs: queue.SimpleQueue[list[Job] | None]) -> tuple[list[Job], bool]:
    """Wait for jobs, and take those that stand behind them; the second value says that none will follow."""
    group: list[Job] = []
    handed_in = jobs.get()
    while handed_in is not None:
        group += handed_in
        if len(group) >= GROUP_LIMIT:
            return group, False
        try:
            handed_in = jobs.get_nowait()
        except queue.Empty:
            return group, False
    return group, True


def _by_file(group: list[Job]) -> list[tuple[StoreFile, list[Job]]]:
    by_file: dict[int, list[Job]] = {}
    for job in group:
        by_file.setdefault(id(job.file), []).append(job)
    return [(jobs[0].file, jobs) for jobs in by_file.values()]


def _perform(file: StoreFile, jobs: list[Job]) -> bool:
    try:
        return file.perform(jobs)
    except BaseException as error:
        for job in jobs:
            if job.outcome == (None, None):
                job.outcome = (None, error)
        return False


def _do(by_file: list[tuple[StoreFile, list[Job]]], helpers: ThreadPoolExecutor) -> None:
    """Do the jobs of each file; one is synced while those behind it are written, the last by this thread."""
    unsynced: list[tuple[StoreFile, Future[BaseException | None] | None]] = []
    for place, (file, mine) in enumerate(by_file, 1):
        if _perform(file, mine):
            unsynced.append((file, helpers.submit(_sync, file) if place < len(by_file) else None))
    for file, sync in reversed(unsynced):
        file.settle(_sync(file) if sync is None else sync.result())


def _sync(file: StoreFile) -> BaseException | None:
    try:
        file.sync()
    except BaseException as error:
        return error
    return None


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
