"""Systems for one test."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.exceptions import ActorNotFound, DeadlineExceeded


async def spawn(cls: Any, *args: Any, system: pul.ActorSystem) -> pul.ActorProxy:
    """Spawn an actor; mypy does not see what a class decorator makes of a class."""
    proxy: pul.ActorProxy = await cls.spawn(*args, system=system)
    return proxy


@pul.remote
class Echo:
    async def say(self, word: str) -> str:
        return word


@pul.remote
class Litterer:
    def __init__(self, forever: asyncio.Event) -> None:
        self.forever = forever

    async def drop(self) -> asyncio.Task[bool]:
        return asyncio.create_task(self.forever.wait(), name="litter")


async def test_a_system_answers_and_is_gone_after_the_block() -> None:
    async with testing.system() as system:
        echo = await spawn(Echo, system=system)
        assert await echo.say("hello") == "hello"
    assert not pul.is_initialized()


async def test_a_task_that_an_actor_left_fails_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulsing.testing.systems.assert_no_leaks", lambda: testing.assert_no_leaks(grace=0.0))
    with pytest.raises(AssertionError, match="task litter"):
        async with testing.system() as system:
            litterer = await spawn(Litterer, asyncio.Event(), system=system)
            litter = await litterer.drop()
    litter.cancel()


class Failing(pul.Actor):
    """Waits for what never comes, or fails."""

    async def receive(self, msg: str) -> str:
        if msg == "fail":
            raise pul.PulsingSystemError("broken", recoverable=False)
        if msg == "wait":
            await asyncio.Event().wait()
        return msg


async def restart_delay(system: pul.ActorSystem) -> float:
    """Fail an actor, and return the seconds until it works again."""
    loop = asyncio.get_running_loop()
    ref = await system.spawn(Failing, restart_policy="on-failure", min_backoff=10.0)
    began = loop.time()
    with pytest.raises(pul.PulsingSystemError):
        await ref.ask("fail")
    assert await ref.ask("hello") == "hello"
    return loop.time() - began


def test_a_system_made_in_virtual_time_lives_by_it() -> None:
    async def scenario() -> tuple[float, float, float]:
        loop = asyncio.get_running_loop()
        async with testing.system() as system:
            waiting = await system.spawn(Failing())
            with pytest.raises(DeadlineExceeded):
                await waiting.ask("wait")
            asked = loop.time()
            with pytest.raises(ActorNotFound):
                await system.resolve("nobody", timeout=60.0)
            looked = loop.time()
            await system.shutdown(drain=5.0)
            return asked, looked - asked, loop.time() - looked

    assert testing.run_virtual(scenario) == pytest.approx((30.0, 60.0, 5.0), abs=0.1)


def test_the_same_seed_draws_the_same_delays_for_a_system() -> None:
    async def scenario() -> float:
        async with testing.system() as system:
            return await restart_delay(system)

    first, again, other = (testing.run_virtual(scenario, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_fixture_may_begin_a_system_in_one_task_and_end_it_in_another() -> None:
    loop = asyncio.new_event_loop()
    try:
        made = testing.system()
        system = loop.run_until_complete(made.__aenter__())
        loop.run_until_complete(spawn(Echo, system=system))
        loop.run_until_complete(made.__aexit__(None, None, None))
    finally:
        loop.close()
