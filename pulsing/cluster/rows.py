"""The cluster as rows for operators: plain dictionaries of what this node knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from pulsing.cluster.cluster import Cluster
from pulsing.cluster.directory import Instance, is_conflict
from pulsing.cluster.member import Member
from pulsing.cluster.report import Observation, Sighting
from pulsing.core.moments import timestamp
from pulsing.ids import ActorId, NodeId

Row = dict[str, Any]


async def member_rows(cluster: Cluster, *, detail: bool = False) -> list[Row]:
    """One row for each known member, this node first; in detail, each with its history."""
    seen = await cluster.observe()
    rows = [_member_row(cluster, seen, member) for member in cluster.members()]
    if detail:
        for row, member in zip(rows, cluster.members(), strict=True):
            row["history"] = _history(cluster, seen.sightings.get(member.node_id))
    return rows


async def cluster_row(cluster: Cluster) -> Row:
    """The cluster in one row; `agreed` says whether the others' last known views equal this node's."""
    seen = await cluster.observe()
    disagreeing = [str(NodeId(n)) for n in seen.disagreeing]
    members = cluster.members()
    return {
        "name": cluster.name,
        "mode": cluster.mode,
        "head": cluster.head,
        "size": sum(m.is_present for m in members),
        "by_status": dict(Counter(m.status for m in members)),
        "revision": seen.revision,
        "agreed": not disagreeing,
        "disagreeing": disagreeing,
        "seeds": [
            {
                "addr": s.addr,
                "reachable": s.reachable,
                "last_tried_at": _wall(cluster, s.last_tried_at),
                "reason": s.reason or None,
            }
            for s in seen.seeds
        ],
    }


async def traffic_row(cluster: Cluster) -> Row:
    """What membership has said and heard since the process started.

    `messages` has the counts by kind and by "in" or "out"; payloads that were no messages are `bad_messages`. The round
    trips of answered probes are the fields of a `pulsing.core.statistics.Latency`.
    """
    seen = await cluster.observe()
    messages: dict[str, dict[str, int]] = {}
    times = seen.round_trips
    for (kind, direction), count in sorted(seen.messages.items()):
        messages.setdefault(kind, {})[direction] = count
    return {
        "messages": messages,
        "bad_messages": seen.bad_messages,
        "refutations": seen.refutations,
        "round_trips": None if times is None else {**asdict(times), "counts": list(times.counts)},
    }


def name_rows(cluster: Cluster, prefix: str = "") -> list[Row]:
    """One row for each known name that begins with `prefix`, sorted."""
    found = ((path, cluster.directory.lookup(path)) for path in cluster.directory.paths() if path.startswith(prefix))
    return [_name_row(path, instances) for path, instances in found if instances]


def _name_row(path: str, instances: list[Instance]) -> Row:
    return {
        "name": path,
        "instances": [
            {
                "node": str(NodeId(i.node_id)),
                "actor": str(ActorId(i.entry.actor_id)),
                "class": f"{i.entry.module}.{i.entry.class_name}" if i.entry.module else i.entry.class_name,
                "public": i.entry.public,
            }
            for i in instances
        ],
        "conflict": is_conflict(i.entry for i in instances),
    }


def _member_row(cluster: Cluster, seen: Observation, member: Member) -> Row:
    me = member.node_id == cluster.me.node_id
    sighting = seen.sightings.get(member.node_id)
    heard_at = sighting.heard_at if sighting else None
    lag = seen.lag if me else sighting.lag if sighting else None
    return {
        "id": str(NodeId(member.node_id)),
        "name": member.name,
        "addr": member.addr,
        "status": member.status,
        "incarnation": member.incarnation,
        "since_at": _wall(cluster, sighting.since if sighting else cluster.started_at),
        "rtt_s": sighting.rtt if sighting else None,
        "last_heard_s": None if heard_at is None else round(cluster.clock.monotonic() - heard_at, 3),
        "loop_lag_s": None if lag is None else round(lag, 3),
        "suspected_by": [str(NodeId(n)) for n in sighting.suspected_by] if sighting else [],
        "names": cluster.directory.count_of(member.node_id),
        "admin_url": member.admin_url or None,
        "version": member.version,
        "self": me,
    }


def _history(cluster: Cluster, sighting: Sighting | None) -> list[Row]:
    return [
        {"at": _wall(cluster, t.at), "from": t.before, "to": t.after, "by": str(NodeId(t.by))}
        for t in (sighting.history if sighting else ())
    ]


def _wall(cluster: Cluster, at: float | None) -> str | None:
    """A monotonic time as an instant in UTC."""
    if at is None:
        return None
    return timestamp(cluster.clock.wall() - (cluster.clock.monotonic() - at))
