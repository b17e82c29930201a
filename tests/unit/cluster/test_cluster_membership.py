from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from pulsing.cluster.channel import Connected, DialFailed, Heard, LinkLost
from pulsing.cluster.events import (
    ClusterEffect,
    ClusterInput,
    Departed,
    Describe,
    Join,
    Leave,
    LoopLag,
    MemberChanged,
    Received,
    Send,
    StartLeaving,
    Synced,
    Tick,
)
from pulsing.cluster.member import Member, Status
from pulsing.cluster.membership import FEW_ACCUSED, JUDGE_MANY_EVERY_S, MAX_LEAP, Membership
from pulsing.cluster.messages import Ack, Gossip, Nack, Ping, PingReq, Rumour, Sync
from pulsing.cluster.peer import Peer
from pulsing.cluster.profile import LAN
from pulsing.cluster.seeds import Dial
from pulsing.cluster.trials import Trials

ME = Member(1, "h1:1")


class Desk:
    """One membership machine, its clock, and what it did last."""

    def __init__(self, *others: int) -> None:
        self.machine = Membership(ME, Random(1))
        self.now = 100.0
        self.effects: list[ClusterEffect] = []
        for node_id in others:
            self.feed(Received(node_id, Gossip((statement(node_id),))))

    def feed(self, event: ClusterInput) -> list[ClusterEffect]:
        self.effects = self.machine.handle(event, self.now)
        return self.effects

    def hear(self, sender: int, *rumours: Rumour) -> list[ClusterEffect]:
        return self.feed(Received(sender, Gossip(rumours)))

    def run(self, seconds: float) -> list[ClusterEffect]:
        """Let time pass, ticking on time; returns all that was done."""
        end, done = self.now + seconds, []
        while (due := self.machine.next_deadline()) is not None and due <= end:
            self.now = max(due, self.now)
            done += self.feed(Tick())
        self.now = end
        return done

    def status(self, node_id: int) -> Status | None:
        member = self.machine.member(node_id)
        return member.status if member else None

    def sent(self, node_id: int) -> list[object]:
        return [e.message for e in self.effects if isinstance(e, Send) and e.node_id == node_id]


def record(node_id: int, status: Status = "alive", incarnation: int = 0) -> Member:
    return Member(node_id, f"h{node_id}:1", status, incarnation)


def statement(node_id: int, status: Status = "alive", incarnation: int = 0) -> Rumour:
    return Rumour(record(node_id, status, incarnation), node_id)


def word(by: int, about: int, status: Status, incarnation: int = 0, *, refused: bool = False) -> Rumour:
    return Rumour(record(about, status, incarnation), by, refused)


def test_a_lonely_node_wants_nothing() -> None:
    assert Desk().machine.next_deadline() is None


def test_a_seed_that_answers_gets_all_we_hold_and_its_answer_is_the_join() -> None:
    desk = Desk()
    assert desk.feed(Join(("h2:1",))) == [Dial("h2:1")]
    desk.feed(Connected(2, "h2:1"))
    assert desk.sent(2) == [Sync((Rumour(ME, 1),), reply=True)]
    desk.feed(Received(2, Sync((statement(2), statement(3)), reply=False)))
    assert Synced(2) in desk.effects
    assert [m.node_id for m in desk.machine.members()] == [1, 2, 3]


def test_a_ping_is_answered_and_a_stranger_is_asked_who_it_is() -> None:
    desk = Desk()
    desk.feed(Received(9, Ping(5, 0)))
    assert Ack(5, desk.machine.view) in desk.sent(9)
    assert any(isinstance(m, Sync) and m.reply for m in desk.sent(9))


def test_a_favour_for_an_unknown_target_is_declined() -> None:
    desk = Desk(2)
    desk.feed(Received(2, PingReq(5, 77)))
    assert Nack(5) in desk.sent(2)


def test_silence_makes_a_suspect_and_then_a_death() -> None:
    desk = Desk(2)
    desk.run(2.2)
    assert desk.status(2) == "suspect"
    desk.run(4.3)
    assert desk.status(2) == "dead"


