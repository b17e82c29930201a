"""Another record of a member takes the place of the one that was held, and all that depends on it follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pulsing.cluster.detector import Detector
from pulsing.cluster.events import MemberChanged
from pulsing.cluster.member import Member
from pulsing.cluster.outbox import Outbox
from pulsing.cluster.peer import Peer, Transition
from pulsing.cluster.probation import recent_deaths
from pulsing.cluster.profile import Profile
from pulsing.cluster.roster import Roster
from pulsing.cluster.spreading import Spreading


class Records:
    """The one place where what is held about members changes."""

    def __init__(self, roster: Roster, detector: Detector, spreading: Spreading, profile: Profile, out: Outbox) -> None:
        self._roster = roster
        self._detector = detector
        self._spreading = spreading
        self._profile = profile
        self._out = out

    def meet(self, member: Member, now: float) -> Peer:
        """Hold the first record of a member; one that is gone already is only remembered."""
        peer = self._roster.peers[member.node_id] = Peer(member, now)
        if member.is_present:
            self._announce(peer, None, member.node_id, now)
        return peer

    def become(self, peer: Peer, member: Member, by: int, now: float, *, acquit: bool = True) -> None:
        """Hold another record of a member, and tell the layers above.

        Args:
            peer: the member.
            member: its new record.
            by: who said so.
            now: the time.
            acquit: whether all accusations fall by that.
        """
        before, peer.member = peer.member, member
        peer.ended = False
        if acquit:
            peer.acquit()
        if peer.probation is not None and (member.is_present or member.status == "left"):
            peer.probation = None
        if member.status == "dead" and before.status != "dead":
            peer.deaths = [*recent_deaths(peer.deaths, self._profile, now), now]
        self._announce(peer, before, by, now)

    def confirm_end(self, peer: Peer) -> None:
        """One that is dead is so beyond doubt."""
        if not peer.ended:
            peer.ended = True
            self._out.put(MemberChanged(peer.member, peer.member, self._roster.me.node_id))

    def change_me(self, **changes: Any) -> None:
        """Let this node's own record say something else."""
        roster = self._roster
        before, roster.me = roster.me, replace(roster.me, **changes)
        roster.revision += 1
        self._out.put(MemberChanged(before, roster.me, roster.me.node_id))

    def _announce(self, peer: Peer, before: Member | None, by: int, now: float) -> None:
        member = peer.member
        if before is None or before.status != member.status:
            peer.since = now
            peer.history.append(Transition(now, before.status if before else None, member.status, by))
        if member.is_present:
            self._detector.watch(member.node_id, now)
            self._spreading.have_company(now)
        else:
            self._detector.forget(member.node_id)
            peer.view = None
        self._roster.changed(before, member)
        self._out.put(MemberChanged(before, member, by))
