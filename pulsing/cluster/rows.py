"""The cluster as rows for operators: plain dictionaries of what this node knows."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import Any

from pulsing.cluster.cluster import Cluster
from pulsing.cluster.directory import Instance, is_conflict
from pulsing.cluster.member import Member
from pulsing.ids import ActorId, NodeId

Row = dict[str, Any]


def member_rows(cluster: Cluster) -> list[Row]:
    """One row for each known member, this node first."""
    return [_member_row(cluster, member) for member in cluster.members()]


def member_detail(cluster: Cluster, node_id: int) -> Row | None:
    """The row of one member with its history; None for an unknown one."""
    member = cluster.member(node_id)
    if member is None:
        return None
    peer = cluster.membership.peer(node_id)
    history = [
        {"at": _wall(cluster, t.at), "from": t.before, "to": t.after, "by": str(NodeId(t.by))}
        for t in (peer.history if peer else ())
    ]
    return {**_member_row(cluster, member), "history": history}


def cluster_row(cluster: Cluster) -> Row:
    """The cluster in one row; `agreed` says whether the others' last known views equal this node's."""
    membership = cluster.membership
    disagreeing = [str(NodeId(n)) for n in membership.disagreeing()]
    members = cluster.members()
    return {
        "name": cluster.name,
        "mode": cluster.mode,
        "head": cluster.head,
        "size": sum(m.is_present for m in members),
        "by_status": dict(Counter(m.status for m in members)),
        "revision": membership.revision,
        "agreed": not disagreeing,
        "disagreeing": disagreeing,
        "seeds": [
            {"addr": s.addr, "reachable": s.reachable, "last_tried_at": _wall(cluster, s.last_tried_at)}
            for s in membership.seed_reports()
        ],
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


def _member_row(cluster: Cluster, member: Member) -> Row:
    peer = cluster.membership.peer(member.node_id)
    now = cluster.clock.monotonic()
    accusers = peer.suspicion.accusers if peer and peer.suspicion else ()
    return {
        "id": str(NodeId(member.node_id)),
        "name": member.name,
        "addr": member.addr,
        "status": member.status,
        "incarnation": member.incarnation,
        "since_at": _wall(cluster, peer.since if peer else cluster.started_at),
        "rtt_s": cluster.membership.rtt(member.node_id),
        "last_heard_s": round(now - peer.heard_at, 3) if peer and peer.heard_at is not None else None,
        "suspected_by": [str(NodeId(n)) for n in accusers],
        "names": cluster.directory.count_of(member.node_id),
        "admin_url": member.admin_url or None,
        "version": member.version,
        "self": peer is None,
    }


def _wall(cluster: Cluster, at: float | None) -> str | None:
    """A monotonic time as an instant in UTC."""
    if at is None:
        return None
    seconds = cluster.clock.wall() - (cluster.clock.monotonic() - at)
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
