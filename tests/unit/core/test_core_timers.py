"""Deadlines of pending asks."""

from __future__ import annotations

import asyncio

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.core.envelope import Envelope
from pulsing.core.timers import Deadlines
from pulsing.exceptions import DeadlineExceeded
from pulsing.ids import ActorId
from pulsing.testing.virtual import run_virtual
from tests.unit.core.acting import GATE, Echo, Gate, in_virtual_time, spawn, turns


def ask(timeout: float) -> Envelope:
    loop = asyncio.get_running_loop()
    return Envelope(
        ActorId(1), "m", (), None, reply=loop.create_future(), timeout=timeout, deadline=loop.time() + timeout
    )


def test_asks_expire_when_their_time_has_come_and_not_before() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(loop, loop.time)
        common, own = ask(30.0), ask(2.0)
        deadlines.add(common)
        deadlines.add(own)
        await asyncio.sleep(10)
        later = ask(30.0)
        deadlines.add(later)
        await asyncio.sleep(15)
        assert own.reply is not None and own.reply.done()
        assert common.reply is not None and not common.reply.done()
        await asyncio.sleep(5.001)
        assert common.reply.done()
        assert later.reply is not None and not later.reply.done()
        await asyncio.sleep(10)
        assert later.reply.done()
        assert len(deadlines) == 0
        for one in (common, own, later):
            with pytest.raises(DeadlineExceeded):
                await one.reply  # type: ignore[misc]

    run_virtual(body)


def test_an_ask_with_an_answer_is_forgotten() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(loop, loop.time)
        asks = [ask(30.0), ask(1.0)]
        for one in asks:
            deadlines.add(one)
        assert len(deadlines) == 2
        for one in asks:
            deadlines.done(one)
            deadlines.done(one)
        assert len(deadlines) == 0
        await asyncio.sleep(60)
        assert not any(one.reply.done() for one in asks if one.reply)

    run_virtual(body)


def test_closing_stops_every_timer() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(loop, loop.time)
        asks = [ask(30.0), ask(1.0)]
        for one in asks:
            deadlines.add(one)
        assert set(deadlines.pending()) == set(asks)
        deadlines.close()
        await asyncio.sleep(60)
        assert not any(one.reply.done() for one in asks if one.reply)

    run_virtual(body)


def test_an_ask_waits_30_seconds_by_default() -> None:
    async def test(system: pul.ActorSystem) -> None:
        gate = await spawn(Gate, system=system)
        began = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineExceeded, match="enter did not answer within 30 s") as caught:
            await gate.enter()
        assert asyncio.get_running_loop().time() - began == pytest.approx(30.0)
        assert isinstance(caught.value, TimeoutError)
        assert (caught.value.operation, caught.value.timeout, caught.value.maybe_executed) == ("enter", 30.0, True)
        await gate.unlock()

    in_virtual_time(test)


def test_no_timeout_waits_for_ever_on_this_node() -> None:
    async def test(system: pul.ActorSystem) -> None:
        gate = await spawn(Gate, system=system)
        call = asyncio.ensure_future(gate.with_options(timeout=None).enter(1))
        await asyncio.sleep(3600)
        assert not call.done()
        await gate.unlock()
        assert await call == 1

    in_virtual_time(test)


def test_an_expired_message_is_not_run_and_becomes_a_dead_letter() -> None:
    async def test(system: pul.ActorSystem) -> None:
        gate = await spawn(GATE.with_options(max_concurrency=1), system=system)
        running = asyncio.ensure_future(gate.with_options(timeout=9).enter(1))
        await turns()
        with pytest.raises(DeadlineExceeded) as caught:
            await gate.with_options(timeout=5).enter(2)
        assert not caught.value.maybe_executed
        with pytest.raises(DeadlineExceeded) as caught:
            await running
        assert caught.value.maybe_executed
        gate.ref._cell.actor.open.set()
        assert await gate.seen() == [1]
        assert system.dead_letters.counts == {"expired": 1}
        assert system.statistics().asks_inflight == 0

    in_virtual_time(test)


@pytest.mark.parametrize("timeout", [0, -1.0])
async def test_a_timeout_that_is_over_already_sends_nothing(timeout: float) -> None:
    async with testing.system() as system:
        echo = Echo()
        ref = await system.spawn(echo)
        with pytest.raises(DeadlineExceeded) as caught:
            await ref.ask("late", timeout=timeout)
        assert not caught.value.maybe_executed
        assert echo.got == []


async def test_an_ask_that_was_answered_leaves_no_deadline() -> None:
    async with testing.system() as system:
        ref = await system.spawn(Echo())
        await ref.ask(1)
        await ref.ask(1, timeout=5)
        with pytest.raises(pul.PulsingBusinessError):
            await ref.ask(ValueError("x"))
        assert system.statistics().asks_inflight == 0


async def test_an_ask_is_in_flight_at_once() -> None:
    async with testing.system() as system:
        echo = Echo()
        ref = await system.spawn(echo)
        future = ref.ask("now")
        await turns()
        assert echo.got == ["now"]
        assert await future == "now"
