"""Where time and chance come from: passed in, never reached for, so that tests can own both."""

from __future__ import annotations

import random
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds for decisions, wall seconds for display only."""

    def monotonic(self) -> float: ...

    def wall(self) -> float: ...


class SystemClock:
    """The machine's clocks."""

    # The functions themselves: every message reads the clock three times, and a method around it would double the cost.
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


def system_random() -> random.Random:
    """A generator seeded by the operating system; for jitter and sampling, never for secrets."""
    return random.Random()  # noqa: S311 - jitter and sampling, not secrets
