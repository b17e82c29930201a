"""The system through which sync code starts processes, and how its threads wait for that system's loop."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from pulsing.core.actor import system_of_current
from pulsing.core.actor_class import inner_system
from pulsing.core.helpers import run_sync
from pulsing.core.home import at_home
from pulsing.core.system import System
from pulsing.exceptions import WrongLoop
from pulsing.runtime import ActorSystem, actor_system, get_system, is_initialized

T = TypeVar("T")


class _Own:
    """A system of this module's own, for programs that have none; it ends with the program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._system: ActorSystem | None = None

    def get(self) -> System:
        """The system, started on first use on the loop that sync code shares."""
        with self._lock:
            if self._system is None or self._system.inner.stopped:
                self._system = run_sync(actor_system(admin=False))
                atexit.register(self._end)
            return self._system.inner

    def forget(self) -> None:
        """Start anew in a forked child, where the loop of the parent does not run."""
        self.__init__()  # type: ignore[misc]

    def _end(self) -> None:
        if self._system is not None:
            wait_for(self._system.inner, self._system.inner.shutdown(drain=0))


_own = _Own()
os.register_at_fork(after_in_child=_own.forget)


def system_for(given: Any) -> System:
    """The system that was given, that of the actor in whose thread this is, the process-wide one, or one of our own."""
    if given is not None:
        return inner_system(given)
    own = system_of_current()
    if own is not None:
        return own
    return get_system().inner if is_initialized() else _own.get()


def check_thread(system: System) -> None:
    """Refuse to wait where nobody could ever answer.

    Raises:
        RuntimeError: the caller runs on the loop of the system.
        WrongLoop: that loop does not run.
    """
    if at_home(system):
        raise RuntimeError(
            "pulsing.subprocess cannot block on the same event loop that its actor system runs on: call it by "
            "'await asyncio.to_thread(...)', or from another thread"
        )
    if not system.loop.is_running():
        raise WrongLoop("the event loop of this actor system does not run now: run it in a thread of its own")


def wait_for(system: System, work: Coroutine[Any, Any, T]) -> T:
    """Do something on the loop of a system, and wait for it in this thread; whoever is interrupted takes it back.

    Raises:
        RuntimeError: as of `check_thread`.
    """
    try:
        check_thread(system)
    except RuntimeError:
        work.close()
        raise
    future = asyncio.run_coroutine_threadsafe(work, system.loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
