"""How news gets around: urgent news at once, all news by gossip, and everything by push-pull every now and then.

A push-pull goes to the dead as well: their answer is what ends a partition.
"""

from __future__ import annotations

from random import Random

from pulsing.cluster.events import Compare
from pulsing.cluster.messages import Gossip, Rumour, Sync
from pulsing.cluster.outbox import Outbox
from pulsing.cluster.peer import Peer
from pulsing.cluster.profile import Profile
from pulsing.cluster.roster import Roster
from pulsing.cluster.rumours import Rumours

SHOUT_TO = 16
"""Members that hear urgent news at once; the rest hears it by gossip."""
SYNC_RUMOURS = 32
"""Records in one message of a push-pull, so that it stays under the limit of a payload."""
SYNC_DEAD = 64
"""The most recently dead that a push-pull speaks of."""
EAGER_REUNION_S = 600.0
"""For how long after a death each push-pull goes to the dead as well, not only one in four."""
REUNION_FANOUT = 3


class Spreading:
    """Passes on what one node has heard and holds."""

    def __init__(self, roster: Roster, random: Random, profile: Profile, out: Outbox) -> None:
        self._roster = roster
        self._random = random
        self._profile = profile
        self._out = out
        self._rumours = Rumours()
        self._gossip_at: float | None = None
        self._sync_at: float | None = None

    def next_deadline(self) -> float | None:
        """When the next gossip or push-pull is due."""
        return min((due for due in (self._gossip_at, self._sync_at) if due is not None), default=None)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._gossip_at is not None and self._gossip_at <= now:
            self._gossip(now)
        if self._sync_at is not None and self._sync_at <= now:
            self._push_pull(now)

    def have_company(self, now: float) -> None:
        """Begin with push-pulls, now that there is somebody."""
        if self._sync_at is None:
            self._sync_at = now + self._sync_interval()

    def pass_on(self, rumour: Rumour, now: float) -> None:
        """Tell it by gossip."""
        self._rumours.put(rumour)
        if self._gossip_at is None:
            self._gossip_at = now + self._profile.gossip_interval

    def shout(self, rumour: Rumour, now: float) -> None:
        """Tell everybody at once, as far as that is bounded, and the rest by gossip."""
        others = [p.member.node_id for p in self._roster.present() if p.member.node_id != rumour.member.node_id]
        if len(others) > SHOUT_TO:
            others = self._random.sample(others, SHOUT_TO)
        for node_id in others:
            self._out.send(node_id, Gossip((rumour,)))
        self.pass_on(rumour, now)

    def shout_of_me(self, now: float) -> None:
        """Tell everybody what this node's own record says now."""
        self.shout(Rumour(self._roster.me, self._roster.me.node_id), now)

    def sync(self, node_id: int, now: float, *, reply: bool) -> None:
        """Send one member everything that is held; with `reply`, to get the same from it."""
        rumours = self._all_rumours(node_id, now)
        for start in range(0, len(rumours), SYNC_RUMOURS):
            part = tuple(rumours[start : start + SYNC_RUMOURS])
            is_last = start + SYNC_RUMOURS >= len(rumours)
            self._out.send(node_id, Sync(part, reply and is_last) if is_last else Gossip(part))
        if reply:
            self._out.put(Compare(node_id))

    def _gossip(self, now: float) -> None:
        others = [p.member.node_id for p in self._roster.present()]
        times = self._profile.retransmissions(len(others) + 1)
        for node_id in self._random.sample(others, min(self._profile.gossip_nodes, len(others))):
            if rumours := self._rumours.take(self._profile.gossip_rumours, times):
                self._out.send(node_id, Gossip(rumours))
        waiting = len(self._rumours) > 0 and others
        self._gossip_at = now + self._profile.gossip_interval if waiting else None

    def _push_pull(self, now: float) -> None:
        self._roster.forget_old_tombstones(now)
        self._sync_at = now + self._sync_interval() if self._roster.peers else None
        live = [p.member.node_id for p in self._roster.present()]
        for node_id in self._random.sample(live, min(1, len(live))) + self._lost_friends(bool(live), now):
            self.sync(node_id, now, reply=True)

    def _sync_interval(self) -> float:
        jitter = self._profile.sync_jitter
        return self._profile.sync_interval * self._random.uniform(1.0 - jitter, 1.0 + jitter)

    def _lost_friends(self, has_company: bool, now: float) -> list[int]:
        """Members to look for although they are gone: behind a partition, or another process at their address."""
        gone = [p for p in self._roster.peers.values() if not p.member.is_present and p.member.addr]
        if has_company:
            gone = [p for p in gone if p.member.status == "dead"]
            recent = [p for p in gone if now - p.since < EAGER_REUNION_S]
            if not recent and self._random.random() >= self._profile.dead_sync_share:
                return []
            gone = recent or gone
        limit = REUNION_FANOUT if has_company else SHOUT_TO
        return [p.member.node_id for p in self._random.sample(gone, min(limit, len(gone)))]

    def _all_rumours(self, listener: int, now: float) -> list[Rumour]:
        roster = self._roster
        told = now - self._profile.tombstone_told
        gone = [p for p in roster.peers.values() if not p.member.is_present]
        recent = [p for p in gone if p.since > told or p.member.node_id == listener]
        recent.sort(key=lambda p: (p.member.node_id != listener, -p.since))
        peers = [*roster.present(), *recent[:SYNC_DEAD]]
        return [Rumour(roster.me, roster.me.node_id), *(self._testimony(p) for p in peers)]

    def _testimony(self, peer: Peer) -> Rumour:
        """What is held about a member, for one who may not know it: a death counts as this node's word."""
        return Rumour(peer.member, self._roster.me.node_id) if peer.member.status == "dead" else peer.rumour()
