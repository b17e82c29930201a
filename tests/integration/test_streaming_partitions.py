"""Queues over partitions, in virtual time: one side goes on, the other takes no records and marks what is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pulsing.cluster.placement import weight
from pulsing.exceptions import BucketUnavailable, DataLost, NotOwner
from pulsing.streaming.finding import get_bucket_ref
from pulsing.streaming.manager import local_manager
from pulsing.testing import cluster, run_virtual, wait_until
from tests.simulation.queue_world import InlineThread

CALM_S = 8.0
"""Longer than a view must stand to be the measure of a partition."""


def holder(systems: Any, queue: str = "q", seen_by: int = 0) -> int:
    """The number of the node that holds the only bucket of a queue."""
    node_id = local_manager(systems[seen_by]).catalogue.holding(f"{queue}:bucket_0").node_id
    return next(n for n, system in enumerate(systems) if system.node_id.id == node_id)


def alive(system: Any) -> int:
    """How many members a node does not hold for dead."""
    return sum(member.status != "Dead" for member in system.inner.members_view())


def part(systems: Any, side: list[int]) -> list[int]:
    """Cut a side off from the others, and return those."""
    others = [n for n in range(len(systems)) if n not in side]
    for one in side:
        for other in others:
            systems.partition(one, other)
    return others


async def both_sides_know(systems: Any, side: list[int], others: list[int]) -> None:
    def they_do() -> bool:
        return all(alive(systems[n]) == len(half) for half in (side, others) for n in half)

    await wait_until(they_do, 60.0)


async def one_again(systems: Any) -> None:
    systems.heal()
    await systems.wait_joined(60.0)


async def next_of(events: Any) -> tuple[str, Any]:
    event = await anext(events)
    return event.type, event.data


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    run_virtual(scenario)


def test_the_minority_takes_no_records_and_marks_what_is_read_as_stale() -> None:
    async def scenario() -> None:
        async with cluster(5) as systems:
            queue = await systems[0].queue.write("q", num_buckets=1)
            await queue.put({"id": "before"})
            await asyncio.sleep(CALM_S)
            owner = holder(systems)
            reader = await systems[owner].queue.read("q", num_buckets=1)
            assert await reader.get() == [{"id": "before"}]
            assert reader.stale_buckets == frozenset()
            events = systems[owner].inner.events.subscribe(["queue.*"])
            others = part(systems, [owner])
            await both_sides_know(systems, [owner], others)

            with pytest.raises(NotOwner, match="lacks the majority"):
                await (await systems[owner].queue.write("q", num_buckets=1)).put({"id": "minority"})
            reader.reset()
            assert await reader.get() == [{"id": "before"}]
            assert reader.stale_buckets == {0}
            assert await next_of(events) == ("queue.stale", {"bucket_id": 0})
            (row,) = (await systems[owner].inner.inspect("queue", {"queue": "q"}))["bucket_rows"]
            assert row["state"] == "unavailable"

    run(scenario)


def test_the_majority_takes_over_and_its_log_is_what_both_sides_have_after_the_heal() -> None:
    async def scenario() -> None:
        async with cluster(5) as systems:
            queue = await systems[0].queue.write("q", num_buckets=1)
            await queue.put({"id": "before"})
            await asyncio.sleep(CALM_S)
            owner = holder(systems)
            reader = await systems[owner].queue.read("q", num_buckets=1)
            await reader.get()
            events = systems[owner].inner.events.subscribe(["queue.data_lost"])
            others = part(systems, [owner])
            await both_sides_know(systems, [owner], others)
            appended = await (await systems[others[0]].queue.write("q", num_buckets=1)).append({"id": "majority"})
            assert (appended["offset"], appended["generation"] > 1) == (0, True)
            await one_again(systems)

            with pytest.raises(DataLost) as caught:
                await reader.get(wait=True, timeout=10.0)
            assert (caught.value.reason, caught.value.generation) == ("owner_died", appended["generation"])
            assert await reader.get(wait=True, timeout=10.0) == [{"id": "majority"}]
            assert reader.stale_buckets == frozenset()
            assert (await next_of(events))[0] == "queue.data_lost"
            await (await systems[owner].queue.write("q", num_buckets=1)).put({"id": "after"})
            assert [r["id"] for r in await reader.get(wait=True)] == ["after"]

    run(scenario)


def test_what_nobody_took_over_goes_on_after_the_heal_as_it_was() -> None:
    async def scenario() -> None:
        async with cluster(5) as systems:
            queue = await systems[0].queue.write("q", num_buckets=1)
            await queue.put({"id": 1})
            await asyncio.sleep(CALM_S)
            owner = holder(systems)
            await both_sides_know(systems, [owner], part(systems, [owner]))
            await one_again(systems)
            await queue.put({"id": 2})

            assert [record["id"] for record in await queue.get(0)] == [1, 2]

    run(scenario)


def test_a_minority_opens_no_bucket_that_it_cannot_reach() -> None:
    async def scenario() -> None:
        async with cluster(5) as systems:
            queue = await systems[0].queue.write("q", num_buckets=1)
            await queue.put({"id": 1})
            await asyncio.sleep(CALM_S)
            owner = holder(systems)
            side = [n for n in range(5) if n != owner][:2]
            await both_sides_know(systems, side, part(systems, side))

            for name in ("q", "new"):
                with pytest.raises(NotOwner, match="lacks the majority"):
                    await (await systems[side[0]].queue.write(name, num_buckets=1)).put({"id": 2})
            with pytest.raises(NotOwner, match="lacks the majority"):
                await (await systems[side[0]].queue.read("q", num_buckets=1)).get()

    run(scenario)


def test_one_that_joins_a_minority_is_part_of_it() -> None:
    async def scenario() -> None:
        async with cluster(5) as systems:
            queue = await systems[0].queue.write("q", num_buckets=1)
            await queue.put({"id": 1})
            await asyncio.sleep(CALM_S)
            owner = holder(systems)
            side = [0, next(n for n in range(1, 5) if n != owner)]
            if owner == 0:
                side = [0]
            await both_sides_know(systems, side, part(systems, side))
            for other in set(range(5)) - set(side):
                systems.partition(5, other)
            late = await systems.add()
            await wait_until(lambda: alive(late) == len(side) + 1, 30.0)
            await asyncio.sleep(CALM_S)

            with pytest.raises(NotOwner):
                await (await late.queue.write("q", num_buckets=1)).put({"id": 2})

    run(scenario)


def test_of_two_halves_the_one_with_the_lowest_node_goes_on() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            lower, upper = sorted(range(2), key=lambda n: systems[n].node_id.id)
            for queue_name in ("q", "r", "s"):
                await (await systems[0].queue.write(queue_name, num_buckets=1)).put({"id": 1})
            await asyncio.sleep(CALM_S)
            part(systems, [0])
            await both_sides_know(systems, [0], [1])

            for queue_name in ("q", "r", "s"):
                await (await systems[lower].queue.write(queue_name, num_buckets=1)).put({"id": 2})
                with pytest.raises(NotOwner):
                    await (await systems[upper].queue.write(queue_name, num_buckets=1)).put({"id": 2})

    run(scenario)


@pytest.mark.parametrize("victim", [0, 1])
def test_of_two_nodes_either_goes_on_when_the_other_is_killed(victim: int) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            rest = systems[1 - victim]
            await (await rest.queue.write("q", num_buckets=8)).put([{"id": n} for n in range(80)])
            await asyncio.sleep(CALM_S)
            systems.kill(victim)
            await wait_until(lambda: alive(rest) == 1, 30.0)

            fresh = await rest.queue.write("q", num_buckets=8)
            assert len(await fresh.put([{"id": n} for n in range(80)])) == 80

    run(scenario)


def test_without_a_quorum_both_sides_write_and_one_log_is_left() -> None:
    async def scenario() -> None:
        async with cluster(5) as systems:
            options = {"quorum": "off"}
            queue = await systems[0].queue.write("q", num_buckets=1, backend_options=options)
            await queue.put({"id": "before"})
            await asyncio.sleep(CALM_S)
            owner = holder(systems)
            others = part(systems, [owner])
            await both_sides_know(systems, [owner], others)
            for n in (owner, others[0]):
                await (await systems[n].queue.write("q", num_buckets=1, backend_options=options)).put({"id": n})
            await one_again(systems)

            logs = [await (await system.queue.read("q", num_buckets=1)).get(wait=True) for system in systems]
            assert logs == [[{"id": others[0]}]] * 5

    run(scenario)


def test_two_sides_that_both_begin_a_log_never_give_it_the_same_generation() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            await asyncio.sleep(CALM_S)
            await both_sides_know(systems, [0], part(systems, [0]))
            queues = [
                await system.queue.write("q", num_buckets=1, backend_options={"quorum": "off"}) for system in systems
            ]
            told = [await queue.append({"id": n}) for n, queue in enumerate(queues)]
            assert told[0]["generation"] != told[1]["generation"]

    run(scenario)


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
def test_a_silent_member_holds_up_no_bucket_on_which_the_others_agree(backend: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cluster(3, queue_path=str(tmp_path)) as systems:
            for system in systems:
                local_manager(system)._opening.store_thread = InlineThread()
            await (await systems[0].queue.write("other")).put({"id": 1})
            await asyncio.sleep(CALM_S)
            silent = systems[2].node_id.id

            def is_of_others(key: str) -> bool:
                return bool(max((one.node_id.id for one in systems), key=lambda node: weight(key, node)) != silent)

            name = next(n for n in map(str, range(99)) if is_of_others(f"queue:{n}") and is_of_others(f"{n}:bucket_0"))
            queue = await systems[0].queue.write(name, num_buckets=1, backend=backend)
            systems.freeze(2, 60.0)
            start = asyncio.get_running_loop().time()

            await queue.put({"id": 1})

            assert asyncio.get_running_loop().time() - start < 1.0

    run(scenario)


def test_a_log_in_files_does_not_begin_anew_while_a_silent_member_may_have_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cluster(1, queue_path=str(tmp_path / "old")) as systems:
            local_manager(systems[0])._opening.store_thread = InlineThread()
            await (await systems[0].queue.write("q", num_buckets=1, backend="sqlite")).put({"id": "before"})
        async with cluster(2, queue_path=str(tmp_path / "new")) as systems:
            old = await systems.add(queue_path=str(tmp_path / "old"))
            for system in systems:
                local_manager(system)._opening.store_thread = InlineThread()
            await systems.wait_joined(60.0)
            queue = await systems[0].queue.write("q", num_buckets=1, backend="sqlite")
            assert await queue.is_set_up()
            systems.freeze(2, 4.0)
            with pytest.raises(BucketUnavailable):
                await queue.put({"id": "too early"})
            await asyncio.sleep(CALM_S)
            await queue.put({"id": "after"})
            assert [record["id"] for record in await queue.get()] == ["before", "after"]
            assert local_manager(old).buckets

    run(scenario)


def test_nobody_takes_a_bucket_from_an_owner_whom_the_others_still_hear() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            await (await systems[0].queue.write("q", num_buckets=1)).put({"id": "before"})
            await asyncio.sleep(CALM_S)
            owner = holder(systems)
            others = [system.inner for n, system in enumerate(systems) if n != owner]
            deaf = max(others, key=lambda inner: weight("q:bucket_0", inner.node_id.id))  # the heir
            seen, gone = deaf.members_view, systems[owner].node_id
            deaf.members_view = lambda: [replace(m, status="Dead") if m.node_id == gone else m for m in seen()]

            with pytest.raises(NotOwner, match="too few"):
                await get_bucket_ref(deaf, "q", 0)
            assert holder(systems) == owner
            await (await systems[owner].queue.write("q", num_buckets=1)).put({"id": "after"})

    run(scenario)


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
def test_a_node_that_starts_cut_off_begins_no_log_of_its_own(backend: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cluster(2, queue_path=str(tmp_path / "both")) as systems:
            for system in systems:
                local_manager(system)._opening.store_thread = InlineThread()
            await (await systems[0].queue.write("q", num_buckets=1, backend=backend)).put({"id": "before"})
            for other in range(2):
                systems.partition(2, other)
            late = await systems.add(queue_path=str(tmp_path / "late"))
            local_manager(late)._opening.store_thread = InlineThread()
            with pytest.raises(NotOwner):
                await (await late.queue.write("q", num_buckets=1, backend=backend)).put({"id": "late"})
            await one_again(systems)

            queue = await late.queue.write("q", num_buckets=1, backend=backend)
            await queue.put({"id": "late"})
            assert [record["id"] for record in await queue.get(0)] == ["before", "late"]

    run(scenario)


def test_nodes_that_start_cut_off_together_begin_a_log_that_is_never_taken_for_the_other_sides() -> None:
    async def scenario() -> None:
        async with cluster(1) as systems:
            before = await (await systems[0].queue.write("q", num_buckets=1)).append({"id": "before"})
            for late in (1, 2):
                systems.partition(late, 0)
            await systems.add()
            second = await systems.add()
            assert second.inner.join_through is not None
            await second.inner.join_through([systems[1].addr], 10.0)
            after = await (await second.queue.write("q", num_buckets=1)).append({"id": "after"})
            assert before["generation"] == 1 < after["generation"]
            assert before["offset"] == after["offset"] == 0

    run(scenario)


def test_a_node_whose_seeds_refuse_is_known_to_be_alone() -> None:
    async def scenario() -> None:
        async with cluster(1) as systems:
            systems.kill(0)
            late = await systems.add()
            assert (await (await late.queue.write("q", num_buckets=1)).append({"id": 1}))["generation"] == 1

    run(scenario)


def test_a_bucket_that_was_opened_a_moment_ago_is_handed_over_at_once() -> None:
    async def scenario() -> None:
        async with cluster(2, delay=0.002) as systems:
            await (await systems[0].queue.write("q", num_buckets=4)).put([{"id": n} for n in range(20)])
            loop = asyncio.get_running_loop()
            began = loop.time()
            await systems[1].shutdown()
            assert loop.time() - began < 0.5
            assert len(await (await systems[0].queue.write("q", num_buckets=4)).get()) == 20

    run(scenario)
