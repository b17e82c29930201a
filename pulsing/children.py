"""The end of a child process, told on the loop as soon as it comes. Reaping it is left to whoever started it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable


def call_when_ended(pid: int, told: Callable[[], None]) -> None:
    """Call `told` once on the running loop when a child of this process has ended."""
    loop = asyncio.get_running_loop()
    try:
        handle = os.pidfd_open(pid)
    except (AttributeError, OSError):
        # No such thing on this system: a thread waits instead.
        name = f"pulsing-child-{pid}"
        threading.Thread(target=_wait_in_thread, args=(pid, loop, told), name=name, daemon=True).start()
    else:
        loop.add_reader(handle, _readable, loop, handle, told)


def _readable(loop: asyncio.AbstractEventLoop, handle: int, told: Callable[[], None]) -> None:
    loop.remove_reader(handle)
    os.close(handle)
    told()


def _wait_in_thread(pid: int, loop: asyncio.AbstractEventLoop, told: Callable[[], None]) -> None:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        loop.call_soon_threadsafe(told)
    except RuntimeError:
        pass  # the loop has been closed meanwhile
