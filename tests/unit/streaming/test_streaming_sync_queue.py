"""Queues for threads that do not await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pulsing.streaming import QueueReader


async def in_thread(work: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


async def test_a_thread_puts_and_gets_through_the_systems_loop(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1)
        reader = QueueReader(queue)

        def work() -> list[Any]:
            sync, sync_reader = queue.sync(), reader.sync()
            seen: list[Any] = [sync.put({"id": 1}), sync.put([{"id": 2}])]
            sync.flush()
            seen += [sync.get(limit=1), sync_reader.get(), sync_reader.get(wait=True, timeout=0.01)]
            sync_reader.set_offset(1)
            seen.append(sync_reader.get())
            sync_reader.reset()
            seen.append(len(sync_reader.get()))
            return [*seen, sync.stats()["num_buckets"]]

        ok = {"bucket_id": 0, "status": "ok"}
        assert await in_thread(work) == [ok, [ok], [{"id": 1}], [{"id": 1}, {"id": 2}], [], [{"id": 2}], 2, 1]


async def test_errors_reach_the_thread(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")

        with pytest.raises(ValueError, match="Missing partition column"):
            await in_thread(lambda: queue.sync().put({"x": 1}))


async def test_on_the_loops_own_thread_it_names_the_way_to_await(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")

        with pytest.raises(RuntimeError, match=r"await queue\.put"):
            queue.sync().put({"id": 1})


def test_without_a_loop_it_says_so(run: Any, one_system: Any) -> None:
    async def open_queue() -> Any:
        async with one_system() as system:
            return (await system.queue.write("q")).sync()

    sync = run(open_queue())

    with pytest.raises(RuntimeError, match=r"Event loop not running\. Sync wrapper requires a running event loop\."):
        sync.put({"id": 1})


async def test_many_threads_share_a_queue(one_system: Any) -> None:
    async with one_system() as system:
        queue = (await system.queue.write("q")).sync()
        reader = (await system.queue.read("q")).sync()

        def put(thread: int) -> None:
            for n in range(20):
                queue.put({"id": f"{thread}-{n}"})

        await asyncio.gather(*(asyncio.to_thread(put, thread) for thread in range(6)))
        records = await asyncio.to_thread(reader.get, 1_000)

        assert len({record["id"] for record in records}) == 120
        assert await asyncio.to_thread(reader.get, 1, True, 0.01) == []
