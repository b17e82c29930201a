"""Where time and chance come from: passed in, never reached for, so that tests can own both."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds for decisions, wall seconds for display only."""

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary beginning."""
        ...

    def wall(self) -> float:
        """Seconds since 1970."""
        ...


class SystemClock:
    """The machine's clocks."""

    # The functions themselves: every message reads the clock three times, and a method around it would double the cost.
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


def clock_here() -> Clock:
    """The clock of the running loop where it has one of its own, as loops in virtual time do; else the machine's."""
    return _own_clock() or SystemClock()


def random_here() -> random.Random:
    """A generator for jitter and sampling, never for secrets.

    Seeded by the operating system; on a loop with a clock of its own by the process-wide generator, so that a run
    that seeds that one can be repeated.
    """
    return random.Random(None if _own_clock() is None else random.getrandbits(64))  # noqa: S311 - no secrets


def _own_clock() -> Clock | None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    own: Clock | None = getattr(loop, "clock", None)
    return own
