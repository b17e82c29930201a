"""Pulsing for code that is not asynchronous: mounting objects, and running coroutines from plain threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from pulsing.core.actor import system_of_current
from pulsing.core.registry import actor_path
from pulsing.core.spawning import mounted_spec
from pulsing.core.stopping import DRAIN_STEP_S
from pulsing.core.system import System
from pulsing.exceptions import NotInitialized
from pulsing.layers import environments

T = TypeVar("T")

DRAIN_S = 10.0
"""How long messages may run after a signal."""
NO_SYSTEM = "Pulsing initialization failed. Please call pul.init() or run in Ray environment."


class BackgroundLoop:
    """An event loop in a daemon thread of its own, for sync code that has no system to borrow one from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        """The loop, started on first use."""
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="pulsing-background", daemon=True).start()
            return self._loop

    def forget(self) -> None:
        """Drop the loop in a forked child, where its thread does not exist."""
        self._lock = threading.Lock()
        self._loop = None


_background = BackgroundLoop()
os.register_at_fork(after_in_child=_background.forget)


def run_sync(coro: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Run a coroutine from sync code, on the loop of a system or on a background loop.

    The system is that of the actor in whose thread this is called, else the process-wide one.

    Args:
        coro: what to run.
        timeout: seconds; None for no limit. When it passes the coroutine is cancelled.

    Raises:
        RuntimeError: called on the thread of that very loop, where it could only wait for itself.
        TimeoutError: the time passed.
    """
    system = system_of_current() or _global_system()
    loop = system.loop if system is not None else _background.get()
    if _on_loop(loop):
        coro.close()
        raise RuntimeError("run_sync cannot block the event loop that it needs: use 'await' here")
    if not loop.is_running() and system is not None:
        # The loop rests between two calls of run_until_complete, most likely of this very thread.
        return loop.run_until_complete(asyncio.wait_for(coro, timeout))
    future = asyncio.run_coroutine_threadsafe(coro, loop)
    try:
        return future.result(timeout)
    except concurrent.futures.TimeoutError:
        if future.done():
            raise
        future.cancel()
        raise TimeoutError(f"no result within {timeout:g} s") from None
    except BaseException:
        future.cancel()
        raise


def mount(instance: Any, *, name: str, public: bool = True) -> None:
    """Make any object an actor as it is: its public methods can then be called by name from every node.

    Works from plain sync code, from any thread, from a constructor, and on the loop's own thread. The methods run on
    the thread of the system's loop.

    Args:
        instance: the object itself is used, not a copy.
        name: its name.
        public: whether other nodes may resolve the name.

    Raises:
        NotInitialized: there is no process-wide system, and this is no process of Ray, where one is started.
        NameTaken: an actor of this node has the name.
        ValueError: the name breaks the grammar.
    """
    system = _global_system() or _system_of_environment()
    spec = mounted_spec(type(instance))

    def start() -> None:
        system.start_actor(instance, spec, name=name, public=public)

    _on_thread_of(system, start)


def unmount(name: str) -> None:
    """Stop a mounted actor and free its name; an unknown name is no error.

    On the loop's own thread it returns at once: no further message starts, the name is free, and `on_stop` runs after
    the message in progress. On other threads it waits for the end.
    """
    system = _global_system()
    if system is None:
        return
    path = actor_path(name)
    if not _on_loop(system.loop):
        run_sync(system.stop(path))
        return
    cell = system.registry.by_path(path)
    if cell is not None:
        system.free_name(cell)
        cell.begin_end("stopped", None, 30.0)


async def run_until_signal(actor_name: str | None = None) -> None:
    """Wait for SIGINT or SIGTERM, then shut the process-wide system down: it drains, so that no caller loses an answer.

    Cancelling this coroutine, or a SystemExit raised in an actor, does the same. A second signal ends the process at
    once, with exit code 1.

    Args:
        actor_name: an actor that is stopped first, once its mailbox has run empty; callers turn elsewhere meanwhile.
    """
    from pulsing.core import get_system, shutdown

    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()

    def on_signal() -> None:
        if signalled.is_set():
            os._exit(1)
        signalled.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        await signalled.wait()
        if actor_name is not None:
            await _end_after(actor_name, get_system())
        await shutdown()
    except asyncio.CancelledError:
        # By `asyncio.run` too, when a method of an actor has raised SystemExit.
        await shutdown()
        raise
    except Exception as error:
        sys.stderr.write(f"{error}\n")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _end_after(actor_name: str, system: Any) -> None:
    """Drain, stop an actor, and end the system, in the time that one drain may take."""
    now = asyncio.get_running_loop().time
    deadline = now() + DRAIN_S
    await system.drain(DRAIN_S)
    await system.stop(actor_name, timeout=max(0.0, deadline - now()))
    # Without any time to drain, nothing would be handed over either.
    await system.shutdown(drain=max(DRAIN_STEP_S, deadline - now()))


async def spawn_and_run(
    actor: Any, name: str, addr: str | None = None, seeds: list[str] | None = None, public: bool = True
) -> None:
    """Start the process-wide system, spawn one actor, and run until a signal comes."""
    from pulsing.core import init

    system = await init(addr, seeds=seeds)
    await system.spawn(actor, name=name, public=public)
    await run_until_signal(name)


def _global_system() -> System | None:
    from pulsing.core import get_system, is_initialized

    return get_system().inner if is_initialized() else None


def _system_of_environment() -> System:
    any(start() for start in environments)
    system = _global_system()
    if system is None:
        raise NotInitialized(NO_SYSTEM)
    return system


def _on_loop(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _on_thread_of(system: System, action: Any) -> None:
    if _on_loop(system.loop):
        action()
        return

    async def run() -> None:
        action()

    run_sync(run(), timeout=30.0)
