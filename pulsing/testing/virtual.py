"""Virtual time: an event loop whose clock jumps to the next timer, so that hours pass in milliseconds and in order."""

from __future__ import annotations

import asyncio
import random
import selectors
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_700_000_000.0
"""What the wall clock of a virtual loop shows at its beginning; any fixed value would do."""
THREAD_WAIT_S = 0.01
MOMENT_S = 1e-9


class Deadlock(RuntimeError):
    """Every task waits for another and no timer is left, so nothing would ever happen again."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in virtual time.

    While something is ready it runs; when nothing is, the clock jumps to the next timer. Time stands still while a
    job runs in an executor, since nobody can say how long that takes.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._jobs = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    @property
    def clock(self) -> VirtualClock:
        """The loop's time as a `pulsing.clock.Clock`."""
        return VirtualClock(self)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Set a timer; one that is not due yet is due a moment later at least.

        What is left of a timeout may be too little to make a difference to the clock. A real one would have moved on.
        """
        return super().call_later(max(delay, MOMENT_S) if delay > 0 else delay, callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a job in a thread; the clock waits for it."""
        self._jobs += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._job_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads of the default executor to end."""
        self._jobs += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jobs -= 1

    def pass_time(self, timeout: float | None) -> None:
        """Let the time pass that the loop would have slept, or a moment of real time while a thread works."""
        if self._jobs:
            time.sleep(THREAD_WAIT_S)
        elif timeout is None:
            raise Deadlock("no task can run and no timer is set")
        else:
            self._now += timeout

    def _job_done(self, _: asyncio.Future[Any]) -> None:
        self._jobs -= 1


class VirtualClock:
    """Time of a virtual loop for code that takes its clock as an argument."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._loop.time()

    def wall(self) -> float:
        """Seconds since 1970, from a fixed beginning."""
        return EPOCH + self._loop.time()


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that never sleeps: what would have been a wait moves the loop's clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready and (timeout is None or timeout > 0):
            self._loop.pass_time(timeout)
        return ready


def run_virtual(coro_fn: Callable[[], Awaitable[T]], *, seed: int = 0, limit: float = 300.0) -> T:
    """Run a coroutine function on a loop of its own in virtual time; the same seed gives the same run.

    The process-wide `random` generator is seeded for the run and restored after it.

    Args:
        coro_fn: called without arguments.
        seed: for the process-wide `random` generator.
        limit: virtual seconds after which the run is cancelled.

    Returns:
        What the coroutine returned.

    Raises:
        TimeoutError: the limit was reached.
        Deadlock: nothing could ever happen again.
    """
    state = random.getstate()
    random.seed(seed)
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(_within(coro_fn, limit))
    finally:
        try:
            _cancel_rest(loop)
        finally:
            asyncio.set_event_loop(None)
            loop.close()
            random.setstate(state)


async def _within(coro_fn: Callable[[], Awaitable[T]], limit: float) -> T:
    try:
        return await asyncio.wait_for(coro_fn(), limit)
    except asyncio.TimeoutError:
        if asyncio.get_running_loop().time() < limit:
            raise
        raise TimeoutError(f"not done after {limit} virtual seconds") from None


def _cancel_rest(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
