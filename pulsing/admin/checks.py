"""Whether a node is well: figures that are there anyway, held against two thresholds each, every five seconds.

The thresholds are settings (`pulsing.settings.thresholds`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pulsing.admin.alerts import ALERTS
from pulsing.admin.fanout import Fanout
from pulsing.admin.metrics import Metrics
from pulsing.clock import Clock
from pulsing.core.moments import timestamp
from pulsing.core.statistics import SystemStatistics
from pulsing.settings import Threshold
from pulsing.streaming.inspection import stored_where

EVERY_S = 5.0
KEPT = 121
"""Ten minutes of figures."""
FIVE_MINUTES = 61
ENOUGH_MESSAGES = 100


@dataclass(frozen=True)
class Figures:
    """What the checks look at, at one moment."""

    at: float
    """monotonic seconds"""
    loop_lag_s: float
    long_turns: int
    drops: int
    messages: int
    errors: int
    restarts: Mapping[str, int]
    dead_letters: int
    asks: int
    """of other nodes, that have ended"""
    timeouts: int
    mailbox_oldest_s: float
    mailbox_fill: float
    """the fullest mailbox, of its capacity"""
    suspicions: int
    unavailable_buckets: int
    dead_members: int
    members: int
    agreed: bool
    slow_subscribers: int
    descriptors: float | None
    capped: int
    scrape_s: float | None
    backpressure_s: float
    """time that senders have waited for links, in all"""
    oldest_unread_s: float | None
    """age of the oldest record that a reader has yet to read"""
    disk_free: float | None
    """share of the disk where queues are stored"""


Past = deque[Figures]

SATURATED_FOR_S = 10.0
MINUTE_S = 60.0


class Check(NamedTuple):
    """One question: how its value is read, and whether it fails at its thresholds and above, or below."""

    value: Callable[[Past], float | None]
    unit: str
    detail: str
    falling: bool = False

    def fails(self, value: float, threshold: float | None) -> bool:
        """Whether a value is at a threshold or beyond it; 0 means anything above 0."""
        if threshold is None:
            return False
        if self.falling:
            return value <= threshold
        return value >= threshold if threshold > 0 else value > 0


def _newest(read: Callable[[Figures], float | None]) -> Callable[[Past], float | None]:
    return lambda past: read(past[-1])


def _rate(read: Callable[[Figures], int]) -> Callable[[Past], float | None]:
    """A counter's growth a second over five minutes."""

    def rate(past: Past) -> float | None:
        then, now = _five_minutes_ago(past), past[-1]
        return (read(now) - read(then)) / (now.at - then.at) if now.at > then.at else None

    return rate


def _five_minutes_ago(past: Past) -> Figures:
    return past[max(0, len(past) - FIVE_MINUTES)]


def _lag_p99(past: Past) -> float | None:
    lags = sorted(figures.loop_lag_s for figures in list(past)[-12:])
    return lags[int(0.99 * (len(lags) - 1))]


def _error_ratio(past: Past) -> float | None:
    then, now = _five_minutes_ago(past), past[-1]
    handled = now.messages - then.messages
    return (now.errors - then.errors) / handled if handled >= ENOUGH_MESSAGES else None


def _timeout_share(past: Past) -> float | None:
    then, now = _five_minutes_ago(past), past[-1]
    ended = now.asks - then.asks
    return (now.timeouts - then.timeouts) / ended if ended >= ENOUGH_MESSAGES else None


def _restarts(past: Past) -> float | None:
    then, now = past[0].restarts, past[-1].restarts
    return max((count - then.get(name, 0) for name, count in now.items()), default=0)


def _saturation(past: Past) -> float | None:
    """The least of the last ten seconds: a mailbox that is full for a moment is no fault."""
    now = past[-1].at
    return min(figures.mailbox_fill for figures in past if now - figures.at <= SATURATED_FOR_S)


def _suspicions(past: Past) -> float | None:
    return past[-1].suspicions - past[0].suspicions


