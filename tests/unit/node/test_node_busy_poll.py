"""When a loop is kept awake after a message, and when it is let sleep."""

from __future__ import annotations

import asyncio

import pytest

from pulsing.node.busy_poll import SELDOM, BusyPoll

LONG_S = 60.0
SHORT_S = 1e-9


class RoundsOfALoop:
    """Counts what is to be done in the next round of a loop, and does it."""

    def __init__(self) -> None:
        self.due: list[object] = []

    def call_soon(self, callback: object) -> None:
        self.due.append(callback)

    def go_round(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()  # type: ignore[operator]


@pytest.fixture
def rounds() -> RoundsOfALoop:
    return RoundsOfALoop()


def poll_of(rounds: RoundsOfALoop, longest_s: float) -> BusyPoll:
    return BusyPoll(rounds, longest_s)  # type: ignore[arg-type]


def fail_once(poll: BusyPoll, rounds: RoundsOfALoop) -> int:
    """Hear messages until a poll begins, and let it end in vain; returns how many were heard."""
    heard = 0
    while not rounds.due:
        poll.heard()
        heard += 1
    rounds.go_round()
    return heard


def test_a_loop_stays_awake_while_the_next_message_may_come(rounds: RoundsOfALoop) -> None:
    poll_of(rounds, LONG_S).heard()

    for _ in range(3):
        assert len(rounds.due) == 1
        rounds.go_round()


def test_a_loop_sleeps_again_when_none_came_in_time(rounds: RoundsOfALoop) -> None:
    poll_of(rounds, SHORT_S).heard()

    rounds.go_round()

    assert not rounds.due


def test_a_second_message_does_not_begin_a_second_poll(rounds: RoundsOfALoop) -> None:
    poll = poll_of(rounds, LONG_S)

    poll.heard()
    poll.heard()

    assert len(rounds.due) == 1


def test_polls_in_vain_become_rare(rounds: RoundsOfALoop) -> None:
    poll = poll_of(rounds, SHORT_S)

    assert [fail_once(poll, rounds) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 64, SELDOM + 1]


def test_a_poll_that_paid_makes_the_next_ones_usual(rounds: RoundsOfALoop) -> None:
    poll = poll_of(rounds, SHORT_S)
    for _ in range(5):
        fail_once(poll, rounds)
    while not rounds.due:
        poll.heard()

    poll.heard()
    rounds.go_round()

    assert fail_once(poll, rounds) == 2


def test_no_loop_is_kept_awake_where_that_is_switched_off(rounds: RoundsOfALoop) -> None:
    poll_of(rounds, 0.0).heard()

    assert not rounds.due


async def test_a_real_loop_goes_on_with_everything_else_meanwhile() -> None:
    loop = asyncio.get_running_loop()
    BusyPoll(loop, LONG_S).heard()

    assert await asyncio.wait_for(asyncio.sleep(0.001, "rung"), 10) == "rung"
