"""The figures to reach: where each is measured, what stands beside it, and when it is met."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.beside.environments import PEERS

Samples = Mapping[str, Mapping[str, Sequence[float]]]
"""Values of all rounds, by program and case."""

Place = tuple[str, str]
"""A program and a case."""

OURS = "pulsing"


@dataclass(frozen=True)
class Figure:
    """A figure to reach.

    A figure is met when its median is, and when the median of its ratios to the floor, taken round by round, is.
    """

    name: str
    ours: Place
    unit: str = "/s"
    at_least: float | None = None
    at_most: float | None = None
    floor: Place | None = None
    """what stands beside it for nothing but comparison, or for the ratio to reach"""
    floor_name: str = ""
    ratio: float | None = None
    """of the floor, at least"""
    peers: Place | None = None
    """place and case in which peers were timed by the same program"""
    if_missed: str = ""
    """why it may be missed, and what would close the gap"""

    @property
    def target(self) -> str:
        """What is to be reached, as text."""
        parts = []
        if self.at_least is not None:
            parts.append(f"≥ {shown(self.at_least)}{self.unit}")
        if self.at_most is not None:
            parts.append(f"≤ {shown(self.at_most)}{self.unit}")
        if self.ratio is not None:
            parts.append(f"≥ {self.ratio} of the floor")
        return ", ".join(parts)


FIGURES = (
    Figure(
        "local call, one at a time",
        ("local", "call"),
        at_least=100_000,
        floor=("local", "floor"),
        floor_name="a bare future",
        ratio=0.45,
        peers=("local", "call"),
    ),
    Figure("local calls, 64 at once", ("local", "call, 64 at once"), at_least=200_000, peers=("local", "64 at once")),
    Figure("spawn", ("local", "spawn"), at_least=50_000, peers=("local", "spawn")),
    Figure("1,000,000 idle actors", ("idle", "peak_gib"), unit=" GiB", at_most=2),
    Figure(
        "call between processes, one at a time",
        ("remote", "call"),
        floor=("remote", "call, floor"),
        floor_name="a bare WebSocket echo",
        ratio=0.7,
        peers=("remote", "call"),
    ),
    Figure("between processes, 64 at once", ("remote", "64 at once"), at_least=80_000, peers=("remote", "64 at once")),
    Figure(
        "4 MiB echo between processes",
        ("remote", "echo of 4 MiB"),
        floor=("remote", "echo of 4 MiB, floor"),
        floor_name="a bare WebSocket echo",
        ratio=0.7,
        peers=("remote", "4 MiB echo"),
    ),
    Figure(
        "stream items between processes", ("remote", "stream items"), at_least=100_000, peers=("remote", "stream item")
    ),
    Figure(
        "call over TLS",
        ("remote, TLS", "call"),
        floor=("remote", "call"),
        floor_name="a call without TLS",
        ratio=0.6,
    ),
    Figure("queue put, memory, one", ("streaming", "put one, memory"), at_least=40_000, peers=("queue", "put one")),
    Figure(
        "queue put, memory, batches of 100",
        ("streaming", "put batches of 100, memory"),
        unit=" records/s",
        at_least=400_000,
        peers=("queue", "put batch"),
    ),
    Figure(
        "queue put, SQLite, batches of 100",
        ("streaming", "put batches of 100, sqlite normal"),
        unit=" records/s",
        at_least=150_000,
    ),
    Figure("the same, fsynced", ("streaming", "put batches of 100, sqlite full"), unit=" records/s", at_least=75_000),
    Figure(
        "queue put, SQLite, 64 single writers",
        ("streaming", "put one by 64 callers, sqlite normal"),
        unit=" records/s",
        at_least=60_000,
    ),
    Figure(
        "the same, fsynced ", ("streaming", "put one by 64 callers, sqlite full"), unit=" records/s", at_least=30_000
    ),
    Figure(
        "publish to 4 subscribers, fire and forget",
        ("streaming", "publish to 4, fire and forget"),
        at_least=15_000,
        peers=("topic", "publish"),
    ),
    Figure(
        "kill -9 seen by all others, 5 nodes, p99",
        ("membership", "killed, p99"),
        unit=" s",
        at_most=1,
        peers=("death", "death seen"),
    ),
    Figure("`/metrics`, 10,000 actors", ("admin", "metrics, ms"), unit=" ms", at_most=30),
    Figure("`/metrics`, 10,000 actors, size", ("admin", "metrics, kB"), unit=" kB", at_most=500),
    Figure("admin at rest", ("admin", "at rest, %"), unit=" % of a core", at_most=1),
    Figure("3 dashboards on 10,000 actors", ("admin", "3 streams, %"), unit=" % of a core", at_most=5),
)


@dataclass(frozen=True)
class Outcome:
    """How a figure came out."""

    figure: Figure
    values: Sequence[float]
    floor: float | None
    ratio: float | None
    peer: tuple[str, float] | None
    """the best peer"""

    @property
    def median(self) -> float:
        """The middle of all rounds."""
        return statistics.median(self.values)

    @property
    def times_the_peer(self) -> float | None:
        """How many times as good as the best peer; None where no peer has it."""
        if self.peer is None:
            return None
        ratio = self.median / self.peer[1]
        return ratio if self.figure.at_most is None else 1 / ratio

    @property
    def missed_by(self) -> float:
        """How far the worst of its bounds is missed, as a share of it; 0 when it is met."""
        figure, misses = self.figure, [0.0]
        if figure.at_least is not None:
            misses.append(1 - self.median / figure.at_least)
        if figure.at_most is not None:
            misses.append(self.median / figure.at_most - 1)
        if figure.ratio is not None and self.ratio is not None:
            misses.append(1 - self.ratio / figure.ratio)
        return max(misses)


def outcomes(samples: Samples) -> list[Outcome]:
    """How each figure came out that was measured."""
    return [_outcome(figure, values, samples) for figure in FIGURES if (values := at(samples, figure.ours))]


def at(samples: Samples, place: Place) -> Sequence[float]:
    """The values of a case, none if it was not measured."""
    program, case = place
    return samples.get(program, {}).get(case, ())


def peer_medians(samples: Samples, place: Place) -> dict[str, float]:
    """The medians of those peers that have the case."""
    name, case = place
    found = {peer: at(samples, (f"{peer}: {name}", case)) for peer in PEERS}
    return {peer: statistics.median(values) for peer, values in found.items() if values}


def shown(value: float) -> str:
    """A value in three figures or so."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 1 else f"{value:.3g}"


def _best(peers: Mapping[str, float], figure: Figure) -> tuple[str, float]:
    choose = max if figure.at_most is None else min
    return choose(peers.items(), key=lambda item: item[1])


def _outcome(figure: Figure, values: Sequence[float], samples: Samples) -> Outcome:
    floors = at(samples, figure.floor) if figure.floor else ()
    peers = peer_medians(samples, figure.peers) if figure.peers else {}
    return Outcome(
        figure,
        values,
        statistics.median(floors) if floors else None,
        # Both of one round saw the same machine.
        statistics.median(mine / floor for mine, floor in zip(values, floors, strict=False)) if floors else None,
        _best(peers, figure) if peers else None,
    )
