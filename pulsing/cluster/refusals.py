"""The fast path to a verdict: a host that refuses a connection is a stronger sign than silence.

Two members who were refused bury at once; so does one who knows nobody that could be asked. And one who was buried for
its silence is known to have ended when its host refuses later, or another process answers there.
"""

from __future__ import annotations

from pulsing.cluster.outbox import Outbox
from pulsing.cluster.peer import Peer
from pulsing.cluster.records import Records
from pulsing.cluster.roster import Roster
from pulsing.cluster.trials import Trials


class Refusals:
    """What connections that were lost, refused or made say about members."""

    def __init__(self, roster: Roster, records: Records, trials: Trials, out: Outbox) -> None:
        self._roster = roster
        self._records = records
        self._trials = trials
        self._out = out

    def link_lost(self, node_id: int) -> None:
        """Dial a member whose link broke: its host's answer tells a lost link from a lost process."""
        peer = self._roster.peers.get(node_id)
        if peer is not None and peer.member.is_present:
            self._out.dial(peer.member)

    def refused(self, addr: str, node_id: int, now: float) -> None:
        """A host refused: accuse who lives there, or the one member that was looked for."""
        meant = self._living_at(addr, node_id)
        for peer in meant:
            peer.refused = True
            if not peer.blamers:
                self._trials.accuse_as_witness(peer, now, refused=True)
        for peer in self._buried_at(addr, node_id):
            self._records.confirm_end(peer)
        self._bury_confirmed(meant, now)

    def connected(self, node_id: int, addr: str, now: float) -> None:
        """A process has proved its id at an address: whoever lived there before is gone."""
        for older in self._roster.at(addr) if addr else ():
            if older.member.node_id != node_id:
                older.refused = True
                self._trials.bury(older, now, ended=True)
        for older in self._roster.buried_at(addr) if addr else ():
            if older.member.node_id != node_id:
                self._records.confirm_end(older)
        if (peer := self._roster.peers.get(node_id)) is not None:
            peer.refused = False

    def _living_at(self, addr: str, node_id: int) -> list[Peer]:
        peer = self._roster.peers.get(node_id)
        if node_id == 0:
            return self._roster.at(addr)
        return [peer] if peer is not None and peer.member.is_present and peer.member.addr == addr else []

    def _buried_at(self, addr: str, node_id: int) -> list[Peer]:
        peer = self._roster.peers.get(node_id)
        if node_id == 0:
            return self._roster.buried_at(addr)
        return [peer] if peer is not None and peer.member.status == "dead" and peer.member.addr == addr else []

    def _bury_confirmed(self, meant: list[Peer], now: float) -> None:
        """Bury those whose host refuses when a second member says so too, or when there is nobody who could.

        Whoever was refused before and is blamed is buried already. And who was refused is nobody to be asked, so that
        whether there is anybody is the same for all of them, whoever is buried first.
        """
        is_alone = not any(peer.is_trusted for peer in self._roster.present())
        for peer in list(self._roster.present()) if is_alone else meant:
            if peer.refused and (peer.blamers or is_alone):
                self._trials.bury(peer, now, ended=True)
