"""What the driver of membership tells the rest of the node: frozen values, which may cross from thread to thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pulsing.cluster.events import MemberChanged, NamesChanged
from pulsing.cluster.member import Member
from pulsing.cluster.peer import Transition
from pulsing.cluster.protocol import ClusterProtocol
from pulsing.cluster.seeds import SeedReport
from pulsing.core.statistics import Latency

Direction = Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class Report:
    """The view after an event, and what has changed by it."""

    members: tuple[Member, ...]
    """All known members, this node first; the very same tuple as before where no member changed."""
    news: tuple[MemberChanged | NamesChanged, ...]
    joined: bool
    """Whether another member has answered with all it holds, and the names of all are here."""
    ended: frozenset[int] = frozenset()
    """The dead whose processes are known to have ended."""
    cut_off: bool = False
    """Whether no seed has answered yet, though not all of them were refused: there may be others."""
    lacks_members: bool = False
    """Whether there may be others whom nobody here knows: a seed has been silent from the beginning."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was observed of one other member. Times are monotonic seconds."""

    since: float
    """When its status began."""
    heard_at: float | None
    rtt: float | None
    suspected_by: tuple[int, ...]
    lag: float | None
    """How late the loop of its actors was when it last told, in seconds."""
    history: tuple[Transition, ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a node's membership has seen, for operators."""

    revision: int = 0
    """How many times the view changed."""
    lag: float = 0.0
    """How late the loop of this node's actors is, in seconds."""
    disagreeing: tuple[int, ...] = ()
    """Members whose view was another one when they last spoke."""
    seeds: tuple[SeedReport, ...] = ()
    sightings: Mapping[int, Sighting] = field(default_factory=dict)
    bad_messages: int = 0
    """How many payloads of members were no messages."""
    messages: Mapping[tuple[str, Direction], int] = field(default_factory=dict)
    """How many messages came and went, by kind and direction."""
    round_trips: Latency | None = None
    """Of all probes that were answered directly."""
    refutations: int = 0
    """How often this node contradicted what was said about it."""


def observe(protocol: ClusterProtocol, messages: Mapping[tuple[str, Direction], int], bad_messages: int) -> Observation:
    """Look at a machine; on its own loop only."""
    membership = protocol.membership
    ids = [member.node_id for member in membership.members()[1:]]
    return Observation(
        membership.revision,
        membership.lag_s,
        tuple(membership.disagreeing()),
        tuple(membership.seed_reports()),
        {node_id: sighting for node_id in ids if (sighting := _sighting(protocol, node_id)) is not None},
        bad_messages,
        dict(messages),
        membership.round_trips(),
        membership.refutations,
    )


def _sighting(protocol: ClusterProtocol, node_id: int) -> Sighting | None:
    peer = protocol.membership.peer(node_id)
    if peer is None:
        return None
    return Sighting(
        peer.since,
        peer.heard_at,
        protocol.membership.rtt(node_id),
        tuple(peer.suspicion.accusers) if peer.suspicion else (),
        None if peer.lag_ms is None else peer.lag_ms / 1000,
        tuple(peer.history),
    )
