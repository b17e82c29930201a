"""How late the loop is: a timer is due ten times a second, and comes when it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from math import ceil

from pulsing.clock import Clock
from pulsing.core.statistics import LatencyCounters

EVERY_S = 0.1
MINUTE = 600
"""Rings of the timer in a minute."""


class LoopLag:
    """The lateness of a timer on one loop, from `start` to `close`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._worst_s = 0.0
        self.seconds = LatencyCounters()
        self._minute: deque[float] = deque(maxlen=MINUTE)

    def start(self) -> None:
        """Begin to measure; nothing if that has begun."""
        if self._timer is None:
            self._arm()

    def close(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def take_worst_s(self) -> float:
        """The largest lateness in seconds since this was asked last; one that is not over yet counts."""
        now = self._clock.monotonic()
        overdue = now - self._due if self._timer is not None else 0.0
        worst, self._worst_s = max(self._worst_s, overdue), 0.0
        return max(0.0, worst)

    def percentiles(self) -> dict[str, float | None]:
        """p50, p95, p99 and maximum of the last minute, in seconds; None before the first ring."""
        late = sorted(self._minute)
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
        # The smallest lateness that so many of all did not exceed.
        return {name: round(late[ceil(share * len(late)) - 1], 6) if late else None for name, share in shares.items()}

    def _arm(self) -> None:
        self._due = self._clock.monotonic() + EVERY_S
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._ring)

    def _ring(self) -> None:
        late = max(0.0, self._clock.monotonic() - self._due)
        self.seconds.observe(late)
        self._worst_s = max(self._worst_s, late)
        self._minute.append(late)
        self._arm()
