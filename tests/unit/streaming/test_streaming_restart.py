"""Queues in files after all nodes have gone: how they were set up is known before anybody puts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulsing.exceptions import BucketUnavailable, LinkLost, PulsingBusinessError, PulsingError
from pulsing.ids import NodeId
from pulsing.streaming import get_bucket_ref
from pulsing.streaming.catalogue import QueueDiffers, QueueSettings
from pulsing.streaming.folders import Folders
from pulsing.streaming.manager import local_manager


async def add(cluster: Any, number: int, base: Path) -> Any:
    """A node that finds its queues below a folder of its own when it starts."""
    node = await cluster.add(number)
    manager = local_manager(node)
    manager.folders = Folders(str(base))
    for topic, settings in manager.folders.remembered():
        manager.catalogue.set_up(topic, settings)
    return node


async def test_files_of_all_nodes_are_read_from_any_of_them_before_a_put(one_cluster: Any, tmp_path: Path) -> None:
    async with one_cluster() as cluster:
        one, _ = await add(cluster, 1, tmp_path / "a"), await add(cluster, 2, tmp_path / "b")
        await (await one.queue.write("q", backend="sqlite")).put([{"id": n} for n in range(40)])
    async with one_cluster() as cluster:
        new = await add(cluster, 3, tmp_path / "new")
        await add(cluster, 4, tmp_path / "a")
        await add(cluster, 5, tmp_path / "b")
        reader = await new.queue.read("q", backend="sqlite")
        assert sorted(record["id"] for record in await reader.get()) == list(range(40))
        with pytest.raises(QueueDiffers, match="num_buckets=4, not 3"):
            await (await new.queue.write("q", num_buckets=3, backend="sqlite")).put({"id": 1})


async def test_what_a_put_fixed_after_a_bucket_was_opened_by_itself_is_known(one_cluster: Any, tmp_path: Path) -> None:
    async with one_cluster() as cluster:
        one, two = await add(cluster, 1, tmp_path), await add(cluster, 2, tmp_path)
        for bucket_id in range(2):
            await (await get_bucket_ref(two, "q", bucket_id, backend="sqlite")).put({"id": "early"})
        await (await one.queue.write("q", num_buckets=2, backend="sqlite")).put([{"id": n} for n in range(10)])
    async with one_cluster() as cluster:
        three, four = await add(cluster, 3, tmp_path), await add(cluster, 4, tmp_path)
        with pytest.raises(QueueDiffers, match="num_buckets=2, not 4"):
            await (await four.queue.write("q", backend="sqlite")).put({"id": 1})
        assert len(await (await three.queue.read("q", num_buckets=2, backend="sqlite")).get()) == 12


async def test_only_who_does_not_answer_may_have_files_not_who_cannot_look_for_them(
    one_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = QueueSettings(4, "id", "sqlite", {})
    Folders(str(tmp_path / "known")).remember(str(tmp_path / "known" / "q"), "q", settings)
    async with one_cluster() as cluster:
        one, _ = await add(cluster, 1, tmp_path / "new"), await add(cluster, 2, tmp_path / "known")
        keepers = local_manager(one)._keepers
        answer: PulsingError = PulsingBusinessError(400, "this store is not registered here")

        async def ask(node_id: int, *call: Any, timeout: float) -> Any:
            if node_id == 2:
                raise answer
            return await local_manager(one)._ask(node_id, *call, timeout=timeout)

        monkeypatch.setattr(keepers, "_ask", ask)
        assert await local_manager(one).lookup("q") == settings.to_dict()
        owner = await keepers.owner("q", 0, settings)
        assert owner in (1, 2)
        answer = LinkLost(NodeId(2))
        with pytest.raises(BucketUnavailable):
            await keepers.owner("q", 0, settings)


async def test_a_node_that_does_not_know_a_store_sets_its_queue_up_all_the_same(one_cluster: Any) -> None:
    asked = QueueSettings(4, "id", "only_at_the_owner", {}).to_dict()
    async with one_cluster() as cluster:
        manager = local_manager(await cluster.add(1))
        assert await manager.lookup("q", asked) is None
        assert await manager.declare("q", asked) == asked
        assert await manager.lookup("q", asked) == asked
