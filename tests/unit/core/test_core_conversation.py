"""What an agent remembers of its last messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.agent import agent
from pulsing.config import SystemConfig
from pulsing.core.actor_detail import actor_detail
from pulsing.core.conversation import EXCHANGES_KEPT, HEARD_PER_S
from pulsing.core.inspection import agent_rows
from pulsing.exceptions import DeadlineExceeded, PulsingBusinessError
from pulsing.runtime import start_system
from pulsing.testing.virtual import VirtualLoop, run_virtual
from tests.unit.core.acting import Counter, spawn


@agent(role="Scribe", goal="Write")
class Scribe:
    def __init__(self) -> None:
        self.mood = "calm"
        self.clear = asyncio.Event()

    def note(self, text: str, password: str = "") -> str:
        return f"noted: {text}"

    async def ponder(self) -> None:
        await self.clear.wait()

    def decide(self) -> None:
        self.clear.set()

    async def refuse(self) -> None:
        raise ValueError("not today")

    async def words(self) -> AsyncIterator[str]:
        yield "a"

    async def remind(self) -> None:
        pul.core.current_actor().delayed(0).note("to myself")


def last(system: Any, name: str = "scribe") -> list[dict[str, Any]]:
    detail = actor_detail(system.inner, name)
    assert detail is not None
    exchanges: list[dict[str, Any]] = detail["last_messages"]
    return exchanges


async def test_question_and_answer_are_remembered_newest_first() -> None:
    async with testing.system() as system:
        scribe = await spawn(Scribe, name="scribe", system=system)
        await scribe.note("one")
        await scribe.note(text="two", password="hunter2")
        newest, oldest = last(system)
        assert (oldest["method"], oldest["said"]) == ("note", "'one'")
        assert (oldest["outcome"], oldest["answer"]) == ("ok", "'noted: one'")
        assert newest["said"] == "text='two', password=•••"
        assert newest["took_s"] >= 0
        assert agent_rows(system.inner)[0]["last_message"] == newest


async def test_errors_streams_and_what_wants_no_answer_are_told_apart() -> None:
    async with testing.system() as system:
        scribe = await spawn(Scribe, name="scribe", system=system)
        with pytest.raises(PulsingBusinessError):
            await scribe.refuse()
        assert [word async for word in scribe.words()] == ["a"]
        await scribe.ref.send("note", ("x",), {})
        await testing.wait_until(lambda: len(last(system)) == 3)
        assert [each["outcome"] for each in last(system)] == ["told", "stream", "ValueError"]
        assert "not today" in last(system)[2]["answer"]


async def test_a_message_in_hand_is_running_and_one_out_of_time_says_so() -> None:
    async with testing.system() as system:
        scribe = await spawn(Scribe, name="scribe", system=system)
        call = asyncio.ensure_future(scribe.ref.request("ponder", (), None, 0.2))
        await testing.wait_until(lambda: len(last(system)) == 1)
        assert last(system)[0]["outcome"] == "running"
        with pytest.raises(DeadlineExceeded):
            await call
        assert last(system)[0]["outcome"] == "DeadlineExceeded"
        await scribe.decide()


async def test_who_asked_is_noted_and_what_an_agent_tells_itself_is_not() -> None:
    @pul.remote
    class Editor:
        async def order(self, scribe: pul.ActorProxy) -> None:
            await scribe.remind()
            await scribe.ref.as_any().mood

    async with testing.system() as system:
        scribe = await spawn(Scribe, name="scribe", system=system)
        editor = await spawn(Editor, system=system)
        await editor.order(scribe)
        await testing.wait_until(lambda: actor_detail(system.inner, "scribe")["messages_total"] == 3)  # type: ignore[index]
        [exchange] = last(system)
        assert (exchange["method"], exchange["sender"]) == ("remind", str(editor.ref.actor_id))


async def test_memory_is_short_and_other_actors_have_none() -> None:
    async with testing.system() as system:
        scribe = await spawn(Scribe, name="scribe", system=system)
        for number in range(EXCHANGES_KEPT + 5):
            await scribe.note(str(number))
        assert [each["said"] for each in last(system)][:1] == [f"'{EXCHANGES_KEPT + 4}'"]
        assert len(last(system)) == EXCHANGES_KEPT
        await spawn(Counter, name="counter", system=system)
        detail = actor_detail(system.inner, "counter")
        assert detail is not None
        assert detail["last_messages"] is None


def test_of_many_messages_in_a_second_the_first_are_noted() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        system = await start_system(SystemConfig(), clock=loop.clock)
        scribe = await spawn(Scribe, name="scribe", system=system)
        for number in range(HEARD_PER_S + 50):
            await scribe.note(str(number))
        busy = last(system)[0]["said"]
        await asyncio.sleep(1)
        await scribe.note("later")
        later = last(system)[0]["said"]
        await system.shutdown()
        return [busy, later]

    assert run_virtual(main) == [f"'{HEARD_PER_S - 1}'", "'later'"]
