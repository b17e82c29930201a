"""The loop that a system lives on, and how work gets there that is asked for on another one.

Nothing of a system is locked, since its loop is the only one that touches it. A threaded actor's worker, or a second
loop in another thread, therefore sends its wishes there and waits for them on its own loop.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable, Coroutine
from threading import get_ident
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakSet

from pulsing.exceptions import SystemStopped, WrongLoop

if TYPE_CHECKING:
    from pulsing.core.system import System

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound="System")

NOWHERE = 0
"""No thread has this number. A forked child has the parent's systems, but not the thread that runs their loops."""

_settled: WeakSet[System] = WeakSet()


def settle(system: System) -> None:
    """Take note of a system, so that a child process made by fork leaves it alone."""
    _settled.add(system)


def _unsettle_all() -> None:
    for system in _settled:
        system.thread = NOWHERE
        for cell in system.registry:
            cell.thread = NOWHERE


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unsettle_all)


def at_home(system: System) -> bool:
    """Whether the caller runs on the system's loop."""
    if system.thread == get_ident():
        return system.loop.is_running()
    try:
        # Rare: a loop that rested was taken up again by another thread than that which made the system.
        return asyncio.get_running_loop() is system.loop
    except RuntimeError:
        return False


def check_home(system: System) -> None:
    """Refuse what would change the system from elsewhere than its loop.

    Raises:
        WrongLoop: says what to do instead.
    """
    if not at_home(system):
        raise WrongLoop(
            "actors are made and ended on the loop of their system: await spawn and stop, or use mount or run_sync"
        )


def send_home(system: System, work: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
    """Do `work` on the system's loop, and give the caller's loop a future of its result.

    Raises:
        WrongLoop: no loop runs in the caller's thread, or the system's own does not run now.
        SystemStopped: the system's loop is closed, or was left behind in the process that this one was forked from.
    """
    if system.thread == NOWHERE:
        raise SystemStopped("This actor system lives in the process from which this one was forked; start one here.")
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise WrongLoop(
            "no event loop runs in this thread: have pulsing.core.helpers.run_sync run a coroutine that awaits it"
        ) from None
    if system.loop.is_closed():
        raise SystemStopped("The event loop of this actor system is closed; start another system on a live one.")
    if not system.loop.is_running():
        raise WrongLoop("the event loop of this actor system does not run now: run it, or use a system of this loop")

    async def done_there() -> T:
        return await work()

    return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(done_there(), system.loop), loop=loop)


def on_home_loop(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Let a method of a system be awaited on any loop."""

    @functools.wraps(method)
    async def from_anywhere(system: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if at_home(system):
            return await method(system, *args, **kwargs)
        return await send_home(system, lambda: method(system, *args, **kwargs))

    return from_anywhere
