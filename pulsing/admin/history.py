"""The last day of one node in a few numbers: read once a second, thinned as they grow old, a fixed amount of memory.

Counters keep their last value when they are thinned, gauges their last and their largest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pulsing.admin.fanout import Fanout
from pulsing.admin.loop_lag import LoopLag
from pulsing.clock import Clock
from pulsing.core.moments import timestamp
from pulsing.core.statistics import LATENCY_BOUNDS, Latency, SystemStatistics
from pulsing.core.vitals import cpu_s, rss_bytes
from pulsing.logs import logger_of

logger = logger_of("pulsing.admin")

EVERY_S = 1.0
CHECKS_EVERY_S = 5.0
MINUTE = 60
"""Readings that the times of the last minute are taken over."""
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
    "link_in_bytes_total": Series("counter", "bytes"),
    "link_out_bytes_total": Series("counter", "bytes"),
    "backpressure_s_total": Series("counter", "s"),
    "rss_bytes": Series("gauge", "bytes"),
    "cpu_s_total": Series("counter", "s"),
    "members": Series("gauge", ""),
}
NAMES = tuple(SERIES)

MOST = frozenset(
    {
        "mailbox_oldest_s",
        "loop_lag_s",
        "handle_p50_s",
        "handle_p99_s",
        "wait_p50_s",
        "wait_p99_s",
        "queue_max_lag",
        "members",
    }
)
"""Numbers of which a cluster has the largest, not the sum."""


class Times(NamedTuple):
    """How long messages were handled and had waited, since the node started: counts by bound, and the longest."""

    handle: list[int]
    wait: list[int]
    handle_max_s: float
    wait_max_s: float


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
        self.at = 0.0
        """Wall clock of the last row, which a busy node adds late."""

    def add(self, reading: Reading, at: float = 0.0) -> None:
        """Take the reading of one second."""
        self._last = tuple(new if new is not None else old for new, old in zip(reading, self._last, strict=True))
        self._most = tuple(_larger(new, old) for new, old in zip(reading, self._most, strict=True))
        self._waiting += 1
        if self._waiting == self.step:
            self.rows.append((self._last, self._most))
            self.at = at
            self._last = self._most = EMPTY
            self._waiting = 0


def _larger(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else max(a, b)


class History:
    """Remembers the numbers of one node while it runs.

    Args:
        fanout: asks the node for its numbers.
        system: the node.
        clock: where time comes from.
        lag: how late timers come.
        checks: is awaited every five seconds, with the lateness.
        keeps: whether anything is remembered; if not, checks are still made.
    """

    RANGES: Mapping[str, int] = {"10m": 0, "6h": 1, "24h": 2}

    def __init__(
        self,
        fanout: Fanout,
        system: Any,
        clock: Clock,
        lag: LoopLag,
        checks: Callable[[float], Awaitable[None]],
        keeps: bool = True,
    ) -> None:
        self._keeps = keeps
        self._fanout = fanout
        self._system = system
        self._clock = clock
        self._levels = (Level(1, 600), Level(15, 1_440), Level(120, 720))
        self._task: asyncio.Task[None] | None = None
        self._times: deque[Times] = deque(maxlen=MINUTE + 1)
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
            "start_at": timestamp((level.at or self._clock.wall()) - max(0, length - 1) * level.step),
            "series": [self._one(level, place) for place in places],
        }

    @staticmethod
    def _one(level: Level, place: int) -> dict[str, Any]:
        name = NAMES[place]
        kind, unit = SERIES[name]
        values = [last[place] for last, _ in level.rows]
        # Only where readings were thinned is the largest another than the last.
        most = [most[place] for _, most in level.rows] if kind == "gauge" and level.step > 1 else []
        return {"name": name, "kind": kind, "unit": unit, "values": values, "max": most}

    def told(self, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """What another node is told of this one's past; None for series or ranges that this version does not have."""
        names, range = list(params.get("names") or ()), str(params.get("range"))
        return self.series(names, range) if set(names) <= set(SERIES) and range in self.RANGES else None

    def latency(self) -> dict[str, Any]:
        """How long messages of the last minute were handled and had waited, as counts by bound."""
        now = times_of(self._system.statistics())
        # Before it has watched for a minute, the minute is all the time that the node has run.
        before = self._times[0] if len(self._times) > MINUTE else None
        return {
            "handle": [a - b for a, b in zip(now.handle, before.handle, strict=True)] if before else now.handle,
            "wait": [a - b for a, b in zip(now.wait, before.wait, strict=True)] if before else now.wait,
            "handle_max_s": now.handle_max_s,
            "wait_max_s": now.wait_max_s,
        }

    async def _run(self) -> None:
        pause = EVERY_S
        due = self._clock.monotonic()
        while True:
            due += pause
            await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
            began = self._clock.monotonic()
            self._lag_s = self._lag.take_worst_s()
            try:
                reading = await self._read() if self._keeps else EMPTY
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
            level.add(reading, self._clock.wall())

    async def _read(self) -> Reading:
        statistics: SystemStatistics = self._system.statistics()
        members = await self._rows("members")
        found = {
            **_of_actors(statistics),
            **self._of_times(statistics),
            **await self._of_streaming(),
            **await self._of_links(),
            "loop_lag_s": round(self._lag_s, 6),
            "rss_bytes": rss_bytes(),
            "cpu_s_total": cpu_s(),
            "members": sum(row["status"] == "alive" for row in members),
        }
        return tuple(found[name] for name in NAMES)

    def _of_times(self, statistics: SystemStatistics) -> dict[str, float | None]:
        """How long messages were handled and had waited since the last reading."""
        before = self._times[-1] if self._times else None
        now = times_of(statistics)
        self._times.append(now)
        handle = difference(now.handle, before and before.handle, LATENCY_BOUNDS[-1])
        wait = difference(now.wait, before and before.wait, LATENCY_BOUNDS[-1])
        return {
            "handle_p50_s": handle.quantile(0.5),
            "handle_p99_s": handle.quantile(0.99),
            "wait_p50_s": wait.quantile(0.5),
            "wait_p99_s": wait.quantile(0.99),
        }

    async def _of_streaming(self) -> dict[str, float | None]:
        queues, topics = await self._rows("queues"), await self._rows("topics")
        return {
            "queue_puts_total": _total(queues, "put_total"),
            "queue_reads_total": _total(queues, "read_total"),
            "queue_max_lag": max((row.get("max_lag") or 0 for row in queues), default=None),
            "publishes_total": _total(topics, "published_total"),
            "deliveries_total": _total(topics, "delivered_total"),
        }

    async def _of_links(self) -> dict[str, float | None]:
        links = await self._fanout.ask_here("link_totals") if self._fanout.offers("link_totals") else {}
        carried = links.get("bytes") or {}
        return {
            "link_in_bytes_total": carried.get("in"),
            "link_out_bytes_total": carried.get("out"),
            "backpressure_s_total": links.get("backpressure_s"),
        }

    async def _rows(self, kind: str) -> list[dict[str, Any]]:
        if not self._fanout.offers(kind):
            return []
        rows: list[dict[str, Any]] = await self._fanout.ask_here(kind)
        return rows


