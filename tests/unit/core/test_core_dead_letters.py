"""Messages that reached nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.clock import SystemClock
from pulsing.core.dead_letters import CAPACITY, PREVIEW_LIMIT, DeadLetters
from pulsing.core.envelope import Envelope
from pulsing.core.keeping import KeptMessages
from pulsing.exceptions import ActorNotFound, ActorStopped
from pulsing.ids import ActorId
from tests.unit.core.acting import AsText, Counter, spawn, turns


async def test_a_message_to_nobody_is_counted_and_kept() -> None:
    async with testing.system() as system:
        unknown = system.inner.bind(ActorId.of(system.node_id.id, 99_999))
        with pytest.raises(ActorNotFound) as caught:
            await unknown.ask("hello", timeout=1)
        assert not caught.value.maybe_executed
        with pytest.raises(ActorNotFound):
            await unknown.tell("hello")
        letters = system.dead_letters.recent()
        assert [letter.reason for letter in letters] == ["no_actor", "no_actor"]
        assert [letter.kind for letter in letters] == ["tell", "ask"]
        assert letters[0].recipient_id == str(unknown.actor_id)
        assert letters[0].preview == "'hello'"
        assert system.dead_letters.counts == {"no_actor": 2}


async def test_messages_left_in_a_mailbox_become_dead_letters() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="counter", system=system)
        calls = [counter.ref.request("incr", (), None, None) for _ in range(3)]
        await system.stop("counter")
        for call in calls:
            with pytest.raises(ActorStopped):
                await call
        letter = system.dead_letters.recent(1)[0]
        assert (letter.reason, letter.recipient_name, letter.method) == ("stopped", "actors/counter", "incr")
        assert letter.recipient_class.endswith("Counter")


async def test_the_sender_is_noted() -> None:
    @pul.remote
    class Sender:
        async def send(self, ref: pul.ActorRef) -> None:
            with pytest.raises(ActorNotFound):
                await ref.ask("x")

    async with testing.system() as system:
        sender = await spawn(Sender, system=system)
        await sender.send(system.inner.bind(ActorId.of(system.node_id.id, 99_999)))
        assert system.dead_letters.recent(1)[0].sender == str(sender.ref.actor_id)


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize("message", ["x" * 100_000, list(range(100_000)), Unshowable(), {"k": [Unshowable()]}])
async def test_a_preview_is_short_whatever_the_message(message: Any) -> None:
    async with testing.system() as system:
        with pytest.raises(ActorNotFound):
            await system.inner.bind(ActorId.of(system.node_id.id, 99_999)).ask(message)
        assert len(system.dead_letters.recent(1)[0].preview.encode()) <= PREVIEW_LIMIT


async def test_the_ring_is_bounded_and_the_counts_are_not() -> None:
    async with testing.system() as system:
        unknown = system.inner.bind(ActorId.of(system.node_id.id, 99_999))
        for _ in range(CAPACITY + 5):
            await asyncio.gather(unknown.ask("x"), return_exceptions=True)
        assert len(system.dead_letters.recent(10_000)) == CAPACITY
        assert system.dead_letters.counts["no_actor"] == CAPACITY + 5
        assert system.dead_letters.clear() == CAPACITY
        assert system.dead_letters.recent() == []
        assert system.statistics().dead_letters_by_reason == {"no_actor": CAPACITY + 5}


def test_a_message_is_let_go_of_with_its_letter_whatever_the_ring_holds() -> None:
    letters = DeadLetters(SystemClock())
    letters.kept = KeptMessages(SystemClock(), AsText)
    letters.remember(2)
    for text in (b"1", b"2", b"3"):
        letters.record(Envelope(ActorId.of(1, 99), None, (text,), None), "no_actor")
    assert [letter.seq for letter in letters.recent()] == [3, 2]
    assert [letters.kept.call(number) is None for number in (1, 2, 3)] == [True, False, False]


async def test_dead_letters_can_be_followed() -> None:
    async with testing.system() as system:
        async with system.dead_letters.subscribe() as letters:
            await asyncio.gather(
                system.inner.bind(ActorId.of(system.node_id.id, 99_999)).ask("x"), return_exceptions=True
            )
            letter = await asyncio.wait_for(letters.__anext__(), 1)
            assert letter.reason == "no_actor"
        await turns()