def test_one_voice_is_heard_longer_than_three() -> None:
    alone, together = Desk(2, 3, 4, 5), Desk(2, 3, 4, 5)
    alone.hear(3, word(3, 2, "suspect"))
    together.hear(3, word(3, 2, "suspect"))
    together.hear(4, word(4, 2, "suspect"))
    together.hear(5, word(5, 2, "suspect"))
    for desk in (alone, together):
        for _ in range(50):
            desk.run(0.1)
            for node_id in (3, 4, 5):
                desk.feed(Heard(node_id))
    assert together.status(2) == "dead"
    assert alone.status(2) == "suspect"


def test_a_refutation_ends_the_trial() -> None:
    desk = Desk(2, 3)
    desk.hear(3, word(3, 2, "suspect"))
    assert desk.status(2) == "suspect"
    desk.hear(2, statement(2, "alive", 1))
    assert desk.status(2) == "alive"
    desk.hear(3, word(3, 2, "suspect", 0))
    assert desk.status(2) == "alive"


def test_a_ping_to_a_suspect_says_what_it_is_accused_of() -> None:
    desk = Desk(2, 3)
    desk.hear(3, word(3, 2, "suspect"))
    assert any(isinstance(m, Ping) and m.rumour == word(3, 2, "suspect") for m in desk.sent(2))


def test_an_accusation_of_oneself_is_refuted_at_a_higher_incarnation_and_told_to_all() -> None:
    desk = Desk(2, 3)
    desk.hear(2, Rumour(replace(ME, status="suspect"), 3))
    assert desk.machine.me.incarnation == 1
    for node_id in (2, 3):
        assert Gossip((Rumour(replace(ME, incarnation=1), 1),)) in desk.sent(node_id)
    assert desk.machine.health == 1


def test_an_outdated_accusation_of_oneself_is_ignored() -> None:
    desk = Desk(2)
    desk.hear(2, Rumour(replace(ME, status="dead"), 2))
    desk.hear(2, Rumour(replace(ME, status="dead"), 2))
    assert desk.machine.me.incarnation == 1


class TestFastPath:
    def test_a_lost_link_is_dialled_at_once(self) -> None:
        desk = Desk(2)
        assert desk.feed(LinkLost(2)) == [Dial("h2:1", 2)]

    def test_a_refusal_is_enough_when_nobody_else_could_confirm_it(self) -> None:
        desk = Desk(2)
        desk.feed(LinkLost(2))
        desk.feed(DialFailed("h2:1", refused=True))
        assert desk.status(2) == "dead"

    def test_a_refusal_needs_a_second_voice_when_there_is_one(self) -> None:
        desk = Desk(2, 3)
        desk.feed(DialFailed("h2:1", refused=True))
        assert desk.status(2) == "suspect"
        assert Gossip((word(1, 2, "suspect", refused=True),)) in desk.sent(3)
        desk.hear(3, word(3, 2, "suspect", refused=True))
        assert desk.status(2) == "dead"

    def test_a_second_voice_that_came_first_counts(self) -> None:
        desk = Desk(2, 3)
        desk.hear(3, word(3, 2, "suspect", refused=True))
        assert Dial("h2:1", 2) in desk.effects
        desk.feed(DialFailed("h2:1", refused=True))
        assert desk.status(2) == "dead"

    def test_a_dial_into_silence_says_nothing(self) -> None:
        desk = Desk(2)
        desk.feed(DialFailed("h2:1"))
        assert desk.status(2) == "alive"

    def test_another_process_at_a_known_address_buries_the_one_before(self) -> None:
        desk = Desk(2, 3)
        desk.feed(Connected(22, "h2:1"))
        assert desk.status(2) == "dead"

    def test_a_newcomer_at_a_known_address_is_looked_at(self) -> None:
        desk = Desk(2, 3)
        desk.hear(3, Rumour(Member(22, "h2:1"), 22))
        assert Dial("h2:1", 2) in desk.effects
        assert desk.status(2) == "alive"


