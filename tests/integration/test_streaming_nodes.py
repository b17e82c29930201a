"""Queues and topics over real links and membership, in virtual time: kills, partitions, moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pulsing.exceptions import DataLost, NotSendable, PulsingRuntimeError
from pulsing.streaming import GroupReader, PublishMode, subscribe_to_topic
from pulsing.streaming.inspection import queue_rows
from pulsing.streaming.manager import local_manager
from pulsing.streaming.ownership.catalogue import QueueSettings
from pulsing.testing import cluster, run_virtual, wait_until


async def until(true: Callable[[], Any], timeout: float = 10.0) -> None:
    await wait_until(true, timeout)


def node_of_bucket(system: Any, queue: str, bucket: int) -> int:
    return int(local_manager(system).catalogue.holding(f"{queue}:bucket_{bucket}").node_id)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    run_virtual(scenario)


def test_a_queue_is_written_and_read_from_every_node() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            for number, system in enumerate(systems):
                queue = await system.queue.write("q")
                await queue.put([{"id": f"{number}-{n}", "n": n} for n in range(20)])
            for system in systems:
                reader = await system.queue.read("q")
                assert len(await reader.get(limit=1_000)) == 60
            assert {node_of_bucket(systems[0], "q", b) for b in range(4)} <= {s.node_id.id for s in systems}

    run(scenario)


def test_a_node_that_has_not_heard_of_a_queue_opens_its_buckets_as_the_first_put_has_fixed_them() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            one, two = systems
            is_home = local_manager(one).home_of("q") == one.node_id.id
            home, away = (one, two) if is_home else (two, one)
            options = {"max_records": 64, "overflow": "drop_oldest"}
            wanted = QueueSettings(8, "id", "memory", options)
            await local_manager(home).declare("q", wanted.to_dict())
            local_manager(away).catalogue._queues.clear()

            await asyncio.gather(*(local_manager(away).get_bucket("q", bucket_id) for bucket_id in range(8)))

            assert local_manager(away).catalogue.settings("q") == wanted
            queue = await home.queue.write("q", num_buckets=8, bucket_column="id", backend_options=options)
            await queue.put([{"id": n} for n in range(2_000)])
            (row,) = queue_rows(away.inner)
            assert row["records"] == 64 * len(local_manager(away).buckets) > 0

    run(scenario)


def test_what_is_too_large_for_one_message_is_put_and_read_between_nodes_all_the_same() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            await (await systems[0].queue.write("q", num_buckets=1)).put({"id": "first", "text": ""})
            owner = node_of_bucket(systems[0], "q", 0)
            (far,) = (system for system in systems if system.node_id.id != owner)
            queue = await far.queue.write("q", num_buckets=1)
            records = [{"id": n, "text": "x" * (n % 500)} for n in range(3_000)]

            answers = await queue.put(records)

            assert answers == [{"bucket_id": 0, "status": "ok"}] * 3_000
            assert await queue.get(limit=5_000, offset=1) == records
            reader = await far.queue.read("q", num_buckets=1)
            assert [len(await reader.get(limit=2_000)) for _ in range(3)] == [2_000, 1_001, 0]
            async with await far.queue.read("q", num_buckets=1, group="g") as member:
                assert isinstance(member, GroupReader)
                assert (await member.get(limit=5_000))[1:] == records
                assert await member.commit() == {0: 3_001}

    run(scenario)


def test_a_list_with_a_record_that_cannot_travel_writes_nothing_to_its_bucket() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            await (await systems[0].queue.write("q", num_buckets=1)).put({"id": 0})
            owner = node_of_bucket(systems[0], "q", 0)
            (far,) = (system for system in systems if system.node_id.id != owner)
            queue = await far.queue.write("q", num_buckets=1)
            records: list[dict[str, Any]] = [{"id": n, "text": "x" * 200} for n in range(2_000)]

            with pytest.raises(NotSendable) as caught:
                await queue.put([*records, {"id": "bad", "value": object()}])

            assert caught.value.results == [{"bucket_id": 0, "status": "error"}] * 2_001  # type: ignore[attr-defined]
            assert await queue.get() == [{"id": 0}]

    run(scenario)


def test_ranks_on_several_nodes_wait_and_share_the_records() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            seen: list[Any] = []

            async def consume(rank: int) -> None:
                reader = await systems[rank].queue.read("q", rank=rank, world_size=3)
                while True:
                    seen.extend(record["id"] for record in await reader.get(wait=True))

            consumers = [asyncio.ensure_future(consume(rank)) for rank in range(3)]
            queue = await systems[0].queue.write("q")
            for n in range(30):
                await queue.put({"id": n})
            await until(lambda: len(seen) == 30)
            for consumer in consumers:
                consumer.cancel()
            await asyncio.gather(*consumers, return_exceptions=True)
            assert sorted(seen) == list(range(30))

    run(scenario)


def test_after_a_kill_losses_are_told_once_and_the_queue_works_within_seconds() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            queue = await systems[0].queue.write("q", num_buckets=8)
            await queue.put([{"id": n} for n in range(80)])
            reader = await systems[0].queue.read("q", num_buckets=8)
            await reader.get(limit=1_000)
            victim = systems[1].node_id.id
            lost = {b for b in range(8) if node_of_bucket(systems[0], "q", b) == victim}
            assert lost
            systems.kill(1)

            loop = asyncio.get_running_loop()
            start = loop.time()
            put = 0
            for n in range(80):
                while True:
                    try:
                        await queue.put({"id": n})
                        put += 1
                        break
                    except PulsingRuntimeError as error:
                        assert error.maybe_executed  # type: ignore[attr-defined]
            assert loop.time() - start < 15
            told: list[int] = []
            read: list[Any] = []
            for _ in range(20):
                try:
                    read += await reader.get(limit=1_000)
                except DataLost as loss:
                    told.append(loss.bucket_id)
            assert sorted(told) == sorted(lost)
            assert len(read) == put

    run(scenario)


def test_a_topic_goes_on_after_its_brokers_node_was_killed() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            got: dict[int, list[Any]] = {0: [], 1: [], 2: []}
            for number, system in enumerate(systems):
                reader = await system.topic.read("t", reader_id=f"r{number}")
                reader.add_callback(got[number].append)
                await reader.start()
            catalogue = local_manager(systems[0]).catalogue
            broker = next(n for n, s in enumerate(systems) if s.node_id.id == catalogue.holding("topic:t").node_id)
            others = [n for n in range(3) if n != broker]
            writer = await systems[others[0]].topic.write("t")
            assert (await writer.publish("before", PublishMode.WAIT_ALL_ACKS)).delivered == 3
            systems.kill(broker)

            async def reaches_both() -> bool:
                try:
                    result = await writer.publish("again", PublishMode.WAIT_ALL_ACKS, timeout=1.0)
                    return bool(result.delivered == 2)
                except (PulsingRuntimeError, TimeoutError):
                    return False

            loop = asyncio.get_running_loop()
            deadline = loop.time() + 15
            while not await reaches_both():
                assert loop.time() < deadline
                await asyncio.sleep(0.1)
            assert got[others[0]][-1] == got[others[1]][-1] == "again"

    run(scenario)


def test_a_node_that_leaves_in_good_order_takes_no_call_with_it() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            queue = await systems[0].queue.write("q")
            await queue.put([{"id": n} for n in range(20)])
            await systems[1].shutdown()

            assert len(await queue.put([{"id": n} for n in range(20)])) == 20

    run(scenario)


def test_after_a_partition_both_sides_agree_on_one_owner() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            systems.partition(0, 1)

            def alone(system: Any) -> bool:
                return [m.status for m in system.inner.members_view()].count("Alive") == 1

            await until(lambda: all(map(alone, systems)), 60.0)
            queues = [await system.queue.write("q", num_buckets=1) for system in systems]
            for queue in queues:
                await queue.put({"id": 1})
            systems.heal()
            await systems.wait_joined(120.0)
            await until(lambda: node_of_bucket(systems[0], "q", 0) == node_of_bucket(systems[1], "q", 0), 30.0)

            for system in systems:
                assert len(await (await system.queue.read("q", num_buckets=1)).get()) == 1
            holders = [await system.inner.inspect("queue", {"queue": "q"}) for system in systems]
            assert sum(len(row["bucket_rows"]) for row in holders if row) == 1

    run(scenario)


async def test_a_durable_queue_is_read_from_another_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with cluster(2, transport="websocket") as systems:
        queue = await systems[0].queue.write("q", backend="sqlite")
        await queue.put([{"id": n, "data": b"x" * n} for n in range(40)])
        reader = await systems[1].queue.read("q", backend="sqlite")

        assert sorted(record["id"] for record in await reader.get(wait=True)) == list(range(40))
        await queue.flush()


def test_a_node_that_leaves_hands_its_memory_buckets_over_with_offsets_and_groups() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            queue = await systems[0].queue.write("q", num_buckets=8)
            await queue.put([{"id": n} for n in range(200)])
            reader = await systems[0].queue.read("q", num_buckets=8)
            member = await systems[0].queue.read("q", num_buckets=8, group="g")
            first = await reader.get(limit=90)
            await member.get(limit=50)
            await member.commit()
            positions = reader.positions()
            waiting = asyncio.ensure_future((await systems[2].queue.read("q", bucket_id=0, num_buckets=8)).get())
            leaving = systems[1].node_id.id
            moved = {b for b in range(8) if node_of_bucket(systems[0], "q", b) == leaving}
            assert moved
            await systems[1].shutdown()

            assert not {node_of_bucket(systems[0], "q", b) for b in range(8)} & {leaving}
            assert reader.positions() == positions
            rest = await reader.get(limit=1_000)
            assert sorted(record["id"] for record in first + rest) == list(range(200))
            assert len(await member.get(limit=1_000)) == 150
            await waiting
            appended = await queue.append({"id": "after"})
            assert appended["generation"] == 1

    run(scenario)


def test_a_put_waits_until_a_node_that_has_just_started_knows_whether_it_is_cut_off() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            seed_answers = systems[0].inner.now() + 2.0
            for system in systems:
                system.inner.may_be_cut_off = lambda: systems[0].inner.now() < seed_answers
            queue = await systems[0].queue.write("q")
            await queue.put([{"id": n} for n in range(20)])
            assert systems[0].inner.now() >= seed_answers

    run(scenario)


@pytest.mark.parametrize("later_s", [0.0, 0.001, 0.01, 0.1])
def test_a_cluster_that_ends_as_a_whole_tells_of_no_lost_bucket(
    later_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with cluster(2) as (first, second):
            queue = await first.queue.write("q")
            await queue.put([{"id": n} for n in range(40)])
            leaving = asyncio.ensure_future(second.shutdown())
            await asyncio.sleep(later_s)
            await asyncio.gather(first.shutdown(), leaving)

    run(scenario)
    assert "is lost" not in caplog.text


def test_puts_and_waiting_reads_go_on_while_a_node_leaves() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            queue = await systems[0].queue.write("q", num_buckets=8)
            acked: list[int] = []
            seen: list[Any] = []

            async def produce() -> None:
                for n in range(600):
                    await queue.put({"id": n})
                    acked.append(n)
                    await asyncio.sleep(0.002)

            async def consume() -> None:
                reader = await systems[2].queue.read("q", num_buckets=8)
                while True:
                    seen.extend(record["id"] for record in await reader.get(wait=True))

            consumer = asyncio.ensure_future(consume())
            producer = asyncio.ensure_future(produce())
            await until(lambda: len(acked) > 100)
            await systems[1].shutdown()
            await producer
            await until(lambda: len(seen) >= 600)
            consumer.cancel()
            await asyncio.gather(consumer, return_exceptions=True)

            assert sorted(seen) == acked == list(range(600))

    run(scenario)


def test_an_actor_that_was_subscribed_by_name_stays_so_when_the_broker_leaves() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            got: list[Any] = []

            class Listener:
                async def receive(self, msg: Any) -> None:
                    got.append(msg["payload"])

            await systems[0].topic.write("t")
            writer = await systems[0].topic.write("t")
            await writer.publish("first")
            holder = local_manager(systems[0]).catalogue.holding("topic:t").node_id
            broker = next(n for n, system in enumerate(systems) if system.node_id.id == holder)
            others = [n for n in range(3) if n != broker]
            await systems[others[0]].spawn(Listener(), name="listener", public=True)
            await subscribe_to_topic(systems[others[0]], "t", "s", "listener")
            writer = await systems[others[1]].topic.write("t")
            await writer.publish("before", PublishMode.WAIT_ALL_ACKS)
            await systems[broker].shutdown()
            result = await writer.publish("after", PublishMode.WAIT_ALL_ACKS)

            assert (result.delivered, got) == (1, ["before", "after"])

    run(scenario)


@pytest.mark.parametrize("transport", ["memory", "websocket"])
async def test_files_are_opened_by_the_next_owner_as_soon_as_a_node_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    async with cluster(2, transport=transport) as systems:
        queue = await systems[0].queue.write("q", num_buckets=8, backend="sqlite")
        await queue.put([{"id": n} for n in range(40)])
        leaving = systems[1].node_id.id
        assert leaving in {node_of_bucket(systems[0], "q", b) for b in range(8)}
        putting = asyncio.gather(*(queue.put({"id": n}) for n in range(40, 80)))
        await systems[1].shutdown()
        await putting
        await queue.put([{"id": n} for n in range(80, 120)])

        assert sorted(record["id"] for record in await queue.get(limit=1_000)) == list(range(120))


@pytest.mark.parametrize("is_silent", [False, True], ids=["killed", "silent"])
@pytest.mark.parametrize("mode", list(PublishMode))
def test_a_brokers_death_blocks_no_publisher_for_longer_than_its_timeout(mode: PublishMode, is_silent: bool) -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            loop = asyncio.get_running_loop()
            await (await systems[0].topic.write("t")).publish("first")
            holder = local_manager(systems[0]).catalogue.holding("topic:t").node_id
            broker = next(n for n, system in enumerate(systems) if system.node_id.id == holder)
            others = [n for n in range(3) if n != broker]
            arrived: dict[int, list[float]] = {n: [] for n in others}
            for n in others:
                reader = await systems[n].topic.read("t", reader_id=f"r{n}")
                reader.add_callback(lambda message, n=n: arrived[n].append(loop.time()))
                await reader.start()
            writer = await systems[others[0]].topic.write("t")
            longest = 0.0
            killed_at: float | None = None
            for number in range(60):
                if number == 10:
                    if is_silent:
                        systems.freeze(broker, 60.0)
                    else:
                        systems.kill(broker)
                    killed_at = loop.time()
                start = loop.time()
                try:
                    await writer.publish(number, mode, timeout=2.0)
                except (PulsingRuntimeError, TimeoutError):
                    pass
                longest = max(longest, loop.time() - start)
                await asyncio.sleep(0.1)

            assert killed_at is not None
            assert longest <= 2.6
            assert all(arrived[n][-1] > killed_at for n in others)

    run(scenario)


def test_thousands_of_readers_that_wait_do_nothing_meanwhile() -> None:
    async def scenario() -> None:
        async with cluster(1) as systems:
            queue = await systems[0].queue.write("q", num_buckets=1)
            await queue.put({"id": 0})
            readers = [await systems[0].queue.read("q", num_buckets=1) for _ in range(1_500)]
            for reader in readers:
                await reader.get()
            waiting = [asyncio.ensure_future(reader.get(wait=True)) for reader in readers]
            bucket = local_manager(systems[0]).buckets["q", 0]._cell
            await asyncio.sleep(1.0)
            before = bucket.messages
            await asyncio.sleep(60.0)
            asked = bucket.messages - before
            await queue.put({"id": 1})

            assert await asyncio.gather(*waiting) == [[{"id": 1}]] * 1_500
            assert asked <= 4 * 1_500

    run(scenario)
