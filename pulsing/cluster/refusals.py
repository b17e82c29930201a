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
        for peer in self._roster.at(addr):
            if node_id not in (0, peer.member.node_id):
                continue
            peer.refused = True
            if not peer.blamers:
                self._trials.accuse_as_witness(peer, now, refused=True)
        for peer in self._roster.buried_at(addr):
            if node_id in (0, peer.member.node_id):
                self._records.confirm_end(peer)
        self._bury_confirmed(now)

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

    def _bury_confirmed(self, now: float) -> None:
        """Bury those whose host refuses when a second member says so too, or when there is nobody who could."""
        for peer in list(self._roster.present()):
            if peer.refused and (peer.blamers or not self._others_trusted(peer)):
                self._trials.bury(peer, now, ended=True)

    def _others_trusted(self, peer: Peer) -> bool:
        return any(other.is_trusted for other in self._roster.present() if other is not peer)
