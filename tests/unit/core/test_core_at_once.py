"""A sync method of an idle actor is run where it is asked for, and the loop has its turn all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import pulsing as pul
from pulsing.core.at_once import ASKS_PER_TURN, SECONDS_PER_TURN
from pulsing.exceptions import DeadlineExceeded, PulsingBusinessError
from pulsing.runtime import ActorSystem
from pulsing.testing.virtual import VirtualLoop
from tests.unit.core.acting import COUNTER, GATE, Gate, in_virtual_time, spawn, turns


async def ready(counter: Any) -> Any:
    """Let an actor run its first message, which always waits its turn, and the loop go round."""
    await counter.incr(0)
    await turns()
    return counter


def asks_until_the_loop_turns(ask: Callable[[], Awaitable[Any]]) -> Awaitable[int]:
    async def count() -> int:
        turned = asyncio.Event()
        asyncio.get_running_loop().call_soon(turned.set)
        asked = 0
        while not turned.is_set():
            await ask()
            asked += 1
        return asked

    return count()


def test_the_caller_goes_on_without_a_turn_of_the_loop_but_not_for_ever() -> None:
    async def test(system: ActorSystem) -> None:
        counter = await ready(await spawn(COUNTER, system=system))
        # Time stands still in this loop, so it is the number that ends it.
        assert await asks_until_the_loop_turns(counter.incr) == ASKS_PER_TURN + 1
        assert await counter.incr(0) == ASKS_PER_TURN + 1

    in_virtual_time(test)


def test_a_caller_that_takes_its_time_between_its_asks_lets_the_loop_turn() -> None:
    async def test(system: ActorSystem) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        counter = await ready(await spawn(COUNTER, system=system))

        async def ask() -> None:
            await counter.incr()
            loop._now += SECONDS_PER_TURN * 0.75

        assert await asks_until_the_loop_turns(ask) == 3

    in_virtual_time(test)


@pul.remote
class Chain:
    """Asks the next one from within a sync method, and does not wait."""

    def __init__(self, following: Any = None) -> None:
        self.following = following
        self.said: list[str] = []
        self.answer: Any = None

    def say(self, word: str = "") -> list[str]:
        self.said.append(word)
        return list(self.said)

    def ask_next(self) -> list[str]:
        cell = self.following.ref._cell
        self.answer = cell.ask("say", ("asked",), None, None)
        return list(cell.actor.said)

    def ask_myself(self, cell: Any) -> list[str]:
        self.answer = cell.ask("say", ("second",), None, None)
        self.said.append("first")
        return list(self.said)

    def later(self, seconds: float) -> Any:
        return asyncio.sleep(seconds, "late")


def test_no_method_runs_on_the_stack_of_another() -> None:
    async def test(system: ActorSystem) -> None:
        last = await spawn(Chain, system=system)
        first = await spawn(Chain, last, system=system)
        for one in (first, last):
            await one.say("hello")
        await turns()
        assert await first.ask_next() == ["hello"]
        await turns()
        assert await last.say("then") == ["hello", "asked", "then"]

    in_virtual_time(test)


def test_an_actor_that_asks_itself_finishes_first() -> None:
    async def test(system: ActorSystem) -> None:
        actor = await spawn(Chain, system=system)
        cell = actor.ref._cell
        # The first message comes out of the mailbox, the second is run at once.
        for said in (["first"], ["first", "second", "first"]):
            assert await actor.ask_myself(cell) == said
            await turns()
        assert cell.actor.said == ["first", "second"] * 2

    in_virtual_time(test)


def test_what_was_told_before_comes_before() -> None:
    async def test(system: ActorSystem) -> None:
        gate = await spawn(Gate, system=system)
        await gate.note("first")
        await turns()
        await gate.with_options(one_way=True).note("told")
        await gate.note("asked")
        assert gate.ref._cell.actor.entered == ["first", "told", "asked"]

    in_virtual_time(test)


@pytest.mark.parametrize("passing", range(5))
def test_an_async_method_that_was_asked_for_before_takes_its_first_step_before(passing: int) -> None:
    async def test(system: ActorSystem) -> None:
        gate = await spawn(GATE, system=system)
        await gate.note("first")
        await turns()
        entering = asyncio.ensure_future(gate.enter("in"))
        await turns(1 + passing)
        await gate.note("after")
        assert gate.ref._cell.actor.entered == ["first", "in", "after"]
        gate.ref._cell.actor.open.set()
        await entering

    in_virtual_time(test)


def test_an_actor_that_has_no_room_takes_its_time() -> None:
    async def test(system: ActorSystem) -> None:
        gate = await spawn(GATE.with_options(max_concurrency=1), system=system)
        await gate.note("first")
        await turns()
        entering = asyncio.ensure_future(gate.enter("in"))
        await turns()
        noting = asyncio.ensure_future(gate.note("after"))
        await turns()
        assert gate.ref._cell.actor.entered == ["first", "in"]
        gate.ref._cell.actor.open.set()
        await asyncio.gather(entering, noting)

    in_virtual_time(test)


def test_a_sync_method_may_give_something_to_wait_for_and_its_caller_waits_no_longer_than_it_said() -> None:
    async def test(system: ActorSystem) -> None:
        actor = await spawn(Chain, system=system)
        await actor.say()
        await turns()
        assert await actor.later(5.0) == "late"
        await turns()
        assert actor.ref._cell.messages == 2
        with pytest.raises(DeadlineExceeded):
            await actor.with_options(timeout=2.0).later(5.0)

    in_virtual_time(test)


def test_errors_and_counts_are_those_of_any_other_call() -> None:
    async def test(system: ActorSystem) -> None:
        counter = await ready(await spawn(COUNTER, system=system))
        with pytest.raises(PulsingBusinessError, match="no good"):
            await counter.fail(ValueError("no good"))
        assert await counter.incr() == 1
        cell = counter.ref._cell
        assert cell.messages == 3
        assert cell.errors == 1
        assert cell.counters.methods["incr"].ok == 2
        assert cell.counters.asks.ok_here.quick == 2

    in_virtual_time(test)


def test_it_runs_as_the_actor_and_leaves_the_caller_as_it_was() -> None:
    async def test(system: ActorSystem) -> None:
        outer, inner = await spawn(Nesting, system=system), await spawn(Nesting, system=system)
        for one in (outer, inner):
            await one.who()
        await turns()
        assert await outer.ask(inner) == [str(one.ref.actor_id) for one in (outer, inner, outer)]

    in_virtual_time(test)


@pul.remote
class Nesting:
    def who(self) -> str:
        return str(pul.current_actor().actor_id)

    async def ask(self, other: Any) -> list[str]:
        return [self.who(), await other.who(), self.who()]
