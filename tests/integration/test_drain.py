"""A node that is shut down: it says so, refuses new work, finishes what it has, hands over, and only then is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import ActorNotFound, NodeLeaving
from pulsing.testing import cluster, run_virtual, wait_until


class Slow:
    """Takes its time, and knows the end of it."""

    def __init__(self, told: list[int] | None = None) -> None:
        self.told = [] if told is None else told

    async def work(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    def note(self, n: int) -> None:
        self.told.append(n)


Replica = pul.remote(Slow)
Queued = pul.remote(max_concurrency=1)(Slow)


def virtually(scenario: Callable[[], Awaitable[None]]) -> None:
    run_virtual(scenario)


def status_of(seen: Any, by: Any) -> list[str]:
    return [m.status for m in by.inner.members_view() if m.node_id == seen.node_id]


def test_a_leaving_node_says_so_finishes_its_work_and_refuses_what_is_new() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            leaver, other, third = systems
            await Queued.spawn(name="slow", system=leaver)
            proxy = await Queued.resolve("slow", system=other, timeout=5)
            running = [asyncio.ensure_future(proxy.work(2.0)) for _ in range(3)]
            await asyncio.sleep(0.5)
            ending = asyncio.ensure_future(leaver.shutdown())
            await asyncio.sleep(0.5)
            assert [status_of(leaver, by) for by in (leaver, other, third)] == [["Leaving"]] * 3
            for call in (lambda: proxy.work(0.0), lambda: Replica.spawn(system=other, placement=leaver.node_id)):
                with pytest.raises(NodeLeaving) as refused:
                    await call()
                assert refused.value.maybe_executed is False
                assert refused.value.node_id == leaver.node_id
            assert await asyncio.gather(*running) == ["done"] * 3
            await ending
            assert status_of(leaver, other) == status_of(leaver, third) == []
            with pytest.raises(NodeLeaving):
                await proxy.work(0.0)
            with pytest.raises(ActorNotFound):
                await other.resolve("slow")

    virtually(scenario)


def test_new_work_goes_elsewhere_while_a_node_leaves() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            leaver, other, third = systems
            for system in (leaver, other):
                await Replica.spawn(name="slow", system=system)
            await wait_until(lambda: len(third.inner.names.instances("actors/slow")) == 2)
            busy = await Replica.resolve("slow", system=third, node_id=leaver.node_id)
            working = asyncio.ensure_future(busy.work(3.0))
            await asyncio.sleep(0.5)
            ending = asyncio.ensure_future(leaver.shutdown())
            await asyncio.sleep(0.5)
            for system in systems:
                found = [(await system.resolve("slow")).actor_id.node_id for _ in range(4)]
                assert found == [other.node_id] * 4
            spawned = [await Replica.spawn(system=third, placement="remote") for _ in range(3)]
            assert {proxy.ref.actor_id.node_id for proxy in spawned} == {other.node_id}
            assert await working == "done"
            await ending

    virtually(scenario)


def test_tells_are_taken_until_the_actor_ends() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            leaver, other = systems
            told: list[int] = []
            await Replica.spawn(told, name="slow", system=leaver)
            proxy = await Replica.resolve("slow", system=other, timeout=5)
            working = asyncio.ensure_future(proxy.work(1.0))
            await asyncio.sleep(0.2)
            ending = asyncio.ensure_future(leaver.shutdown())
            await asyncio.sleep(0.2)
            await proxy.ref.send("note", (1,), {})
            assert await working == "done"
            await ending
            assert told == [1]

    virtually(scenario)


def test_nobody_waits_longer_than_the_time_that_a_drain_may_take() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            leaver, other = systems
            await Replica.spawn(name="slow", system=leaver)
            proxy = await Replica.resolve("slow", system=other, timeout=5)
            working = asyncio.ensure_future(proxy.work(20.0))
            await asyncio.sleep(0.1)
            began = asyncio.get_running_loop().time()
            await leaver.shutdown(drain=3.0)
            assert 3.0 <= asyncio.get_running_loop().time() - began < 6.0
            with pytest.raises(pul.PulsingRuntimeError) as ended:
                await working
            assert ended.value.maybe_executed is True  # type: ignore[attr-defined]

    virtually(scenario)


def test_what_a_node_owns_is_handed_over_after_its_work_and_before_its_farewell() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            leaver, other = systems
            order: list[str] = []
            await Replica.spawn(name="slow", system=leaver)
            proxy = await Replica.resolve("slow", system=other, timeout=5)

            async def hand_over() -> None:
                # What its actors did is done; the answer may be on its way still.
                assert not any(cell.busy for cell in leaver.inner.registry if not cell.spec.internal)
                order.append(f"handing over as {status_of(leaver, other)[0]}")
                assert await leaver.inner.ask_node(other.node_id, "ping")

            async def fail() -> None:
                raise OSError("a full disk at the other end")

            leaver.inner.handing_over += [fail, hand_over]
            working = asyncio.ensure_future(proxy.work(1.0))
            await asyncio.sleep(0.1)
            await leaver.shutdown()
            order.append("left" if not status_of(leaver, other) else "still here")
            await working
            assert order == ["handing over as Leaving", "left"]

    virtually(scenario)


@pytest.mark.parametrize("transport", ["memory", "websocket"])
async def test_a_rolling_end_shows_its_callers_no_error_but_that_nodes_leave(transport: str) -> None:
    async with cluster(4, transport=transport) as systems:
        caller, *workers = systems
        for system in workers:
            await Replica.spawn(name="slow", system=system)
        await wait_until(lambda: len(caller.inner.names.instances("actors/slow")) == 3)
        errors: list[BaseException] = []
        answers = 0
        over = asyncio.Event()

        async def call_again_and_again() -> None:
            nonlocal answers
            while not over.is_set():
                proxy = await Replica.resolve("slow", system=caller)
                try:
                    for _ in range(10):
                        await proxy.work(0.001)
                        answers += 1
                except NodeLeaving as leaving:
                    assert leaving.maybe_executed is False
                except pul.PulsingError as error:
                    errors.append(error)

        callers = [asyncio.ensure_future(call_again_and_again()) for _ in range(16)]
        for system in workers[:2]:
            before = answers
            await wait_until(lambda before=before: answers > before + 100)  # type: ignore[misc]
            await system.shutdown()
        before = answers
        await wait_until(lambda: answers > before + 100)
        over.set()
        await asyncio.gather(*callers)
        assert errors == []