def _dead_share(past: Past) -> float | None:
    return past[-1].dead_members / past[-1].members if past[-1].members else None


def _backpressure(past: Past) -> float | None:
    """The share of the last minute that senders waited."""
    now = past[-1]
    then = next(figures for figures in past if now.at - figures.at <= MINUTE_S)
    return (now.backpressure_s - then.backpressure_s) / (now.at - then.at) if now.at > then.at else None


def _disagreement_s(past: Past) -> float | None:
    since = past[-1].at
    for figures in reversed(past):
        if figures.agreed:
            break
        since = figures.at
    return past[-1].at - since


CHECKS: Mapping[str, Check] = {
    "event_loop_lag": Check(_lag_p99, "s", "lateness of a timer on the loop, 99th percentile of a minute"),
    "long_turns": Check(_rate(lambda f: f.long_turns), "1/s", "turns that held the loop for over 100 ms"),
    "mailbox_saturation": Check(_saturation, "ratio", "messages in the fullest mailbox, of its capacity"),
    "mailbox_wait": Check(_newest(lambda f: f.mailbox_oldest_s), "s", "the message that waits longest"),
    "mailbox_drops": Check(_rate(lambda f: f.drops), "1/s", "messages that full mailboxes refused or lost"),
    "error_ratio": Check(_error_ratio, "ratio", "messages that failed, of those of five minutes"),
    "restart_loop": Check(_restarts, "", "restarts of one class in ten minutes"),
    "dead_letters": Check(_rate(lambda f: f.dead_letters), "1/s", "messages that reached nobody"),
    "ask_timeouts": Check(_timeout_share, "ratio", "calls that got no answer in time"),
    "members": Check(_dead_share, "ratio", "dead members that are not forgotten yet"),
    "agreement": Check(_disagreement_s, "s", "for how long views of the cluster have differed"),
    "flapping": Check(_suspicions, "", "suspicions of members in ten minutes"),
    "link_backpressure": Check(_backpressure, "ratio", "time that senders waited for links, of the last minute"),
    "queue_buckets": Check(_newest(lambda f: f.unavailable_buckets), "", "buckets that cannot be used"),
    "queue_lag": Check(_newest(lambda f: f.oldest_unread_s), "s", "the oldest record that a reader has not read"),
    "topic_subscribers": Check(_newest(lambda f: f.slow_subscribers), "", "slow or failing subscribers"),
    "file_descriptors": Check(_newest(lambda f: f.descriptors), "ratio", "open files, of those allowed"),
    "disk": Check(
        _newest(lambda f: f.disk_free), "ratio", "what is free of the disk where queues are stored", falling=True
    ),
    "series_cap": Check(_newest(lambda f: f.capped), "", "label values that are counted under _other"),
    "scrape_time": Check(_newest(lambda f: f.scrape_s), "s", "time that the last rendering of metrics took"),
}


