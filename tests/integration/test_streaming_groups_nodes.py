"""Consumer groups over several nodes, in virtual time: members and owners die, nodes come, the network parts."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pulsing.exceptions import DataLost, PulsingRuntimeError
from pulsing.streaming import GroupReader
from pulsing.streaming.manager import local_manager
from pulsing.testing import cluster, run_virtual, wait_until


def owner_of(system: Any, bucket: int) -> int:
    return int(local_manager(system).catalogue.holding(f"q:bucket_{bucket}").node_id)


async def member(system: Any, **options: Any) -> GroupReader:
    reader = await system.queue.read("q", group="g", **options)
    assert isinstance(reader, GroupReader)
    return reader


class Worker:
    """Reads as a member until it is ended, and keeps what it has acknowledged."""

    def __init__(self, reader: GroupReader, done: list[Any]) -> None:
        self.reader = reader
        self.lost: list[DataLost] = []
        self._done = done
        self._task = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        while True:
            try:
                for delivery in await self.reader.receive(limit=5):
                    if await delivery.ack():
                        self._done.append(delivery.record["id"])
            except DataLost as loss:
                self.lost.append(loss)
            except PulsingRuntimeError:
                await asyncio.sleep(0.1)

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    run_virtual(scenario)


def test_members_on_three_nodes_share_the_work_and_each_record_is_done_once() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            queue = await systems[0].queue.write("q")
            done: list[Any] = []
            workers = [Worker(await member(system), done) for system in systems]
            await queue.put([{"id": n} for n in range(50)])
            for n in range(50, 100):
                await queue.put({"id": n})
            await wait_until(lambda: len(done) == 100, 30.0)

            await wait_until(lambda: sorted(b for w in workers for b in w.reader.assigned) == [0, 1, 2, 3], 30.0)
            assert sorted(done) == list(range(100))
            assert all(worker.reader.assigned for worker in workers)
            for worker in workers:
                await worker.end()
                await worker.reader.close()

    run(scenario)


def test_a_members_node_is_killed_and_the_others_take_over_its_share() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            queue = await systems[0].queue.write("q")
            await queue.put([{"id": n} for n in range(40)])
            owners = {owner_of(systems[0], bucket) for bucket in range(4)}
            victim = next((n for n in (1, 2) if systems[n].node_id.id not in owners), None)
            done: list[Any] = []
            stays = Worker(await member(systems[0], consumer_id="stays", ack_wait=6.0), done)
            doomed = await member(systems[victim or 2], consumer_id="doomed", ack_wait=6.0)
            await wait_until(lambda: len(done) >= 20, 30.0)
            await doomed.receive(limit=10, timeout=5.0)
            systems.kill(victim or 2)
            before = asyncio.get_running_loop().time()
            for n in range(40, 80):
                while True:
                    try:
                        await queue.put({"id": n})
                        break
                    except PulsingRuntimeError:
                        await asyncio.sleep(0.1)
            await wait_until(lambda: stays.reader.assigned == [0, 1, 2, 3], 30.0)
            lost = {loss.bucket_id for loss in stays.lost}
            expected = {n for n in range(80) if queue.get_bucket_id(n) not in lost}
            await wait_until(lambda: expected <= set(done), 30.0)

            assert asyncio.get_running_loop().time() - before < 30.0
            await stays.end()

    run(scenario)


def test_an_owner_is_killed_and_the_group_goes_on_with_what_the_others_have() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            queue = await systems[0].queue.write("q", num_buckets=8)
            await queue.put([{"id": n} for n in range(80)])
            done: list[Any] = []
            workers = [Worker(await member(systems[n], num_buckets=8, start="latest"), done) for n in (0, 2)]
            await asyncio.sleep(1.0)
            lost = {b for b in range(8) if owner_of(systems[0], b) == systems[1].node_id.id}
            assert lost
            systems.kill(1)
            for n in range(100, 180):
                while True:
                    try:
                        await queue.put({"id": n})
                        break
                    except PulsingRuntimeError:
                        await asyncio.sleep(0.1)
            await wait_until(lambda: set(done) >= set(range(100, 180)), 60.0)

            for worker in workers:
                await wait_until(lambda: {loss.bucket_id for loss in worker.lost} == lost, 60.0)  # noqa: B023
                assert len(worker.lost) == len(lost)
                await worker.end()
            assert set(done) == set(range(100, 180))

    run(scenario)


def test_a_member_that_is_cut_off_comes_back_without_a_loss() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            queue = await systems[0].queue.write("q", num_buckets=1)
            await queue.put([{"id": n} for n in range(10)])
            owner = next(n for n, s in enumerate(systems) if s.node_id.id == owner_of(systems[0], 0))
            far = await member(systems[1 - owner], num_buckets=1, ack_wait=3.0)
            assert len(await far.receive(limit=5)) == 5
            systems.freeze(1 - owner, 1.0)
            await asyncio.sleep(4.0)

            again: Counter[int] = Counter()
            while len(again) < 10:
                for delivery in await far.receive(limit=10):
                    again[delivery.record["id"]] += await delivery.ack()
            assert set(again.values()) == {1}
            await far.close()

    run(scenario)


KILLED = """
import asyncio, os, signal
import pulsing as pul

async def main():
    await pul.init(admin=False)
    queue = await pul.get_system().queue.write("q", num_buckets=1, backend="sqlite")
    await queue.put([{"id": n} for n in range(10)])
    reader = await pul.get_system().queue.read("q", num_buckets=1, backend="sqlite", group="g")
    await reader.get(limit=6)
    await reader.commit()
    await reader.get(limit=2)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_process_that_is_killed_leaves_its_commits_behind_and_its_loans_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", KILLED], stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    async with cluster(1, transport="websocket") as systems:
        reader = await member(systems[0], num_buckets=1, backend="sqlite")
        deliveries = await reader.receive(limit=100, timeout=10)
        assert [delivery.record["id"] for delivery in deliveries] == [6, 7, 8, 9]
        await reader.close()


async def test_a_group_reads_a_durable_queue_over_real_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with cluster(2, transport="websocket") as systems:
        queue = await systems[0].queue.write("q", backend="sqlite")
        await queue.put([{"id": n} for n in range(40)])
        readers = [await member(system, backend="sqlite", max_deliver=1) for system in systems]
        seen: list[Any] = []
        while len(seen) < 39:
            for reader in readers:
                for delivery in await reader.receive(limit=100, timeout=0.05):
                    if delivery.record["id"] == 7:
                        await delivery.nack()
                    elif await delivery.ack():
                        seen.append(delivery.record["id"])
        dead = await systems[1].queue.read("q.dead", backend="sqlite")

        assert [record["id"] for record in await dead.get(wait=True, timeout=10)] == [7]
        assert sorted(seen) == [n for n in range(40) if n != 7]
        (row,) = await queue.groups()
        assert sum(figures["lag"] for figures in row["buckets"].values()) == 0
        for reader in readers:
            await reader.close()
