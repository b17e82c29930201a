"""The last day of one node in a few numbers: read once a second, thinned as they grow old, a fixed amount of memory.

Counters keep their last value when they are thinned, gauges their last and their largest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pulsing.admin.fanout import Fanout
from pulsing.admin.loop_lag import LoopLag
from pulsing.admin.times import rfc3339
from pulsing.clock import Clock
from pulsing.core.statistics import LATENCY_BOUNDS, Latency, SystemStatistics

logger = logging.getLogger("pulsing.admin")

EVERY_S = 1.0
CHECKS_EVERY_S = 5.0
SHARE = 50
"""A reading may take one part in so many of the time; a longer one is made less often."""


class Series(NamedTuple):
    """One number that is remembered."""

    kind: Literal["counter", "gauge"]
    unit: str


SERIES: Mapping[str, Series] = {
    "actors": Series("gauge", ""),
    "mailbox_messages": Series("gauge", ""),
    "mailbox_oldest_s": Series("gauge", "s"),
    "messages_total": Series("counter", ""),
    "errors_total": Series("counter", ""),
    "restarts_total": Series("counter", ""),
    "dead_letters_total": Series("counter", ""),
    "asks_inflight": Series("gauge", ""),
    "loop_lag_s": Series("gauge", "s"),
    "handle_p50_s": Series("gauge", "s"),
    "handle_p99_s": Series("gauge", "s"),
    "wait_p50_s": Series("gauge", "s"),
    "wait_p99_s": Series("gauge", "s"),
    "queue_puts_total": Series("counter", ""),
    "queue_reads_total": Series("counter", ""),
    "queue_max_lag": Series("gauge", ""),
    "publishes_total": Series("counter", ""),
    "deliveries_total": Series("counter", ""),
    "rss_bytes": Series("gauge", "bytes"),
    "cpu_s_total": Series("counter", "s"),
    "members": Series("gauge", ""),
}
NAMES = tuple(SERIES)

Reading = tuple[float | None, ...]
"""One value a series, in the order of `NAMES`; None where nothing is known."""

EMPTY: Reading = (None,) * len(NAMES)


class Level:
    """The readings of one resolution."""

    def __init__(self, step: int, length: int) -> None:
        self.step = step
        self.rows: deque[tuple[Reading, Reading]] = deque(maxlen=length)
        self._last: Reading = EMPTY
        self._most: Reading = EMPTY
        self._waiting = 0

    def add(self, reading: Reading) -> None:
        """Take the reading of one second."""
        self._last = tuple(new if new is not None else old for new, old in zip(reading, self._last, strict=True))
        self._most = tuple(_larger(new, old) for new, old in zip(reading, self._most, strict=True))
        self._waiting += 1
        if self._waiting == self.step:
            self.rows.append((self._last, self._most))
            self._last = self._most = EMPTY
            self._waiting = 0


def _larger(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else max(a, b)


class History:
    """Remembers the numbers of one node while it runs."""

    RANGES: Mapping[str, int] = {"10m": 0, "6h": 1, "24h": 2}

    def __init__(
        self, fanout: Fanout, system: Any, clock: Clock, lag: LoopLag, checks: Callable[[float], Awaitable[None]]
    ) -> None:
        self._fanout = fanout
        self._system = system
        self._clock = clock
        self._levels = (Level(1, 600), Level(15, 1_440), Level(120, 720))
        self._task: asyncio.Task[None] | None = None
        self._handle: list[int] | None = None
        self._wait: list[int] | None = None
        self._lag = lag
        self._lag_s = 0.0
        self._checks = checks
        self._checked_at = -CHECKS_EVERY_S

    def start(self) -> None:
        """Begin to read, once a second."""
        self._lag.start()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="pulsing-admin-history")

    async def close(self) -> None:
        """Stop reading."""
        self._lag.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def series(self, names: Sequence[str], range: str) -> dict[str, Any]:
        """The remembered values of some series over a range, oldest first."""
        level = self._levels[self.RANGES[range]]
        places = [NAMES.index(name) for name in names]
        length = len(level.rows)
        return {
            "step_s": level.step,
            "start_at": rfc3339(self._clock.wall() - max(0, length - 1) * level.step),
            "series": [self._one(level, place) for place in places],
        }

    @staticmethod
    def _one(level: Level, place: int) -> dict[str, Any]:
        name = NAMES[place]
        kind, unit = SERIES[name]
        values = [last[place] for last, _ in level.rows]
        shown: dict[str, Any] = {"name": name, "kind": kind, "unit": unit, "values": values}
        if kind == "gauge" and level.step > 1:
            shown["max"] = [most[place] for _, most in level.rows]
        return shown

    async def _run(self) -> None:
        pause = EVERY_S
        due = self._clock.monotonic()
        while True:
            due += pause
            await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
            began = self._clock.monotonic()
            self._lag_s = self._lag.take_worst_s()
            try:
                reading = await self._read()
                await self._check(began)
            except Exception:
                logger.exception("a reading for the history failed")
                reading = EMPTY
            for _ in range(int(pause / EVERY_S) - 1):
                self._keep(EMPTY)
            self._keep(reading)
            cost = self._clock.monotonic() - began
            pause = EVERY_S * max(1, round(cost * SHARE))
            due = max(due, self._clock.monotonic() - pause)

    async def _check(self, now: float) -> None:
        if now - self._checked_at >= CHECKS_EVERY_S - EVERY_S / 2:
            self._checked_at = now
            await self._checks(self._lag_s)

    def _keep(self, reading: Reading) -> None:
        for level in self._levels:
            level.add(reading)

    async def _read(self) -> Reading:
        statistics: SystemStatistics = self._system.statistics()
        queues, topics = await self._rows("queues"), await self._rows("topics")
        node = await self._fanout.ask_here("node")
        members = await self._rows("members")
        shown = [c for c in statistics.classes if not c.internal]
        handle = _sum_of([m.handle for c in shown for m in c.methods])
        wait = _sum_of([c.wait for c in shown])
        of_second = (_difference(handle, self._handle), _difference(wait, self._wait))
        self._handle, self._wait = handle, wait
        found = {
            "actors": sum(c.actors for c in shown),
            "mailbox_messages": sum(c.mailbox_messages for c in shown),
            "mailbox_oldest_s": max((c.mailbox_oldest_s for c in shown), default=0.0),
            "messages_total": sum(c.messages for c in shown),
            "errors_total": sum(c.errors for c in shown),
            "restarts_total": sum(sum(c.restarts.values()) for c in shown),
            "dead_letters_total": sum(statistics.dead_letters_by_reason.values()),
            "asks_inflight": statistics.asks_inflight,
            "loop_lag_s": round(self._lag_s, 6),
            "handle_p50_s": of_second[0].quantile(0.5),
            "handle_p99_s": of_second[0].quantile(0.99),
            "wait_p50_s": of_second[1].quantile(0.5),
            "wait_p99_s": of_second[1].quantile(0.99),
            "queue_puts_total": _total(queues, "put_total"),
            "queue_reads_total": _total(queues, "read_total"),
            "queue_max_lag": max((row.get("max_lag") or 0 for row in queues), default=None),
            "publishes_total": _total(topics, "published_total"),
            "deliveries_total": _total(topics, "delivered_total"),
            "rss_bytes": node.get("rss_bytes"),
            "cpu_s_total": node.get("cpu_s_total"),
            "members": sum(row["status"] == "alive" for row in members),
        }
        return tuple(found[name] for name in NAMES)

    async def _rows(self, kind: str) -> list[dict[str, Any]]:
        if not self._fanout.offers(kind):
            return []
        rows: list[dict[str, Any]] = await self._fanout.ask_here(kind)
        return rows


def _total(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return sum(row.get(name) or 0 for row in rows) if rows else None


def _sum_of(latencies: Sequence[Latency]) -> list[int]:
    sums = [0] * (len(LATENCY_BOUNDS) + 1)
    for latency in latencies:
        for place, count in enumerate(latency.counts):
            sums[place] += count
    return sums


def _difference(now: list[int], before: list[int] | None) -> Latency:
    """The histogram of what came between two readings; its maximum is that of the last bound."""
    counts = now if before is None else [max(0, a - b) for a, b in zip(now, before, strict=True)]
    return Latency(tuple(counts), 0.0, LATENCY_BOUNDS[-1])
