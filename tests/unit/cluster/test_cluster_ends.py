"""Whether the dead are known to have ended, or may only be cut off."""

from __future__ import annotations

from random import Random

import pytest

from pulsing.cluster.channel import Connected, DialFailed, LinkLost
from pulsing.cluster.events import ClusterInput, Received, Tick
from pulsing.cluster.member import Member
from pulsing.cluster.membership import Membership
from pulsing.cluster.messages import Gossip, Rumour


class Desk:
    """One membership machine that knows members 2 and 3, and its clock."""

    def __init__(self, *others: int) -> None:
        self.machine = Membership(Member(1, "h1:1"), Random(1))
        self.now = 100.0
        for node_id in others:
            self.hear(node_id, Rumour(Member(node_id, f"h{node_id}:1"), node_id))

    def feed(self, event: ClusterInput) -> None:
        self.machine.handle(event, self.now)

    def hear(self, sender: int, rumour: Rumour) -> None:
        self.feed(Received(sender, Gossip((rumour,))))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.machine.next_deadline()) is not None and due <= end:
            self.now = max(due, self.now)
            self.feed(Tick())
        self.now = end

    def is_dead(self, node_id: int) -> bool:
        member = self.machine.member(node_id)
        return member is not None and member.status == "dead"


@pytest.fixture
def silent() -> Desk:
    """A node whose only friend fell silent and was buried for it."""
    desk = Desk(2)
    desk.run(30.0)
    assert desk.is_dead(2)
    return desk


def test_one_that_fell_silent_may_be_cut_off(silent: Desk) -> None:
    assert silent.machine.ended() == frozenset()


def test_one_whose_host_refuses_has_ended() -> None:
    desk = Desk(2)
    desk.feed(LinkLost(2))
    desk.feed(DialFailed("h2:1", refused=True))
    assert desk.is_dead(2)
    assert desk.machine.ended() == {2}


def test_among_several_one_whose_host_refuses_two_of_them_has_ended() -> None:
    desk = Desk(2, 3)
    desk.feed(DialFailed("h2:1", refused=True))
    assert desk.machine.ended() == frozenset()
    desk.hear(3, Rumour(Member(2, "h2:1", "suspect"), 3, refused=True))
    assert desk.machine.ended() == {2}


def test_one_whose_host_comes_back_and_refuses_has_ended_after_all(silent: Desk) -> None:
    silent.feed(DialFailed("h2:1", refused=True))
    assert silent.machine.ended() == {2}


def test_one_in_whose_place_another_process_answers_has_ended_after_all(silent: Desk) -> None:
    silent.feed(Connected(22, "h2:1"))
    assert silent.machine.ended() == {2}


def test_one_that_answers_at_its_own_address_has_not_ended(silent: Desk) -> None:
    silent.feed(Connected(2, "h2:1"))
    assert silent.machine.ended() == frozenset()


def test_one_that_comes_back_has_not_ended(silent: Desk) -> None:
    silent.feed(DialFailed("h2:1", refused=True))
    silent.hear(2, Rumour(Member(2, "h2:1", incarnation=1), 2))
    assert not silent.is_dead(2)
    assert silent.machine.ended() == frozenset()