class TestWordOfDeath:
    def test_it_is_checked_before_it_is_believed(self) -> None:
        desk = Desk(2, 3)
        desk.hear(3, word(3, 2, "dead"))
        assert desk.status(2) == "alive"
        assert Dial("h2:1", 2) in desk.effects
        assert any(isinstance(m, Ping) and m.rumour == word(3, 2, "dead") for m in desk.sent(2))

    def test_an_answer_clears_it(self) -> None:
        desk = Desk(2, 3)
        desk.hear(3, word(3, 2, "dead"))
        desk.feed(Heard(2))
        desk.now += 0.6
        desk.feed(Tick())
        assert desk.status(2) == "alive"

    def test_silence_makes_it_a_vote(self) -> None:
        desk = Desk(2, 3)
        desk.hear(3, word(3, 2, "dead"))
        desk.run(0.6)
        peer = desk.machine.peer(2)
        assert desk.status(2) == "suspect"
        assert peer is not None and peer.suspicion is not None and 3 in peer.suspicion.accusers

    def test_a_refusal_makes_it_true(self) -> None:
        desk = Desk(2, 3)
        desk.hear(3, word(3, 2, "dead"))
        desk.feed(DialFailed("h2:1", refused=True))
        assert desk.status(2) == "dead"

    def test_a_farewell_by_hearsay_is_only_that(self) -> None:
        desk = Desk(2, 3)
        desk.hear(3, word(3, 2, "left"))
        assert desk.status(2) == "alive"

    def test_about_a_stranger_it_leaves_a_tombstone(self) -> None:
        desk = Desk(2)
        desk.hear(2, word(2, 9, "dead"))
        assert desk.status(9) == "dead"


def test_the_dead_rise_only_at_a_higher_incarnation() -> None:
    desk = Desk(2)
    desk.feed(DialFailed("h2:1", refused=True))
    desk.hear(2, statement(2))
    assert desk.status(2) == "dead"
    desk.hear(2, statement(2, "alive", 1))
    assert desk.status(2) == "alive"


def test_a_dead_member_that_speaks_is_told_so() -> None:
    desk = Desk(2)
    desk.feed(DialFailed("h2:1", refused=True))
    desk.feed(Heard(2))
    assert any(isinstance(m, Ping) and m.rumour is not None and m.rumour.member.status == "dead" for m in desk.sent(2))


def test_a_member_that_died_too_often_must_prove_itself_for_ten_seconds() -> None:
    desk = Desk(2)
    for incarnation in range(1, 3):
        desk.feed(DialFailed("h2:1", refused=True))
        desk.hear(2, statement(2, "alive", incarnation))
        assert desk.status(2) == "alive"
    desk.feed(DialFailed("h2:1", refused=True))
    desk.hear(2, statement(2, "alive", 3))
    for _ in range(9):
        desk.run(1.0)
        desk.feed(Heard(2))
        assert desk.status(2) == "dead"
    desk.run(1.0)
    desk.feed(Heard(2))
    desk.run(1.0)
    assert desk.status(2) == "alive"


