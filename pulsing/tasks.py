"""Tasks with a parent and a name, so that nothing runs on after what started it has ended."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from pulsing.logs import logger_of

logger = logger_of("pulsing.tasks")


class TaskScope:
    """Starts tasks for one owner, reports those that fail, and ends what is left when the owner closes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run `work` as a task of this scope; an exception that nobody awaits is logged, not lost."""
        task = asyncio.get_running_loop().create_task(work, name=f"{self._name}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    async def close(self) -> None:
        """Cancel what still runs and wait until it has ended; the calling task itself is left alone."""
        current = asyncio.current_task()
        others = [task for task in self._tasks if task is not current]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("task %s failed", task.get_name(), exc_info=error)


def is_told_to_end() -> bool:
    """Whether the task that runs now was cancelled, as all are that are left when the program of `asyncio.run` is over.

    Python 3.10 keeps no note of it: there the answer is no.
    """
    task = asyncio.current_task()
    return sys.version_info >= (3, 11) and task is not None and task.cancelling() > 0
