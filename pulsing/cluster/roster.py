"""The members that one node knows: its own record, and what it holds about every other one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from pulsing.cluster.member import Member
from pulsing.cluster.peer import Peer
from pulsing.cluster.profile import Profile


class Roster:
    """A node's view of the cluster.

    Attributes:
        me: this node's own record.
        peers: every other member that is remembered, by id.
        accused: ids of those that a tick must look at.
        revision: how many times the view changed.
    """

    def __init__(self, me: Member, profile: Profile) -> None:
        self.me = me
        self.peers: dict[int, Peer] = {}
        self.accused: set[int] = set()
        self.revision = 0
        self._profile = profile
        self._present_count = 0
        self._trusted: frozenset[int] | None = None
        self._view: int | None = None

    def members(self) -> list[Member]:
        """All records, this node's first."""
        return [self.me, *(peer.member for peer in self.peers.values())]

    def member(self, node_id: int) -> Member | None:
        """One member's record."""
        if node_id == self.me.node_id:
            return self.me
        peer = self.peers.get(node_id)
        return peer.member if peer else None

    def present(self) -> Iterator[Peer]:
        """The others who may still answer."""
        return (peer for peer in self.peers.values() if peer.member.is_present)

    def at(self, addr: str) -> list[Peer]:
        """The others who are present at an address."""
        return [peer for peer in self.present() if peer.member.addr == addr]

    def buried_at(self, addr: str) -> list[Peer]:
        """The others who lived at an address and are held for dead."""
        return [peer for peer in self.peers.values() if peer.member.status == "dead" and peer.member.addr == addr]

    @property
    def view(self) -> int:
        """Fingerprint of the present members; equal on nodes that agree."""
        if self._view is None:
            self._view = self._fingerprint()
        return self._view

    @property
    def size(self) -> int:
        """Present members, this node included."""
        return 1 + self._present_count

    @property
    def has_room(self) -> bool:
        """Whether one more member may be present."""
        return self.size < self._profile.max_members

    def has_room_for(self, member: Member) -> bool:
        """Whether one more member may be remembered, in the status that it has."""
        return self.has_room if member.is_present else len(self.peers) < self._profile.max_known

    def trusted(self) -> frozenset[int]:
        """Members whose word about others can be expected; counted once an event, since many verdicts need it."""
        if self._trusted is None:
            self._trusted = frozenset(n for n, p in self.peers.items() if p.is_trusted)
        return self._trusted

    def recount_trusted(self) -> None:
        """Count them again when they are asked for next."""
        self._trusted = None

    def is_served(self, addr: str, node_id: int | None) -> bool:
        """Whether a live member answers at a seed address."""
        if addr == self.me.addr:
            return True
        return any(p.member.addr == addr or p.member.node_id == node_id for p in self.present())

    def changed(self, before: Member | None, after: Member) -> None:
        """Take note of another record of another member, which is in its place already."""
        self.recount_trusted()
        if before is None or before.is_present != after.is_present:
            self._present_count = sum(1 for _ in self.present())
            self._view = None
        self.revision += 1

    def forget_old_tombstones(self, now: float) -> None:
        """Drop the members that are gone for too long, or are too many."""
        gone = sorted((p.since, n) for n, p in self.peers.items() if not p.member.is_present)
        excess = len(gone) - self._profile.tombstones
        for index, (since, node_id) in enumerate(gone):
            if index < excess or now - since > self._profile.tombstone_age:
                del self.peers[node_id]
                self.accused.discard(node_id)

    def _fingerprint(self) -> int:
        ids = sorted([self.me.node_id, *(p.member.node_id for p in self.present())])
        return zlib.crc32(b"".join(node_id.to_bytes(8, "big") for node_id in ids))