class TestDoubtOnProbation:
    """A member on probation counts as dead here, but elsewhere its trial waits for this node's word."""

    @staticmethod
    def on_probation() -> Desk:
        desk = Desk(2, 3)
        for incarnation in range(1, 4):
            desk.hear(3, word(3, 2, "dead", incarnation - 1))
            desk.feed(DialFailed("h2:1", refused=True))
            desk.hear(3, statement(2, "alive", incarnation))
        assert desk.status(2) == "dead"
        return desk

    @staticmethod
    def accusations(effects: list[ClusterEffect]) -> list[Rumour]:
        """What was said to member 3 against member 2."""
        gossip = [e.message for e in effects if isinstance(e, Send) and e.node_id == 3]
        rumours = [r for message in gossip if isinstance(message, Gossip) for r in message.rumours]
        return [r for r in rumours if r.member.node_id == 2 and r.member.status == "suspect"]

    def test_it_is_asked_and_its_silence_confirms_what_others_suspect(self) -> None:
        desk = self.on_probation()
        desk.hear(3, word(3, 2, "suspect", 3))
        assert any(isinstance(m, Ping) and m.rumour == word(3, 2, "suspect", 3) for m in desk.sent(2))
        assert word(1, 2, "suspect", 3) in self.accusations(desk.run(1.5))
        assert desk.status(2) == "dead"

    def test_an_answer_clears_it(self) -> None:
        desk = self.on_probation()
        desk.hear(3, word(3, 2, "suspect", 3))
        desk.feed(Heard(2))
        assert not self.accusations(desk.run(5.0))

    def test_a_refutation_that_others_heard_clears_it(self) -> None:
        desk = self.on_probation()
        desk.hear(3, word(3, 2, "suspect", 3))
        desk.hear(3, statement(2, "alive", 4))
        assert not self.accusations(desk.run(5.0))

    def test_it_is_asked_again_when_it_falls_silent_again(self) -> None:
        desk = self.on_probation()
        desk.hear(3, word(3, 2, "suspect", 3))
        desk.feed(Heard(2))
        desk.hear(3, word(3, 2, "suspect", 3))
        assert word(1, 2, "suspect", 3) in self.accusations(desk.run(1.5))
        desk.hear(3, word(3, 2, "suspect", 4))
        assert word(1, 2, "suspect", 4) in self.accusations(desk.run(1.5))

    def test_the_end_of_its_probation_comes_after_the_answer(self) -> None:
        desk = self.on_probation()
        for _ in range(19):
            desk.run(0.5)
            desk.feed(Heard(3))
        desk.hear(3, word(3, 2, "suspect", 3))
        assert word(1, 2, "suspect", 3) in self.accusations(desk.run(1.5))

    def test_two_who_doubt_it_do_not_confirm_each_other_without_end(self) -> None:
        desk = self.on_probation()
        told = 0
        for _ in range(9):
            desk.hear(3, word(3, 2, "suspect", 3))
            told += len(self.accusations(desk.run(1.0)))
        assert 0 < told <= LAN.retransmissions(2)


def test_a_node_that_did_not_run_buries_nobody_on_waking() -> None:
    desk = Desk(2)
    desk.run(2.2)
    assert desk.status(2) == "suspect"
    desk.now += 30.0
    desk.feed(Tick())
    assert desk.status(2) == "suspect"
    desk.hear(2, statement(2, "alive", 1))
    assert desk.status(2) == "alive"


def test_a_farewell_is_pinged_to_all_and_ends_with_their_acks() -> None:
    desk = Desk(2, 3)
    desk.feed(StartLeaving())
    assert desk.machine.me.status == "leaving"
    desk.feed(Leave())
    for node_id in (2, 3):
        assert any(isinstance(m, Ping) and m.rumour and m.rumour.member.status == "left" for m in desk.sent(node_id))
    desk.feed(Received(2, Ack(1, 0)))
    assert Departed() not in desk.effects
    desk.feed(Received(3, Ack(2, 0)))
    assert Departed() in desk.effects
    assert desk.feed(Tick()) == []
    assert desk.machine.next_deadline() is None


def test_a_farewell_to_the_deaf_ends_after_a_second() -> None:
    desk = Desk(2)
    desk.feed(Leave())
    assert Departed() in desk.run(1.0)


def test_a_leaving_member_stays_leaving_while_suspected() -> None:
    desk = Desk(2, 3)
    desk.hear(2, statement(2, "leaving"))
    desk.hear(3, word(3, 2, "suspect"))
    assert desk.status(2) == "leaving"


def test_what_a_node_says_of_itself_can_be_changed() -> None:
    desk = Desk(2)
    desk.feed(Describe({"admin_url": "http://h1:8700"}))
    assert Gossip((Rumour(replace(ME, incarnation=1, admin_url="http://h1:8700"), 1),)) in desk.sent(2)


