"""What becomes of a bucket whose owner is gone, by the options of its store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pulsing.exceptions import BucketUnavailable, DataLost, NotOwner
from pulsing.streaming.backends import sqlite_recovery
from pulsing.streaming.backends.sqlite import SqliteBackend
from pulsing.streaming.manager import local_manager
from pulsing.streaming.ownership.catalogue import QueueSettings
from pulsing.streaming.ownership.folders import Folders
from pulsing.streaming.ownership.takeover import Takeover


async def node(cluster: Any, number: int, disk: Path) -> Any:
    """A node with a disk of its own."""
    system = await cluster.add(number)
    manager = local_manager(system)
    manager.folders = Folders(str(disk))
    manager.recall()
    return system


def sqlite(failover: str, **options: Any) -> dict[str, Any]:
    return {"num_buckets": 1, "backend": "sqlite", "backend_options": {"failover": failover, **options}}


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "options", "by_majority", "is_fresh"),
    [
        ("memory", {}, True, True),
        ("memory", {"quorum": "off"}, False, True),
        ("sqlite", {}, False, False),
        ("sqlite", {"failover": "fresh"}, True, True),
        ("sqlite", {"failover": "shared"}, True, False),
        ("sqlite", {"failover": "shared", "quorum": "off"}, False, False),
    ],
)
def test_whose_leave_a_takeover_needs(backend: str, options: dict[str, Any], by_majority: bool, is_fresh: bool) -> None:
    takeover = Takeover.of(QueueSettings(backend=backend, backend_options=options))
    assert (takeover.by_majority, takeover.is_fresh) == (by_majority, is_fresh)


async def test_words_that_say_nothing_are_refused(one_system: Any, tmp_path: Path) -> None:
    async with one_system() as system:
        with pytest.raises(ValueError, match="quorum is 'majority' or 'off', not 'some'"):
            await system.queue.write("q", backend_options={"quorum": "some"})
        with pytest.raises(ValueError, match="failover is 'wait', 'fresh' or 'shared', not 'never'"):
            SqliteBackend(0, str(tmp_path), failover="never")


async def test_a_quorum_is_no_business_of_the_store(one_system: Any, tmp_path: Path) -> None:
    async with one_system() as system:
        local_manager(system).folders = Folders(str(tmp_path))
        queue = await system.queue.write("q", **sqlite("fresh", quorum="off"))
        assert (await queue.put({"id": 1}))["status"] == "ok"


# --- fresh -----------------------------------------------------------------------------------------------------------


async def test_a_fresh_takeover_is_a_new_generation_and_is_told(one_cluster: Any, tmp_path: Path) -> None:
    async with one_cluster() as cluster:
        one = await node(cluster, 1, tmp_path / "one")
        owner = await one.queue.write("q", **sqlite("fresh"))
        await owner.put({"id": "old"})
        two = await node(cluster, 2, tmp_path / "two")
        reader = await two.queue.read("q", num_buckets=1, backend="sqlite")
        assert await reader.get() == [{"id": "old"}]
        events = two.inner.events.subscribe(["queue.data_lost"])
        await cluster.kill(one)

        appended = await (await two.queue.write("q", **sqlite("fresh"))).append({"id": "new"})

        assert appended == {"bucket_id": 0, "offset": 0, "generation": 2}
        assert (await anext(events)).data["reason"] == "owner_died"
        with pytest.raises(DataLost) as caught:
            await reader.get()
        assert caught.value.generation == 2
        assert await reader.get() == [{"id": "new"}]


async def test_nobody_goes_back_to_the_log_whose_place_was_taken(one_cluster: Any, tmp_path: Path) -> None:
    async with one_cluster() as cluster:
        one = await node(cluster, 1, tmp_path / "one")
        await (await one.queue.write("q", **sqlite("fresh"))).put({"id": "old"})
        two = await node(cluster, 2, tmp_path / "two")
        await two.queue.read("q", num_buckets=1, backend="sqlite")
        await local_manager(two)._exchange.meet_all()
        await cluster.kill(one)
        await (await two.queue.write("q", **sqlite("fresh"))).put({"id": "new"})
        again = await node(cluster, 3, tmp_path / "one")
        await local_manager(again)._exchange.meet_all()
        await cluster.kill(two)

        queue = await again.queue.write("q", **sqlite("fresh"))
        assert (await queue.append({"id": "newest"}))["generation"] == 3
        assert await queue.get(0) == [{"id": "newest"}]
        assert len(list((tmp_path / "one" / "q").glob("bucket_0.sqlite.dropped-*"))) >= 1


async def test_of_several_files_that_of_the_last_owner_is_taken(one_cluster: Any, tmp_path: Path) -> None:
    async with one_cluster() as cluster:
        one = await node(cluster, 1, tmp_path / "one")
        await (await one.queue.write("q", **sqlite("fresh"))).put({"id": "old"})
        two = await node(cluster, 2, tmp_path / "two")
        await local_manager(two)._exchange.meet_all()
        await cluster.kill(one)
        await (await two.queue.write("q", **sqlite("fresh"))).put({"id": "new"})
        await cluster.kill(two)
    for numbers in ((4, 5), (7, 6)):  # no process has the id of an earlier one
        async with one_cluster() as cluster:
            first = await node(cluster, numbers[0], tmp_path / "one")
            await node(cluster, numbers[1], tmp_path / "two")

            assert await (await first.queue.read("q", num_buckets=1, backend="sqlite")).get() == [{"id": "new"}]


# --- shared ----------------------------------------------------------------------------------------------------------


async def test_a_shared_takeover_goes_on_with_the_same_log(one_cluster: Any, tmp_path: Path) -> None:
    async with one_cluster() as cluster:
        one, two = [await node(cluster, number, tmp_path) for number in (1, 2)]
        queues = [await system.queue.write("q", **sqlite("shared")) for system in (one, two)]
        await queues[0].put({"id": 1})
        owner = local_manager(one).catalogue.holding("q:bucket_0").node_id
        rest = queues[2 - owner]
        reader = await (two if owner == 1 else one).queue.read("q", num_buckets=1, backend="sqlite")
        assert await reader.get() == [{"id": 1}]
        await cluster.kill(one if owner == 1 else two)

        assert (await rest.append({"id": 2}))["offset"] == 1
        assert await reader.get() == [{"id": 2}]


async def test_an_owner_whose_shared_file_was_taken_over_cannot_append(tmp_path: Path) -> None:
    old = SqliteBackend(0, str(tmp_path), failover="shared", epoch=2)
    await old.put({"n": 1})
    new = SqliteBackend(0, str(tmp_path), failover="shared", epoch=3)
    assert await new.append([{"n": 2}]) == 1

    with pytest.raises(NotOwner):
        await old.put({"n": 3})
    assert await new.get(10, 0) == [{"n": 1}, {"n": 2}]
    assert await old.get(10, 0) == [{"n": 1}]
    await old.close()
    await new.close()


@pytest.mark.parametrize("epoch", [2, 3])
async def test_a_shared_file_that_has_seen_the_epoch_or_a_higher_one_is_not_opened(tmp_path: Path, epoch: int) -> None:
    new = SqliteBackend(0, str(tmp_path), failover="shared", epoch=3)
    await new.put({"n": 1})
    with pytest.raises(NotOwner):
        await SqliteBackend(0, str(tmp_path), failover="shared", epoch=epoch).open()
    await new.put({"n": 2})
    await new.close()


# --- wait ------------------------------------------------------------------------------------------------------------


async def test_without_a_takeover_the_others_are_told_since_when_it_is_away(one_cluster: Any, tmp_path: Path) -> None:
    async with one_cluster() as cluster:
        one = await node(cluster, 1, tmp_path / "one")
        await (await one.queue.write("q", **sqlite("wait"))).put({"id": 1})
        two = await node(cluster, 2, tmp_path / "two")
        reader = await two.queue.read("q", num_buckets=1, backend="sqlite")
        await reader.get()
        await cluster.kill(one)

        since = []
        for _ in range(2):
            with pytest.raises(BucketUnavailable) as caught:
                await reader.get()
            since.append(caught.value.since)
        assert since[0] == since[1] > 0
        with pytest.raises(BucketUnavailable) as refused:
            await (await two.queue.write("q", **sqlite("wait"))).put({"id": 2})
        assert not refused.value.maybe_executed


@pytest.mark.parametrize("group", [{}, {"group": "g"}])
async def test_a_bucket_that_is_away_keeps_none_of_the_others_from_being_read(
    one_cluster: Any, tmp_path: Path, group: dict[str, str]
) -> None:
    async with one_cluster() as cluster:
        one = await node(cluster, 1, tmp_path / "one")
        two = await node(cluster, 2, tmp_path / "two")
        queue = await two.queue.write("q", **sqlite("wait") | {"num_buckets": 8})
        await queue.put([{"id": n} for n in range(64)])
        reader = await two.queue.read("q", num_buckets=8, backend="sqlite", **group)
        assert len(await reader.get()) == 64
        before = reader.positions()
        await queue.put([{"id": n} for n in range(64, 128)])
        away = {row["bucket_id"] for row in await local_manager(one).list_buckets()}
        assert 0 < len(away) < 8
        await cluster.kill(one)

        still_here = {n for n in range(64, 128) if queue.get_bucket_id(n) not in away}
        assert {record["id"] for record in await reader.get(wait=True, timeout=60.0)} == still_here
        with pytest.raises(BucketUnavailable):
            await reader.get()
        assert {bucket for bucket, position in reader.positions().items() if position == before[bucket]} == away


# --- epochs ----------------------------------------------------------------------------------------------------------


async def test_a_cluster_that_knows_nobody_opens_files_of_an_earlier_one_at_once(
    one_cluster: Any, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        async with one_cluster() as cluster:
            only = await node(cluster, number, tmp_path)
            queue = await only.queue.write("q", **sqlite("wait"))

            assert (await queue.append({"id": number}))["offset"] == number - 1
            assert local_manager(only).catalogue.holding("q:bucket_0").epoch == number


# --- power cuts ------------------------------------------------------------------------------------------------------


async def test_a_power_cut_under_normal_durability_is_told_at_the_next_opening(
    one_system: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = SqliteBackend(0, str(tmp_path / "q"), durability="normal")
    await before.put_batch([{"id": 1}, {"id": 2}])
    before._file.close()  # as the end of the machine does: without a last word
    monkeypatch.setattr(sqlite_recovery, "this_boot", lambda: 4711)
    async with one_system() as system:
        local_manager(system).folders = Folders(str(tmp_path))
        events = system.inner.events.subscribe(["queue.data_lost"])
        queue = await system.queue.write("q", num_buckets=1, backend="sqlite", backend_options={"durability": "normal"})
        await queue.put({"id": 3})

        assert (await anext(events)).data == {"bucket_id": 0, "reason": "owner_died", "first": 2, "last": None}
    await before.close()


@pytest.mark.parametrize(("durability", "killed"), [("normal", False), ("full", True), ("full", False)])
async def test_what_was_synced_before_the_machine_went_down_is_not_told_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, killed: bool
) -> None:
    before = SqliteBackend(0, str(tmp_path), durability=durability)
    await before.put({"id": 1})
    if killed:
        before._file.close()
    await before.close()
    monkeypatch.setattr(sqlite_recovery, "this_boot", lambda: 4711)
    after = SqliteBackend(0, str(tmp_path), durability=durability)
    assert await after.get(10, 0) == [{"id": 1}]
    assert not after.may_lack
    await after.close()


async def test_a_kill_without_a_power_cut_is_no_loss_under_normal_durability(tmp_path: Path) -> None:
    before = SqliteBackend(0, str(tmp_path), durability="normal")
    await before.put({"id": 1})
    before._file.close()
    after = SqliteBackend(0, str(tmp_path), durability="normal")
    assert await after.get(10, 0) == [{"id": 1}]
    assert not after.may_lack
    await after.close()
    await before.close()


@asynccontextmanager
async def after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_system: Any, kept: int, written: int
) -> AsyncIterator[tuple[Any, Callable[[], Awaitable[None]]]]:
    """A queue with `written` records, and what lets the machine go down such that the first `kept` are on its disk."""
    async with one_system() as system:
        manager = local_manager(system)
        manager.folders = Folders(str(tmp_path))
        options = {"durability": "normal"}
        queue = await system.queue.write("q", num_buckets=1, backend="sqlite", backend_options=options)
        await queue.put([{"id": n} for n in range(kept)])
        await queue.put([{"id": n} for n in range(kept, written)])

        async def go_down() -> None:
            (ref,) = manager.buckets.values()
            file = ref._cell.actor.backend._file
            with file._owned() as connection:
                connection.execute("DELETE FROM batches WHERE first >= ?", (kept,))
            file.close()
            monkeypatch.setattr(sqlite_recovery, "this_boot", lambda: 4711)
            await system.inner.stop(ref)

        yield queue, go_down


async def test_a_reader_that_had_read_what_a_power_cut_took_is_told_which_records(
    one_system: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with after_a_power_cut(tmp_path, monkeypatch, one_system, kept=3, written=5) as (queue, go_down):
        reader = await queue.system.queue.read("q", num_buckets=1, backend="sqlite")
        assert len(await reader.get()) == 5
        await go_down()

        with pytest.raises(DataLost) as caught:
            await reader.get()
        assert (caught.value.reason, caught.value.first, caught.value.last) == ("owner_died", 3, 4)
        await queue.put({"id": "new"})
        assert await reader.get() == [{"id": "new"}]


async def test_records_written_over_what_a_power_cut_took_are_not_passed_over(
    one_system: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with after_a_power_cut(tmp_path, monkeypatch, one_system, kept=3, written=5) as (queue, go_down):
        reader = await queue.system.queue.read("q", num_buckets=1, backend="sqlite")
        await reader.get()
        await go_down()
        other = await queue.system.queue.write("q", num_buckets=1, backend="sqlite")
        told = [await other.append({"id": n}) for n in range(10, 13)]
        assert [(one["offset"], one["generation"]) for one in told] == [(3, 2), (4, 2), (5, 2)]

        with pytest.raises(DataLost, match="offsets 3 to 4"):
            await reader.get(wait=True)
        assert [record["id"] for record in await reader.get()] == [10, 11, 12]
        assert await reader.get() == []


async def test_a_reader_behind_what_a_power_cut_took_goes_on_where_it_was(
    one_system: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with after_a_power_cut(tmp_path, monkeypatch, one_system, kept=3, written=5) as (queue, go_down):
        reader = await queue.system.queue.read("q", num_buckets=1, backend="sqlite")
        await reader.get(limit=2)
        await go_down()
        assert [record["id"] for record in await reader.get()] == [2]


async def test_a_position_from_elsewhere_beyond_what_a_power_cut_left_is_told_once(
    one_system: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with after_a_power_cut(tmp_path, monkeypatch, one_system, kept=3, written=5) as (queue, go_down):
        await go_down()
        reader = await queue.system.queue.read("q", num_buckets=1, backend="sqlite")
        reader.set_offset(5)
        with pytest.raises(DataLost, match="offsets 3 to 4"):
            await reader.get(wait=True)
        assert await reader.get() == []
        assert reader.positions() == {0: 3}


async def test_an_offset_beyond_the_end_of_a_log_that_lost_nothing_is_no_loss(one_system: Any, tmp_path: Path) -> None:
    async with one_system() as system:
        local_manager(system).folders = Folders(str(tmp_path))
        queue = await system.queue.write("q", num_buckets=1, backend="sqlite")
        await queue.put({"id": 1})
        assert await queue.get(0, offset=1_000) == []


async def test_a_writer_and_a_group_are_told_what_a_power_cut_took(
    one_system: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with after_a_power_cut(tmp_path, monkeypatch, one_system, kept=3, written=5) as (queue, go_down):
        group = await queue.system.queue.read("q", num_buckets=1, backend="sqlite", group="g")
        assert len(await group.get()) == 5
        await go_down()
        await queue.put({"id": "new"})

        with pytest.raises(DataLost, match="offsets 3 to 4"):
            await queue.get(0)
        with pytest.raises(DataLost, match="offsets 3 to 4"):
            await group.get()
        await group.close()


async def test_the_generation_of_a_log_that_lost_its_end_stays_over_further_openings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = SqliteBackend(0, str(tmp_path), durability="normal")
    await before.put_batch([{"id": 1}, {"id": 2}])
    before._file.close()
    await before.close()
    monkeypatch.setattr(sqlite_recovery, "this_boot", lambda: 4711)
    for _ in range(2):
        again = SqliteBackend(0, str(tmp_path), durability="normal")
        await again.open()
        assert (again.generation, again.anew_from) == (2, 2)
        await again.close()
