from __future__ import annotations

import pytest

from pulsing.cluster.member import Member, Status
from pulsing.cluster.messages import Rumour
from pulsing.cluster.profile import LAN
from pulsing.cluster.rumours import Rumours
from pulsing.cluster.suspicion import Suspicion


def rumour(node_id: int, status: Status = "alive", incarnation: int = 0, by: int = 0) -> Rumour:
    return Rumour(Member(node_id, "", status, incarnation), by or node_id)


def test_each_rumour_is_told_a_bounded_number_of_times() -> None:
    rumours = Rumours()
    rumours.put(rumour(1))
    assert [len(rumours.take(12, times=3)) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert len(rumours) == 0


def test_the_least_told_goes_first() -> None:
    rumours = Rumours()
    rumours.put(rumour(1))
    rumours.take(1, times=9)
    rumours.put(rumour(2))
    assert rumours.take(1, times=9) == (rumour(2),)


def test_a_newer_rumour_takes_the_place_of_the_one_it_outdates() -> None:
    rumours = Rumours()
    rumours.put(rumour(1, "suspect", by=5))
    rumours.put(rumour(1, "alive", 1))
    assert rumours.take(12, times=9) == (rumour(1, "alive", 1),)


def test_accusations_of_different_members_travel_side_by_side() -> None:
    rumours = Rumours()
    rumours.put(rumour(1, "suspect", by=5))
    rumours.put(rumour(1, "suspect", by=6))
    rumours.put(rumour(1, "suspect", by=6))
    assert len(rumours.take(12, times=9)) == 2


@pytest.mark.parametrize("size", [2, 3, 5, 16, 50, 1000])
def test_a_trial_lasts_six_times_as_long_on_one_voice_as_on_three(size: int) -> None:
    alone, confirmed = Suspicion(1, 0.0), Suspicion(1, 0.0)
    assert confirmed.confirm(2) and confirmed.confirm(3)
    longest = alone.verdict_at(LAN, size, witnesses=2) - LAN.grace(size)
    shortest = confirmed.verdict_at(LAN, size, witnesses=0) - LAN.grace(size)
    assert longest == pytest.approx(6 * shortest)
    assert shortest == pytest.approx(LAN.suspicion_minimum(size))


@pytest.mark.parametrize(("size", "seconds"), [(2, 4.2), (10, 4.2), (11, 4.2), (12, 4.317), (50, 6.796)])
def test_a_node_that_was_frozen_for_five_seconds_can_speak_in_clusters_of_all_sizes(size: int, seconds: float) -> None:
    confirmed = Suspicion(1, 0.0)
    assert confirmed.confirm(2) and confirmed.confirm(3)
    assert confirmed.verdict_at(LAN, size, witnesses=0) == pytest.approx(seconds, abs=0.001)


def test_a_trial_without_possible_witnesses_is_short() -> None:
    assert Suspicion(1, 0.0).verdict_at(LAN, 2, witnesses=0) == pytest.approx(4.0 + LAN.suspicion_grace)


def test_an_accuser_is_news_once_and_once_more_when_it_was_refused() -> None:
    suspicion = Suspicion(1, 0.0)
    assert not suspicion.confirm(1)
    assert suspicion.confirm(1, refused=True)
    assert not suspicion.confirm(1, refused=True)
    assert suspicion.confirm(2)


@pytest.mark.parametrize(("size", "times"), [(2, 4), (5, 4), (9, 4), (10, 8), (50, 8), (99, 8), (100, 12)])
def test_rumours_are_told_four_times_the_logarithm_of_the_size(size: int, times: int) -> None:
    assert LAN.retransmissions(size) == times
