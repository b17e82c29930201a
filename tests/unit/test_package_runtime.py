"""The system that a process shares."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.core.helpers import run_sync
from pulsing.core.system import System
from pulsing.exceptions import NotInitialized, SystemStopped
from pulsing.runtime import share_when_asked


async def test_init_starts_one_system_and_shutdown_ends_it() -> None:
    assert not pul.is_initialized()
    with pytest.raises(NotInitialized, match="Call 'await init\\(\\)' first"):
        pul.get_system()
    system = await pul.init()
    assert pul.is_initialized()
    assert pul.get_system() is system is await pul.init()
    await pul.shutdown()
    await pul.shutdown()
    assert not pul.is_initialized()
    again = await pul.init()
    assert again is not system
    await pul.shutdown()


async def test_concurrent_calls_give_one_system() -> None:
    systems = await asyncio.gather(*(pul.init() for _ in range(10)))
    assert len(set(map(id, systems))) == 1
    await pul.shutdown()


async def test_other_arguments_are_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    system = await pul.init()
    with caplog.at_level(logging.WARNING):
        assert await pul.init(passphrase="other", is_head_node=True, head_addr="x:1") is system
    assert "ignored" in caplog.text
    await pul.shutdown()


async def test_a_start_that_fails_leaves_nothing() -> None:
    with pytest.raises(ValueError, match="Cannot set both is_head_node and head_addr"):
        await pul.init(is_head_node=True, head_addr="127.0.0.1:1")
    with pytest.raises(TypeError):
        await pul.init(unknown=1)
    assert not pul.is_initialized()


async def test_a_start_that_everybody_gave_up_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    entered = asyncio.Event()

    async def hang(system: Any, config: Any) -> None:
        entered.set()
        await asyncio.sleep(1000)

    monkeypatch.setattr("pulsing.runtime.starters", [hang])
    first, second = asyncio.ensure_future(pul.init()), asyncio.ensure_future(pul.init())
    await entered.wait()
    first.cancel()
    await asyncio.sleep(0)
    assert not second.done()
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert not pul.is_initialized()
    monkeypatch.setattr("pulsing.runtime.starters", [])
    await pul.init()
    await pul.shutdown()


async def test_a_node_answers_for_queues_before_others_know_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str | None] = []

    async def join(inner: Any, *_: Any) -> None:
        names.extend(cell.path for cell in inner.registry)

    monkeypatch.setattr("pulsing.cluster.joining.join_network", join)
    async with await pul.actor_system("127.0.0.1:0", admin=False):
        assert "queue_storage_manager" in " ".join(filter(None, names))


@pytest.mark.parametrize("door", [pul.queue, pul.topic])
async def test_the_shared_doors_say_that_there_is_no_system_when_they_are_awaited(door: Any) -> None:
    opening = [door.write("orders"), door.read("orders")]
    for error in await asyncio.gather(*opening, return_exceptions=True):
        assert isinstance(error, NotInitialized)


def test_a_system_of_a_loop_that_was_closed_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    async def forget() -> pul.ActorSystem:
        return await pul.init()

    dead = asyncio.run(forget())
    assert not pul.is_initialized()
    with pytest.raises(NotInitialized):
        pul.get_system()

    async def again() -> None:
        assert await pul.init() is not dead
        await pul.shutdown()

    asyncio.run(again())
    assert "closed" in caplog.text


async def test_a_system_that_was_shut_down_by_itself_is_no_longer_the_shared_one() -> None:
    async with await pul.init() as system:
        assert pul.get_system() is system
    assert not pul.is_initialized()
    with pytest.raises(SystemStopped):
        await system.resolve("x")
    await pul.init()
    await pul.shutdown()


async def test_shutdown_from_another_thread_ends_the_system_on_its_own_loop() -> None:
    await pul.init()
    thread = threading.Thread(target=lambda: asyncio.run(pul.shutdown()))
    thread.start()
    await testing.wait_until(lambda: not thread.is_alive())
    assert not pul.is_initialized()


async def test_an_independent_system_leaves_the_shared_one_alone() -> None:
    async with await pul.actor_system() as system:
        assert not pul.is_initialized()
        assert pul.ActorSystem(system).inner is system.inner
        assert pul.ActorSystem(system.inner).node_id == system.node_id
        assert isinstance(system.inner, System)


async def test_a_system_is_created_from_settings_on_the_running_loop_only() -> None:
    from pulsing.core import SystemConfig

    other = asyncio.new_event_loop()
    with pytest.raises(ValueError, match="running loop"):
        await pul.ActorSystem.create(SystemConfig.standalone(), other)
    other.close()
    system = await pul.ActorSystem.create(SystemConfig.standalone(), asyncio.get_running_loop())
    await system.shutdown()


@pytest.mark.shared_resources
def test_a_start_that_was_named_happens_when_the_system_is_first_asked_for_and_that_once() -> None:
    share_when_asked(lambda: run_sync(pul.init()))
    assert not pul.is_initialized()
    system = pul.get_system()
    assert pul.get_system() is system

    run_sync(pul.shutdown())
    with pytest.raises(NotInitialized):
        pul.get_system()


@pytest.mark.shared_resources
def test_a_start_that_fails_is_tried_again_by_whoever_asks_next() -> None:
    outcomes = iter([OSError("no route"), None])

    def start() -> None:
        if (error := next(outcomes)) is not None:
            raise error
        run_sync(pul.init())

    share_when_asked(start)
    with pytest.raises(OSError, match="no route"):
        pul.get_system()
    assert pul.get_system() is pul.get_system()
    run_sync(pul.shutdown())
