"""What is counted while messages flow, as plain integers, and the frozen values that readers get.

Nothing here knows Prometheus or JSON. The hot path increments attributes of the `…Counters` objects; a reader asks
for a snapshot, which copies. Totals of a class outlive its actors, so that no total ever falls.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from pulsing.core.lifecycle import ENDED, TRANSITIONS

LATENCY_BOUNDS = (0.00005, 0.0002, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0)
"""Upper bounds in seconds of every latency histogram; one more slot counts what is above the last."""

QUICK_S = LATENCY_BOUNDS[0]

LONG_TURN_S = 0.1
"""A turn that holds the loop for longer is counted and named."""


class LatencyCounters:
    """A histogram under construction: a count per bound, a sum and a maximum."""

    __slots__ = ("maximum", "quick", "slower", "total")

    def __init__(self) -> None:
        self.quick = 0
        """observations up to the first bound: nearly all, where nothing is overloaded"""
        self.slower = [0] * len(LATENCY_BOUNDS)
        """observations above it, by bound"""
        self.total = 0.0
        self.maximum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one observation."""
        self.total += seconds
        if seconds > self.maximum:
            self.maximum = seconds
        if seconds <= QUICK_S:
            self.quick += 1
        else:
            self.slower[bisect_left(LATENCY_BOUNDS, seconds) - 1] += 1

    @property
    def mean(self) -> float:
        """Seconds; 0 before the first observation."""
        return self.total / ((self.quick + sum(self.slower)) or 1)

    def snapshot(self) -> Latency:
        """What was counted so far, as a frozen value."""
        return Latency((self.quick, *self.slower), self.total, self.maximum)


class MethodCounters:
    """Outcomes and handle times of one method of one class."""

    __slots__ = (
        "business",
        "cancelled",
        "expired",
        "handle",
        "items",
        "long_turns",
        "ok",
        "streams_open",
        "system",
        "timeout",
        "unsupported",
    )

    def __init__(self) -> None:
        self.ok = 0
        self.cancelled = 0
        self.expired = 0
        self.business = 0
        self.system = 0
        self.timeout = 0
        self.unsupported = 0
        self.long_turns = 0
        self.items = 0
        self.streams_open = 0
        self.handle = LatencyCounters()

    @property
    def errors(self) -> int:
        """Calls that raised, of all categories."""
        return self.business + self.system + self.timeout + self.unsupported

    def count_ok(self, seconds: float) -> None:
        """Add one call that succeeded after so many seconds."""
        self.ok += 1
        self.handle.observe(seconds)

    def count_error(self, category: str) -> None:
        """Add one failed call of a category: business, system, timeout or unsupported."""
        setattr(self, category, getattr(self, category) + 1)


class ClassCounters:
    """Everything counted for the actors of one class on this node."""

    __slots__ = (
        "asks",
        "dropped",
        "first_item",
        "internal",
        "methods",
        "name",
        "restarts",
        "spawned",
        "states",
        "stopped",
        "streams",
        "streams_open",
        "tells",
        "wait",
    )

    def __init__(self, name: str, internal: bool = False, asks: AskCounters | None = None) -> None:
        self.name = name
        self.internal = internal
        self.asks = asks or AskCounters()
        """where callers of this node are timed who ask such actors"""
        self.methods: dict[str, MethodCounters] = {}
        self.wait = LatencyCounters()
        self.first_item = LatencyCounters()
        self.spawned = 0
        self.states = dict.fromkeys(TRANSITIONS, 0)
        self.tells = 0
        self.streams = 0
        self.streams_open = 0
        self.stopped: dict[str, int] = {}
        self.restarts: dict[str, int] = {}
        self.dropped: dict[str, int] = {}

    def method(self, name: str) -> MethodCounters:
        """The counters of a method, made when it is first asked for."""
        counters = self.methods.get(name)
        if counters is None:
            counters = self.methods[name] = MethodCounters()
        return counters

    def snapshot(self, backlog: Backlog) -> ClassStatistics:
        """What was counted so far, and what waits now, as a frozen value."""
        methods = tuple(
            MethodStatistics(
                class_name=self.name,
                method=name,
                ok=m.ok,
                cancelled=m.cancelled,
                expired=m.expired,
                business_errors=m.business,
                system_errors=m.system,
                timeout_errors=m.timeout,
                unsupported_errors=m.unsupported,
                long_turns=m.long_turns,
                stream_items=m.items,
                streams_open=m.streams_open,
                handle=m.handle.snapshot(),
            )
            for name, m in self.methods.items()
        )
        return ClassStatistics(
            name=self.name,
            internal=self.internal,
            actors_by_state={state: n for state, n in self.states.items() if n and state not in ENDED},
            spawned=self.spawned,
            stopped=dict(self.stopped),
            restarts=dict(self.restarts),
            dropped=dict(self.dropped),
            tells=self.tells,
            streams=self.streams,
            streams_open=self.streams_open,
            wait=self.wait.snapshot(),
            first_item=self.first_item.snapshot(),
            mailbox_messages=backlog.messages,
            mailbox_max_messages=backlog.fullest,
            mailbox_oldest_s=backlog.oldest_s,
            methods=methods,
        )


