"""Who answers: one probe a round, help from others before anybody is accused, and doubt in oneself (SWIM, Lifeguard).

A round pings one member. When it does not answer in time, other members are asked to ping it too; what is still
unanswered at the end of the round is reported. A node that misses answers which others can hear is likely to be slow
itself: its *health* count rises, and with it all its waiting times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from pulsing.cluster.profile import Profile
from pulsing.core.statistics import LatencyCounters

MAX_FAVOURS = 256


@dataclass(frozen=True, slots=True)
class PingNow:
    """Effect: ping a member."""

    target: int
    seq: int


@dataclass(frozen=True, slots=True)
class AskFor:
    """Effect: ask a helper to ping the target."""

    helper: int
    target: int
    seq: int


@dataclass(frozen=True, slots=True)
class PassAck:
    """Effect: tell the asker that its target answered us."""

    asker: int
    seq: int


@dataclass(frozen=True, slots=True)
class PassNack:
    """Effect: tell the asker that its target has not answered us yet."""

    asker: int
    seq: int


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Effect: nobody got an answer from the target in this round."""

    target: int


@dataclass(frozen=True, slots=True)
class Silent:
    """Effect: a helper has not even said that it got no answer, so it may be gone itself."""

    helper: int


Effect = PingNow | AskFor | PassAck | PassNack | Unanswered | Silent


@dataclass(slots=True)
class _Probe:
    target: int
    seq: int
    sent_at: float
    help_at: float
    ends_at: float
    helpers: tuple[int, ...] | None = None
    nacks: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Favour:
    """A ping on behalf of another member."""

    asker: int
    asker_seq: int
    target: int
    nack_at: float
    ends_at: float
    nacked: bool = False


