"""What a node tells of its links, for listings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pulsing.core.moments import timestamp
from pulsing.node.link import Link

if TYPE_CHECKING:
    from pulsing.node.node import Node


def link_row(link: Link) -> dict[str, Any]:
    """One open link."""
    peer = link.peer
    system = peer.system
    membership = peer.node.membership
    return {
        "id": f"{system.node_id}-{link.number}",
        "peer": str(peer.node_id),
        "peer_name": membership.name_of(peer.node_id),
        "addr": link.connection.peer.addr,
        "direction": "out" if link.dialled else "in",
        "state": "open",
        "opened_at": timestamp(link.opened_at),
        "rtt_s": membership.rtt_of(peer.node_id),
        "tls": link.connection.peer.tls,
        "pickle": link.connection.peer.pickle,
        "frames_in_total": link.frames_in,
        "frames_out_total": link.outbox.frames,
        "bytes_in_total": link.bytes_in,
        "bytes_out_total": link.outbox.bytes,
        "pending_frames": link.outbox.frames_waiting + peer.waiting,
        "pending_bytes": link.outbox.waiting,
        "pending_asks": link.session.asked,
        "streams": link.session.streams,
        "backpressure_s_total": round(link.backpressure.total(system.now()), 6),
        "reconnects": peer.reconnects,
        "last_error": peer.last_error,
        "closed_at": None,
        "close_reason": None,
        "node": str(system.node_id),
    }


def closed_row(link: Link, reason: str, at: float) -> dict[str, Any]:
    """One link that is gone."""
    return {
        **link_row(link),
        "state": "closed",
        "closed_at": timestamp(at),
        "close_reason": reason or "closed",
        "pending_frames": 0,
        "pending_bytes": 0,
        "pending_asks": 0,
        "streams": 0,
    }


def link_rows(links: Iterable[Link], closed: Iterable[dict[str, Any]], wants_closed: bool) -> list[dict[str, Any]]:
    """The open links, or with `wants_closed` those that were closed of late."""
    return list(closed) if wants_closed else [link_row(link) for link in links]


def totals_row(node: Node) -> dict[str, Any]:
    """What was counted of all links since the node began.

    Returns:
        `connects`, `closed` and `errors` by kind; `frames`, `bytes` and `pickled` values by direction ("in", "out");
        `backpressure_s`, for how long senders waited for room; `redialling`, to how many nodes a link is missed now.
    """
    totals = node.totals
    carried = totals.carried(node.links())
    refused_here = 0 if node.listener is None else node.listener.refused
    return {
        "connects": dict(totals.connects),
        "closed": dict(totals.closed),
        "errors": {**totals.errors, "auth": totals.errors["auth"] + refused_here},
        **{what: {way: carried[f"{what}_{way}"] for way in ("in", "out")} for what in ("frames", "bytes", "pickled")},
        "redialling": node.redialling,
        "backpressure_s": carried["backpressure_us"] / 1e6,
    }
