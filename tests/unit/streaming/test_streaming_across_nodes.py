"""Queues and topics over several nodes: owners, redirects, deaths, and what is told of losses."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from pulsing.exceptions import DataLost, NodeDead, NotOwner, PulsingRuntimeError
from pulsing.streaming import (
    PublishMode,
    QueueReader,
    get_bucket_ref,
    get_storage_manager,
    get_topic_broker,
    subscribe_to_topic,
)
from pulsing.streaming import pubsub as pubsub_module
from pulsing.streaming.administration import delete_queue, open_queue, purge_queue
from pulsing.streaming.manager import local_manager


def holders(system: Any, queue: str) -> dict[int, int]:
    """Which node holds which bucket, as a node knows."""
    catalogue = local_manager(system).catalogue
    return {bucket: catalogue.holding(f"{queue}:bucket_{bucket}").node_id for bucket in range(4)}


async def filled(system: Any, count: int = 40) -> Any:
    queue = await system.queue.write("q")
    await queue.put([{"id": n} for n in range(count)])
    return queue


# --- placement -------------------------------------------------------------------------------------------------------


async def test_buckets_are_spread_over_the_nodes_and_read_from_any(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two, three = [await cluster.add(number) for number in (1, 2, 3)]
        await filled(one)

        read = await (await three.queue.read("q")).get()

        assert sorted(record["id"] for record in read) == list(range(40))
        assert len(set(holders(one, "q").values())) > 1
        assert holders(one, "q") == holders(two, "q") == holders(three, "q")


async def test_a_manager_answers_for_its_own_and_redirects_to_the_owner(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        await filled(one)
        bucket, node = next((b, n) for b, n in holders(one, "q").items() if n == 2)

        ready = await (await get_storage_manager(two)).get_bucket("q", bucket)
        redirect = await (await get_storage_manager(one)).get_bucket("q", bucket)

        assert {key: ready[key] for key in ("_type", "topic", "bucket_id", "node_id", "epoch")} == {
            "_type": "BucketReady",
            "topic": "q",
            "bucket_id": bucket,
            "node_id": str(node),
            "epoch": 1,
        }
        assert int(ready["actor_id"]) >> 64 == node
        assert redirect == {
            "_type": "Redirect",
            "topic": "q",
            "bucket_id": bucket,
            "owner_node_id": "2",
            "owner_addr": "",
            "epoch": 1,
        }


async def test_a_list_travels_as_one_batch_a_bucket(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await filled(one)
        mine = {bucket for bucket, node in holders(one, "q").items() if node == one.node_id.id}
        others = set(range(4)) - mine
        assert mine and others
        cluster.sent.clear()

        records = [{"id": n} for n in range(1_000)]
        await queue.put(records)

        sent = [envelope for envelope in cluster.sent if envelope.target.node_id == two.node_id]
        batches = {envelope.args[0][0]["id"]: [record["id"] for record in envelope.args[0]] for envelope in sent}
        expected: dict[int, list[int]] = {}
        for n in range(1_000):
            expected.setdefault(queue.get_bucket_id(n), []).append(n)
        assert {envelope.method for envelope in sent} == {"append"}
        assert sorted(batches.values()) == sorted(expected[bucket] for bucket in others)


async def test_a_handle_follows_a_bucket_that_has_moved_to_tell_its_figures(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await filled(one)
        assert set((await queue.stats())["buckets"]) == {0, 1, 2, 3}
        lost = {bucket for bucket, node in holders(one, "q").items() if node == two.node_id.id}
        await cluster.kill(two)
        await (await one.queue.write("q")).put([{"id": n} for n in range(40)])

        await queue.flush()
        figures = (await queue.stats())["buckets"]

        assert {bucket for bucket, row in figures.items() if row["generation"] > 1} == lost != set()


async def test_a_manager_refuses_to_open_a_bucket_otherwise_than_its_queue_was_set_up(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one = await cluster.add(1)
        await filled(one)

        with pytest.raises(ValueError, match="backend='memory', not 'sqlite'"):
            await (await get_storage_manager(one)).get_bucket("q", 0, backend="sqlite")


async def test_a_bucket_that_a_queue_does_not_have_is_opened_by_nobody(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await filled(one)

        for node in (one, two):
            with pytest.raises(ValueError, match="has buckets 0 to 3, not 4"):
                await get_bucket_ref(node, "q", 4)
        assert sorted((await queue.stats())["buckets"]) == [0, 1, 2, 3]


async def test_managers_list_what_they_hold(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        await filled(one)
        await get_topic_broker(one, "news")
        managers = [await get_storage_manager(node) for node in (one, two)]

        buckets = [bucket for manager in managers for bucket in await manager.list_buckets()]
        topics = [topic for manager in managers for topic in await manager.list_topics()]
        stats = await managers[0].get_stats()

        assert sorted(bucket["bucket_id"] for bucket in buckets) == [0, 1, 2, 3]
        assert topics == ["news"]
        assert stats["node_id"] == "1"
        assert (stats["bucket_count"], stats["topic_count"]) == (len(stats["buckets"]), len(stats["topics"]))


async def test_a_node_that_comes_takes_nothing_away_and_finds_everything(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one = await cluster.add(1)
        queue = await filled(one)
        late = await cluster.add(2)
        reader = await late.queue.read("q")
        other = await late.queue.write("q")
        await other.put({"id": "late"})

        assert len(await reader.get()) == 41
        assert len(await QueueReader(queue).get()) == 41
        assert set(holders(late, "q").values()) == {1}


@pytest.mark.parametrize("told", [0, 1, 2, None])
async def test_a_first_log_is_generation_one_unless_others_may_have_had_it_before(
    one_cluster: Any, told: int | None
) -> None:
    async with one_cluster() as cluster:
        systems = [await cluster.add(number) for number in (1, 2, 3)]
        if told is not None:
            systems[told].inner.may_lack_members = lambda: True
        appended = await (await systems[0].queue.write("q", num_buckets=1)).append({"id": "first"})
        assert (appended["generation"] == 1) == (told is None)


async def test_settings_hold_on_every_node(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        await filled(one)

        with pytest.raises(ValueError, match="num_buckets=4, not 2"):
            await (await two.queue.write("q", num_buckets=2)).put({"id": 1})
        with pytest.raises(ValueError, match="num_buckets=4, not 2"):
            await (await two.queue.read("q", num_buckets=2)).get()


async def test_redirects_that_lead_nowhere_are_an_error(one_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        answers: list[Any] = []

        async def answer(topic: str, *_: Any) -> Any:
            return answers[0]

        for node in (one, two):
            cell = node.inner.registry.by_path("actors/queue_storage_manager")
            table = dict(cell.spec.table.methods)
            method = type(table["get_topic"])("get_topic", "async", lambda _self, topic: answer(topic))
            table["get_topic"] = method
            monkeypatch.setattr(cell, "spec", replace(cell.spec, table=_table(cell, table)))
        answers.append({"_type": "Redirect", "owner_node_id": "1", "owner_addr": "", "epoch": 0})
        with pytest.raises(NotOwner, match="Redirect loop"):
            await get_topic_broker(one, "t")
        with pytest.raises(NotOwner, match="Too many redirects"):
            await get_topic_broker(two, "t", max_redirects=0)
        answers[0] = {"_type": "Riddle"}
        with pytest.raises(PulsingRuntimeError, match="Unexpected response"):
            await get_topic_broker(one, "t")


def _table(cell: Any, methods: dict[str, Any]) -> Any:
    return replace(cell.spec.table, methods=methods)


# --- death of an owner -----------------------------------------------------------------------------------------------


async def test_what_died_with_its_owner_is_told_once_to_each_handle_and_work_goes_on(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await filled(one)
        reader = await one.queue.read("q")
        await reader.get()
        lost = sorted(bucket for bucket, node in holders(one, "q").items() if node == 2)
        kept = sorted(bucket for bucket, node in holders(one, "q").items() if node == 1)
        assert lost and kept
        events = one.inner.events.subscribe(["queue.*"])
        await cluster.kill(two)
        await queue.put([{"id": n} for n in range(100, 140)])

        told = []
        read = []
        for _ in range(len(lost) + 1):
            try:
                read += await reader.get()
            except DataLost as loss:
                told.append((loss.bucket_id, loss.reason, loss.generation))

        assert sorted(told) == [(bucket, "owner_died", 2) for bucket in lost]
        assert sorted(record["id"] for record in read) == list(range(100, 140))
        assert await reader.get() == []
        seen = [(await anext(events)) for _ in range(2 * len(lost))]
        assert sorted((e.type, e.data["bucket_id"]) for e in seen) == sorted(
            (kind, bucket) for kind in ("queue.bucket_moved", "queue.data_lost") for bucket in lost
        )


async def test_a_handle_that_only_wrote_is_told_when_it_reads(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await filled(one)
        lost = sorted(bucket for bucket, node in holders(one, "q").items() if node == 2)
        await cluster.kill(two)
        await queue.put([{"id": n} for n in range(40)])

        for bucket in range(4):
            if bucket in lost:
                with pytest.raises(DataLost, match=f"bucket {bucket}"):
                    await queue.get(bucket)
            assert await queue.get(bucket) != []


async def test_a_handle_that_begins_afterwards_is_told_nothing(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        await filled(one)
        held = sum(node == 1 for node in holders(one, "q").values())
        await cluster.kill(two)

        read = await (await one.queue.read("q")).get()

        assert held == 0 or {r["id"] for r in read} < set(range(40))


async def test_a_reader_that_waits_in_a_bucket_whose_owner_dies_is_told(one_cluster: Any, until: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        await filled(one)
        bucket = next(bucket for bucket, node in holders(one, "q").items() if node == 2)
        reader = await one.queue.read("q", bucket_id=bucket)
        await reader.get()
        waiting = asyncio.ensure_future(reader.get(wait=True))
        storage = two.inner.registry.by_path(f"actors/bucket_q_{bucket}").actor
        await until(lambda: storage.readers.waiting_reads)
        await cluster.kill(two)

        with pytest.raises(DataLost):
            await asyncio.wait_for(waiting, 5)


async def test_a_put_under_way_when_its_owner_dies_says_that_it_may_have_happened(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await filled(one)
        name = next(str(n) for n in range(999) if holders(one, "q")[queue.get_bucket_id(str(n))] == 2)
        put = asyncio.ensure_future(queue.put({"id": name}))
        await asyncio.sleep(0)
        await cluster.kill(two)

        with pytest.raises(NodeDead) as caught:
            await put
        assert caught.value.maybe_executed
        assert (await queue.put({"id": name}))["status"] == "ok"


async def test_two_owners_that_could_not_see_each_other_agree_on_one(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one = await cluster.add(1)
        queue = await one.queue.write("q", num_buckets=1)
        await queue.put({"id": "one"})
        two = await cluster.add(2)
        # The second node has not met the first when it takes the bucket.
        local_manager(two)._exchange.met.add(1)
        local_manager(two).catalogue.take("q:bucket_0", 2)
        local_manager(two).catalogue.take("q:bucket_0", 2)
        local_manager(one)._exchange.met.add(2)
        await (await get_storage_manager(one)).learn(local_manager(two).catalogue.everything())

        assert await (await get_storage_manager(one)).list_buckets() == []
        assert local_manager(one).catalogue.holding("q:bucket_0").node_id == 2
        proxy = await get_bucket_ref(one, "q", 0)
        assert proxy.ref.node_id.id == 2


async def test_an_owner_that_gives_a_bucket_up_keeps_no_reader_waiting(one_cluster: Any, until: Any) -> None:
    async with one_cluster() as cluster:
        one = await cluster.add(1)
        await (await one.queue.write("q", num_buckets=1)).put({"id": "one"})
        reader = await one.queue.read("q", num_buckets=1)
        await reader.get()
        waiting = asyncio.ensure_future(reader.get(wait=True))
        bucket = local_manager(one).buckets["q", 0]._cell.actor
        await until(lambda: bucket._waits)
        two = await cluster.add(2)
        local_manager(two)._exchange.met.add(1)
        local_manager(two).catalogue.take("q:bucket_0", 2)
        local_manager(two).catalogue.take("q:bucket_0", 2)
        local_manager(one)._exchange.met.add(2)
        news = local_manager(two).catalogue.everything()
        await asyncio.wait_for((await get_storage_manager(one)).learn(news), 5)

        with pytest.raises(DataLost):
            await asyncio.wait_for(waiting, 5)


async def test_a_queue_is_deleted_at_once_though_somebody_waits_in_it(one_cluster: Any, until: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        await filled(one)
        readers = [await node.queue.read("q") for node in (one, two)]
        for reader in readers:
            await reader.get()
        waiting = [asyncio.ensure_future(reader.get(wait=True)) for reader in readers]
        buckets = [ref._cell.actor for node in (one, two) for ref in local_manager(node).buckets.values()]
        await until(lambda: all(len(bucket._waits) == 2 for bucket in buckets))
        queue = await open_queue(two, "q")
        assert queue is not None
        assert await asyncio.wait_for(delete_queue(queue), 5) == {"deleted": True, "records": 40}

        assert not any(one.done() for one in waiting)
        await (await one.queue.write("q")).put([{"id": n} for n in range(40)])
        outcomes = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
        assert [type(outcome) for outcome in outcomes] == [DataLost] * 2


# --- topics ----------------------------------------------------------------------------------------------------------


async def test_messages_reach_readers_on_every_node(one_cluster: Any, until: Any) -> None:
    async with one_cluster() as cluster:
        nodes = [await cluster.add(number) for number in (1, 2, 3)]
        got: dict[int, list[Any]] = {}
        for node in nodes:
            reader = await node.topic.read("t")
            reader.add_callback(got.setdefault(node.node_id.id, []).append)
            await reader.start()
        writer = await nodes[0].topic.write("t")

        assert (await writer.publish(1, PublishMode.WAIT_ALL_ACKS)).delivered == 3
        assert (await writer.publish(2)).delivered == 3
        await until(lambda: all(messages == [1, 2] for messages in got.values()))


async def test_an_actor_of_another_node_is_found_by_its_name(one_cluster: Any) -> None:
    from pulsing.core import Actor

    class Ear(Actor):
        def __init__(self) -> None:
            self.got: list[Any] = []

        async def receive(self, msg: Any) -> None:
            self.got.append(msg["payload"])

    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        ear = Ear()
        await two.spawn(ear, name="ear", public=True)
        one.inner.names = two.inner.names
        await subscribe_to_topic(one, "t", "s", "ear")

        assert (await (await one.topic.write("t")).publish(1, PublishMode.WAIT_ALL_ACKS)).delivered == 1
        assert ear.got == [1]


async def test_when_the_brokers_node_dies_readers_return_and_writers_find_the_new_one(
    one_cluster: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubsub_module, "RENEW_EVERY_S", 0.01)
    async with one_cluster() as cluster:
        nodes = [await cluster.add(number) for number in (1, 2)]
        broker = (await get_topic_broker(nodes[0], "t")).ref.node_id.id
        survivor, other = (nodes[1], nodes[0]) if broker == 1 else (nodes[0], nodes[1])
        got: list[Any] = []
        reader = await survivor.topic.read("t", reader_id="r")
        reader.add_callback(got.append)
        await reader.start()
        writer = await survivor.topic.write("t")
        await writer.publish(1, PublishMode.WAIT_ALL_ACKS)
        gaps = survivor.inner.events.subscribe(["topic.gap"])
        await cluster.kill(other)

        assert (await asyncio.wait_for(anext(gaps), 5)).data["subscriber"] == "r"
        assert (await writer.publish(2, PublishMode.WAIT_ALL_ACKS)).delivered == 1
        assert got == [1, 2]


# --- operators -------------------------------------------------------------------------------------------------------


async def test_rows_of_all_nodes_together_are_the_queue(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        nodes = [await cluster.add(number) for number in (1, 2)]
        await filled(nodes[0])
        rows = [await node.inner.inspect("queue", {"queue": "q"}) for node in nodes]

        buckets = [bucket for row in rows if row for bucket in row["bucket_rows"]]

        assert sorted(bucket["bucket_id"] for bucket in buckets) == [0, 1, 2, 3]
        assert sum(row["records"] for row in rows if row) == 40


async def test_a_deleted_queue_is_gone_on_every_node_and_may_be_set_up_otherwise(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        await filled(one)
        queue = await open_queue(two, "q")
        assert queue is not None

        assert await delete_queue(queue) == {"deleted": True, "records": 40}
        assert await open_queue(two, "q") is None
        new = await two.queue.write("q", num_buckets=2)
        await new.put({"id": 1})
        assert await new.get() == [{"id": 1}]


async def test_buckets_that_this_node_has_not_heard_of_yet_are_purged_too(
    one_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await two.queue.write("q")
        await local_manager(one).lookup("q")
        # As if the news of the other node were still under way.
        monkeypatch.setattr(local_manager(one), "learn", ignore)
        await queue.put([{"id": n} for n in range(40)])
        handle = await open_queue(one, "q")
        assert handle is not None

        assert (await purge_queue(handle))["removed"] == 40


async def ignore(news: Any) -> None:
    """Learn nothing."""
