"""Messages of dead letters are kept within a budget, and can be sent again."""

from __future__ import annotations

from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.clock import SystemClock
from pulsing.core.envelope import Envelope
from pulsing.core.keeping import ENCODINGS_PER_S, KEPT_BYTES, MESSAGE_BYTES, KeptMessages
from pulsing.exceptions import ActorNotFound, ActorStopped
from pulsing.ids import ActorId
from tests.unit.core.acting import AsText, Counter, spawn, turns


class Stopped(SystemClock):
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def letter(size: int) -> Envelope:
    return Envelope(ActorId.of(1, 99), None, (b"x" * size,), None)


def test_small_messages_are_kept_and_large_ones_are_not() -> None:
    kept = KeptMessages(Stopped(), AsText)
    assert kept.keep(1, letter(MESSAGE_BYTES)) == MESSAGE_BYTES
    assert kept.keep(2, letter(MESSAGE_BYTES + 1)) is None
    assert (kept.replays(1), kept.replays(2)) == (0, None)
    kept.count_replay(1)
    assert kept.replays(1) == 1


def test_the_oldest_messages_make_room() -> None:
    clock = Stopped()
    kept = KeptMessages(clock, AsText)
    fitting = KEPT_BYTES // MESSAGE_BYTES
    for number in range(fitting + 3):
        clock.now += 1
        kept.keep(number, letter(MESSAGE_BYTES))
    assert [kept.call(number) is None for number in (0, 2, 3, fitting + 2)] == [True, True, False, False]


def test_so_many_messages_a_second_are_encoded_and_no_more() -> None:
    clock = Stopped()
    kept = KeptMessages(clock, AsText)
    sizes = [kept.keep(number, letter(1)) for number in range(ENCODINGS_PER_S + 5)]
    assert sizes == [1] * ENCODINGS_PER_S + [None] * 5
    clock.now += 1
    assert kept.keep(1_000, letter(1)) == 1


async def test_a_letter_goes_to_another_actor_with_its_arguments() -> None:
    async with testing.system() as system:
        old = await spawn(Counter, name="old", system=system)
        ref = old.ref
        await system.stop("old")
        with pytest.raises(ActorStopped):
            await ref.request("incr", (5,), None, 1)
        other = await spawn(Counter, name="other", system=system)
        number = system.dead_letters.recent(1)[0].seq
        said = await system.ask_node(system.node_id, "replay_dead_letter", number, str(other.ref.actor_id))
        await turns()
        assert said == "replayed"
        assert await other.ref.request("incr", (0,), None, 1) == 5
        assert system.dead_letters.kept.replays(number) == 1


async def test_a_letter_goes_to_the_actor_that_has_the_name_now() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="counter", system=system)
        calls = [counter.ref.request("incr", (), None, None) for _ in range(3)]
        await system.stop("counter")
        for call in calls:
            with pytest.raises(ActorStopped):
                await call
        again = await spawn(Counter, name="counter", system=system)
        for one in system.dead_letters.recent():
            assert await system.ask_node(system.node_id, "replay_dead_letter", one.seq) == "replayed"
        await turns()
        assert await again.ref.request("incr", (0,), None, 1) == len(system.dead_letters.recent())


class Unsendable:
    def __reduce__(self) -> Any:
        raise RuntimeError("never by pickle")


async def test_what_cannot_be_encoded_is_recorded_all_the_same_and_not_replayed() -> None:
    async with testing.system() as system:
        with pytest.raises(ActorNotFound):
            await system.inner.bind(ActorId.of(system.node_id.id, 99_999)).ask(Unsendable())
        [one] = system.dead_letters.recent()
        assert one.size is None
        assert await system.ask_node(system.node_id, "replay_dead_letter", one.seq) == "not kept"
        assert await system.ask_node(system.node_id, "replay_dead_letter", 12_345) == "gone"


async def test_a_replay_that_fails_again_says_so_and_is_a_letter_of_its_own() -> None:
    async with testing.system() as system:
        with pytest.raises(ActorNotFound):
            await system.inner.bind(ActorId.of(system.node_id.id, 99_999)).ask("hello")
        [one] = system.dead_letters.recent()
        with pytest.raises(pul.PulsingError):
            await system.ask_node(system.node_id, "replay_dead_letter", one.seq)
        assert len(system.dead_letters.recent()) == 2
