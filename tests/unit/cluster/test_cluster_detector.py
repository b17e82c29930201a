from __future__ import annotations

from random import Random

import pytest

from pulsing.cluster.detector import AskFor, Detector, PassAck, PassNack, PingNow, Silent, Unanswered
from pulsing.cluster.profile import LAN


@pytest.fixture
def detector() -> Detector:
    detector = Detector(LAN, Random(1), me=1)
    for node_id in (2, 3, 4, 5, 6):
        detector.watch(node_id, 0.0)
    return detector


def begin(detector: Detector) -> tuple[float, PingNow]:
    """Let the next probe begin; returns when, and its ping."""
    now = detector.next_deadline()
    assert now is not None
    [ping] = detector.tick(now)
    assert isinstance(ping, PingNow)
    return now, ping


def ten_pings(detector: Detector) -> list[int]:
    """Whom ten probes ping that are all answered."""
    pinged = []
    for _ in range(10):
        now, ping = begin(detector)
        detector.ack(ping.target, ping.seq, now + 0.01)
        pinged.append(ping.target)
    return pinged


def test_a_round_pings_every_member_once(detector: Detector) -> None:
    assert sorted(ten_pings(detector)[1::2]) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(("me", "neighbour"), [(1, 2), (4, 5), (9, 2)])
def test_every_second_ping_goes_to_the_neighbour_in_the_ring(me: int, neighbour: int) -> None:
    detector = Detector(LAN, Random(1), me)
    for node_id in (2, 3, 5, 7, 8):
        detector.watch(node_id, 0.0)
    assert ten_pings(detector)[::2] == [neighbour] * 5


def test_silence_asks_three_others_for_help_and_then_is_reported(detector: Detector) -> None:
    now, ping = begin(detector)
    again, *asked = detector.tick(now + 0.5)
    assert again == ping
    helpers = {e.helper for e in asked if isinstance(e, AskFor)}
    assert len(helpers) == 3
    assert ping.target not in helpers
    detector.nack(min(helpers), ping.seq)
    unanswered, *silent = detector.tick(now + 1.0)
    assert unanswered == Unanswered(ping.target)
    assert {e.helper for e in silent if isinstance(e, Silent)} == helpers - {min(helpers)}


def test_an_ack_that_a_helper_passes_on_counts(detector: Detector) -> None:
    now, ping = begin(detector)
    asked = detector.tick(now + 0.5)
    helper = next(e.helper for e in asked if isinstance(e, AskFor))
    detector.ack(helper, ping.seq, now + 0.7)
    assert not any(isinstance(e, Unanswered) for e in detector.tick(now + 1.0))


def test_any_sign_of_life_of_the_target_counts(detector: Detector) -> None:
    now, ping = begin(detector)
    detector.heard(ping.target)
    assert detector.tick(now + 0.5) == []


def test_a_late_ack_of_an_older_probe_changes_nothing(detector: Detector) -> None:
    now, old = begin(detector)
    detector.tick(now + 0.5)
    effects = detector.tick(now + 1.0)
    new = next(e for e in effects if isinstance(e, PingNow))
    assert detector.ack(9, old.seq, now + 1.1) == []
    assert Unanswered(new.target) in [*detector.tick(now + 2.0), *detector.tick(now + 4.0), *detector.tick(now + 9.0)]


def test_missing_nacks_make_the_node_doubt_itself_and_wait_longer(detector: Detector) -> None:
    now, _ = begin(detector)
    detector.tick(now + 0.5)
    detector.tick(now + 1.0)
    assert detector.health == 3
    assert detector.next_deadline() == now + 1.0 + 0.5 * (1 + 3)


def test_nacks_of_all_helpers_leave_the_health_alone(detector: Detector) -> None:
    now, ping = begin(detector)
    for effect in detector.tick(now + 0.5):
        if isinstance(effect, AskFor):
            detector.nack(effect.helper, ping.seq)
    detector.tick(now + 1.0)
    assert detector.health == 0


def test_health_stays_within_its_bounds_and_heals_by_good_probes(detector: Detector) -> None:
    detector.doubt(100)
    assert detector.health == LAN.max_health
    for _ in range(10):
        now, ping = begin(detector)
        detector.ack(ping.target, ping.seq, now)
    assert detector.health == 0


def test_a_node_that_doubts_itself_goes_on_in_time_when_it_is_answered(detector: Detector) -> None:
    detector.doubt(5)
    now, ping = begin(detector)
    detector.ack(ping.target, ping.seq, now)
    assert detector.next_deadline() == now + LAN.probe_interval


def test_a_favour_is_answered_by_ack_or_nack(detector: Detector) -> None:
    [ping] = detector.help(asker=2, asker_seq=77, target=3, now=0.0)
    assert isinstance(ping, PingNow)
    assert ping.target == 3
    assert PassNack(2, 77) in detector.tick(0.4)
    assert detector.heard(3) == [PassAck(2, 77)]


def test_favours_are_bounded(detector: Detector) -> None:
    for seq in range(1000):
        effects = detector.help(2, seq, 3, 0.0)
    assert effects == [PassNack(2, 999)]


def test_time_in_which_the_node_did_not_run_is_no_silence(detector: Detector) -> None:
    now, ping = begin(detector)
    detector.slept(5.0)
    assert detector.tick(now + 5.2) == []
    detector.ack(ping.target, ping.seq, now + 5.3)
    assert detector.tick(now + 5.9) == []


def test_a_member_that_is_gone_is_probed_no_more(detector: Detector) -> None:
    for node_id in (2, 3, 4, 5, 6):
        detector.forget(node_id)
    assert detector.next_deadline() is None