class Checks:
    """The checks of one node and since when each says what it says."""

    def __init__(
        self, fanout: Fanout, system: Any, metrics: Metrics, clock: Clock, thresholds: Mapping[str, Threshold]
    ) -> None:
        self._thresholds = thresholds
        self._fanout = fanout
        self._system = system
        self._metrics = metrics
        self._clock = clock
        self._past: Past = deque(maxlen=KEPT)
        self._since: dict[str, tuple[str, float]] = {}

    async def run(self, loop_lag_s: float) -> None:
        """Look at the figures of this moment, and tell where a check has changed."""
        self._past.append(await self._look(loop_lag_s))
        for name in CHECKS:
            status, _ = self._state(name)
            before = self._since.get(name)
            if before is None or before[0] != status:
                self._since[name] = (status, self._clock.wall())
                self._tell(name, before[0] if before else "ok", status)

    def rows(self) -> list[dict[str, Any]]:
        """Every check with its value; empty before the first look."""
        return [self._row(name) for name in CHECKS] if self._past else []

    def failing(self) -> list[dict[str, Any]]:
        """The checks that warn or worse."""
        rows = [row for row in self.rows() if row["status"] in ("warn", "critical")]
        return [{name: row[name] for name in ("name", "status", "value", "unit", "since_at")} for row in rows]

    def _row(self, name: str) -> dict[str, Any]:
        check, alert, threshold = CHECKS[name], ALERTS[name], self._thresholds[name]
        status, value = self._state(name)
        since = self._since.get(name)
        return {
            "name": name,
            "status": status,
            "value": value,
            "warn": threshold.warn,
            "critical": threshold.critical,
            "unit": check.unit,
            "since_at": timestamp(since[1]) if since else None,
            "detail": check.detail,
            "runbook": {"meaning": alert.meaning, "look": list(alert.look), "fix": alert.fix},
        }

    def _state(self, name: str) -> tuple[str, float | None]:
        check, threshold = CHECKS[name], self._thresholds[name]
        value = check.value(self._past) if threshold.enabled else None
        if value is None:
            return "off", None
        if check.fails(value, threshold.critical):
            return "critical", value
        return ("warn" if check.fails(value, threshold.warn) else "ok"), value

    def _tell(self, name: str, before: str, status: str) -> None:
        bad = ("warn", "critical")
        if status in bad or before in bad:
            type = "check.failing" if status in bad else "check.ok"
            self._system.events.publish(type, kind="check", id=name, name=name, data={"status": status})

    async def _look(self, loop_lag_s: float) -> Figures:
        statistics: SystemStatistics = self._system.statistics()
        shown = [c for c in statistics.classes if not c.internal]
        kinds = ("node", "members", "topics", "queues", "cluster", "link_totals")
        node, members, topics, queues, cluster, links = [await self._ask(kind) for kind in kinds]
        return Figures(
            at=self._clock.monotonic(),
            loop_lag_s=loop_lag_s,
            long_turns=sum(m.long_turns for c in shown for m in c.methods),
            drops=sum(sum(c.dropped.values()) for c in shown),
            messages=sum(c.messages for c in shown),
            errors=sum(c.errors for c in shown),
            restarts={c.name: sum(c.restarts.values()) for c in shown},
            dead_letters=sum(statistics.dead_letters_by_reason.values()),
            asks=sum(latency.count for latency in statistics.asks.values()),
            timeouts=sum(latency.count for (_, outcome), latency in statistics.asks.items() if outcome == "timeout"),
            mailbox_oldest_s=max((c.mailbox_oldest_s for c in shown), default=0.0),
            mailbox_fill=max(map(_fill, self._system.waiting), default=0.0),
            suspicions=self._metrics.suspicions,
            unavailable_buckets=sum(row.get("unavailable_buckets") or 0 for row in queues),
            dead_members=sum(row["status"] == "dead" for row in members),
            members=len(members),
            agreed=not cluster or cluster.get("agreed") is not False,
            slow_subscribers=sum(row.get("slow_subscribers") or 0 for row in topics),
            descriptors=node["fds"] / node["fds_max"] if node and node.get("fds") and node.get("fds_max") else None,
            capped=self._metrics.capped,
            scrape_s=self._metrics.render_s,
            backpressure_s=links["backpressure_s"] if links else 0.0,
            oldest_unread_s=max((row["oldest_unread_s"] or 0.0 for row in queues), default=None),
            # A file system over a network may be long in answering.
            disk_free=await self._metrics.in_worker(stored_where(self._system).free_share),
        )

    async def _ask(self, kind: str) -> Any:
        return await self._fanout.ask_here(kind) if self._fanout.offers(kind) else []


def _fill(cell: Any) -> float:
    """How full the mailbox of an actor is; over 1 where senders stand in line."""
    mailbox = cell.mailbox
    return 0.0 if mailbox is None else (len(mailbox) + mailbox.in_line) / mailbox.capacity
