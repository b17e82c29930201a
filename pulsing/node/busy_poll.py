"""Looking for the next message again and again instead of sleeping, for the moment in which it is about to come.

To be put to sleep and woken up costs a process more than a whole call: where calls follow one another on a virtual
machine, more than half of the time of each. So after a message the loop goes round for a little while without
sleeping. Whether that pays is seen by what came of it, as Linux does for halted virtual processors
(Documentation/virt/kvm/halt-polling.rst): each time in vain makes it rarer, and one message that came meanwhile makes
it usual again.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

SELDOM = 63
"""After polls in vain, at most so many messages pass without a poll."""

_yield_processor: Callable[[], None] = getattr(os, "sched_yield", lambda: None)


class BusyPoll:
    """Keeps one loop awake after messages.

    Args:
        loop: the loop.
        longest_s: seconds for which it is kept awake after each; 0 for not at all.
    """

    __slots__ = ("_longest_s", "_looks", "_loop", "_passed", "_passes", "_until")

    def __init__(self, loop: asyncio.AbstractEventLoop, longest_s: float) -> None:
        self._loop = loop
        self._longest_s = longest_s
        self._until = 0.0
        self._looks = False
        self._passes = self._passed = 0

    def heard(self) -> None:
        """A message came: stay awake for the next one, if that has paid lately."""
        if not self._longest_s:
            return
        if self._looks:
            self._passes = 0
        elif self._passed < self._passes:
            self._passed += 1
            return
        else:
            self._looks = True
            self._passed = 0
            self._loop.call_soon(self._look)
        self._until = time.monotonic() + self._longest_s

    def _look(self) -> None:
        if time.monotonic() < self._until:
            # Whoever else wants this processor has it first: the other end of the link may be among them.
            _yield_processor()
            self._loop.call_soon(self._look)
        else:
            self._looks = False
            self._passes = min(2 * self._passes + 1, SELDOM)


def usable_processors() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
