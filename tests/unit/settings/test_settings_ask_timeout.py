"""`node.ask_timeout`: how long asks wait that say nothing of it, of actors here and elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
from pulsing.config import SystemConfig, config_from
from pulsing.exceptions import DeadlineExceeded
from pulsing.runtime import start_system
from pulsing.testing import cluster
from pulsing.testing.virtual import VirtualLoop, run_virtual


class SleeperActor(pul.Actor):
    """Never answers."""

    async def receive(self, msg: Any) -> None:
        await asyncio.Event().wait()


@pul.remote
class Sleeper:
    """Never answers, by a method."""

    async def sleep(self) -> None:
        """Wait for good."""
        await asyncio.Event().wait()


async def waited(asked: Any) -> float:
    """How long an ask waited until it was told that its time was over."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(DeadlineExceeded):
        await asked
    return round(loop.time() - began, 3)


def test_asks_that_say_nothing_wait_as_long_as_the_setting_says() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        async with await start_system(SystemConfig(ask_timeout=4.0), clock=loop.clock) as system:
            sleeper: Any = await Sleeper.spawn(system=system)
            by_message = await system.spawn(SleeperActor())
            assert await waited(sleeper.sleep()) == 4.0
            assert await waited(by_message.ask("x")) == 4.0
            assert await waited(sleeper.with_options(timeout=2.0).sleep()) == 2.0
            assert await waited(sleeper.with_options(timeout=float("30")).sleep()) == 30.0

    run_virtual(body)


def test_asks_of_other_nodes_wait_as_long_as_the_setting_says() -> None:
    async def body() -> None:
        async with cluster(2, ask_timeout=4.0) as (here, there):
            made: Any = await Sleeper.spawn(system=there)
            sleeper = (await here.refer(made.ref.actor_id)).as_any()
            assert await waited(sleeper.sleep()) == pytest.approx(4.0, abs=0.1)

    run_virtual(body)


def test_the_timeout_comes_from_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pulsing.toml").write_text("[node]\nask_timeout = 7\n")
    assert config_from({}).ask_timeout == 7.0
    assert config_from({"PULSING_NODE_ASK_TIMEOUT": "8"}).ask_timeout == 8.0
    with pytest.raises(ValueError, match=r"PULSING_NODE_ASK_TIMEOUT: expected a number from 0.001 on, got '-1'"):
        config_from({"PULSING_NODE_ASK_TIMEOUT": "-1"})
