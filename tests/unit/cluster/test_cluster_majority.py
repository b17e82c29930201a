from __future__ import annotations

from collections.abc import Set

import pytest

from pulsing.cluster.majority import STABLE_S, Majority

ALL = {1, 2, 3, 4, 5}
NONE: Set[int] = frozenset()


def calm(me: int, members: Set[int] = frozenset(ALL)) -> Majority:
    """A node whose view has been the same for long enough; it is then 100 s."""
    majority = Majority(me, 0.0)
    majority.see(members, NONE, 1.0)
    assert majority.electorate(100.0) == members
    return majority


@pytest.mark.parametrize(("me", "side", "goes_on"), [(1, {1, 2}, False), (3, {3, 4, 5}, True), (4, {4}, False)])
def test_the_side_with_the_majority_goes_on(me: int, side: set[int], goes_on: bool) -> None:
    majority = calm(me)
    majority.see(side, ALL - side, 101.0)
    assert majority.holds is goes_on


@pytest.mark.parametrize(("me", "side", "goes_on"), [(1, {1, 4}, True), (2, {2, 3}, False)])
def test_of_two_halves_the_one_with_the_lowest_id_goes_on(me: int, side: set[int], goes_on: bool) -> None:
    majority = calm(me, {1, 2, 3, 4})
    majority.see(side, {1, 2, 3, 4} - side, 101.0)
    assert majority.holds is goes_on


def test_a_minority_stays_one_however_long_it_is_alone() -> None:
    majority = calm(1)
    majority.see({1, 2}, {3, 4, 5}, 101.0)
    majority.see({1, 2}, {3, 4, 5}, 1_000.0)
    assert not majority.holds
    assert majority.electorate(2_000.0) == ALL
    majority.see(ALL, NONE, 2_001.0)
    assert majority.holds


def test_those_who_went_on_are_the_measure_of_the_next_partition() -> None:
    majority = calm(3)
    majority.see({3, 4, 5}, {1, 2}, 101.0)
    majority.see({3, 4}, {1, 2, 5}, 101.0 + STABLE_S)
    assert majority.holds
    majority.see({3}, {1, 2, 4, 5}, 102.0 + STABLE_S)
    assert not majority.holds


def test_a_view_that_did_not_stand_for_long_enough_is_no_measure() -> None:
    majority = calm(3)
    majority.see({3, 4, 5}, {1, 2}, 101.0)
    majority.see({3, 4}, {1, 2, 5}, 101.0 + STABLE_S - 0.1)
    assert not majority.holds


def test_whoever_has_ended_or_left_is_on_no_side() -> None:
    majority = calm(4)
    majority.see({4}, NONE, 101.0)
    assert majority.holds


def test_of_two_the_one_that_knows_the_other_ended_goes_on_and_one_that_misses_the_lower_does_not() -> None:
    survivor, cut_off = calm(2, {1, 2}), calm(2, {1, 2})
    survivor.see({2}, NONE, 101.0)
    cut_off.see({2}, {1}, 101.0)
    assert survivor.holds
    assert not cut_off.holds


def test_one_that_turns_out_to_have_ended_later_no_longer_counts() -> None:
    majority = calm(2, {1, 2})
    majority.see({2}, {1}, 101.0)
    majority.see({2}, NONE, 200.0)
    assert majority.holds


def test_before_there_was_a_calm_view_everybody_goes_on() -> None:
    majority = Majority(2, 0.0)
    majority.see({1, 2}, NONE, 1.0)
    majority.see({2}, {1}, 2.0)
    assert majority.holds


def test_one_that_joins_a_minority_is_none_the_wiser_until_it_is_told() -> None:
    late = Majority(9, 0.0)
    late.see({1, 2, 9}, {3, 4, 5}, 1.0)
    late.learn(ALL)
    assert not late.holds
    late.see({9, *ALL}, NONE, 2.0)
    assert late.holds


def test_one_that_misses_somebody_itself_does_not_measure_by_others() -> None:
    majority = calm(1)
    majority.see({1, 2}, {3, 4, 5}, 101.0)
    majority.learn({1, 2, 3})
    assert majority.electorate(101.0) == ALL


def test_what_a_member_of_the_other_side_measures_by_is_no_news_after_the_heal() -> None:
    majority = calm(3)
    majority.learn({1, 2, 3})
    assert majority.electorate(101.0) == ALL


def test_two_disjoint_sides_of_one_calm_view_never_both_go_on() -> None:
    for size in range(1, 7):
        members = set(range(1, size + 1))
        for bits in range(1, 2**size - 1):
            side = {member for member in members if bits >> (member - 1) & 1}
            one, other = calm(min(side), members), calm(min(members - side), members)
            one.see(side, members - side, 101.0)
            other.see(members - side, side, 101.0)
            assert one.holds != other.holds


def test_a_minority_that_still_counts_its_suspects_would_not_go_on_without_them() -> None:
    majority = calm(2, {1, 2, 3})
    majority.see({2, 3}, {1}, 101.0)
    assert majority.holds
    assert not majority.holds_with({2})
