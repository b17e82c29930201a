"""Those who wait for a queue that nobody has set up yet: one watch for all of them, and none when they have left."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pulsing.core.service import start_system_actors
from pulsing.core.system import System
from pulsing.exceptions import LinkLost, PulsingRuntimeError
from pulsing.ids import NodeId
from pulsing.runtime import ActorSystem
from pulsing.streaming import start_streaming
from pulsing.streaming.manager import local_manager
from pulsing.streaming.ownership.catalogue import Catalogue, QueueSettings
from pulsing.streaming.ownership.declarations import Declarations
from pulsing.streaming.ownership.lookout import LOOK_AGAIN_S, TRY_AGAIN_S, Lookout
from pulsing.streaming.ownership.remembering import Remembering
from pulsing.tasks import TaskScope
from pulsing.testing import run_virtual
from pulsing.testing.virtual import VirtualLoop


class Node:
    """What a lookout needs of its node, with a home that answers when it is told to."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.tasks = TaskScope("test")
        catalogue = Catalogue(lambda key, node: 0)
        self.declarations = Declarations(catalogue, Remembering(lambda: None), "memory", lambda topic, is_new: None)  # type: ignore[arg-type, return-value]
        self.lookout = Lookout(self.tasks, self.declarations, self.look, self.wait_at_home)
        self.looks = 0
        self.settings: QueueSettings | None = None
        self.error: PulsingRuntimeError | None = None

    async def look(self, topic: str, wanted: Mapping[str, Any]) -> QueueSettings | None:
        self.looks += 1
        if self.error is not None:
            raise self.error
        return self.settings

    async def wait_at_home(self, topic: str, timeout: float) -> None:
        await asyncio.sleep(timeout)

    async def waited(self, timeout: float) -> float:
        """How long somebody waits who has so much time."""
        begun = self.loop.time()
        await self.lookout.wait("q", {}, timeout)
        return self.loop.time() - begun


def test_all_who_wait_for_a_queue_share_one_watch_which_ends_with_the_last_of_them() -> None:
    async def scenario() -> None:
        node = Node()
        assert await asyncio.gather(*(node.waited(60.0) for _ in range(500))) == [60.0] * 500
        assert node.looks <= 60.0 / LOOK_AGAIN_S + 1
        await asyncio.sleep(0)
        assert len(node.tasks) == 0

    run_virtual(scenario)


def test_they_are_told_when_it_is_set_up_though_no_news_of_that_has_come() -> None:
    async def scenario() -> None:
        node = Node()
        waiting = [asyncio.ensure_future(node.waited(60.0)) for _ in range(3)]
        await asyncio.sleep(7.0)
        node.settings = QueueSettings(num_buckets=1)
        assert {await one for one in waiting} == {4 * LOOK_AGAIN_S}
        assert await node.waited(60.0) == 0.0

    run_virtual(scenario)


def test_where_nobody_answers_they_look_for_themselves_and_may_wait_again() -> None:
    async def scenario() -> None:
        node = Node()
        node.error = LinkLost(NodeId(2), maybe_executed=True)
        assert [round(await node.waited(60.0), 6) for _ in range(3)] == [TRY_AGAIN_S] * 3
        node.error = None
        assert await node.waited(5.0) == 5.0

    run_virtual(scenario)


def test_one_who_leaves_takes_nothing_from_those_who_stay() -> None:
    async def scenario() -> None:
        node = Node()
        impatient, patient = asyncio.ensure_future(node.waited(60.0)), asyncio.ensure_future(node.waited(60.0))
        await asyncio.sleep(1.0)
        impatient.cancel()
        await asyncio.sleep(0.5)
        node.settings = QueueSettings(num_buckets=1)
        assert await patient == LOOK_AGAIN_S

    run_virtual(scenario)


def test_readers_of_a_queue_that_is_not_there_yet_ask_for_hardly_anything() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        inner = System(clock=loop.clock)
        start_system_actors(inner)
        system = ActorSystem(inner)
        await start_streaming(system)
        readers = [await system.queue.read("q") for _ in range(200)]
        waiting = [asyncio.ensure_future(reader.get(wait=True)) for reader in readers]
        await asyncio.sleep(1.0)
        manager = inner.registry.by_path("actors/queue_storage_manager")
        assert manager is not None
        before = manager.messages
        await asyncio.sleep(60.0)
        assert manager.messages - before <= 200 * 2 * 4
        await (await system.queue.write("q")).put({"id": 1})
        assert await asyncio.gather(*waiting) == [[{"id": 1}]] * 200
        await inner.shutdown(drain=0)

    run_virtual(scenario)


async def test_whoever_waits_elsewhere_hears_of_the_first_put(one_cluster: Any, until: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        readers = [await node.queue.read("q") for node in (one, two)]
        waiting = [asyncio.ensure_future(reader.get(wait=True)) for reader in readers]
        await until(lambda: all(local_manager(node)._lookout._watches for node in (one, two)))
        await (await one.queue.write("q")).put({"id": 1})

        assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [[{"id": 1}]] * 2
        assert not any(local_manager(node)._lookout._watches for node in (one, two))
