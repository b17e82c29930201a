"""The thread of a threaded actor: runs its sync methods one at a time, away from the loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_END = object()


class Worker:
    """One thread, made on first use.

    Args:
        name: shown as the thread's name.
        loop: where the actor lives.
        on_free: called there when the thread has nothing to do any more.
    """

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop, on_free: Callable[[], None]) -> None:
        self._loop = loop
        self._on_free = on_free
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"pulsing-{name}")
        self._jobs = 0

    @property
    def busy(self) -> bool:
        """Whether the thread works, or has work to do."""
        return self._jobs > 0

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Call the function in the thread, in a copy of the current context.

        Cancelling the future does not end a call that runs: the thread stays busy until it returns.
        """
        self._jobs += 1
        context = contextvars.copy_context()
        job = self._executor.submit(lambda: context.run(_call, function, args, kwargs))
        job.add_done_callback(self._finished)
        return asyncio.wrap_future(job, loop=self._loop)

    async def items(self, generator: Iterator[Any]) -> AsyncIterator[Any]:
        """The items of a sync generator that is run in the thread, one step at a time."""
        try:
            while (item := await self.run(next, generator, _END)) is not _END:
                yield item
        finally:
            await self.run(generator.close)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Take no more work; a call in progress is left to end."""
        self._executor.shutdown(wait=False)

    def _finished(self, job: Future[Any]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._job_done)
        except RuntimeError:
            pass  # the loop has been closed while the thread still worked

    def _job_done(self) -> None:
        self._jobs -= 1
        if not self._jobs:
            self._on_free()


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return function(*args, **kwargs)
    except StopIteration as raised:
        # No future can carry it; a coroutine that raises it ends in the same words.
        raise RuntimeError("the method raised StopIteration") from raised
