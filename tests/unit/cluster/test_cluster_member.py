from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from pulsing.cluster.member import GRAVITY, Member, Status, wins

X = Member(7, "10.0.0.7:7000")


def said(status: Status, incarnation: int = 0) -> Member:
    return replace(X, status=status, incarnation=incarnation)


def test_the_graver_status_wins_at_the_same_incarnation() -> None:
    order: list[Status] = ["alive", "leaving", "suspect", "dead", "left"]
    for lighter, graver in pairwise(order):
        assert wins(said(graver), said(lighter))
        assert not wins(said(lighter), said(graver))


def test_nothing_wins_over_itself() -> None:
    for status in GRAVITY:
        assert not wins(said(status), said(status))


def test_a_higher_incarnation_refutes_every_accusation() -> None:
    assert wins(said("alive", 2), said("suspect", 1))
    assert wins(said("alive", 2), said("dead", 1))
    assert not wins(said("dead", 1), said("alive", 2))


def test_a_farewell_stands_for_good() -> None:
    assert wins(said("left", 0), said("alive", 5))
    assert not wins(said("alive", 6), said("left", 0))
    assert not wins(said("dead", 6), said("left", 0))


@pytest.mark.parametrize(
    ("status", "present", "works"),
    [
        ("alive", True, True),
        ("suspect", True, True),
        ("leaving", True, False),
        ("dead", False, False),
        ("left", False, False),
    ],
)
def test_presence_and_work_follow_from_the_status(status: Status, present: bool, works: bool) -> None:
    assert said(status).is_present is present
    assert said(status).takes_work is works
