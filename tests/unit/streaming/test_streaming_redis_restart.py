"""Queues in a Redis server after all nodes have gone: how they were set up, and their buckets that nobody has open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

redis = pytest.importorskip("redis.asyncio")

from pulsing.exceptions import NotOwner, PulsingRuntimeError  # noqa: E402
from pulsing.streaming import Queue, get_bucket_ref  # noqa: E402
from pulsing.streaming.administration import (  # noqa: E402
    QueueBusy,
    create_queue,
    delete_queue,
    open_queue,
    purge_queue,
    trim_queue,
)
from pulsing.streaming.backends.redis import RedisBackend  # noqa: E402
from pulsing.streaming.manager import local_manager  # noqa: E402
from pulsing.streaming.ownership.catalogue import QueueDiffers  # noqa: E402


async def command(url: str, *words: Any) -> Any:
    client = redis.from_url(url)
    try:
        return await client.execute_command(*words)
    finally:
        await client.aclose()


def stored_at(url: str, num_buckets: int = 3, **options: Any) -> dict[str, Any]:
    """How a test opens its queue."""
    return {"backend": "redis", "num_buckets": num_buckets, "backend_options": {"url": url, **options}}


async def put_forty(one_cluster: Any, url: str, **options: Any) -> None:
    """Put forty records into a queue from nodes that are gone afterwards."""
    async with one_cluster() as cluster:
        one, _ = await cluster.add(1), await cluster.add(2)
        queue = await one.queue.write("q", **stored_at(url, **options))
        await queue.put([{"id": n} for n in range(40)])


async def test_what_was_put_before_all_nodes_were_started_again_is_read_without_a_put(
    one_cluster: Any, redis_url: str
) -> None:
    await put_forty(one_cluster, redis_url)
    async with one_cluster() as cluster:
        _, two = await cluster.add(3), await cluster.add(4)
        reader = await two.queue.read("q", **stored_at(redis_url))

        assert sorted(record["id"] for record in await reader.get()) == list(range(40))
        group = await two.queue.read("q", **stored_at(redis_url), group="g")
        assert sorted(record["id"] for record in await group.get(100, wait=True, timeout=10)) == list(range(40))
        await group.close()


@pytest.mark.parametrize("asked", [{"num_buckets": 4}, {"max_records": 7}], ids=str)
async def test_whoever_opens_it_otherwise_after_a_restart_is_told(
    one_cluster: Any, redis_url: str, asked: dict[str, Any]
) -> None:
    await put_forty(one_cluster, redis_url)
    async with one_cluster() as cluster:
        one, two = await cluster.add(3), await cluster.add(4)
        reader = await one.queue.read("q", **stored_at(redis_url, **asked))
        with pytest.raises(QueueDiffers):
            await reader.get()
        writer = await two.queue.write("q", **stored_at(redis_url, **asked))
        with pytest.raises(QueueDiffers):
            await writer.put({"id": 1})
        with pytest.raises(QueueDiffers, match="bucket_column='id', not 'name'"):
            await two.queue.write("q", bucket_column="name", **stored_at(redis_url))


async def test_a_bucket_opened_by_itself_after_a_restart_is_opened_as_the_queue_was_set_up(
    one_system: Any, one_cluster: Any, redis_url: str
) -> None:
    await put_forty(one_cluster, redis_url, max_records=100)
    async with one_system() as system:
        with pytest.raises(ValueError, match="max_records"):
            await get_bucket_ref(system, "q", 0, backend="redis", backend_options={"url": redis_url})
        options = {"url": redis_url, "max_records": 100}
        bucket = await get_bucket_ref(system, "q", 0, backend="redis", backend_options=options)
        assert await bucket.get()
        settings = local_manager(system).catalogue.settings("q")
        assert settings is not None
        assert (settings.num_buckets, settings.bucket_column) == (3, "id")


async def test_a_server_is_known_by_another_address_after_a_restart(one_cluster: Any, redis_url: str) -> None:
    await put_forty(one_cluster, redis_url)
    moved = redis_url.replace("127.0.0.1", "localhost")
    async with one_cluster() as cluster:
        reader = await (await cluster.add(3)).queue.read("q", **stored_at(moved))
        assert len(await reader.get()) == 40
    assert b"redis://" not in await command(redis_url, "GET", "pulsing:{q}:settings")


async def test_a_queue_that_may_be_there_is_not_empty_while_its_server_is_away(
    one_cluster: Any, redis_server: Any
) -> None:
    await command(redis_server.url, "CONFIG", "SET", "appendfsync", "always")
    await put_forty(one_cluster, redis_server.url)
    redis_server.kill()
    async with one_cluster() as cluster:
        reader = await (await cluster.add(3)).queue.read("q", **stored_at(redis_server.url))
        with pytest.raises(PulsingRuntimeError, match="redis failed"):
            await reader.get()
        redis_server.start()
        assert len(await reader.get()) == 40
    redis_server.kill()


async def test_a_server_that_is_refused_fixes_nothing(one_system: Any, redis_url: str) -> None:
    await command(redis_url, "CONFIG", "SET", "appendonly", "no")
    async with one_system() as system:
        with pytest.raises(PulsingRuntimeError, match="appendonly yes"):
            await (await system.queue.write("q", **stored_at(redis_url))).put({"id": 1})
        await (await system.queue.write("q", **stored_at(redis_url, durability="none"))).put({"id": 1})


async def test_nodes_that_keep_their_files_elsewhere_find_the_same_buckets(
    one_cluster: Any, redis_url: str, tmp_path: Path
) -> None:
    async with one_cluster() as cluster:
        nodes = [await cluster.add(number) for number in (1, 2)]
        for node in nodes:
            local_manager(node).folders._base = tmp_path / str(node.node_id)
        queue = await nodes[0].queue.write("q", **stored_at(redis_url))
        await queue.put([{"id": n} for n in range(40)])
        await cluster.kill(nodes[1])

        assert sorted(record["id"] for record in await queue.get()) == list(range(40))


# --- buckets that nobody has open ------------------------------------------------------------------------------------


async def lasting_keys(url: str) -> list[str]:
    """The keys that the server keeps until somebody removes them."""
    found = [key.decode() for key in await command(url, "KEYS", "*")]
    return [key for key in found if await command(url, "TTL", key) < 0]


async def counted(queue: Queue) -> int:
    """The records that the figures of a queue tell."""
    return sum(bucket["persisted_count"] for bucket in (await queue.stats())["buckets"].values())


async def test_buckets_that_nobody_has_opened_since_a_restart_are_counted(one_cluster: Any, redis_url: str) -> None:
    await put_forty(one_cluster, redis_url)
    async with one_cluster() as cluster:
        assert await counted(await (await cluster.add(3)).queue.write("q", **stored_at(redis_url))) == 40


async def test_they_are_trimmed_and_purged_and_their_offsets_go_on(one_cluster: Any, redis_url: str) -> None:
    await put_forty(one_cluster, redis_url)
    async with one_cluster() as cluster:
        queue = await (await cluster.add(3)).queue.write("q", **stored_at(redis_url))
        trimmed = await trim_queue(queue, keep_last=2)
        assert (trimmed["removed"], sorted(trimmed["buckets"])) == (34, ["0", "1", "2"])
    async with one_cluster() as cluster:
        queue = await (await cluster.add(4)).queue.write("q", **stored_at(redis_url))
        assert await counted(queue) == 6
        assert (await purge_queue(queue))["removed"] == 6
    async with one_cluster() as cluster:
        queue = await (await cluster.add(5)).queue.write("q", **stored_at(redis_url))
        assert await queue.get() == []
        places = [await queue.append({"id": n}) for n in range(40)]
        assert sorted(place["offset"] for place in places)[0] == min(b["next"] for b in trimmed["buckets"].values())


async def test_they_are_deleted_whole_and_the_queue_may_be_set_up_otherwise(one_cluster: Any, redis_url: str) -> None:
    await put_forty(one_cluster, redis_url)
    async with one_cluster() as cluster:
        one, two = await cluster.add(3), await cluster.add(4)
        queue = await two.queue.write("q", **stored_at(redis_url))
        with pytest.raises(QueueBusy):
            await delete_queue(queue, if_empty=True)
        assert await delete_queue(queue) == {"deleted": True, "records": 40}
        assert await lasting_keys(redis_url) == []
        assert await (await one.queue.read("q", **stored_at(redis_url))).get() == []

        await (await one.queue.write("q", **stored_at(redis_url, num_buckets=1))).put({"id": "new"})
        assert await (await two.queue.read("q", **stored_at(redis_url, num_buckets=1))).get() == [{"id": "new"}]
    async with one_cluster() as cluster:
        reader = await (await cluster.add(5)).queue.read("q", **stored_at(redis_url, num_buckets=1))
        assert await reader.get() == [{"id": "new"}]


async def test_an_operator_who_knows_the_server_finds_them(one_cluster: Any, redis_url: str) -> None:
    await put_forty(one_cluster, redis_url)
    async with one_cluster() as cluster:
        one, two = await cluster.add(3), await cluster.add(4)
        options = {"url": redis_url}
        assert not await create_queue(two, "q", num_buckets=3, backend="redis", backend_options=options)
        queue = await open_queue(one, "q")
        assert queue is not None
        assert await counted(queue) == 40


async def test_a_handle_that_was_there_before_cannot_bring_back_what_was_deleted(
    one_cluster: Any, redis_url: str
) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await one.queue.write("q", **stored_at(redis_url))
        await queue.put([{"id": n} for n in range(40)])
        group = await one.queue.read("q", **stored_at(redis_url), group="g")
        assert len(await group.get(100)) == 40
        await group.commit()
        await delete_queue(await two.queue.write("q", **stored_at(redis_url)))
        await group.close()
        assert await lasting_keys(redis_url) == []

        assert await queue.append({"id": 1}) == {"bucket_id": queue.get_bucket_id(1), "offset": 0, "generation": 1}


async def test_an_owner_of_a_bucket_that_was_deleted_cannot_write_to_it_again(redis_url: str) -> None:
    old, new = (RedisBackend(0, "q", url=redis_url, epoch=epoch) for epoch in (1, 2))
    await old.put_batch([{"n": n} for n in range(3)])
    await new.commit("g", 2)
    with pytest.raises(NotOwner):
        await old.destroy()
    await new.destroy()

    for gone in (old, new):
        with pytest.raises(NotOwner):
            await gone.put({"n": 4})
        with pytest.raises(NotOwner):
            await gone.commit("g", 3)
    again = RedisBackend(0, "q", url=redis_url, epoch=3)
    assert await again.append([{"n": 5}]) == 0
    assert (await again.get(10, 0), await again.committed()) == ([{"n": 5}], {})
    assert again.lineage != new.lineage
    assert await command(redis_url, "TTL", "pulsing:{q:0}:m") == -1
    for store in (old, new, again):
        await store.close()
