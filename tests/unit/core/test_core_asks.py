"""Callers of this node are timed by what came of their asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import ActorNotFound, DeadlineExceeded
from pulsing.ids import ActorId
from pulsing.runtime import ActorSystem
from tests.unit.core.acting import in_virtual_time, spawn


@pul.remote
class Worker:
    """Answers soon, late, wrongly, or never."""

    def quick(self) -> int:
        """Answer at once."""
        return 1

    async def slow(self, s: float) -> float:
        """Answer after a time."""
        await asyncio.sleep(s)
        return s

    def fail(self) -> None:
        """Raise."""
        raise ValueError("no")


def counted(system: ActorSystem) -> dict[str, int]:
    """The asks of this node to itself by outcome, where there were any."""
    asks = system.inner.asks.snapshot()
    return {outcome: latency.count for (route, outcome), latency in asks.items() if route == "local" and latency.count}


def test_each_ask_counts_once_by_its_outcome() -> None:
    async def body(system: ActorSystem) -> None:
        worker: Any = await spawn(Worker, system=system)
        await worker.quick()
        await worker.slow(3.0)
        with pytest.raises(ValueError, match="no"):
            await worker.fail()
        with pytest.raises(ActorNotFound):
            await system.inner.bind(ActorId.of(system.node_id.id, 99_999)).ask("x")
        assert counted(system) == {"ok": 2, "error": 2}
        assert system.inner.asks.snapshot()["local", "ok"].total_s == pytest.approx(3.0)

    in_virtual_time(body)


def test_an_ask_that_takes_too_long_counts_as_such_whether_or_not_it_ever_ran() -> None:
    async def body(system: ActorSystem) -> None:
        worker: Any = await spawn(Worker, system=system)
        with pytest.raises(DeadlineExceeded):
            await worker.with_options(timeout=1.0).slow(2.0)
        await asyncio.sleep(5)
        assert counted(system) == {"timeout": 1}

    in_virtual_time(body)


def test_a_caller_that_leaves_counts_as_cancelled() -> None:
    async def body(system: ActorSystem) -> None:
        worker: Any = await spawn(Worker, system=system)
        call = asyncio.ensure_future(worker.slow(2.0))
        await asyncio.sleep(1)
        call.cancel()
        await asyncio.sleep(5)
        assert counted(system) == {"cancelled": 1}

    in_virtual_time(body)


def test_asks_that_nodes_make_of_their_own_actors_are_left_out() -> None:
    async def body(system: ActorSystem) -> None:
        actor = await pul.core.get_system_actor(system)
        await actor.ping()
        assert counted(system) == {}

    in_virtual_time(body)
