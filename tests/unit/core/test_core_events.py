"""What happened, for those who watch."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.clock import SystemClock
from pulsing.core.events import Event, EventStream, Missed
from pulsing.exceptions import PulsingSystemError
from tests.unit.core.acting import COUNTER, Counter, spawn


def stream(capacity: int = 10) -> EventStream:
    return EventStream(SystemClock(), capacity)


async def test_a_subscriber_gets_what_happens_from_then_on() -> None:
    events = stream()
    events.publish("before", kind="actor")
    async with events.subscribe() as following:
        assert events.watched
        events.publish("after", kind="actor", id="1", name="n", data={"k": 1})
        event: Any = await following.__anext__()
        assert (event.type, event.subject_id, event.subject_name, event.data) == ("after", "1", "n", {"k": 1})
    assert not events.watched
    with pytest.raises(StopAsyncIteration):
        await following.__anext__()


async def test_types_are_chosen_by_name_or_prefix() -> None:
    events = stream()
    async with events.subscribe(["actor.*", "member.dead"]) as following:
        for type in ("member.alive", "actor.spawned", "member.dead", "actors"):
            events.publish(type, kind="x")
        assert [(await following.__anext__()).type for _ in range(2)] == ["actor.spawned", "member.dead"]  # type: ignore[union-attr]


async def test_a_slow_subscriber_loses_the_oldest_and_is_told_how_many() -> None:
    events = stream()
    following = events.subscribe(capacity=2)
    for number in range(5):
        events.publish(str(number), kind="x")
    assert await following.__anext__() == Missed(3)
    assert [(await following.__anext__()).type for _ in range(2)] == ["3", "4"]  # type: ignore[union-attr]
    following.close()


def test_the_ring_is_bounded_and_says_what_it_no_longer_holds() -> None:
    events = stream(capacity=3)
    for number in range(5):
        events.publish(str(number), kind="x")
    assert [event.type for event in events.recent(2)] == ["4", "3"]
    assert events.last_seq == 5
    found, lost = events.since(1)
    assert ([event.seq for event in found], lost) == ([3, 4, 5], 1)
    assert events.since(4) == ([events.recent(1)[0]], 0)


def test_a_listener_is_called_in_place_until_it_is_taken_back() -> None:
    events = stream()
    heard: list[Event] = []
    forget = events.listen(heard.append)
    events.publish("a", kind="x")
    forget()
    forget()
    events.publish("b", kind="x")
    assert [event.type for event in heard] == ["a"]


async def test_the_life_of_an_actor_is_told() -> None:
    async with testing.system() as system:
        async with system.events.subscribe(["actor.*"]) as following:
            cls = COUNTER.with_options(restart_policy="on-failure", max_restarts=1, min_backoff=0.0)
            counter = await spawn(cls, name="c", system=system)
            for _ in range(2):
                with pytest.raises(PulsingSystemError):
                    await counter.fail(PulsingSystemError("x", recoverable=False))
            seen: list[Any] = [await asyncio.wait_for(following.__anext__(), 1) for _ in range(4)]
        assert [event.type for event in seen] == [
            "actor.spawned",
            "actor.restarting",
            "actor.restarted",
            "actor.failed",
        ]
        assert {event.subject_name for event in seen} == {"actors/c"}
        assert seen[-1].data["reason"] == "restart_limit"


async def test_an_anonymous_actor_that_nobody_watches_makes_no_event() -> None:
    async with testing.system() as system:
        before = system.events.last_seq
        await system.stop(await spawn(Counter, system=system))
        assert system.events.last_seq == before
        await system.stop(await spawn(Counter, name="named", system=system))
        assert system.events.last_seq == before + 2


async def test_the_end_of_the_system_ends_its_subscriptions() -> None:
    system = await pul.actor_system()
    following = system.events.subscribe()
    letters = system.dead_letters.subscribe()
    await system.shutdown()
    assert [event.type async for event in following] == ["node.draining"]
    assert [letter async for letter in letters] == []
