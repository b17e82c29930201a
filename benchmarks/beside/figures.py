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
    """why it is missed where it is, and what would close the gap"""

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


_PROBES = (
    "Simulated, so the same on every machine: the times of probes and suspicions make it. Left to do: shorter ones, by "
    "which more are called dead who are only late."
)

FIGURES = (
    Figure(
        "local call, one at a time",
        ("local", "call"),
        at_least=100_000,
        floor=("local", "floor"),
        floor_name="a bare future",
        ratio=0.45,
        peers=("local", "call"),
        if_missed="What a call adds to a future (the call object, the actor's context, counters) is Python of its own; "
        "the floor is a loop in C, which gains more from a fast processor. Left to do: fewer attributes a call, or the "
        "cell compiled.",
    ),
    Figure(
        "local calls, 64 at once",
        ("local", "call, 64 at once"),
        at_least=200_000,
        peers=("local", "64 at once"),
        if_missed="The cost of one call, since all run on one loop; it falls with the processor's speed and "
        "with whatever shares its core. Left to do: the cell and the call object compiled.",
    ),
    Figure(
        "spawn",
        ("local", "spawn"),
        at_least=50_000,
        peers=("local", "spawn"),
        if_missed="An actor's cell, mailbox, counters and registration are made in Python, some 20 µs. Left to "
        "do: make what only some actors use when they first use it.",
    ),
    Figure(
        "1,000,000 idle actors",
        ("idle", "peak_gib"),
        unit=" GiB",
        at_most=2,
        if_missed="Every actor has a cell, a mailbox, counters and two entries in tables, all of which Python "
        "keeps as objects. Left to do: a mailbox that is made with the first message.",
    ),
    Figure(
        "call between processes, one at a time",
        ("remote", "call"),
        floor=("remote", "call, floor"),
        floor_name="a bare WebSocket echo",
        ratio=0.7,
        peers=("remote", "call"),
        if_missed="A call passes proxy, link and cell at one end, link and cell at the other, each way in "
        "Python, above the same socket and loop as the echo; about a third of the echo's time. Where "
        "two processes have one core between them, each wakes the other up, too. Left to do: frames "
        "packed and read by compiled code.",
    ),
    Figure(
        "between processes, 64 at once",
        ("remote", "64 at once"),
        at_least=80_000,
        peers=("remote", "64 at once"),
        if_missed="A remote call is about 150 calls of Python functions, 20 to 25 µs of a processor at both "
        "ends together, so that two cores without anything else bound it near this figure. Left to "
        "do: the codec and the link's book-keeping compiled; more was gained by sending the frames of"
        " one turn together.",
    ),
    Figure(
        "4 MiB echo between processes",
        ("remote", "echo of 4 MiB"),
        floor=("remote", "echo of 4 MiB, floor"),
        floor_name="a bare WebSocket echo",
        ratio=0.7,
        peers=("remote", "4 MiB echo"),
        if_missed="Values are cut into chunks between which small calls pass, and copied once at each end. Left"
        " to do: larger chunks while nothing else waits.",
    ),
    Figure(
        "stream items between processes",
        ("remote", "stream items"),
        at_least=100_000,
        peers=("remote", "stream item"),
        if_missed="An item is a frame, with the room for it given back by the reader: some 10 µs at both ends. "
        "Left to do: items that are ready together in one frame.",
    ),
    Figure(
        "call over TLS",
        ("remote, TLS", "call"),
        floor=("remote", "call"),
        floor_name="a call without TLS",
        ratio=0.6,
        if_missed="Each record of TLS is a call into OpenSSL through Python's `ssl` at both ends, and small "
        "calls have a record each. Left to do: nothing that Python offers; calls that are made "
        "together share records already.",
    ),
    Figure(
        "queue put, memory, one",
        ("streaming", "put one, memory"),
        at_least=40_000,
        peers=("queue", "put one"),
        if_missed="A put is a call of the bucket's actor: encoding, its size, the mailbox and a reply. Left to "
        "do: an appending call without a reply object.",
    ),
    Figure(
        "queue put, memory, batches of 100",
        ("streaming", "put batches of 100, memory"),
        unit=" records/s",
        at_least=400_000,
        peers=("queue", "put batch"),
        if_missed="Every record is hashed for its bucket (MD5, as the interface fixes), copied and kept with "
        "its time. Left to do: hashing of a whole batch in compiled code.",
    ),
    Figure(
        "queue put, SQLite, batches of 100",
        ("streaming", "put batches of 100, sqlite normal"),
        unit=" records/s",
        at_least=150_000,
        if_missed="Of some 900 µs a batch 430 are four commits, one a bucket, 210 hashing and encoding, and 84 waking "
        "the thread that writes and the loop again. Calls without a task for each bucket gained nothing. Left to do: "
        "one commit for all buckets of a node, which a file for each of them does not allow.",
    ),
    Figure(
        "queue put, SQLite, batches of 100, fsynced",
        ("streaming", "put batches of 100, sqlite full"),
        unit=" records/s",
        at_least=75_000,
        if_missed="A commit waits for the disk: `fdatasync` of four files side by side took 0.7 to 5 ms where this was "
        "written, and a bucket has one commit at a time. Left to do: nothing but a faster disk.",
    ),
    Figure(
        "queue put, SQLite, 64 single writers",
        ("streaming", "put one by 64 callers, sqlite normal"),
        unit=" records/s",
        at_least=60_000,
        if_missed="Each writer waits for its own answer, so at most 64 records share a call and a commit, and "
        "each is a future and a wake-up of its own. Left to do: fewer objects for each put that waits.",
    ),
    Figure(
        "queue put, SQLite, 64 single writers, fsynced",
        ("streaming", "put one by 64 callers, sqlite full"),
        unit=" records/s",
        at_least=30_000,
        if_missed="At most 64 records share a commit, and a commit waits for the disk: 64 of them in the 3 to 6"
        " ms that `fdatasync` takes are 10,000 to 20,000 a second, whatever the program does. Left to"
        " do: nothing but a faster disk; more writers fill a commit better.",
    ),
    Figure(
        "publish to 4 subscribers, fire and forget",
        ("streaming", "publish to 4, fire and forget"),
        at_least=15_000,
        peers=("topic", "publish"),
        if_missed="A message is a call of the broker and one of each subscriber, so five calls within the "
        "process. Left to do: the message put into the mailboxes of subscribers on the broker's node "
        "without an envelope for each.",
    ),
    Figure(
        "kill -9 seen by all others, 5 nodes, p99",
        ("membership", "killed, p99"),
        unit=" s",
        at_most=1,
        peers=("death", "death seen"),
        if_missed="A refused dial is seen at once; a node that is late sees it when its loop runs again, which "
        "on a busy machine can be long after.",
    ),
    Figure(
        "silent death seen by all, 5 nodes, p50",
        ("membership", "silent death seen by all 5 nodes, p50"),
        unit=" s",
        at_most=6,
        if_missed=_PROBES,
    ),
    Figure(
        "silent death seen by all, 5 nodes, p99",
        ("membership", "silent death seen by all 5 nodes, p99"),
        unit=" s",
        at_most=8,
        if_missed=_PROBES,
    ),
    Figure(
        "silent death seen by all, 50 nodes, p99",
        ("membership", "silent death seen by all 50 nodes, p99"),
        unit=" s",
        at_most=11,
        if_missed=_PROBES,
    ),
    Figure(
        "partition of 60 s healed, 5 nodes, p99",
        ("membership", "partition of 60 s healed, 5 nodes, p99"),
        unit=" s",
        at_most=7,
        if_missed=_PROBES,
    ),
    Figure(
        "`/metrics`, 10,000 actors",
        ("admin", "metrics, ms"),
        unit=" ms",
        at_most=30,
        if_missed="The counters of every class and method are put together and written as text by Python. Left to "
        "do: keep the lines of what has not changed since the last scrape.",
    ),
    Figure(
        "`/metrics`, 10,000 actors, size",
        ("admin", "metrics, kB"),
        unit=" kB",
        at_most=500,
        if_missed="Series are bounded by classes, methods and peers; so are their names. Left to do: fewer "
        "families by default.",
    ),
    Figure(
        "admin at rest",
        ("admin", "at rest, %"),
        unit=" % of a core",
        at_most=1,
        if_missed="Once a second the node's figures are taken and kept for the curves of the dashboard, whether"
        " somebody looks or not. Left to do: take them only while somebody looks, and show no past "
        "then.",
    ),
    Figure(
        "3 dashboards on 10,000 actors",
        ("admin", "3 streams, %"),
        unit=" % of a core",
        at_most=5,
        if_missed="Rows that changed since the last beat are found, and sent to each who looks. Left to do: a "
        "slower beat while nothing that is on the screen changes.",
    ),
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
    def of_target(self) -> float:
        """The figure as a multiple of its target; of two bounds the one that is nearer to being missed."""
        figure = self.figure
        if figure.at_most is not None:
            return self.median / figure.at_most
        reached = [] if figure.at_least is None else [self.median / figure.at_least]
        if figure.ratio is not None and self.ratio is not None:
            reached.append(self.ratio / figure.ratio)
        return min(reached)

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