class TestLies:
    def test_hearsay_cannot_leap_over_incarnations(self) -> None:
        desk = Desk(2, 3)
        desk.hear(3, word(3, 2, "dead", MAX_LEAP + 1))
        member = desk.machine.member(2)
        assert member is not None and (member.status, member.incarnation) == ("alive", 0)

    def test_made_up_members_are_bounded(self) -> None:
        desk = Desk(2)
        for start in range(10, 10_000, 12):
            desk.hear(2, *(statement(n) for n in range(start, start + 12)))
        assert len(desk.machine.members()) <= LAN.max_members

    def test_made_up_tombstones_are_bounded(self) -> None:
        desk = Desk(2)
        for start in range(10, 10_000, 12):
            desk.hear(2, *(word(2, n, "dead") for n in range(start, start + 12)))
        assert len(desk.machine.members()) <= LAN.max_known + 1

    def test_an_accuser_counts_once(self) -> None:
        desk = Desk(2, 3, 4)
        for _ in range(50):
            desk.hear(3, word(3, 2, "suspect"))
        peer = desk.machine.peer(2)
        assert peer is not None and peer.suspicion is not None
        assert list(peer.suspicion.accusers) == [3]


@pytest.mark.parametrize("count", [1, 40, 1000])
def test_a_push_pull_of_any_size_fits_into_payloads(count: int) -> None:
    from pulsing.cluster.messages import MAX_PAYLOAD, encode

    desk = Desk()
    for node_id in range(2, 2 + count):
        record = Member(node_id, f"{'h' * 200}{node_id}:1", "alive", 0, "n" * 64, "http://" + "x" * 200, 1, "1.0")
        desk.hear(node_id, Rumour(record, node_id))
    desk.feed(Received(2, Sync((), reply=True)))
    messages = [m for m in desk.sent(2) if isinstance(m, (Sync, Gossip))]
    told = {r.member.node_id for m in messages for r in m.rumours}
    assert len(told) == min(count + 1, LAN.max_members)
    assert all(len(encode(m)) <= MAX_PAYLOAD for m in messages)


def test_changes_come_with_a_name_for_the_event() -> None:
    desk = Desk()
    kinds = []
    for rumours in (statement(2), statement(2, "leaving"), statement(2, "left")):
        kinds += [e.kind for e in desk.hear(2, rumours) if isinstance(e, MemberChanged)]
    assert kinds == ["joined", "leaving", "left"]


def test_a_deadline_that_has_passed_when_it_is_found_is_due_now() -> None:
    desk = Desk(2, 3)
    while desk.now < 160.0:
        due = desk.machine.next_deadline()
        assert due is not None and due >= desk.now
        desk.now = due
        desk.feed(Tick())
        if desk.now < 112.0:
            desk.feed(Heard(3))  # once it is silent too, nobody is left whose word about 2 could be waited for
    assert desk.status(2) == desk.status(3) == "dead"


def test_all_the_time_since_the_last_event_may_have_been_slept_through() -> None:
    desk = Desk(2)
    while desk.status(2) != "suspect":
        desk.run(0.01)
    accused_at, slept = desk.now, 4.0
    desk.now += slept
    desk.feed(Tick())
    while desk.status(2) == "suspect":
        desk.run(0.01)
    assert desk.now - accused_at - slept == pytest.approx(LAN.suspicion_timeout(2, 0, 0), abs=0.05)


def test_a_refusal_by_the_port_of_one_member_says_nothing_of_another_at_its_address() -> None:
    desk = Desk(2, 3)
    before = desk.status(2)
    desk.feed(DialFailed("h2:1", refused=True, node_id=77))
    assert desk.status(2) == before == "alive"
    desk.feed(DialFailed("h2:1", refused=True, node_id=2))
    assert desk.status(2) == "suspect"