class AskCounters:
    """How long callers of this node waited, by what came of it; `…_here` counts asks of actors of this node."""

    __slots__ = (
        "cancelled",
        "cancelled_here",
        "error",
        "error_here",
        "lost",
        "ok",
        "ok_here",
        "timeout",
        "timeout_here",
    )

    def __init__(self) -> None:
        self.ok = LatencyCounters()
        self.error = LatencyCounters()
        self.lost = LatencyCounters()
        self.cancelled = LatencyCounters()
        """given up by their callers before there was an answer"""
        self.timeout = LatencyCounters()
        self.ok_here = LatencyCounters()
        self.error_here = LatencyCounters()
        self.cancelled_here = LatencyCounters()
        self.timeout_here = LatencyCounters()

    def snapshot(self) -> dict[tuple[str, str], Latency]:
        """What was counted so far, by route (local, remote) and outcome."""
        counted = {
            ("remote", "ok"): self.ok,
            ("remote", "error"): self.error,
            ("remote", "lost"): self.lost,
            ("remote", "cancelled"): self.cancelled,
            ("remote", "timeout"): self.timeout,
            ("local", "ok"): self.ok_here,
            ("local", "error"): self.error_here,
            ("local", "cancelled"): self.cancelled_here,
            ("local", "timeout"): self.timeout_here,
        }
        return {labels: counters.snapshot() for labels, counters in counted.items()}


@dataclass(slots=True)
class Backlog:
    """The messages that wait for the actors of one class at the moment of a snapshot."""

    messages: int = 0
    fullest: int = 0
    oldest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """A histogram: observations per bound of `LATENCY_BOUNDS` (not cumulative), their sum and maximum in seconds."""

    counts: tuple[int, ...]
    total_s: float
    maximum_s: float

    @property
    def count(self) -> int:
        """Observations in all."""
        return sum(self.counts)

    def quantile(self, q: float) -> float | None:
        """Upper bound in seconds of the slot that holds the `q` quantile; None without observations."""
        wanted = q * self.count
        seen = 0
        for bound, n in zip((*LATENCY_BOUNDS, self.maximum_s), self.counts, strict=True):
            seen += n
            if n and seen >= wanted:
                return min(bound, self.maximum_s)
        return None


@dataclass(frozen=True, slots=True)
class MethodStatistics:
    """Counts of one method since the process started."""

    class_name: str
    method: str
    ok: int
    cancelled: int
    expired: int
    business_errors: int
    system_errors: int
    timeout_errors: int
    unsupported_errors: int
    long_turns: int
    stream_items: int
    streams_open: int
    handle: Latency

    @property
    def errors(self) -> int:
        """Calls that raised, of all categories."""
        return self.business_errors + self.system_errors + self.timeout_errors + self.unsupported_errors

    @property
    def messages(self) -> int:
        """Calls that are over, however they ended."""
        return self.ok + self.cancelled + self.expired + self.errors


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """Counts of one actor class on this node since the process started, and its live actors now."""

    name: str
    """`module.Class`"""
    internal: bool
    """Pulsing's own actors, hidden unless asked for."""
    actors_by_state: dict[str, int]
    spawned: int
    stopped: dict[str, int]
    """by reason: stopped, failed, restart_limit, shutdown"""
    restarts: dict[str, int]
    """by cause: failure, always, operator"""
    dropped: dict[str, int]
    """messages refused or dropped by a full mailbox, by policy"""
    tells: int
    """messages that wanted no answer"""
    streams: int
    """messages that were answered by a stream"""
    streams_open: int
    wait: Latency
    """from acceptance by the mailbox to the start of the turn"""
    first_item: Latency
    """from acceptance by the mailbox to the first item of a stream"""
    mailbox_messages: int
    mailbox_max_messages: int
    mailbox_oldest_s: float
    methods: tuple[MethodStatistics, ...]

    @property
    def actors(self) -> int:
        """Live actors, in whatever state."""
        return sum(self.actors_by_state.values())

    @property
    def messages(self) -> int:
        """Calls of all methods that are over."""
        return sum(m.messages for m in self.methods)

    @property
    def errors(self) -> int:
        """Calls of all methods that raised."""
        return sum(m.errors for m in self.methods)


@dataclass(frozen=True, slots=True)
class SystemStatistics:
    """One node's figures at one moment; counts are since the process started."""

    node_id: str
    addr: str
    started_at: float
    """wall clock, seconds since 1970; for display"""
    uptime_s: float
    actors: int
    """live actors, Pulsing's own included"""
    spawned: int
    stopped: int
    asks_inflight: int
    asks: dict[tuple[str, str], Latency]
    """time that callers waited, by route (local, remote) and outcome (ok, error, lost, cancelled, timeout)"""
    messages_by_kind: dict[str, int]
    """ask, tell, stream, system"""
    dead_letters_by_reason: dict[str, int]
    classes: tuple[ClassStatistics, ...]

    @property
    def messages(self) -> int:
        """Calls of all classes that are over, those of Pulsing's own actors included."""
        return sum(c.messages for c in self.classes)

    @property
    def errors(self) -> int:
        """Calls of all classes that raised."""
        return sum(c.errors for c in self.classes)
