"""What a node tells of its queues and topics, and what operators do to them."""

from __future__ import annotations

from typing import Any

import pytest

from pulsing.admin.schemas import (
    BucketRow,
    Peek,
    QueueDetail,
    QueueRow,
    ReaderRow,
    SubscriberRow,
    TopicDetail,
    TopicRow,
)
from pulsing.exceptions import DataLost
from pulsing.streaming import PublishMode, QueueReader, get_storage_manager
from pulsing.streaming.administration import (
    QueueBusy,
    create_queue,
    delete_queue,
    evict_subscriber,
    flush_queue,
    open_queue,
    open_topic,
    publish_message,
    purge_queue,
    tail_topic,
    trim_queue,
)
from pulsing.streaming.inspection import queue_row, streaming_statistics
from pulsing.streaming.ownership.catalogue import QueueDiffers


async def one_bucket(system: Any, count: int = 10, **options: Any) -> Any:
    queue = await system.queue.write("q", num_buckets=1, **options)
    await queue.put([{"id": n, "text": f"record {n}"} for n in range(count)])
    return queue


# --- rows ------------------------------------------------------------------------------------------------------------


async def test_a_node_without_queues_and_topics_tells_of_none(one_system: Any) -> None:
    async with one_system() as system:
        assert await system.inner.inspect("queues") == []
        assert await system.inner.inspect("topics") == []
        assert await system.inner.inspect("queue", {"queue": "q"}) is None
        assert await system.inner.inspect("topic", {"topic": "t"}) is None
        assert await system.inner.inspect("queue_messages", {"queue": "q"}) is None


async def test_rows_of_queues_have_the_shape_that_the_admin_plane_shows(one_system: Any) -> None:
    async with one_system() as system:
        queue = await one_bucket(system)
        reader = QueueReader(queue, rank=0, world_size=1)
        await reader.get(limit=4)

        row = (await system.inner.inspect("queues"))[0]
        detail = await system.inner.inspect("queue", {"queue": "q"})

        assert set(row) - {"node"} <= set(QueueRow.model_fields)
        QueueRow.model_validate({key: value for key, value in row.items() if key != "node"})
        QueueDetail.model_validate({key: value for key, value in detail.items() if key != "node"})
        assert set(detail["bucket_rows"][0]) == set(BucketRow.model_fields)
        assert set(detail["reader_rows"][0]) == set(ReaderRow.model_fields)
        assert (row["records"], row["put_total"], row["read_total"], row["readers"]) == (10, 10, 4, 1)
        assert row["nodes"] == [str(system.node_id)]
        assert row["oldest_at"].endswith("Z")
        assert detail["bucket_rows"][0]["next"] == 10
        assert (row["unflushed"], detail["bucket_rows"][0]["unflushed"]) == (0, 0)


