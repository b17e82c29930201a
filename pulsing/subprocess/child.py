"""A child process at the head of a process group: started, signalled, and ended with all of its group.

The child is reaped no sooner than its group is ended: until then nobody else can get the group's number, and a signal
to it reaches nobody else.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from typing import Any

from pulsing.children import call_when_ended


class Child:
    """Starts a program; options are those of `subprocess.Popen`.

    Raises:
        OSError, ValueError: as of `subprocess.Popen`; nothing runs then.
    """

    def __init__(self, args: Any, **options: Any) -> None:
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Its return code."""
        self.popen = subprocess.Popen(args, bufsize=0, start_new_session=True, **options)  # noqa: S603 - what was asked for
        call_when_ended(self.pid, self._note_end)

    @property
    def pid(self) -> int:
        """Its number, and that of its group."""
        return self.popen.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, or the number of the signal that ended it, negated; None while it runs."""
        return self.ended.result() if self.ended.done() else None

    def signal(self, number: int) -> None:
        """Send a signal to the whole group, unless the child has ended."""
        if not self.ended.done():
            _signal_group(self.pid, number)

    async def end(self) -> None:
        """Kill whatever is left of the group, and reap the child."""
        if self.popen.returncode is None:
            _signal_group(self.pid, signal.SIGKILL)
            await asyncio.shield(self.ended)
            self.popen.wait()

    def _note_end(self) -> None:
        seen = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        assert seen is not None
        self.ended.set_result(seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status)


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass  # all of it has ended meanwhile
