"""Queues in a Redis server after all nodes have gone: how they were set up, and their buckets that nobody has open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

redis = pytest.importorskip("redis.asyncio")

from pulsing.exceptions import PulsingRuntimeError  # noqa: E402
from pulsing.streaming import get_bucket_ref  # noqa: E402
from pulsing.streaming.catalogue import QueueDiffers  # noqa: E402
from pulsing.streaming.manager import local_manager  # noqa: E402


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
