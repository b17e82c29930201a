"""Who is here: SWIM with Lifeguard's additions, as one machine without sockets, clock or chance of its own.

- Members probe each other in turn (`detector`). One that nobody can reach becomes a suspect, and dead unless it
  refutes in time (`suspicion`); it refutes by raising its incarnation, which only it may do (`member.wins`).
- News travels as rumours (`rumours`); every few seconds two members exchange all that they hold, the dead included:
  their answer is what ends a partition.
- A host that refuses a connection is a stronger sign than silence. Two members who were refused bury at once.
- A rumour of a death is the word of one witness. It is checked before it is believed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from pulsing.cluster import detector as detection
from pulsing.cluster.channel import Connected, DialFailed, Heard, LinkLost
from pulsing.cluster.detector import Detector
from pulsing.cluster.events import (
    ClusterEffect,
    ClusterInput,
    Compare,
    Departed,
    Describe,
    Join,
    Leave,
    MemberChanged,
    Received,
    Resolved,
    Send,
    StartLeaving,
    Synced,
    Tick,
)
from pulsing.cluster.member import Member, Status, wins
from pulsing.cluster.messages import Ack, Gossip, Nack, Ping, PingReq, Rumour, Sync
from pulsing.cluster.peer import Peer, Probation, Transition
from pulsing.cluster.profile import LAN, Profile
from pulsing.cluster.rumours import Rumours
from pulsing.cluster.seeds import Dial, SeedReport, Seeds
from pulsing.cluster.suspicion import Suspicion

SHOUT_TO = 16
"""Members that hear urgent news at once; the rest hears it by gossip."""
SYNC_RUMOURS = 32
"""Records in one message of a push-pull, so that it stays under the limit of a payload."""
SYNC_DEAD = 64
"""The most recently dead that a push-pull speaks of."""
EAGER_REUNION_S = 600.0
"""For how long after a death each push-pull goes to the dead as well, not only one in four."""
REUNION_FANOUT = 3
MAX_LEAP = 1_000_000
"""The most that hearsay may raise an incarnation by; a member counts its refutations one by one."""
STEADY_GAP_S = 2.5
"""The longest silence of a member on probation that still is steady."""


class Membership:
    """The view that one node has of the cluster.

    Args:
        me: this node's own record.
        random: the source of every random choice.
        profile: how patient to be.
    """

    def __init__(self, me: Member, random: Random, profile: Profile = LAN) -> None:
        self._me = me
        self._random = random
        self.profile = profile
        self._peers: dict[int, Peer] = {}
        self._accused: set[int] = set()
        """Members with a suspicion, an allegation or a probation: those that a tick must look at."""
        self._detector = Detector(profile, random)
        self._rumours = Rumours()
        self._seeds = Seeds(me.node_id, random)
        self._out: list[ClusterEffect] = []
        self._gossip_at: float | None = None
        self._sync_at: float | None = None
        self._farewell: set[int] | None = None
        self._farewell_ends = 0.0
        self._due: float | None = None
        self._trusted_now: frozenset[int] | None = None
        self._present_count = 0
        self._revision = 0
        self._view = self._fingerprint()

    # -- what others ask ---------------------------------------------------------------------------------------------

    @property
    def me(self) -> Member:
        """This node's own record."""
        return self._me

    @property
    def health(self) -> int:
        """How much this node doubts itself: 0 is healthy, and each step makes it more patient."""
        return self._detector.health

    @property
    def view(self) -> int:
        """Fingerprint of the present members; equal on nodes that agree."""
        return self._view

    @property
    def revision(self) -> int:
        """How many times the view changed."""
        return self._revision

    def members(self) -> list[Member]:
        """All known members, this node first, the dead and the left included while they are remembered."""
        return [self._me, *(peer.member for peer in self._peers.values())]

    def member(self, node_id: int) -> Member | None:
        """One member's record."""
        if node_id == self._me.node_id:
            return self._me
        peer = self._peers.get(node_id)
        return peer.member if peer else None

    def peer(self, node_id: int) -> Peer | None:
        """What was observed of another member; not to be changed."""
        return self._peers.get(node_id)

    def rtt(self, node_id: int) -> float | None:
        """The last round trip of a probe, in seconds."""
        return self._detector.rtts.get(node_id)

    def disagreeing(self) -> list[int]:
        """Present members whose view was another one when they last spoke."""
        return [p.member.node_id for p in self._present() if p.view is not None and p.view != self._view]

    def seed_reports(self) -> list[SeedReport]:
        """What became of each seed."""
        return self._seeds.report(self._is_served)

    # -- the machine -------------------------------------------------------------------------------------------------

    def handle(self, event: ClusterInput, now: float) -> list[ClusterEffect]:
        """Take one event and return what is to be done, in order."""
        if self._me.status == "left" and self._farewell is None:
            return []
        self._trusted_now = None
        self._notice_sleep(now)
        match event:
            case Tick():
                pass
            case Received(sender, message):
                self._receive(sender, message, now)
            case Heard(node_id):
                self._hear_from(node_id, now)
            case Connected(node_id, addr):
                self._connected(node_id, addr, now)
            case DialFailed(addr, refused):
                self._dial_failed(addr, refused, now)
            case LinkLost(node_id):
                self._link_lost(node_id)
            case Join(seeds):
                self._seeds.add(seeds, now)
            case Resolved(seed, addrs):
                self._seeds.resolved(seed, addrs, now)
            case Describe(changes):
                self._describe(changes, now)
            case StartLeaving():
                self._start_leaving(now)
            case Leave():
                self._leave(now)
        self._due = self._next_deadline()
        if self._due is not None and self._due <= now:
            self._tick(now)
            self._due = self._next_deadline()
        effects, self._out = self._out, []
        return effects

    def next_deadline(self) -> float | None:
        """When the next tick is due."""
        return self._due

    def _next_deadline(self) -> float | None:
        if self._farewell is not None:
            return self._farewell_ends if self._farewell else float("-inf")
        if self._me.status == "left":
            return None
        dues = [self._detector.next_deadline(), self._seeds.next_deadline(), self._gossip_at, self._sync_at]
        dues += [due for node_id in self._accused for due in self._dues_of(self._peers[node_id])]
        return min((due for due in dues if due is not None), default=None)

    def _tick(self, now: float) -> None:
        if self._farewell is not None:
            self._end_farewell(now)
            return
        for node_id in sorted(self._accused):
            self._judge(self._peers[node_id], now)
        self._perform(self._detector.tick(now), now)
        self._out += self._seeds.tick(now, self._is_served)
        if self._gossip_at is not None and self._gossip_at <= now:
            self._gossip(now)
        if self._sync_at is not None and self._sync_at <= now:
            self._push_pull(now)

    def _notice_sleep(self, now: float) -> None:
        """A tick that comes far too late means that this process was frozen or starved, and heard nobody meanwhile.

        What others failed to say in that time says nothing about them.
        """
        if self._due is None or now - self._due <= self.profile.probe_timeout:
            return
        slept = now - self._due
        self._detector.slept(slept)
        self._detector.doubt()
        for peer in self._peers.values():
            if peer.suspicion is not None:
                peer.suspicion.started_at += slept
            peer.answer_by = None if peer.answer_by is None else peer.answer_by + slept
            peer.allegations = {by: at + slept for by, at in peer.allegations.items()}

    # -- messages ----------------------------------------------------------------------------------------------------

    def _receive(self, sender: int, message: object, now: float) -> None:
        if sender == self._me.node_id:
            return
        match message:
            case Ping(seq, view, rumour):
                self._send(sender, Ack(seq, self._view))
                self._note_view(sender, view)
                if rumour is not None:
                    self._hear(rumour, sender, now)
            case Ack(seq, view):
                self._note_view(sender, view)
                self._perform(self._detector.ack(sender, seq, now), now)
                if self._farewell is not None:
                    self._farewell.discard(sender)
            case PingReq(seq, target):
                self._help(sender, seq, target, now)
            case Nack(seq):
                self._detector.nack(sender, seq)
            case Gossip(rumours):
                self._hear_all(rumours, sender, now)
            case Sync(rumours, reply):
                self._hear_all(rumours, sender, now)
                self._out.append(Compare(sender))
                if reply:
                    self._send_sync(sender, reply=False)
                else:
                    self._out.append(Synced(sender))
        self._hear_from(sender, now)

    def _hear_from(self, node_id: int, now: float) -> None:
        """Any bytes from a member are a sign of life; they do not refute, but they let it know what to refute."""
        peer = self._peers.get(node_id)
        if peer is None:
            if node_id != self._me.node_id and self._has_room():
                self._send_sync(node_id, reply=True)
            return
        peer.heard_at = now
        peer.refused = False
        peer.answer_by = None
        peer.allegations.clear()
        if peer.probation is not None:
            self._observe_probation(peer.probation, now)
        if peer.member.status == "left":
            return
        self._perform(self._detector.heard(node_id, now), now)
        must_refute = peer.suspicion is not None or (peer.member.status == "dead" and peer.probation is None)
        if must_refute and now - peer.told_at >= self.profile.probe_timeout:
            self._tell(peer, now)

    def _tell(self, peer: Peer, now: float) -> None:
        peer.told_at = now
        self._send(peer.member.node_id, Ping(self._detector.new_seq(), self._view, peer.rumour()))

    def _note_view(self, sender: int, view: int) -> None:
        if sender in self._peers:
            self._peers[sender].view = view

    def _help(self, asker: int, seq: int, target: int, now: float) -> None:
        peer = self._peers.get(target)
        if peer is None or not peer.member.is_present:
            self._send(asker, Nack(seq))
        else:
            self._perform(self._detector.help(asker, seq, target, now), now)

    def _perform(self, effects: Iterable[detection.Effect], now: float) -> None:
        for effect in effects:
            match effect:
                case detection.PingNow(target, seq):
                    self._send(target, Ping(seq, self._view, self._accusation(target)))
                case detection.AskFor(helper, target, seq):
                    self._send(helper, PingReq(seq, target))
                case detection.PassAck(asker, seq):
                    self._send(asker, Ack(seq, self._view))
                case detection.PassNack(asker, seq):
                    self._send(asker, Nack(seq))
                case detection.Unanswered(target):
                    self._accuse(self._peers[target], self._me.node_id, now)
                case detection.Silent(helper):
                    self._check_suspect(self._peers[helper], now)

    def _accusation(self, target: int) -> Rumour | None:
        peer = self._peers[target]
        return peer.rumour() if peer.suspicion is not None else None

    # -- what is said about members ----------------------------------------------------------------------------------

    def _hear_all(self, rumours: Iterable[Rumour], sender: int, now: float) -> None:
        for rumour in rumours:
            self._hear(rumour, sender, now)

    def _hear(self, rumour: Rumour, sender: int, now: float) -> None:
        heard = rumour.member
        if heard.node_id == self._me.node_id:
            self._defend(rumour, now)
            return
        peer = self._peers.get(heard.node_id)
        if peer is None:
            self._meet(rumour, now)
        elif sender != heard.node_id and heard.incarnation - peer.member.incarnation > MAX_LEAP:
            return
        elif peer.member.is_present and self._is_accusation(rumour, sender):
            self._weigh(peer, rumour, now)
        elif wins(heard, peer.member):
            self._believe(peer, rumour, now)

    def _is_accusation(self, rumour: Rumour, sender: int) -> bool:
        """Whether a rumour speaks against a member; a farewell counts as such unless the member says it itself."""
        member = rumour.member
        return member.status in ("suspect", "dead") or (member.status == "left" and sender != member.node_id)

    def _defend(self, rumour: Rumour, now: float) -> None:
        """Whatever is false about this node is contradicted at a higher incarnation."""
        said = rumour.member
        if "left" in (said.status, self._me.status) or not wins(said, self._me):
            return
        if said.status in ("suspect", "dead"):
            self._detector.doubt()
        self._me = replace(self._me, incarnation=said.incarnation + 1)
        self._shout(Rumour(self._me, self._me.node_id), now)

    def _meet(self, rumour: Rumour, now: float) -> None:
        member = rumour.member
        if not self._has_room() if member.is_present else len(self._peers) >= self.profile.max_known:
            return
        born_accused = member.status == "suspect"
        if born_accused:
            member = member.with_status("alive")
        peer = self._peers[member.node_id] = Peer(member, now)
        if not member.is_present:
            return
        self._announce(peer, None, member.node_id, now)
        self._rumours_put(Rumour(member, member.node_id), now)
        for older in list(self._present()):
            if older.member.addr and older.member.addr == member.addr and older is not peer:
                self._out.append(Dial(member.addr))
        if born_accused:
            self._weigh(peer, rumour, now)

    def _believe(self, peer: Peer, rumour: Rumour, now: float) -> None:
        """Take over a record that wins; a member that died too often lately must first prove itself."""
        heard = rumour.member
        if heard.status == "suspect":
            self._believe(peer, Rumour(heard.with_status("alive"), heard.node_id), now)
            if peer.member.is_present:
                self._weigh(peer, rumour, now)
            return
        if peer.member.status == "dead" and heard.is_present and self._is_flapping(peer, now):
            self._put_on_probation(peer, heard, now)
            return
        self._become(peer, heard, rumour.by, now)
        self._rumours_put(rumour, now)

    def _weigh(self, peer: Peer, rumour: Rumour, now: float) -> None:
        """Take an accusation of a member that counts as present here."""
        heard, by = rumour.member, rumour.by
        if heard.incarnation < peer.member.incarnation or by == self._me.node_id:
            return
        if heard.incarnation > peer.member.incarnation:
            self._become(peer, heard.with_status("alive"), by, now)
        if heard.status == "suspect" and not rumour.refused:
            self._accuse(peer, by, now)
        elif by not in peer.blamers:
            self._check_death(peer, rumour, now)

    def _check_death(self, peer: Peer, rumour: Rumour, now: float) -> None:
        """Somebody says that a member is dead: ask its host and itself before believing it."""
        peer.blamers.add(rumour.by)
        if peer.refused:
            self._bury(peer, rumour.by, now)
            return
        if peer.suspicion is not None:
            self._accuse(peer, rumour.by, now)
        peer.allegations.setdefault(rumour.by, now)
        self._accused.add(peer.member.node_id)
        self._dial(peer)
        peer.told_at = now
        self._send(peer.member.node_id, Ping(self._detector.new_seq(), self._view, rumour))

    def _accuse(self, peer: Peer, by: int, now: float, *, refused: bool = False) -> None:
        """Open a case against a member, or add a voice to it."""
        if not peer.member.is_present:
            return
        is_first = peer.suspicion is None
        if peer.suspicion is None:
            peer.suspicion = Suspicion(by, now, refused=refused)
            self._trusted_now = None
        elif not peer.suspicion.confirm(by, refused=refused):
            return
        self._accused.add(peer.member.node_id)
        if peer.member.status == "alive":
            self._become(peer, peer.member.with_status("suspect"), by, now, acquit=False)
        rumour = Rumour(peer.member.with_status("suspect"), by, refused)
        if is_first and by != self._me.node_id:
            self._check_suspect(peer, now)
        if refused or (is_first and by == self._me.node_id):
            self._shout(rumour, now)
        else:
            self._rumours_put(rumour, now)

    def _check_suspect(self, peer: Peer, now: float) -> None:
        """Form an own opinion of a doubtful member at once, not when its turn comes.

        A trial with witnesses is short, and several deaths at once are not probed for one after the other.
        """
        if peer.answer_by is None and self._random.random() * self._size() < SHOUT_TO:
            self._accused.add(peer.member.node_id)
            peer.answer_by = now + self.profile.probe_interval * (1 + self._detector.health)
            self._tell(peer, now)

    def _judge(self, peer: Peer, now: float) -> None:
        """Do what is due about a member under accusation or on probation."""
        for by, at in list(peer.allegations.items()):
            if at + self.profile.probe_timeout <= now:
                del peer.allegations[by]
                self._accuse(peer, by, at)
        if peer.answer_by is not None and peer.answer_by <= now:
            peer.answer_by = None
            self._accuse(peer, self._me.node_id, now)
        if peer.suspicion is not None and self._verdict_at(peer) <= now:
            self._bury(peer, self._me.node_id, now)
        if peer.probation is not None:
            self._judge_probation(peer, peer.probation, now)
        if not (peer.suspicion or peer.probation or peer.allegations or peer.answer_by is not None):
            self._accused.discard(peer.member.node_id)

    def _dues_of(self, peer: Peer) -> Iterator[float]:
        if peer.suspicion is not None:
            yield self._verdict_at(peer)
        if peer.answer_by is not None:
            yield peer.answer_by
        if peer.allegations:
            yield min(peer.allegations.values()) + self.profile.probe_timeout
        if peer.probation is not None:
            yield peer.probation.ping_at

    def _verdict_at(self, peer: Peer) -> float:
        assert peer.suspicion is not None
        accusers = peer.suspicion.accusers
        trusted = self._trusted()
        witnesses = len(trusted) + 1 - sum(by in trusted or by == self._me.node_id for by in accusers)
        return peer.suspicion.verdict_at(self.profile, self._size(), witnesses)

    def _trusted(self) -> frozenset[int]:
        """Members whose word about others can be expected; counted once an event, since many verdicts need it."""
        if self._trusted_now is None:
            self._trusted_now = frozenset(n for n, p in self._peers.items() if p.is_trusted)
        return self._trusted_now

    def _bury(self, peer: Peer, by: int, now: float) -> None:
        """Declare a member dead."""
        refused = peer.refused
        self._become(peer, peer.member.with_status("dead"), by, now)
        self._shout(Rumour(peer.member, self._me.node_id, refused), now)

    def _become(self, peer: Peer, member: Member, by: int, now: float, *, acquit: bool = True) -> None:
        """Hold another record of a member, and tell the layers above."""
        before, peer.member = peer.member, member
        if acquit:
            peer.acquit()
        if peer.probation is not None and (member.is_present or member.status == "left"):
            peer.probation = None
        if member.status == "dead" and before.status != "dead":
            peer.deaths = [*self._recent_deaths(peer, now), now]
        self._announce(peer, before, by, now)

    def _announce(self, peer: Peer, before: Member | None, by: int, now: float) -> None:
        member = peer.member
        if before is None or before.status != member.status:
            peer.since = now
            peer.history.append(Transition(now, before.status if before else None, member.status, by))
        if member.is_present:
            self._detector.watch(member.node_id, now)
            if self._sync_at is None:
                self._sync_at = now + self._jittered(self.profile.sync_interval)
        else:
            self._detector.forget(member.node_id)
            peer.view = None
        self._trusted_now = None
        if before is None or before.is_present != member.is_present:
            self._present_count = sum(1 for _ in self._present())
            self._view = self._fingerprint()
        self._revision += 1
        self._out.append(MemberChanged(before, member, by))

    # -- refused connections: the fast path --------------------------------------------------------------------------

    def _link_lost(self, node_id: int) -> None:
        peer = self._peers.get(node_id)
        if peer is not None and peer.member.is_present:
            self._dial(peer)

    def _dial_failed(self, addr: str, refused: bool, now: float) -> None:
        if not refused:
            return
        for peer in list(self._present()):
            if peer.member.addr == addr:
                peer.refused = True
                if not peer.blamers:
                    self._accuse(peer, self._me.node_id, now, refused=True)
        self._bury_refused(now)

    def _bury_refused(self, now: float) -> None:
        """Bury those whose host refuses when a second member says so too, or when there is nobody who could."""
        for peer in list(self._present()):
            if peer.refused and (peer.blamers or not any(p.is_trusted for p in self._present() if p is not peer)):
                self._bury(peer, self._me.node_id, now)

    def _connected(self, node_id: int, addr: str, now: float) -> None:
        if addr:
            self._seeds.connected(addr, node_id)
            self._bury_predecessors(node_id, addr, now)
        if node_id == self._me.node_id:
            return
        peer = self._peers.get(node_id)
        if peer is not None:
            peer.refused = False
        if addr and (peer is None or not peer.member.is_present):
            self._send_sync(node_id, reply=True)

    def _bury_predecessors(self, node_id: int, addr: str, now: float) -> None:
        """Another process has proved its id at an address: whoever lived there before is gone."""
        for peer in list(self._present()):
            if peer.member.addr == addr and peer.member.node_id != node_id:
                peer.refused = True
                self._bury(peer, self._me.node_id, now)

    # -- flapping ----------------------------------------------------------------------------------------------------

    def _recent_deaths(self, peer: Peer, now: float) -> list[float]:
        return [at for at in peer.deaths if now - at < self.profile.flap_window]

    def _is_flapping(self, peer: Peer, now: float) -> bool:
        return len(self._recent_deaths(peer, now)) >= self.profile.flap_deaths

    def _put_on_probation(self, peer: Peer, record: Member, now: float) -> None:
        if peer.probation is None:
            peer.probation = Probation(record, now, now, now)
        elif wins(record, peer.probation.record):
            peer.probation.record = record
        self._accused.add(record.node_id)

    def _observe_probation(self, probation: Probation, now: float) -> None:
        if now - probation.heard_at > STEADY_GAP_S:
            probation.steady_since = now
        probation.heard_at = now

    def _judge_probation(self, peer: Peer, probation: Probation, now: float) -> None:
        steady = now - probation.heard_at <= STEADY_GAP_S
        if steady and now - probation.steady_since >= self.profile.flap_probation:
            record = probation.record
            self._become(peer, record, record.node_id, now)
            self._rumours_put(Rumour(record, record.node_id), now)
        elif now - probation.heard_at > self.profile.flap_probation:
            peer.probation = None
        elif probation.ping_at <= now:
            probation.ping_at = now + self.profile.probe_interval
            self._send(probation.record.node_id, Ping(self._detector.new_seq(), self._view))

    # -- spreading ---------------------------------------------------------------------------------------------------

    def _rumours_put(self, rumour: Rumour, now: float) -> None:
        self._rumours.put(rumour)
        if self._gossip_at is None:
            self._gossip_at = now + self.profile.gossip_interval

    def _shout(self, rumour: Rumour, now: float) -> None:
        """Tell everybody at once, as far as that is bounded, and the rest by gossip."""
        others = [p.member.node_id for p in self._present() if p.member.node_id != rumour.member.node_id]
        if len(others) > SHOUT_TO:
            others = self._random.sample(others, SHOUT_TO)
        for node_id in others:
            self._send(node_id, Gossip((rumour,)))
        self._rumours_put(rumour, now)

    def _gossip(self, now: float) -> None:
        others = [p.member.node_id for p in self._present()]
        times = self.profile.retransmissions(len(others) + 1)
        for node_id in self._random.sample(others, min(self.profile.gossip_nodes, len(others))):
            if rumours := self._rumours.take(self.profile.gossip_rumours, times):
                self._send(node_id, Gossip(rumours))
        waiting = len(self._rumours) > 0 and others
        self._gossip_at = now + self.profile.gossip_interval if waiting else None

    def _push_pull(self, now: float) -> None:
        self._forget_old_tombstones(now)
        self._sync_at = now + self._jittered(self.profile.sync_interval) if self._peers else None
        live = [p.member.node_id for p in self._present()]
        for node_id in self._random.sample(live, min(1, len(live))) + self._lost_friends(bool(live), now):
            self._send_sync(node_id, reply=True)

    def _lost_friends(self, has_company: bool, now: float) -> list[int]:
        """Members to look for although they are gone: behind a partition, or another process at their address."""
        gone = [p for p in self._peers.values() if not p.member.is_present and p.member.addr]
        if has_company:
            gone = [p for p in gone if p.member.status == "dead"]
            recent = [p for p in gone if now - p.since < EAGER_REUNION_S]
            if not recent and self._random.random() >= self.profile.dead_sync_share:
                return []
            gone = recent or gone
        limit = REUNION_FANOUT if has_company else SHOUT_TO
        return [p.member.node_id for p in self._random.sample(gone, min(limit, len(gone)))]

    def _send_sync(self, node_id: int, *, reply: bool) -> None:
        rumours = self._all_rumours()
        for start in range(0, len(rumours), SYNC_RUMOURS):
            part = tuple(rumours[start : start + SYNC_RUMOURS])
            is_last = start + SYNC_RUMOURS >= len(rumours)
            self._send(node_id, Sync(part, reply and is_last) if is_last else Gossip(part))
        if reply:
            self._out.append(Compare(node_id))

    def _all_rumours(self) -> list[Rumour]:
        gone = sorted((p for p in self._peers.values() if not p.member.is_present), key=lambda p: -p.since)
        peers = [*self._present(), *gone[:SYNC_DEAD]]
        return [Rumour(self._me, self._me.node_id), *(self._testimony(p) for p in peers)]

    def _testimony(self, peer: Peer) -> Rumour:
        """What is held about a member, for one who may not know it: a death counts as this node's word."""
        return Rumour(peer.member, self._me.node_id) if peer.member.status == "dead" else peer.rumour()

    def _describe(self, changes: Mapping[str, Any], now: float) -> None:
        before, self._me = self._me, replace(self._me, incarnation=self._me.incarnation + 1, **changes)
        self._revision += 1
        self._out.append(MemberChanged(before, self._me, self._me.node_id))
        self._shout(Rumour(self._me, self._me.node_id), now)

    # -- leaving -----------------------------------------------------------------------------------------------------

    def _start_leaving(self, now: float) -> None:
        if self._me.status == "alive":
            self._change_me("leaving")
            self._shout(Rumour(self._me, self._me.node_id), now)

    def _leave(self, now: float) -> None:
        if self._me.status == "left":
            return
        self._change_me("left")
        farewell = Rumour(self._me, self._me.node_id)
        self._farewell = {p.member.node_id for p in self._present()}
        self._farewell_ends = now + self.profile.leave_timeout
        for node_id in self._farewell:
            self._send(node_id, Ping(self._detector.new_seq(), self._view, farewell))

    def _end_farewell(self, now: float) -> None:
        if not self._farewell or self._farewell_ends <= now:
            self._farewell = None
            self._out.append(Departed())

    def _change_me(self, status: Status) -> None:
        before, self._me = self._me, self._me.with_status(status)
        self._revision += 1
        self._out.append(MemberChanged(before, self._me, self._me.node_id))

    # -- small things ------------------------------------------------------------------------------------------------

    def _send(self, node_id: int, message: Ping | Ack | PingReq | Nack | Gossip | Sync) -> None:
        self._out.append(Send(node_id, message))

    def _dial(self, peer: Peer) -> None:
        if peer.member.addr:
            self._out.append(Dial(peer.member.addr))

    def _present(self) -> Iterator[Peer]:
        return (peer for peer in self._peers.values() if peer.member.is_present)

    def _size(self) -> int:
        return 1 + self._present_count

    def _has_room(self) -> bool:
        return self._size() < self.profile.max_members

    def _is_served(self, addr: str, node_id: int | None) -> bool:
        """Whether a live member answers at a seed address."""
        if addr == self._me.addr:
            return True
        return any(p.member.addr == addr or p.member.node_id == node_id for p in self._present())

    def _jittered(self, interval: float) -> float:
        jitter = self.profile.sync_jitter
        return interval * self._random.uniform(1.0 - jitter, 1.0 + jitter)

    def _fingerprint(self) -> int:
        ids = sorted([self._me.node_id, *(p.member.node_id for p in self._present())])
        return zlib.crc32(b"".join(node_id.to_bytes(8, "big") for node_id in ids))

    def _forget_old_tombstones(self, now: float) -> None:
        gone = sorted((p.since, n) for n, p in self._peers.items() if not p.member.is_present)
        excess = len(gone) - self.profile.tombstones
        for index, (since, node_id) in enumerate(gone):
            if index < excess or now - since > self.profile.tombstone_age:
                del self._peers[node_id]
                self._accused.discard(node_id)
