"""Accusations against members: voices are counted, the accused may refute, and else the verdict comes in time.

Silence towards this node, the word of another that a member is suspect, and the word that it is dead all open a case.
A death is the word of one witness, and is checked before it is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from pulsing.cluster.detector import Detector
from pulsing.cluster.messages import Ping, Rumour
from pulsing.cluster.outbox import Outbox
from pulsing.cluster.peer import Peer
from pulsing.cluster.probation import Probation
from pulsing.cluster.profile import Profile
from pulsing.cluster.records import Records
from pulsing.cluster.roster import Roster
from pulsing.cluster.spreading import SHOUT_TO, Spreading
from pulsing.cluster.suspicion import Suspicion


class Trials:
    """The cases against members, as one node hears them."""

    def __init__(
        self,
        roster: Roster,
        records: Records,
        detector: Detector,
        spreading: Spreading,
        random: Random,
        profile: Profile,
        out: Outbox,
    ) -> None:
        self._roster = roster
        self._records = records
        self._detector = detector
        self._spreading = spreading
        self._random = random
        self._profile = profile
        self._out = out

    def weigh(self, peer: Peer, rumour: Rumour, now: float) -> None:
        """Take an accusation of a member that counts as present here."""
        heard, by = rumour.member, rumour.by
        # Whoever is made up could accuse without end; one that is not known here yet is not needed as a witness.
        if heard.incarnation < peer.member.incarnation or by not in self._roster.peers:
            return
        if heard.incarnation > peer.member.incarnation:
            self._records.become(peer, heard.with_status("alive"), by, now)
        if heard.status == "suspect" and not rumour.refused:
            self.accuse(peer, by, now)
        elif by not in peer.blamers:
            self._check_death(peer, rumour, now)

    def accuse(self, peer: Peer, by: int, now: float, *, refused: bool = False) -> None:
        """Open a case against a member, or add a voice to it."""
        if not peer.member.is_present:
            return
        is_first = peer.suspicion is None
        if peer.suspicion is None:
            peer.suspicion = Suspicion(by, now, refused=refused)
            self._roster.recount_trusted()
        elif not peer.suspicion.confirm(by, refused=refused):
            return
        self._roster.accused.add(peer.member.node_id)
        if peer.member.status == "alive":
            self._records.become(peer, peer.member.with_status("suspect"), by, now, acquit=False)
        rumour = Rumour(peer.member.with_status("suspect"), by, refused)
        if is_first and by != self._me:
            self.check_suspect(peer, rumour, now)
        if refused or (is_first and by == self._me):
            self._spreading.shout(rumour, now)
        else:
            self._spreading.pass_on(rumour, now)

    def accuse_as_witness(self, peer: Peer, now: float, *, refused: bool = False) -> None:
        """Accuse a member of what this node has seen itself."""
        self.accuse(peer, self._me, now, refused=refused)

    def doubt(self, peer: Peer, probation: Probation, rumour: Rumour, now: float) -> None:
        """Take an accusation of a member on probation.

        It counts as dead here and has no trial, but for those who hold it for present its trial is long as long as they
        wait for this node's word.
        """
        if not probation.is_doubted and rumour.by in self._roster.peers:
            probation.is_doubted = True
            self.check_suspect(peer, rumour, now)

    def check_suspect(self, peer: Peer, rumour: Rumour, now: float) -> None:
        """Form an own opinion of a doubtful member at once, not when its turn comes.

        A trial with witnesses is short, and several deaths at once are not probed for one after the other.
        """
        if peer.answer_by is None and self._random.random() * self._roster.size < SHOUT_TO:
            self._roster.accused.add(peer.member.node_id)
            peer.answer_by = now + self._profile.probe_interval * (1 + self._detector.health)
            self.confront(peer, rumour, now)

    def confront(self, peer: Peer, rumour: Rumour, now: float) -> None:
        """Let a member know what is said about it, so that it can refute."""
        peer.told_at = now
        self._out.send(peer.member.node_id, Ping(self._detector.new_seq(), self._roster.view, rumour))

    def judge(self, peer: Peer, now: float) -> None:
        """Do what is due in a member's case."""
        for by, at in list(peer.allegations.items()):
            if at + self._profile.probe_timeout <= now:
                del peer.allegations[by]
                self.accuse(peer, by, at)
        if peer.answer_by is not None and peer.answer_by <= now:
            peer.answer_by = None
            self._bear_witness(peer, now)
        if peer.suspicion is not None and self._verdict_at(peer.suspicion) <= now:
            self.bury(peer, now)

    def dues_of(self, peer: Peer) -> Iterator[float]:
        """When something is due in a member's case."""
        if peer.suspicion is not None:
            yield self._verdict_at(peer.suspicion)
        if peer.answer_by is not None:
            yield peer.answer_by
        if peer.allegations:
            yield min(peer.allegations.values()) + self._profile.probe_timeout

    def bury(self, peer: Peer, now: float, *, by: int | None = None, ended: bool = False) -> None:
        """Declare a member dead, by this node's own verdict or by that of another.

        Args:
            peer: the member.
            now: the time.
            by: whose verdict it is; by default this node's own.
            ended: whether its process is known to have ended, and is not only silent.
        """
        refused = peer.refused
        self._records.become(peer, peer.member.with_status("dead"), self._me if by is None else by, now)
        peer.ended = ended
        self._spreading.shout(Rumour(peer.member, self._me, refused), now)

    @property
    def _me(self) -> int:
        return self._roster.me.node_id

    def _bear_witness(self, peer: Peer, now: float) -> None:
        """Say of a member that did not answer what others suspect."""
        if peer.probation is None:
            self.accuse_as_witness(peer, now)
        else:
            self._spreading.pass_on(Rumour(peer.probation.record.with_status("suspect"), self._me), now)

    def _check_death(self, peer: Peer, rumour: Rumour, now: float) -> None:
        """Somebody says that a member is dead: ask its host and itself before believing it."""
        peer.blamers.add(rumour.by)
        if peer.refused:
            self.bury(peer, now, by=rumour.by, ended=True)
            return
        if peer.suspicion is not None:
            self.accuse(peer, rumour.by, now)
        peer.allegations.setdefault(rumour.by, now)
        self._roster.accused.add(peer.member.node_id)
        if now - peer.checked_at >= self._profile.probe_timeout:
            peer.checked_at = now
            self._out.dial(peer.member)
            self.confront(peer, rumour, now)

    def _verdict_at(self, suspicion: Suspicion) -> float:
        trusted = self._roster.trusted()
        heard = sum(by in trusted or by == self._me for by in suspicion.accusers)
        return suspicion.verdict_at(self._profile, self._roster.size, len(trusted) + 1 - heard)
