"""The figures of a node that its metrics show, gathered at one moment, on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulsing.admin.audit import Audit
from pulsing.admin.fanout import Fanout
from pulsing.admin.feed import Feed
from pulsing.admin.loop_lag import LoopLag
from pulsing.admin.occurrences import Occurrences
from pulsing.admin.sheet import Labels
from pulsing.admin.traffic import Traffic
from pulsing.agent.usage import USAGE
from pulsing.core.statistics import SystemStatistics
from pulsing.streaming.counters import StreamingStatistics
from pulsing.streaming.inspection import streaming_statistics

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Own:
    """The plane's own figures."""

    traffic: Traffic
    audit: Audit
    feed: Feed
    lag: LoopLag
    failing: Callable[[], Mapping[str, bool]]
    """tells which checks fail, by name"""


@dataclass(frozen=True)
class Figures:
    """Everything that one rendering shows, gathered at one moment."""

    statistics: SystemStatistics
    node: Row
    queues: Sequence[Row]
    topics: Sequence[Row] | None
    """None without topics"""
    members: Sequence[Row]
    names: int
    links: Sequence[Row]
    link_totals: Row
    """what was counted of all links so far; empty without a network"""
    traffic: Row
    """what membership said and heard so far; empty without a network"""
    streaming: StreamingStatistics
    occurrences: Mapping[str, Mapping[Labels, int]]
    """what happened so far, by the counter of it"""
    loop: str
    """which kind of event loop"""
    tasks: int
    own: Mapping[str, Mapping[Labels, Any]]


class Gathering:
    """Knows where the figures are."""

    def __init__(self, system: Any, fanout: Fanout, own: Own) -> None:
        self._system = system
        self._fanout = fanout
        self._own = own
        self._occurrences = Occurrences(system.events)
        self.render_s: dict[str, float] = {}
        """How long the last rendering of a page took, by page"""

    def occurrences(self) -> Mapping[str, Mapping[Labels, int]]:
        """What happened so far, by the counter of it."""
        return self._occurrences.catch_up()

    async def gather(self) -> Figures:
        """All of them, now."""
        queues, topics, members, node, cluster, links, link_totals, traffic = [
            await self.ask(kind, {})
            for kind in ("queues", "topics", "members", "node", "cluster", "links", "link_totals", "cluster_traffic")
        ]
        return Figures(
            statistics=self._system.statistics(),
            node={**(node or {}), "cluster": cluster["name"] if cluster else ""},
            queues=queues,
            topics=topics if self._fanout.offers("topics") else None,
            members=members,
            names=len(self._system.names.paths()),
            links=links,
            link_totals=link_totals or {},
            traffic=traffic or {},
            streaming=streaming_statistics(self._system),
            occurrences=self.occurrences(),
            loop="uvloop" if type(asyncio.get_running_loop()).__module__.startswith("uvloop") else "asyncio",
            tasks=len(self._system.tasks),
            own=self._own_figures(),
        )

    async def ask(self, kind: str, params: Mapping[str, Any]) -> Any:
        """What this node answers to a question of the plane; no rows if it cannot."""
        return await self._fanout.ask_here(kind, params) if self._fanout.offers(kind) else []

    def _own_figures(self) -> dict[str, dict[Labels, Any]]:
        traffic, audit, feed = self._own.traffic, self._own.audit, self._own.feed
        return {
            "admin_requests_total": {(route, str(code)): n for (route, code), n in traffic.requests.items()},
            "admin_request_seconds": {(route,): c.snapshot() for route, c in traffic.seconds.items()},
            "admin_actions_total": {key: n for key, n in audit.counts.items() if key[0] != "request"},
            "admin_auth_failures_total": {(reason,): n for reason, n in traffic.refusals.items()},
            "admin_stream_clients": {(): feed.clients},
            "admin_stream_gaps_total": {(): feed.gaps},
            "llm_requests_total": USAGE.requests(),
            "llm_tokens_total": USAGE.tokens(),
            "check_failing": {(name,): int(fails) for name, fails in self._own.failing().items()},
            "metrics_render_seconds": {(endpoint,): s for endpoint, s in self.render_s.items()},
            "event_loop_lag_seconds": {(): self._own.lag.seconds.snapshot()},
            "name_resolves_total": {(outcome,): n for outcome, n in self._system.lookup.outcomes.items()},
        }