def _of_actors(statistics: SystemStatistics) -> dict[str, float | None]:
    shown = [c for c in statistics.classes if not c.internal]
    return {
        "actors": sum(c.actors for c in shown),
        "mailbox_messages": sum(c.mailbox_messages for c in shown),
        "mailbox_oldest_s": max((c.mailbox_oldest_s for c in shown), default=0.0),
        "messages_total": sum(c.messages for c in shown),
        "errors_total": sum(c.errors for c in shown),
        "restarts_total": sum(sum(c.restarts.values()) for c in shown),
        "dead_letters_total": sum(statistics.dead_letters_by_reason.values()),
        "asks_inflight": statistics.asks_inflight,
    }


def _total(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    return sum(row.get(name) or 0 for row in rows) if rows else None


def _sum_of(latencies: Sequence[Latency]) -> list[int]:
    sums = [0] * (len(LATENCY_BOUNDS) + 1)
    for latency in latencies:
        for place, count in enumerate(latency.counts):
            sums[place] += count
    return sums


def times_of(statistics: SystemStatistics) -> Times:
    """The times of all messages to the actors of users, together."""
    shown = [c for c in statistics.classes if not c.internal]
    handle, wait = [m.handle for c in shown for m in c.methods], [c.wait for c in shown]
    return Times(_sum_of(handle), _sum_of(wait), _longest(handle), _longest(wait))


def _longest(latencies: Sequence[Latency]) -> float:
    return max((latency.maximum_s for latency in latencies), default=0.0)


def difference(now: Sequence[int], before: Sequence[int] | None, longest_s: float) -> Latency:
    """The histogram of what came between two readings."""
    counts = now if before is None else [max(0, a - b) for a, b in zip(now, before, strict=True)]
    return Latency(tuple(counts), 0.0, longest_s)


def joint_series(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The series of several nodes as one, by moments counted back from now."""
    longest = max(told, key=lambda one: max((len(s["values"]) for s in one["series"]), default=0))
    return {
        "step_s": longest["step_s"],
        "start_at": longest["start_at"],
        "series": [_joint([one["series"][place] for one in told]) for place in range(len(longest["series"]))],
    }


def _joint(series: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    name = series[0]["name"]
    fold = _largest if name in MOST else _sums
    joint = {key: series[0][key] for key in ("name", "kind", "unit")}
    joint["values"] = fold([one["values"] for one in series])
    joint["max"] = fold([one.get("max") or [] for one in series])
    return joint


def _largest(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    return [max(known) if known else None for known in map(_known, _moments(rows))]


def _sums(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    """The sum of each moment; who missed a reading, being busy, counts with the one before, so that no sum dips."""
    last: list[float | None] = [None] * len(rows)
    sums: list[float | None] = []
    for moment in _moments(rows):
        last = [new if new is not None else old for new, old in zip(moment, last, strict=True)]
        sums.append(sum(_known(last)) if _known(moment) else None)
    return sums


def _moments(rows: Sequence[Sequence[float | None]]) -> Iterator[list[float | None]]:
    """What all had at each moment, counted back from now, the oldest first."""
    for back in range(max(map(len, rows)), 0, -1):
        yield [row[-back] if len(row) >= back else None for row in rows]


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
