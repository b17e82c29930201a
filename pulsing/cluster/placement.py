"""Which node owns a key: rendezvous hashing, so that a node that comes or goes moves only its own share of keys."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import md5

from pulsing.cluster.member import Member


def owner_of(key: str, members: Iterable[Member]) -> Member | None:
    """Choose the owner of a key among the members that take work.

    Every node that holds the same view chooses the same owner, without talking.

    Args:
        key: for example `orders:bucket_3` or `topic:news`.
        members: the view; members that leave, left or died are passed over.

    Returns:
        The member with the highest weight, or None when nobody takes work.
    """
    return max((m for m in members if m.takes_work), key=lambda m: weight(key, m.node_id), default=None)


def weight(key: str, node_id: int) -> int:
    """A node's claim on a key: the MD5 digest of `<key>:<node id in decimal>`, read as an integer."""
    return int(md5(f"{key}:{node_id}".encode(), usedforsecurity=False).hexdigest(), 16)
