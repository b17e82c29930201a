"""Queues in files after all nodes have gone: how they were set up is known before anybody puts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulsing.exceptions import (
    BucketUnavailable,
    LinkLost,
    NodeLeaving,
    PulsingBusinessError,
    PulsingError,
    PulsingRuntimeError,
)
from pulsing.ids import NodeId
from pulsing.streaming import get_bucket_ref
from pulsing.streaming.administration import delete_queue
from pulsing.streaming.manager import local_manager, manager_ref
from pulsing.streaming.ownership.catalogue import Holding, QueueDiffers, QueueSettings
from pulsing.streaming.ownership.folders import HOLDINGS_FILE, SETTINGS_FILE, Folders


async def add(cluster: Any, number: int, base: Path) -> Any:
    """A node that finds its queues below a folder of its own when it starts."""
    node = await cluster.add(number)
    manager = local_manager(node)
    manager.folders = Folders(str(base))
    manager.recall()
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


@pytest.mark.parametrize("own_folder", [False, True])
async def test_a_queue_whose_settings_cannot_be_read_is_no_empty_queue(
    own_folder: bool, one_cluster: Any, tmp_path: Path
) -> None:
    options = {"num_buckets": 2, "backend": "sqlite", "storage_path": str(tmp_path / "q") if own_folder else None}
    async with one_cluster() as cluster:
        one = await add(cluster, 1, tmp_path)
        await (await one.queue.write("q", **options)).put([{"id": n} for n in range(10)])
    settings, aside = tmp_path / "q" / SETTINGS_FILE, tmp_path / "aside"
    settings.rename(aside)
    settings.mkdir()
    async with one_cluster() as cluster:
        two = await add(cluster, 2, tmp_path)
        reader = await two.queue.read("q", **options)
        with pytest.raises(PulsingRuntimeError, match="cannot be seen"):
            await reader.get()
        assert await (await two.queue.read("other")).get() == []

        settings.rmdir()
        aside.rename(settings)
        assert len(await reader.get()) == 10


def noted(base: Path) -> set[int]:
    """The buckets of whose owners a node's disk tells."""
    return set(Folders(str(base)).noted(str(base / "q")))


async def test_of_those_that_come_back_first_none_begins_a_log_whose_files_are_on_one_that_does_not(
    one_cluster: Any, until: Any, tmp_path: Path
) -> None:
    early, late = tmp_path / "early", tmp_path / "late"
    everything = set(range(8))
    async with one_cluster() as cluster:
        one, _ = await add(cluster, 1, early), await add(cluster, 2, late)
        queue = await one.queue.write("q", num_buckets=8, backend="sqlite")
        await queue.put([{"id": n} for n in range(100)])
        await until(lambda: noted(early) == noted(late) == everything)
    away = {bucket_id for bucket_id in everything if (late / "q" / f"bucket_{bucket_id}.sqlite").exists()}
    assert 0 < len(away) < 8
    async with one_cluster() as cluster:
        one = await add(cluster, 3, early)
        queue = await one.queue.write("q", num_buckets=8, backend="sqlite")
        for bucket_id in away:
            with pytest.raises(BucketUnavailable):
                await queue.get(bucket_id=bucket_id)
        refused = 0
        for n in range(100, 200):
            try:
                await queue.put({"id": n})
            except BucketUnavailable:
                refused += 1
                assert queue.get_bucket_id(n) in away
        assert 0 < refused < 100

        await add(cluster, 4, late)
        reader = await one.queue.read("q", num_buckets=8, backend="sqlite")
        found = [record["id"] for record in await reader.get(1_000)]
        assert sorted(found)[:100] == list(range(100))
        assert len(found) == 200 - refused


async def test_who_puts_without_files_of_its_own_knows_later_that_others_have_them(
    one_cluster: Any, until: Any, tmp_path: Path
) -> None:
    everything = set(range(2))
    async with one_cluster() as cluster:
        nodes = [await add(cluster, number, tmp_path / str(number)) for number in range(1, 6)]
        for node in nodes:
            await (await node.queue.write("q", num_buckets=2, backend="sqlite")).put([{"id": n} for n in range(20)])
        await until(lambda: all(noted(tmp_path / str(number)) == everything for number in range(1, 6)))
    without = next(n for n in range(1, 6) if not list((tmp_path / str(n) / "q").glob("*.sqlite")))
    async with one_cluster() as cluster:
        first = await add(cluster, 7, tmp_path / str(without))
        with pytest.raises(BucketUnavailable):
            await (await first.queue.write("q", num_buckets=2, backend="sqlite")).put([{"id": 1}, {"id": 2}, {"id": 3}])


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, folders = tmp_path / "q", Folders(str(tmp_path))
    folders.remember(str(folder), "q", QueueSettings(4, "id", "sqlite", {}))
    folders.note(str(folder), {0: Holding(1, 2)})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        folders.note(str(folder), {0: Holding(3, 4)})
    assert folders.noted(str(folder)) == {0: Holding(1, 2)}
    assert {path.name for path in folder.iterdir()} == {"queue.json", "buckets.json"}


async def test_a_queue_that_was_deleted_while_a_node_was_away_can_be_begun_again(
    one_cluster: Any, tmp_path: Path
) -> None:
    async with one_cluster() as cluster:
        one, two = await add(cluster, 1, tmp_path / "a"), await add(cluster, 2, tmp_path / "b")
        queue = await one.queue.write("q", num_buckets=8, backend="sqlite")
        await queue.put([{"id": n} for n in range(40)])
        await cluster.kill(two)
        with pytest.raises(BucketUnavailable):
            await queue.put([{"id": n} for n in range(40)])
        assert (await delete_queue(queue))["deleted"]

        again = await one.queue.write("q", num_buckets=8, backend="sqlite")
        await again.put([{"id": n} for n in range(40, 80)])
        found = await (await one.queue.read("q", num_buckets=8, backend="sqlite")).get(1_000)
        assert sorted(record["id"] for record in found) == list(range(40, 80))


async def test_what_cannot_be_read_of_the_owners_is_as_if_it_was_not_noted(tmp_path: Path) -> None:
    folder = tmp_path / "q"
    folders = Folders(str(tmp_path))
    folders.note(str(folder), {0: Holding(1, 2)})
    assert not folder.exists()  # where a queue has no files nothing is noted
    folders.remember(str(folder), "q", QueueSettings(4, "id", "sqlite", {}))
    folders.note(str(folder), {0: Holding(1, 2), 3: Holding(5, 1 << 63)})
    assert folders.noted(str(folder)) == {0: Holding(1, 2), 3: Holding(5, 1 << 63)}
    for damage in ("", "[]", "{", '{"0": 1}', '{"x": [1, 2]}', '{"0": [1, 2, 3]}'):
        (folder / HOLDINGS_FILE).write_text(damage)
        assert folders.noted(str(folder)) == {}
    folders.forget(str(folder))
    assert list(folder.iterdir()) == []


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


async def test_a_node_that_ends_begins_no_second_storage_manager(
    one_system: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with one_system() as system:
        queue = await system.queue.write("q", backend="sqlite")
        await queue.put({"id": 0})
        await system.drain(0)
        manager: Any = manager_ref(system)._cell
        await manager.stop("shutdown", 0.0)

        with pytest.raises(NodeLeaving):
            await queue.put({"id": 1})
        with pytest.raises(NodeLeaving):
            await (await system.queue.write("other", backend="sqlite")).put({"id": 2})
