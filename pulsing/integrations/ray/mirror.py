"""Figures of a system in Ray's own metrics, beside those of the worker that it runs in.

Ray adds `ray_` to their names, and its own labels for node and worker. They are a choice for those who look at Ray's
dashboards already; everything else is on our own `/metrics`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pulsing.agent.usage import USAGE
from pulsing.core.statistics import SystemStatistics
from pulsing.core.system import System

MIRROR_S = 5.0
"""Ray collects every ten seconds."""
MAX_SERIES = 200
"""How many label values one family may have."""
OTHER = "_other"
"""Stands for all labels of those beyond that number, so that sums hold; the first ones keep theirs for life."""

Labels = tuple[str, ...]


class Mirrored(NamedTuple):
    """One family: what Ray is told of it."""

    counts: bool
    """whether it only grows"""
    labels: Labels
    help: str


FAMILIES: Mapping[str, Mirrored] = {
    "pulsing_actors": Mirrored(False, ("class", "state"), "Live actors"),
    "pulsing_actor_mailbox_messages": Mirrored(False, ("class",), "Messages that wait"),
    "pulsing_actor_messages": Mirrored(True, ("class", "method", "outcome"), "Messages that were handled"),
    "pulsing_actor_restarts": Mirrored(True, ("class", "cause"), "Restarts of actors"),
    "pulsing_asks_inflight": Mirrored(False, (), "Asks of this process that wait for their answer"),
    "pulsing_dead_letters": Mirrored(True, ("reason",), "Messages that reached nobody"),
    "pulsing_cluster_members": Mirrored(False, ("status",), "Members as this process sees them"),
    "pulsing_llm_tokens": Mirrored(True, ("model", "kind"), "Tokens sent to and received from language models"),
}


def figures(
    statistics: SystemStatistics, statuses: Mapping[str, int], tokens: Mapping[Labels, int]
) -> Iterator[tuple[str, Labels, float]]:
    """Name, label values and value of all that there is to tell."""
    for one in statistics.classes:
        if one.internal:
            continue
        for state, actors in one.actors_by_state.items():
            yield "pulsing_actors", (one.name, state), actors
        yield "pulsing_actor_mailbox_messages", (one.name,), one.mailbox_messages
        for cause, restarts in one.restarts.items():
            yield "pulsing_actor_restarts", (one.name, cause), restarts
        for method in one.methods:
            yield "pulsing_actor_messages", (one.name, method.method, "error"), method.errors
            for outcome in ("ok", "cancelled", "expired"):
                yield "pulsing_actor_messages", (one.name, method.method, outcome), getattr(method, outcome)
    yield "pulsing_asks_inflight", (), statistics.asks_inflight
    for reason, letters in statistics.dead_letters_by_reason.items():
        yield "pulsing_dead_letters", (reason,), letters
    for status, members in statuses.items():
        yield "pulsing_cluster_members", (status,), members
    for labels, number in tokens.items():
        yield "pulsing_llm_tokens", labels, number


class Mirror:
    """Keeps Ray's metrics like those of one system.

    Args:
        system: whose figures they are.
        metrics: `ray.util.metrics`, or what has its `Counter` and `Gauge`.
    """

    def __init__(self, system: System, metrics: Any) -> None:
        self._system = system
        self._families = {
            name: (metrics.Counter if family.counts else metrics.Gauge)(name, family.help, family.labels)
            for name, family in FAMILIES.items()
        }
        self._told: dict[tuple[str, Labels], float] = {}
        self._kept: dict[str, set[Labels]] = {name: set() for name in FAMILIES}

    async def run(self, ray_runs: Callable[[], bool]) -> None:
        """Tell Ray for as long as both run."""
        while ray_runs():
            self.tell()
            await asyncio.sleep(MIRROR_S)

    def tell(self) -> None:
        """Bring Ray up to date."""
        statuses = Counter(member.status for member in self._system.members_view())
        # What is there no longer is none: Ray would show its last value for ever.
        found = {key: 0.0 for key in self._told if not FAMILIES[key[0]].counts}
        for name, labels, value in figures(self._system.statistics(), statuses, USAGE.tokens()):
            key = name, self._shown(name, labels)
            found[key] = found.get(key, 0.0) + value
        for (name, labels), value in found.items():
            self._tell(name, labels, value)

    def _shown(self, name: str, labels: Labels) -> Labels:
        kept = self._kept[name]
        if labels not in kept and len(kept) >= MAX_SERIES:
            return (OTHER,) * len(labels)
        kept.add(labels)
        return labels

    def _tell(self, name: str, labels: Labels, value: float) -> None:
        family, tags = self._families[name], dict(zip(FAMILIES[name].labels, labels, strict=True))
        if not FAMILIES[name].counts:
            family.set(value, tags)
        elif (more := value - self._told.get((name, labels), 0.0)) > 0:
            family.inc(more, tags)
        self._told[name, labels] = value
