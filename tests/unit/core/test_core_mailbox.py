"""Messages waiting for one actor."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pulsing import testing
from pulsing.core.envelope import Envelope
from pulsing.core.mailbox import MAILBOX_BYTES, Mailbox, MailboxOptions
from pulsing.exceptions import ActorStopped, MailboxFull
from pulsing.ids import ActorId
from tests.unit.core.acting import GATE, Counter, spawn, turns

LIVES = int(os.environ.get("PULSING_LIVES", "60"))
"""of 40 steps each"""


def envelope(name: str) -> Envelope:
    return Envelope(ActorId(1), name, (), None)


def taken(mailbox: Mailbox) -> list[str | None]:
    found = []
    while (one := mailbox.take()) is not None:
        found.append(one.method)
    return found


@pytest.mark.parametrize("capacity", [0, -1, True, 1.5, "many"])
def test_a_capacity_that_holds_nothing_is_refused(capacity: Any) -> None:
    with pytest.raises(ValueError, match="at least 1 message"):
        MailboxOptions(capacity)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="'block', 'reject' or 'drop_oldest'"):
        MailboxOptions(policy="panic")


def test_a_number_none_or_options_are_read_alike() -> None:
    assert MailboxOptions.of(7) == MailboxOptions(7)
    assert MailboxOptions.of(None) == MailboxOptions(1000, "block")
    assert MailboxOptions.of(MailboxOptions(3, "reject")) == MailboxOptions(3, "reject")


def test_messages_leave_in_the_order_in_which_they_came() -> None:
    mailbox = Mailbox(3)
    assert [mailbox.accept(envelope(name)) for name in "abcd"] == [True, True, True, False]
    assert taken(mailbox) == ["a", "b", "c"]


def test_a_newcomer_never_overtakes_those_who_stand_in_line() -> None:
    mailbox = Mailbox(1)
    mailbox.accept(envelope("a"))
    mailbox.line_up(envelope("b"), None)
    mailbox.line_up(envelope("c"), None)
    assert mailbox.take() is not None
    assert not mailbox.accept(envelope("d"))
    assert (len(mailbox), mailbox.in_line) == (1, 1)
    assert taken(mailbox) == ["b", "c"]


class Sized(Envelope):
    """A message that came over a link."""

    __slots__ = ("size",)

    def __init__(self, name: str, size: int) -> None:
        super().__init__(ActorId(1), name, (), None)
        self.size = size


def test_a_mailbox_is_full_by_its_bytes_as_well() -> None:
    mailbox = Mailbox(100)
    assert mailbox.accept(Sized("a", MAILBOX_BYTES - 1))
    # The last one may go beyond: a message that is larger than a mailbox must find its place, too.
    assert mailbox.accept(Sized("b", MAILBOX_BYTES))
    assert not mailbox.accept(Sized("c", 1))
    assert not mailbox.accept(envelope("d"))
    assert mailbox.take() is not None
    assert not mailbox.accept(Sized("c", 1))
    assert mailbox.take() is not None
    assert (mailbox.bytes, mailbox.attended) == (0, False)
    assert mailbox.accept(envelope("d"))
    assert not mailbox.attended


async def test_those_in_line_move_up_as_far_as_their_bytes_fit() -> None:
    mailbox = Mailbox(100)
    mailbox.accept(Sized("large", MAILBOX_BYTES))
    accepted = [asyncio.get_running_loop().create_future() for _ in range(4)]
    for number, future in enumerate(accepted):
        mailbox.line_up(Sized(str(number), MAILBOX_BYTES // 2), future)
    first = mailbox.take()
    assert first is not None
    assert [future.done() for future in accepted] == [True, True, False, False]
    mailbox.put_back(first)
    assert mailbox.take() is first
    assert [future.done() for future in accepted] == [True, True, False, False]
    assert mailbox.take() is not None
    assert [future.done() for future in accepted] == [True, True, True, False]
    assert taken(mailbox) == ["1", "2", "3"]
    assert (mailbox.bytes, mailbox.attended) == (0, False)


async def test_draining_empties_the_mailbox_and_the_line() -> None:
    mailbox = Mailbox(1)
    mailbox.accept(envelope("inside"))
    mailbox.line_up(envelope("ask"), None)
    accepted = asyncio.get_running_loop().create_future()
    mailbox.line_up(envelope("tell"), accepted)
    assert [one.method for one in mailbox.drain(ActorStopped())] == ["inside", "ask", "tell"]
    assert (len(mailbox), mailbox.in_line, mailbox.take()) == (0, 0, None)
    with pytest.raises(ActorStopped):
        await accepted


def test_a_message_that_was_taken_too_early_goes_back_to_the_front() -> None:
    mailbox = Mailbox(2)
    mailbox.accept(envelope("a"))
    mailbox.accept(envelope("b"))
    first = mailbox.take()
    assert first is not None
    mailbox.put_back(first)
    assert taken(mailbox) == ["a", "b"]


def test_messages_that_could_not_be_passed_on_go_before_those_that_came_later() -> None:
    mailbox = Mailbox(2)
    first, same, second, third, last = (envelope(name) for name in ("first", "same", "second", "third", "last"))
    for at, one in (1.0, second), (2.0, third), (3.0, last):
        one.accepted_at = at
    mailbox.accept(third)
    mailbox.accept(last)
    for one in first, same, second:
        mailbox.bring_back(one)
    assert mailbox.holds(second)
    assert taken(mailbox) == ["first", "same", "second", "third", "last"]


NARROW = GATE.with_options(mailbox=2, max_concurrency=1)
"""Takes one message at a time and lets two wait."""


async def test_a_full_mailbox_lets_senders_wait_and_keeps_their_order() -> None:
    async with testing.system() as system:
        gate = await spawn(NARROW, system=system)
        calls = [asyncio.ensure_future(gate.enter(number)) for number in range(20)]
        await turns()
        assert not any(call.done() for call in calls)
        gate.ref._cell.actor.open.set()
        assert await asyncio.gather(*calls) == list(range(20))
        assert await gate.seen() == list(range(20))


async def test_a_tell_to_a_full_mailbox_is_done_when_there_is_room() -> None:
    async with testing.system() as system:
        gate = await spawn(NARROW, system=system)
        one_way = gate.with_options(one_way=True)
        for number in range(3):
            await one_way.enter(number)
            await turns()
        waiting = asyncio.ensure_future(one_way.enter(3))
        await turns()
        assert not waiting.done()
        gate.ref._cell.actor.open.set()
        assert await waiting is None


async def test_a_tell_that_was_given_up_in_line_is_not_run() -> None:
    async with testing.system() as system:
        gate = await spawn(NARROW, system=system)
        one_way = gate.with_options(one_way=True)
        for number in range(3):
            await one_way.enter(number)
            await turns()
        waiting = asyncio.ensure_future(one_way.enter("given up"))
        await turns()
        waiting.cancel()
        await turns()
        gate.ref._cell.actor.open.set()
        assert await gate.seen() == [0, 1, 2]


async def test_a_tell_in_line_fails_when_the_actor_stops() -> None:
    async with testing.system() as system:
        gate = await spawn(NARROW, name="gate", system=system)
        one_way = gate.with_options(one_way=True)
        for number in range(3):
            await one_way.enter(number)
            await turns()
        waiting = asyncio.ensure_future(one_way.enter(3))
        await turns()
        gate.ref._cell.actor.open.set()
        await system.stop("gate", timeout=0)
        with pytest.raises(ActorStopped):
            await waiting


class Room(RuleBasedStateMachine):
    """A mailbox beside two lists: those inside, and those in line with a sender who may leave."""

    @initialize(capacity=st.integers(1, 4), max_bytes=st.integers(1, 40))
    def begin(self, capacity: int, max_bytes: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.mailbox = Mailbox(capacity, max_bytes)
        self.inside: list[Envelope] = []
        self.line: list[tuple[Envelope, asyncio.Future[None] | None]] = []
        self.out: Envelope | None = None
        self.count = 0

    def fits(self) -> bool:
        weight = sum(one.size for one in self.inside)
        return len(self.inside) < self.mailbox.capacity and weight < self.mailbox.max_bytes

    @rule(size=st.just(0) | st.integers(1, 20), is_watched=st.booleans())
    def a_message_comes(self, size: int, is_watched: bool) -> None:
        self.count += 1
        message = Sized(f"m{self.count}", size)
        message.accepted_at = float(self.count)
        if not self.line and self.fits():
            assert self.mailbox.accept(message)
            self.inside.append(message)
        else:
            assert not self.mailbox.accept(message)
            accepted = self.loop.create_future() if is_watched else None
            self.mailbox.line_up(message, accepted)
            self.line.append((message, accepted))

    @rule()
    def one_is_taken(self) -> None:
        self.out = self.mailbox.take()
        if not self.inside:
            assert self.out is None
            return
        assert self.out is self.inside.pop(0)
        while self.line and self.fits():
            message, accepted = self.line.pop(0)
            if accepted is None or not accepted.cancelled():
                self.inside.append(message)
                assert accepted is None or accepted.done()

    @precondition(lambda self: self.out is not None)
    @rule(at_once=st.booleans())
    def what_was_taken_comes_back_to_its_place(self, at_once: bool) -> None:
        assert self.out is not None
        (self.mailbox.put_back if at_once else self.mailbox.bring_back)(self.out)
        self.inside.insert(0, self.out)
        self.out = None

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def a_sender_in_line_leaves(self, data: st.DataObject) -> None:
        _, accepted = data.draw(st.sampled_from(self.line))
        if accepted is not None:
            accepted.cancel()

    @precondition(lambda self: len(self.line) > 2)
    @rule()
    def the_actor_ends(self) -> None:
        waiting = [one for one, accepted in self.line if accepted is None or not accepted.cancelled()]
        assert self.mailbox.drain(ActorStopped()) == [*self.inside, *waiting]
        for _, accepted in self.line:
            assert accepted is None or accepted.cancelled() or accepted.exception() is not None
        self.inside, self.line, self.out = [], [], None

    @invariant()
    def both_hold_the_same(self) -> None:
        if not hasattr(self, "mailbox"):
            return
        assert list(self.mailbox) == self.inside
        assert self.mailbox.in_line == len(self.line)
        assert self.mailbox.bytes == sum(one.size for one in self.inside)
        assert self.mailbox.has_room == self.fits()
        assert self.mailbox.oldest is (self.inside[0] if self.inside else None)
        assert all(self.mailbox.holds(one) for one in self.inside)
        assert not self.line or not self.fits(), "nobody stands in line while there is room"

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()


TestRoom = Room.TestCase
TestRoom.settings = settings(max_examples=LIVES, stateful_step_count=40, deadline=None)


async def test_reject_tells_the_sender_and_keeps_a_dead_letter() -> None:
    async with testing.system() as system:
        gate = await spawn(GATE.with_options(mailbox=MailboxOptions(1, "reject"), max_concurrency=1), system=system)
        first = asyncio.ensure_future(gate.enter(0))
        await turns()
        second = asyncio.ensure_future(gate.enter(1))
        await turns()
        with pytest.raises(MailboxFull) as caught:
            await gate.enter(2)
        assert (caught.value.capacity, caught.value.maybe_executed) == (1, False)
        with pytest.raises(MailboxFull):
            await gate.with_options(one_way=True).enter(3)
        assert system.dead_letters.counts["mailbox_full"] == 2
        gate.ref._cell.actor.open.set()
        assert list(await asyncio.gather(first, second)) == [0, 1]


async def test_drop_oldest_fails_the_ask_that_waited_longest() -> None:
    async with testing.system() as system:
        gate = await spawn(
            GATE.with_options(mailbox=MailboxOptions(1, "drop_oldest"), max_concurrency=1), system=system
        )
        running = asyncio.ensure_future(gate.enter(0))
        await turns()
        oldest = asyncio.ensure_future(gate.enter(1))
        await turns()
        newest = asyncio.ensure_future(gate.enter(2))
        with pytest.raises(MailboxFull):
            await oldest
        gate.ref._cell.actor.open.set()
        assert list(await asyncio.gather(running, newest)) == [0, 2]
        assert system.dead_letters.recent(1)[0].reason == "mailbox_full"


async def test_calls_issued_at_once_by_one_sender_are_run_in_order() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        assert await asyncio.gather(*(counter.incr() for _ in range(5000))) == list(range(1, 5001))
