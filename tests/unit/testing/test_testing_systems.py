"""Systems for one test."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing


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