def test_the_lag_of_a_nodes_loop_travels_in_its_acks_and_accuses_nobody() -> None:
    desk = Desk(2)
    desk.feed(LoopLag(12.5))
    desk.feed(Received(2, Ping(5, 0)))
    assert Ack(5, desk.machine.view, 12_500) in desk.sent(2)
    desk.feed(Received(2, Ack(1, 0, 20_000)))
    peer = desk.machine.peer(2)
    assert peer is not None
    assert (peer.lag_ms, peer.member.status) == (20_000, "alive")


def test_accusers_whom_nobody_knows_are_not_heard() -> None:
    desk = Desk(2, 3)
    for made_up in range(1000, 1100):
        assert desk.hear(3, word(made_up, 2, "suspect"), word(made_up, 2, "dead")) == []
    assert desk.status(2) == "alive"


def test_many_words_of_one_death_make_one_question() -> None:
    others = range(3, 60)
    desk = Desk(2, *others)
    asked = desk.hear(3, *(word(by, 2, "dead") for by in others))
    assert [effect for effect in asked if isinstance(effect, Dial)] == [Dial("h2:1", 2)]
    assert len(desk.sent(2)) == 1
    desk.hear(60, statement(60))
    assert Dial("h2:1", 2) not in desk.hear(4, word(60, 2, "dead"))
    desk.now += LAN.probe_timeout
    desk.hear(61, statement(61))
    assert Dial("h2:1", 2) in desk.hear(4, word(61, 2, "dead"))


def test_whoever_asks_for_everything_without_end_gets_it_now_and_then() -> None:
    desk = Desk(2)

    def answers(sender: int) -> int:
        sent = []
        for _ in range(100):
            desk.feed(Received(sender, Sync((), reply=True)))
            sent += [message for message in desk.sent(sender) if isinstance(message, Sync)]
        return len(sent)

    assert answers(2) == 10
    desk.now += 2.0
    assert answers(2) == 2


def test_strangers_are_asked_who_they_are_within_bounds() -> None:
    desk = Desk(2)
    asked = [desk.feed(Received(stranger, Ping(1, 0))) for stranger in range(1000, 2000)]
    assert sum(any(isinstance(e, Send) and isinstance(e.message, Sync) for e in effects) for effects in asked) == 200


def test_many_newcomers_at_one_address_are_not_looked_for_one_by_one() -> None:
    desk = Desk(2)
    crowd = [Rumour(Member(1000 + n, "h2:1"), 1000 + n) for n in range(200)]
    dials = [effect for effect in desk.hear(2, *crowd) if isinstance(effect, Dial)]
    assert Dial("h2:1", 2) in dials
    assert len(dials) <= 3 * len(crowd)


def test_many_accused_are_looked_at_together_and_buried_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    accused = range(10, 12 + FEW_ACCUSED)
    desk = Desk(2, 3)
    desk.hear(2, *(statement(node_id) for node_id in accused))
    desk.hear(2, *(word(2, node_id, "suspect") for node_id in accused))
    looked_at: list[int] = []
    judge = Trials.judge

    def count(trials: Trials, peer: Peer, now: float) -> None:
        looked_at.append(peer.member.node_id)
        judge(trials, peer, now)

    monkeypatch.setattr(Trials, "judge", count)
    monkeypatch.setattr(Trials, "dues_of", lambda trials, peer: pytest.fail("each is asked when it is due"))
    started = desk.now
    desk.now += JUDGE_MANY_EVERY_S
    desk.feed(Tick())
    once = len(looked_at)
    for _ in range(100):
        desk.feed(Heard(3))
    assert once == len(looked_at) == len(accused)
    monkeypatch.undo()
    longest = LAN.suspicion_timeout(len(accused) + 3, 0, 1) + 2 * JUDGE_MANY_EVERY_S
    while desk.now < started + longest:
        desk.feed(Heard(2))
        desk.feed(Heard(3))
        desk.run(0.05)
    assert {desk.status(node_id) for node_id in accused} == {"dead"}
    assert {desk.status(node_id) for node_id in (2, 3)} == {"alive"}
