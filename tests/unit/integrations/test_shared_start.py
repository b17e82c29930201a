"""The process-wide system is started once, by whoever asks first."""

from __future__ import annotations

import asyncio
import threading

import pytest

import pulsing as pul
from pulsing.integrations.sharing import shared_system


async def test_callers_at_once_get_one_system() -> None:
    started = 0

    async def start() -> pul.ActorSystem:
        nonlocal started
        started += 1
        await asyncio.sleep(0)
        return await pul.actor_system()

    systems = await asyncio.gather(*(shared_system(start) for _ in range(5)))
    assert started == 1
    assert all(system is pul.get_system() for system in systems)
    assert await shared_system(start) is systems[0]
    await pul.shutdown()


async def test_a_caller_on_another_loop_waits_for_the_same_start() -> None:
    other: list[object] = []
    threads: list[threading.Thread] = []

    async def never() -> pul.ActorSystem:
        raise AssertionError("started twice")

    async def start() -> pul.ActorSystem:
        threads.append(threading.Thread(target=lambda: other.append(asyncio.run(shared_system(never)))))
        threads[0].start()
        return await pul.actor_system()

    system = await shared_system(start)
    await asyncio.to_thread(threads[0].join, 30)
    assert other == [system]
    await pul.shutdown()


async def test_who_waited_for_a_start_that_failed_tries_by_himself() -> None:
    async def fail() -> pul.ActorSystem:
        await asyncio.sleep(0)
        raise pul.PulsingRuntimeError("no")

    first = asyncio.ensure_future(shared_system(fail))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(shared_system(pul.actor_system))
    with pytest.raises(pul.PulsingRuntimeError):
        await first
    assert await second is pul.get_system()
    await pul.shutdown()