async def test_the_buckets_that_nodes_have_open_are_all_buckets_of_the_queue(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        await (await one.queue.write("q", num_buckets=8)).put([{"id": n} for n in range(40)])
        counts = [queue_row(node.inner, "q")["open_buckets"] for node in (one, two)]
    assert sum(counts) == 8
    assert all(counts)


async def test_a_reader_row_shows_what_it_last_asked_for(one_system: Any) -> None:
    async with one_system() as system:
        reader = QueueReader(await one_bucket(system), rank=0, world_size=1)
        await reader.get(limit=4)
        await reader.get(limit=1)

        row = (await system.inner.inspect("queue", {"queue": "q"}))["reader_rows"][0]

        assert (row["buckets"], row["rank"], row["world_size"]) == ([0], 0, 1)
        assert row["offsets"] == {"0": 4}
        assert row["lag"] == 6


async def test_rows_of_topics_have_the_shape_that_the_admin_plane_shows(one_system: Any) -> None:
    async with one_system() as system:
        reader = await system.topic.read("t", reader_id="r")
        reader.add_callback(lambda message: None)
        await reader.start()
        await (await system.topic.write("t", writer_id="w")).publish(1, "wait_all_acks")

        row = (await system.inner.inspect("topics"))[0]
        detail = await system.inner.inspect("topic", {"topic": "t"})

        assert set(row) <= set(TopicRow.model_fields)
        TopicDetail.model_validate(detail)
        assert set(detail["subscriber_rows"][0]) == set(SubscriberRow.model_fields)
        assert (row["published_total"], row["delivered_total"], row["by_mode"]) == (1, 1, {"wait_all_acks": 1})
        assert [(writer["id"], writer["node"]) for writer in detail["writers"]] == [("w", str(system.node_id))]


async def test_the_actors_of_queues_are_hidden_from_listings(one_system: Any) -> None:
    async with one_system() as system:
        await one_bucket(system)

        assert await system.inner.inspect("actors") == []


# --- peeking ---------------------------------------------------------------------------------------------------------


async def test_peeking_moves_and_counts_nothing(one_system: Any) -> None:
    async with one_system() as system:
        await one_bucket(system)
        before = await system.inner.inspect("queue", {"queue": "q"})

        answer = await system.inner.inspect("queue_messages", {"queue": "q", "bucket_id": 0, "offset": 3, "limit": 2})

        Peek.model_validate(answer)
        assert [(item["offset"], item["record"]["id"]) for item in answer["items"]] == [(3, 3), (4, 4)]
        assert answer["buckets"] == {"0": {"earliest": 0, "next": 10}}
        assert answer["next_offset"] == {"0": 5}
        after = await system.inner.inspect("queue", {"queue": "q"})
        assert (after["read_total"], after["reader_rows"]) == (before["read_total"], [])


async def test_the_newest_come_first_when_asked_for(one_system: Any) -> None:
    async with one_system() as system:
        await one_bucket(system)

        answer = await system.inner.inspect("queue_messages", {"queue": "q", "order": "newest", "limit": 3})

        assert [item["offset"] for item in answer["items"]] == [9, 8, 7]


async def test_records_are_found_by_a_part_of_their_json(one_system: Any) -> None:
    async with one_system() as system:
        await one_bucket(system, 30)

        answer = await system.inner.inspect("queue_messages", {"queue": "q", "contains": "record 2"})

        assert [item["offset"] for item in answer["items"]] == [2, *range(20, 30)]
        assert answer["scanned"] == 30


# --- actions ---------------------------------------------------------------------------------------------------------


async def test_a_queue_is_set_up_once_and_a_difference_is_told(one_system: Any) -> None:
    async with one_system() as system:
        assert await create_queue(system, "q", num_buckets=2, backend_options={"max_records": 5}) is True
        assert await create_queue(system, "q", num_buckets=2, backend_options={"max_records": 5}) is False
        with pytest.raises(QueueDiffers, match="num_buckets=2, not 3"):
            await create_queue(system, "q", num_buckets=3)
        queue = await open_queue(system, "q")

        assert queue is not None
        assert (queue.num_buckets, queue.backend_options) == (2, {"max_records": 5})
        assert (await system.inner.inspect("queues"))[0]["records"] == 0
        assert await open_queue(system, "other") is None


async def test_trimming_tells_what_it_would_remove_and_then_removes_it(one_system: Any) -> None:
    async with one_system() as system:
        queue = await one_bucket(system)
        reader = QueueReader(queue)
        await reader.get(limit=2)
        await reader.get(limit=1)
        plan = await trim_queue(queue, keep_last=4, dry_run=True)

        assert plan == {"removed": 6, "buckets": {"0": {"earliest": 6, "next": 10}}, "readers_behind": 1}
        assert await trim_queue(queue, before_offset=6, bucket_id=0) == plan
        with pytest.raises(DataLost):
            await reader.get()
        assert [record["id"] for record in await reader.get()] == [6, 7, 8, 9]
        assert (await trim_queue(queue, before_at=system.inner.clock.wall() - 60))["removed"] == 0
        with pytest.raises(ValueError, match="give one of"):
            await trim_queue(queue)


async def test_purging_removes_all_and_offsets_go_on(one_system: Any) -> None:
    async with one_system() as system:
        queue = await one_bucket(system)

        assert (await purge_queue(queue))["removed"] == 10
        assert await queue.append({"id": 1}) == {"bucket_id": 0, "offset": 10, "generation": 1}
        assert await flush_queue(queue) == 1


async def test_a_queue_in_use_or_with_records_is_not_deleted_by_mistake(one_system: Any) -> None:
    async with one_system() as system:
        queue = await one_bucket(system)
        with pytest.raises(QueueBusy, match="not empty"):
            await delete_queue(queue, if_empty=True)
        await QueueReader(queue).get()
        with pytest.raises(QueueBusy, match="in use"):
            await delete_queue(queue, if_unused=True)

        assert await delete_queue(queue) == {"deleted": True, "records": 10}
        assert await system.inner.inspect("queues") == []


async def test_what_happens_to_queues_and_topics_is_an_event(one_system: Any) -> None:
    async with one_system() as system:
        events = system.inner.events.subscribe(["queue.*", "topic.*"])
        queue = await one_bucket(system, 3)
        await trim_queue(queue, keep_last=1)
        await purge_queue(queue)
        await delete_queue(queue)
        reader = await system.topic.read("t", reader_id="r")
        reader.add_callback(lambda message: None)
        await reader.start()
        await reader.stop()

        seen = [await anext(events) for _ in range(7)]
        assert [event.type for event in seen] == [
            "queue.created",
            "queue.trimmed",
            "queue.purged",
            "queue.deleted",
            "topic.created",
            "topic.subscriber_added",
            "topic.subscriber_removed",
        ]
        assert seen[1].data == {"removed": 2}


async def test_operators_publish_only_to_topics_that_there_are_unless_they_say_so(one_system: Any) -> None:
    async with one_system() as system:
        assert await publish_message(system, "t", 1) is None
        assert await open_topic(system, "t") is None
        assert [message async for message in tail_topic(system, "t")] == []
        assert await evict_subscriber(system, "t", "r") is False

        outcome = await publish_message(system, "t", 1, "wait_all_acks", create=True)

        assert outcome == {
            "success": True,
            "delivered": 0,
            "failed": 0,
            "subscriber_count": 0,
            "failed_subscribers": [],
            "timed_out": False,
        }


async def test_an_evicted_subscriber_is_gone(one_system: Any) -> None:
    async with one_system() as system:
        reader = await system.topic.read("t", reader_id="r")
        reader.add_callback(lambda message: None)
        await reader.start()
        events = system.inner.events.subscribe(["topic.subscriber_evicted"])

        assert await evict_subscriber(system, "t", "r") is True
        assert (await anext(events)).data == {"subscriber": "r", "by": "operator"}
        assert (await reader.stats())["subscriber_count"] == 0


async def test_the_times_of_buckets_are_told_by_operation_and_store(one_system: Any, tmp_path: Any) -> None:
    async with one_system() as system:
        queue = await one_bucket(system, 3)
        await queue.get(0)
        kept = await system.queue.write("kept", num_buckets=1, storage_path=str(tmp_path), backend="sqlite")
        await kept.put({"id": 1})
        await kept.flush()
        told = {key: times.count for key, times in streaming_statistics(system).operations.items()}
        assert told["put", "memory"] >= 1 and told["get", "memory"] == 1 and told["flush", "memory"] == 0
        assert told["put", "sqlite"] == 1 and told["get", "sqlite"] == 0 and told["flush", "sqlite"] == 1


async def test_a_get_that_waits_in_vain_counts_as_no_time_of_the_bucket(one_system: Any) -> None:
    async with one_system() as system:
        queue = await one_bucket(system, 1)
        assert await queue.get(0, offset=1, wait=True, timeout=0.01) == []
        assert streaming_statistics(system).operations["get", "memory"].maximum_s < 0.01


async def test_the_times_of_publications_are_told_by_mode(one_system: Any) -> None:
    async with one_system() as system:
        writer = await system.topic.write("news")
        await writer.publish("a")
        await writer.publish("b", PublishMode.WAIT_ALL_ACKS)
        await writer.publish("c", PublishMode.WAIT_ALL_ACKS)
        told = {mode: times.count for mode, times in streaming_statistics(system).publications.items()}
        assert told == {"fire_and_forget": 1, "wait_all_acks": 2}


async def test_whoever_is_sent_on_to_the_owner_is_counted_where_he_asked(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        nodes = [await cluster.add(number) for number in (1, 2)]
        queue = await nodes[0].queue.write("q", num_buckets=8)
        await queue.put([{"id": n} for n in range(100)])
        sent_on = [streaming_statistics(node).redirects for node in nodes]
        elsewhere = await (await get_storage_manager(nodes[1])).list_buckets()
        assert sent_on == [len(elsewhere), 0] and elsewhere