class Detector:
    """Decides whom to ping when, and what an answer or its absence means."""

    def __init__(self, profile: Profile, random: Random, me: int) -> None:
        self._me = me
        self._neighbours_turn = False
        self._profile = profile
        self._random = random
        self._round: list[int] = []
        self._members: set[int] = set()
        self._next_at: float | None = None
        self._probe: _Probe | None = None
        self._favours: dict[int, _Favour] = {}
        self._seq = 0
        self.health = 0
        self.rtts: dict[int, float] = {}
        """The last round trip to each member, in seconds."""
        self.round_trips = LatencyCounters()
        """All round trips."""

    def next_deadline(self) -> float | None:
        """When the next step of a probe or a favour is due."""
        dues = [f.ends_at if f.nacked else f.nack_at for f in self._favours.values()]
        if self._probe is not None:
            dues.append(self._probe.help_at if self._probe.helpers is None else self._probe.ends_at)
        elif self._next_at is not None:
            dues.append(self._next_at)
        return min(dues, default=None)

    def watch(self, node_id: int, now: float) -> None:
        """Begin to probe a member, at a random place of the running round."""
        if node_id in self._members:
            return
        self._members.add(node_id)
        self._round.insert(self._random.randint(0, len(self._round)), node_id)
        if self._next_at is None:
            self._next_at = now + self._random.uniform(0.0, self._profile.probe_interval)

    def forget(self, node_id: int) -> None:
        """Probe a member no more."""
        self._members.discard(node_id)
        self.rtts.pop(node_id, None)
        if node_id in self._round:
            self._round.remove(node_id)
        if self._probe is not None and self._probe.target == node_id:
            self._next_at, self._probe = self._probe.ends_at, None
        if not self._members:
            self._next_at = None

    def tick(self, now: float) -> list[Effect]:
        """Take the steps that are due."""
        effects = self._tick_favours(now) if self._favours else []
        probe = self._probe
        if probe is not None and probe.helpers is None and probe.help_at <= now:
            effects += self._ask_for_help(probe)
        if probe is not None and probe.ends_at <= now:
            effects += self._give_up(probe)
        if self._probe is None and self._next_at is not None and self._next_at <= now:
            effects += self._begin(now)
        return effects

    def heard(self, node_id: int) -> list[Effect]:
        """Take a sign of life from a member: an ack, or any bytes at all."""
        if self._probe is not None and self._probe.target == node_id:
            # A node that doubts itself waits longer for answers, but who is answered need not wait for the next round.
            self._next_at, self._probe = self._probe.sent_at + self._profile.probe_interval, None
            self.health = max(0, self.health - 1)
        if not self._favours:
            return []
        done = [(seq, f) for seq, f in self._favours.items() if f.target == node_id]
        for seq, _ in done:
            del self._favours[seq]
        return [PassAck(f.asker, f.asker_seq) for _, f in done]

    def ack(self, sender: int, seq: int, now: float) -> list[Effect]:
        """Take the answer to a ping; one that a helper passes on speaks for the target."""
        probe = self._probe
        if probe is None or probe.seq != seq:
            return []
        if probe.target == sender:
            self.rtts[sender] = now - probe.sent_at
            self.round_trips.observe(self.rtts[sender])
        return self.heard(probe.target)

    def nack(self, sender: int, seq: int) -> None:
        """Take a helper's word that it is there, although the target is not."""
        if self._probe is not None and self._probe.seq == seq and sender in (self._probe.helpers or ()):
            self._probe.nacks.add(sender)

    def help(self, asker: int, asker_seq: int, target: int, now: float) -> list[Effect]:
        """Ping a member on behalf of another."""
        if len(self._favours) >= MAX_FAVOURS:
            return [PassNack(asker, asker_seq)]
        timeout = self._profile.probe_timeout
        seq = self.new_seq()
        self._favours[seq] = _Favour(asker, asker_seq, target, now + timeout * self._profile.nack_after, now + timeout)
        return [PingNow(target, seq)]

    def new_seq(self) -> int:
        """A number for a ping that no other ping of this node has."""
        self._seq += 1
        return self._seq

    def doubt(self, amount: int = 1) -> None:
        """Take a sign that this node itself is slow."""
        self.health = min(self._profile.max_health, self.health + amount)

    def slept(self, seconds: float) -> None:
        """Leave out of account a time in which this node did not run: nobody could have answered it."""
        if self._probe is not None:
            self._probe.sent_at += seconds
            self._probe.help_at += seconds
            self._probe.ends_at += seconds
        if self._next_at is not None:
            self._next_at += seconds
        for favour in self._favours.values():
            favour.nack_at += seconds
            favour.ends_at += seconds

    def _begin(self, now: float) -> list[Effect]:
        slower = 1 + self.health
        self._probe = _Probe(
            self._next_target(),
            self.new_seq(),
            now,
            now + self._profile.probe_timeout * slower,
            now + self._profile.probe_interval * slower,
        )
        return [PingNow(self._probe.target, self._probe.seq)]

    def _next_target(self) -> int:
        """The next member in ring order and the next of the shuffled round, by turns.

        By chance alone one member in a hundred would not be probed by anybody for almost five seconds.
        """
        self._neighbours_turn = not self._neighbours_turn
        if self._neighbours_turn:
            return min(self._members, key=lambda member: (member < self._me, member))
        if not self._round:
            self._round = sorted(self._members)
            self._random.shuffle(self._round)
        return self._round.pop()

    def _ask_for_help(self, probe: _Probe) -> list[Effect]:
        others = sorted(self._members - {probe.target})
        count = min(self._profile.indirect_probes, len(others))
        probe.helpers = tuple(self._random.sample(others, count))
        return [PingNow(probe.target, probe.seq), *(AskFor(h, probe.target, probe.seq) for h in probe.helpers)]

    def _give_up(self, probe: _Probe) -> list[Effect]:
        self._next_at, self._probe = probe.ends_at, None
        helpers: Sequence[int] = probe.helpers or ()
        silent = [h for h in helpers if h not in probe.nacks]
        self.doubt(len(silent) if helpers else 1)
        return [Unanswered(probe.target), *map(Silent, silent)]

    def _tick_favours(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for seq, favour in list(self._favours.items()):
            if favour.ends_at <= now:
                del self._favours[seq]
            if not favour.nacked and favour.nack_at <= now:
                favour.nacked = True
                effects.append(PassNack(favour.asker, favour.asker_seq))
        return effects
