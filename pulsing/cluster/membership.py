"""Who is here: SWIM with Lifeguard's additions, as one machine without sockets, clock or chance of its own.

Events and the time go in at `handle`, effects come out. The parts, in the order in which to read them:

- `member`: which of two rumours about a member wins. Only the member itself may raise its incarnation to refute.
- `roster`, `peer`: who is known, and what was observed of each; `records` is where that changes.
- `detector`: members probe each other in turn.
- `trials`, `suspicion`: one that nobody can reach becomes a suspect, and dead unless it refutes in time.
- `refusals`: a host that refuses a connection makes a trial short.
- `probation`: one that died too often lately must prove itself before it counts again.
- `spreading`, `rumours`: how all of this gets around.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from pulsing.cluster import detector as detection
from pulsing.cluster.allowance import Allowance
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
    LoopLag,
    Received,
    Resolved,
    StartLeaving,
    Synced,
    Tick,
)
from pulsing.cluster.member import Member, wins
from pulsing.cluster.messages import Ack, Gossip, Nack, Ping, PingReq, Rumour, Sync
from pulsing.cluster.outbox import Outbox
from pulsing.cluster.peer import Peer
from pulsing.cluster.probation import Probation, is_flapping
from pulsing.cluster.profile import LAN, Profile
from pulsing.cluster.records import Records
from pulsing.cluster.refusals import Refusals
from pulsing.cluster.roster import Roster
from pulsing.cluster.seeds import SeedReport, Seeds
from pulsing.cluster.spreading import Spreading
from pulsing.cluster.trials import Trials
from pulsing.core.statistics import Latency

MAX_LEAP = 1_000_000
"""The most that hearsay may raise an incarnation by; a member counts its refutations one by one."""
STRANGERS_PER_S, MOST_STRANGERS = 20.0, 200.0
"""Unknown nodes that speak here and are asked for their record: a second, and at once."""
FEW_ACCUSED, JUDGE_MANY_EVERY_S = 64, 0.1
"""Where more members are accused, all are judged together, at most every so many seconds: asking each after every event
when it is due takes a second of the processor for three hundred events about a thousand accused."""
MOST_NAMESAKES = 3
"""Members that are dialled because a newcomer has their address; one, where a process was started again."""


class Membership:
    """The view that one node has of the cluster.

    Args:
        me: this node's own record.
        random: the source of every random choice.
        profile: how patient to be.
    """

    def __init__(self, me: Member, random: Random, profile: Profile = LAN) -> None:
        self.profile = profile
        self._out = Outbox()
        self._roster = Roster(me, profile)
        self._detector = Detector(profile, random, me.node_id)
        self._seeds = Seeds(me.node_id, random)
        self._spreading = Spreading(self._roster, random, profile, self._out)
        self._records = Records(self._roster, self._detector, self._spreading, profile, self._out)
        self._trials = Trials(self._roster, self._records, self._detector, self._spreading, random, profile, self._out)
        self._refusals = Refusals(self._roster, self._records, self._trials, self._out)
        self.refutations = 0
        """How often this node contradicted what was said about it."""
        self.lag_s = 0.0
        """How late the loop of this node's actors is."""
        self._farewell: set[int] | None = None
        """Who has not confirmed the farewell yet; None unless one is being said."""
        self._farewell_ends = 0.0
        self._owed_to_strangers = Allowance(STRANGERS_PER_S, MOST_STRANGERS)
        self._due: float | None = None
        self._awake_at = float("-inf")
        self._judged_at = float("-inf")

    # -- what others ask ---------------------------------------------------------------------------------------------

    @property
    def me(self) -> Member:
        """This node's own record."""
        return self._roster.me

    @property
    def health(self) -> int:
        """How much this node doubts itself: 0 is healthy, and each step makes it more patient."""
        return self._detector.health

    @property
    def view(self) -> int:
        """Fingerprint of the present members; equal on nodes that agree."""
        return self._roster.view

    @property
    def revision(self) -> int:
        """How many times the view changed."""
        return self._roster.revision

    def members(self) -> list[Member]:
        """All known members, this node first, the dead and the left included while they are remembered."""
        return self._roster.members()

    def member(self, node_id: int) -> Member | None:
        """One member's record."""
        return self._roster.member(node_id)

    def peer(self, node_id: int) -> Peer | None:
        """What was observed of another member; not to be changed."""
        return self._roster.peers.get(node_id)

    def ended(self) -> frozenset[int]:
        """The dead whose processes are known to have ended; the others may only be cut off."""
        return frozenset(node_id for node_id, peer in self._roster.peers.items() if peer.ended)

    def rtt(self, node_id: int) -> float | None:
        """The last round trip of a probe, in seconds."""
        return self._detector.rtts.get(node_id)

    def round_trips(self) -> Latency:
        """The round trips of all probes that were answered directly."""
        return self._detector.round_trips.snapshot()

    def disagreeing(self) -> list[int]:
        """Present members whose view was another one when they last spoke."""
        return [p.member.node_id for p in self._roster.present() if p.view not in (None, self.view)]

    def seed_reports(self) -> list[SeedReport]:
        """What became of each seed."""
        return self._seeds.report(self._roster.is_served)

    @property
    def may_lack_members(self) -> bool:
        """Whether somebody may live at a seed's address who is no member yet."""
        return self._seeds.may_hide_others(self._roster.is_served)

    # -- the machine -------------------------------------------------------------------------------------------------

    def handle(self, event: ClusterInput, now: float) -> list[ClusterEffect]:
        """Take one event and return what is to be done, in order."""
        if self.me.status == "left" and self._farewell is None:
            return []
        self._roster.recount_trusted()
        self._notice_sleep(now)
        self._take(event, now)
        due = self._next_deadline()
        if due is not None and due <= now:
            self._tick(now)
            due = self._next_deadline()
        # A witness who falls away shortens trials: a verdict may turn out to have been due long ago.
        self._due = None if due is None else max(due, now)
        self._awake_at = now
        return self._out.take()

    def next_deadline(self) -> float | None:
        """When the next tick is due."""
        return self._due

    def _take(self, event: ClusterInput, now: float) -> None:
        match event:
            case Tick():
                pass
            case Received(sender, message):
                self._receive(sender, message, now)
            case Heard(node_id):
                self._hear_from(node_id, now)
            case Connected(node_id, addr):
                self._connected(node_id, addr, now)
            case DialFailed(addr, refused, reason, node_id):
                self._seeds.failed(addr, reason, refused=refused)
                if refused:
                    self._refusals.refused(addr, node_id, now)
            case LinkLost(node_id):
                self._refusals.link_lost(node_id)
            case Join(seeds):
                self._seeds.add(seeds, now)
            case Resolved(seed, addrs, reason):
                self._seeds.resolved(seed, addrs, now, reason)
            case Describe(changes):
                self._describe(changes, now)
            case LoopLag(seconds):
                self.lag_s = seconds
            case StartLeaving():
                self._start_leaving(now)
            case Leave():
                self._leave(now)

    def _next_deadline(self) -> float | None:
        if self._farewell is not None:
            return self._farewell_ends if self._farewell else float("-inf")
        if self.me.status == "left":
            return None
        dues = [self._detector.next_deadline(), self._seeds.next_deadline(), self._spreading.next_deadline()]
        dues += self._dues_of_accused()
        return min((due for due in dues if due is not None), default=None)

    def _dues_of_accused(self) -> Iterator[float]:
        if len(self._roster.accused) > FEW_ACCUSED:
            yield self._judged_at + JUDGE_MANY_EVERY_S
            return
        for node_id in self._roster.accused:
            peer = self._roster.peers[node_id]
            yield from self._trials.dues_of(peer)
            if peer.probation is not None:
                yield peer.probation.ping_at

    def _tick(self, now: float) -> None:
        if self._farewell is not None:
            self._end_farewell(now)
            return
        if len(self._roster.accused) <= FEW_ACCUSED or now >= self._judged_at + JUDGE_MANY_EVERY_S:
            self._judged_at = now
            for node_id in sorted(self._roster.accused):
                self._judge(self._roster.peers[node_id], now)
        self._perform(self._detector.tick(now), now)
        self._out.put(*self._seeds.tick(now, self._roster.is_served))
        self._spreading.tick(now)

    def _judge(self, peer: Peer, now: float) -> None:
        self._trials.judge(peer, now)
        if peer.probation is not None:
            self._judge_probation(peer, peer.probation, now)
        if not peer.is_accused:
            self._roster.accused.discard(peer.member.node_id)

    def _judge_probation(self, peer: Peer, probation: Probation, now: float) -> None:
        outcome = probation.outcome(self.profile, now)
        if outcome == "passed":
            record = probation.record
            self._records.become(peer, record, record.node_id, now)
            self._spreading.pass_on(Rumour(record, record.node_id), now)
        elif outcome == "failed" and peer.answer_by is None:
            peer.probation = None
        elif probation.ping_at <= now:
            probation.ping_at = now + self.profile.probe_interval
            self._out.send(probation.record.node_id, Ping(self._detector.new_seq(), self.view))

    def _notice_sleep(self, now: float) -> None:
        """A tick that comes far too late means that this process was frozen or starved, and heard nobody meanwhile.

        What others failed to say in that time says nothing about them. The sleep may have begun right after the last
        event.
        """
        if self._due is None or now - self._due <= self.profile.probe_timeout:
            return
        slept = now - self._awake_at
        self._detector.slept(slept)
        self._detector.doubt()
        for peer in self._roster.peers.values():
            peer.postpone(slept)

    # -- messages ----------------------------------------------------------------------------------------------------

    def _receive(self, sender: int, message: object, now: float) -> None:
        if sender == self.me.node_id:
            return
        match message:
            case Ping(seq, view, rumour):
                self._out.send(sender, self._ack(seq))
                self._note_view(sender, view)
                if rumour is not None:
                    self._hear(rumour, sender, now)
            case Ack(seq, view, lag_ms):
                self._note_view(sender, view, lag_ms)
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
                self._answer_sync(sender, now, wants_all=reply)
        self._hear_from(sender, now)

    def _hear_from(self, node_id: int, now: float) -> None:
        """Any bytes from a member are a sign of life; they do not refute, but they let it know what to refute."""
        peer = self._roster.peers.get(node_id)
        if peer is None:
            if node_id != self.me.node_id and self._roster.has_room and self._is_owed(node_id, now):
                self._spreading.sync(node_id, now, reply=True)
            return
        peer.hear(now)
        if peer.member.status == "left":
            return
        self._perform(self._detector.heard(node_id), now)
        if peer.must_refute and now - peer.told_at >= self.profile.probe_timeout:
            self._trials.confront(peer, peer.rumour(), now)

    def _answer_sync(self, sender: int, now: float, *, wants_all: bool) -> None:
        if self._is_owed(sender, now):
            self._out.put(Compare(sender))
            if wants_all:
                self._spreading.sync(sender, now, reply=False)
        if not wants_all:
            self._out.put(Synced(sender))

    def _is_owed(self, node_id: int, now: float) -> bool:
        """Whether a node may be sent everything again: sending it costs much, and asking for it costs nothing."""
        peer = self._roster.peers.get(node_id)
        return (self._owed_to_strangers if peer is None else peer.owed).spend(1.0, now)

    def _ack(self, seq: int) -> Ack:
        return Ack(seq, self.view, round(self.lag_s * 1000))

    def _note_view(self, sender: int, view: int, lag_ms: int | None = None) -> None:
        peer = self._roster.peers.get(sender)
        if peer is not None:
            peer.view = view
            peer.lag_ms = peer.lag_ms if lag_ms is None else lag_ms

    def _help(self, asker: int, seq: int, target: int, now: float) -> None:
        peer = self._roster.peers.get(target)
        if peer is None or not peer.member.is_present:
            self._out.send(asker, Nack(seq))
        else:
            self._perform(self._detector.help(asker, seq, target, now), now)

    def _perform(self, effects: Iterable[detection.Effect], now: float) -> None:
        for effect in effects:
            match effect:
                case detection.PingNow(target, seq):
                    self._out.send(target, Ping(seq, self.view, self._accusation(target)))
                case detection.AskFor(helper, target, seq):
                    self._out.send(helper, PingReq(seq, target))
                case detection.PassAck(asker, seq):
                    self._out.send(asker, self._ack(seq))
                case detection.PassNack(asker, seq):
                    self._out.send(asker, Nack(seq))
                case detection.Unanswered(target):
                    self._trials.accuse_as_witness(self._roster.peers[target], now)
                case detection.Silent(helper):
                    peer = self._roster.peers[helper]
                    self._trials.check_suspect(peer, peer.rumour(), now)

    def _accusation(self, target: int) -> Rumour | None:
        peer = self._roster.peers[target]
        return peer.rumour() if peer.suspicion is not None else None

    def _connected(self, node_id: int, addr: str, now: float) -> None:
        if addr:
            self._seeds.connected(addr, node_id)
        self._refusals.connected(node_id, addr, now)
        if node_id == self.me.node_id or not addr:
            return
        peer = self._roster.peers.get(node_id)
        if peer is None or not peer.member.is_present:
            self._spreading.sync(node_id, now, reply=True)

    # -- what is said about members ----------------------------------------------------------------------------------

    def _hear_all(self, rumours: Iterable[Rumour], sender: int, now: float) -> None:
        for rumour in rumours:
            self._hear(rumour, sender, now)

    def _hear(self, rumour: Rumour, sender: int, now: float) -> None:
        heard = rumour.member
        if heard.node_id == self.me.node_id:
            self._defend(rumour, now)
            return
        peer = self._roster.peers.get(heard.node_id)
        if peer is None:
            self._meet(rumour, now)
        elif sender != heard.node_id and heard.incarnation - peer.member.incarnation > MAX_LEAP:
            return
        elif peer.member.is_present and self._is_accusation(rumour, sender):
            self._trials.weigh(peer, rumour, now)
        elif wins(heard, peer.member):
            self._believe(peer, rumour, now)

    def _is_accusation(self, rumour: Rumour, sender: int) -> bool:
        """Whether a rumour speaks against a member; a farewell counts as such unless the member says it itself."""
        member = rumour.member
        return member.status in ("suspect", "dead") or (member.status == "left" and sender != member.node_id)

    def _defend(self, rumour: Rumour, now: float) -> None:
        """Whatever is false about this node is contradicted at a higher incarnation."""
        said = rumour.member
        if "left" in (said.status, self.me.status) or not wins(said, self.me):
            return
        if said.status in ("suspect", "dead"):
            self._detector.doubt()
        self.refutations += 1
        self._roster.me = replace(self.me, incarnation=said.incarnation + 1)
        self._spreading.shout_of_me(now)

    def _meet(self, rumour: Rumour, now: float) -> None:
        member = rumour.member
        if not self._roster.has_room_for(member):
            return
        born_accused = member.status == "suspect"
        if born_accused:
            member = member.with_status("alive")
        peer = self._records.meet(member, now)
        if not member.is_present:
            return
        self._spreading.pass_on(Rumour(member, member.node_id), now)
        for older in self._roster.at(member.addr)[:MOST_NAMESAKES]:
            if older is not peer:
                self._out.dial(older.member)
        if born_accused:
            self._trials.weigh(peer, rumour, now)

    def _believe(self, peer: Peer, rumour: Rumour, now: float) -> None:
        """Take over a record that wins; a member that died too often lately must first prove itself."""
        heard = rumour.member
        if heard.status == "suspect":
            self._believe(peer, Rumour(heard.with_status("alive"), heard.node_id), now)
            if peer.member.is_present:
                self._trials.weigh(peer, rumour, now)
            elif peer.probation is not None:
                self._trials.doubt(peer, peer.probation, rumour, now)
            return
        if peer.member.status == "dead" and heard.is_present and is_flapping(peer.deaths, self.profile, now):
            self._put_on_probation(peer, heard, now)
            return
        self._records.become(peer, heard, rumour.by, now)
        self._spreading.pass_on(rumour, now)

    def _put_on_probation(self, peer: Peer, record: Member, now: float) -> None:
        if peer.probation is None:
            peer.probation = Probation.begin(record, now)
        elif peer.probation.update(record):
            peer.answer_by = None
        self._roster.accused.add(record.node_id)

    # -- what this node says of itself -------------------------------------------------------------------------------

    def _describe(self, changes: Mapping[str, Any], now: float) -> None:
        self._records.change_me(incarnation=self.me.incarnation + 1, **changes)
        self._spreading.shout_of_me(now)

    def _start_leaving(self, now: float) -> None:
        if self.me.status == "alive":
            self._records.change_me(status="leaving")
            self._spreading.shout_of_me(now)

    def _leave(self, now: float) -> None:
        if self.me.status == "left":
            return
        self._records.change_me(status="left")
        farewell = Rumour(self.me, self.me.node_id)
        self._farewell = {p.member.node_id for p in self._roster.present()}
        self._farewell_ends = now + self.profile.leave_timeout
        for node_id in self._farewell:
            self._out.send(node_id, Ping(self._detector.new_seq(), self.view, farewell))

    def _end_farewell(self, now: float) -> None:
        if not self._farewell or self._farewell_ends <= now:
            self._farewell = None
            self._out.put(Departed())
