"""The thread of membership: a loop that answers probes while handlers hold the loop of the actors.

Python hands the interpreter from one thread to another every few milliseconds, so the beats of this one are hardly
late while the other computes. C code that keeps the interpreter for seconds does delay them; suspicion is patient
enough for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

PULSE_S = 1.0
"""How often the lateness of the node's loop is measured."""


class HeartbeatThread:
    """A thread with a loop of its own, for as long as the node's loop lives. Made by `start`.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._node = asyncio.get_running_loop()
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._ready: Future[None] = Future()
        self._ended: Future[None] = Future()
        # A program that ends without shutting its system down must not hang.
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._asked_at: float | None = None
        self._lag_changed: Callable[[float], None] = _nobody

    @classmethod
    async def start(cls, name: str) -> HeartbeatThread:
        """A thread that runs."""
        made = cls(name)
        made._thread.start()
        await asyncio.wrap_future(made._ready)
        return made

    def post(self, command: Callable[..., object], *values: Any) -> None:
        """Run a command on the thread; dropped once it has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(command, *values)

    def back(self, command: Callable[..., object], *values: Any) -> None:
        """Run a command on the node's loop; without one there is no node, and the thread ends."""
        try:
            self._node.call_soon_threadsafe(command, *values)
        except RuntimeError:
            self._end.set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the thread, and wait for its result on the node's loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def close(self) -> None:
        """End the thread. Idempotent."""
        self.post(self._end.set)
        await asyncio.wrap_future(self._ended)
        self._thread.join()

    def watch_lag(self, changed: Callable[[float], None]) -> None:
        """Tell, on the thread, each new figure of how late the node's loop is, in seconds; called on the thread."""
        self._lag_changed = changed

    # --- on the thread ---------------------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            asyncio.run(self._live())
        finally:
            self._ended.set_result(None)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._ready.set_result(None)
        while not self._end.is_set():
            self._pulse()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._end.wait(), PULSE_S)

    def _pulse(self) -> None:
        """Ask the node's loop for an echo; one that is still out is lateness already."""
        if self._asked_at is not None:
            self._lag_changed(self._loop.time() - self._asked_at)
            return
        self._asked_at = self._loop.time()
        self.back(self._echo, self._asked_at)

    def _echo(self, asked_at: float) -> None:
        self.post(self._echoed, asked_at)

    def _echoed(self, asked_at: float) -> None:
        self._asked_at = None
        self._lag_changed(self._loop.time() - asked_at)


def _nobody(lag: float) -> None:
    """Nobody asks for the lag yet."""
