"""The store across machines: what it asks of its server, fencing, owners that die, damage."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

redis = pytest.importorskip("redis.asyncio")

from pulsing.exceptions import DataLost, NotOwner, PulsingRuntimeError  # noqa: E402
from pulsing.streaming import QueueReader  # noqa: E402
from pulsing.streaming.backends.redis import RedisBackend  # noqa: E402
from pulsing.streaming.manager import local_manager  # noqa: E402


async def command(url: str, *words: Any) -> Any:
    client = redis.from_url(url)
    try:
        return await client.execute_command(*words)
    finally:
        await client.aclose()


async def test_a_server_that_may_forget_is_refused_unless_that_is_wanted(redis_url: str) -> None:
    await command(redis_url, "CONFIG", "SET", "appendonly", "no")
    store = RedisBackend(0, "q", url=redis_url)
    with pytest.raises(PulsingRuntimeError, match="appendonly yes"):
        await store.put({"n": 1})
    await store.close()

    anything = RedisBackend(0, "q", url=redis_url, durability="none")
    await anything.put({"n": 1})
    assert await anything.get(1, 0) == [{"n": 1}]
    await anything.close()


async def test_full_durability_wants_every_write_synced(redis_url: str) -> None:
    store = RedisBackend(0, "q", url=redis_url, durability="full")
    with pytest.raises(PulsingRuntimeError, match="appendfsync always"):
        await store.put({"n": 1})
    await command(redis_url, "CONFIG", "SET", "appendfsync", "always")

    await store.put({"n": 1})
    await store.close()


async def test_a_server_that_evicts_is_refused(redis_url: str) -> None:
    await command(redis_url, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    store = RedisBackend(0, "q", url=redis_url)

    with pytest.raises(PulsingRuntimeError, match="noeviction"):
        await store.put({"n": 1})
    await store.close()


async def test_an_owner_of_an_older_epoch_cannot_append(redis_url: str) -> None:
    old = RedisBackend(0, "q", url=redis_url, epoch=1)
    await old.put({"n": 1})
    new = RedisBackend(0, "q", url=redis_url, epoch=2)
    await new.put({"n": 2})

    with pytest.raises(NotOwner):
        await old.put({"n": 3})
    with pytest.raises(NotOwner):
        await old.commit("g", 1)
    stale = RedisBackend(0, "q", url=redis_url, epoch=1)
    with pytest.raises(NotOwner):
        await stale.get(1, 0)
    assert await new.get(10, 0) == [{"n": 1}, {"n": 2}]
    assert new.lineage == old.lineage
    for store in (old, new, stale):
        await store.close()


async def test_a_handle_leaves_an_owner_that_was_fenced_off_for_the_new_one(one_cluster: Any, redis_url: str) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await one.queue.write("q", num_buckets=8, backend="redis", backend_options={"url": redis_url})
        await queue.put([{"id": n} for n in range(40)])
        manager = local_manager(two)
        bucket = next(b for b in range(8) if manager.catalogue.holding(f"q:bucket_{b}").node_id == 2)
        name = next(n for n in range(999) if queue.get_bucket_id(n) == bucket)
        await command(redis_url, "HSET", f"pulsing:{{queue_storage/q:{bucket}}}:m", "epoch", 7)
        putting = asyncio.ensure_future(queue.put({"id": name}))
        await asyncio.sleep(0.1)
        assert not putting.done()
        news = {"queues": {}, "holdings": {f"q:bucket_{bucket}": [7, 1]}}
        for system in (one, two):
            await local_manager(system).learn(news)

        assert await asyncio.wait_for(putting, 20) == {"bucket_id": bucket, "status": "ok"}
        assert {"id": name} in await queue.get(bucket)


async def test_a_missing_record_is_told_with_its_offset(redis_url: str) -> None:
    store = RedisBackend(0, "q", url=redis_url)
    await store.put_batch([{"n": n} for n in range(4)])
    await command(redis_url, "XDEL", "pulsing:{q:0}:s", "0-2")

    assert await store.get(10, 0) == [{"n": 0}]
    with pytest.raises(DataLost) as caught:
        await store.get(10, 1)
    assert (caught.value.reason, caught.value.first, caught.value.last) == ("corrupt", 1, 1)
    assert await store.get(10, 2) == [{"n": 2}, {"n": 3}]
    await store.close()


async def test_a_server_that_is_away_is_an_error_of_ours(free_port: int) -> None:
    store = RedisBackend(0, "q", url=f"redis://127.0.0.1:{free_port}")

    with pytest.raises(PulsingRuntimeError, match="redis failed"):
        await store.put({"n": 1})
    await store.close()


async def test_a_server_that_is_gone_and_comes_back_has_all_that_was_acknowledged(redis_server: Any) -> None:
    await command(redis_server.url, "CONFIG", "SET", "appendfsync", "always")
    store = RedisBackend(0, "q", url=redis_server.url)
    await store.put_batch([{"n": n} for n in range(3)])
    redis_server.kill()
    with pytest.raises(PulsingRuntimeError, match="redis failed") as caught:
        await store.put({"n": 3})
    assert caught.value.maybe_executed  # type: ignore[attr-defined]
    with pytest.raises(PulsingRuntimeError, match="redis failed"):
        await store.get(10, 0)
    redis_server.start()
    await store.put({"n": 4})  # its connections are new: the old ones failed

    assert await store.get(10, 0) == [{"n": 0}, {"n": 1}, {"n": 2}, {"n": 4}]
    assert store.generation == 1
    await store.close()
    redis_server.kill()


async def test_a_server_that_lost_its_last_records_gives_no_offset_again_and_tells(redis_server: Any) -> None:
    await command(redis_server.url, "CONFIG", "SET", "appendfsync", "always")
    store = RedisBackend(0, "q", url=redis_server.url)
    await store.put_batch([{"n": n} for n in range(3)])
    redis_server.kill()
    redis_server.remember()
    redis_server.start()
    assert len(await store.get(10, 0)) == 3
    await store.put_batch([{"n": 3}, {"n": 4}])
    redis_server.kill()
    redis_server.forget(all=False)
    redis_server.start()
    assert len(await store.get(10, 0)) == 3
    where = await store.append([{"n": 5}])

    assert (where, store.generation) == (5, 2)
    assert await store.get(10, 0) == [{"n": 0}, {"n": 1}, {"n": 2}]
    with pytest.raises(DataLost) as caught:
        await store.get(10, 3)
    assert (caught.value.first, caught.value.last, caught.value.generation) == (3, 4, 2)
    assert await store.get(10, 5) == [{"n": 5}]
    again = RedisBackend(0, "q", url=redis_server.url)
    await again.open()
    assert (again.total_count(), again.generation, again.lineage) == (6, 2, store.lineage)
    for one in (store, again):
        await one.close()
    redis_server.kill()


async def test_readers_are_told_when_a_server_has_lost_everything(one_system: Any, redis_server: Any) -> None:
    async with one_system() as system:
        options = {"url": redis_server.url}
        queue = await system.queue.write("q", num_buckets=1, backend="redis", backend_options=options)
        await queue.put([{"id": n} for n in range(4)])
        reader = QueueReader(queue)
        await reader.get(limit=2)
        redis_server.kill()
        redis_server.forget(all=True)
        redis_server.start()
        with pytest.raises(DataLost):
            await queue.get(0, offset=2)
        appended = await queue.append({"id": 4})

        assert (appended["offset"], appended["generation"]) == (4, 2)
        with pytest.raises(DataLost) as caught:
            await reader.get()
        assert (caught.value.first, caught.value.last) == (2, 3)
        assert await reader.get() == [{"id": 4}]
    redis_server.kill()


async def test_a_read_that_waits_is_told_when_the_server_goes(redis_server: Any) -> None:
    store = RedisBackend(0, "q", url=redis_server.url)
    await store.open()
    waiting = asyncio.ensure_future(store.wait(1, 0, 30.0))
    await asyncio.sleep(0.05)
    redis_server.kill()

    with pytest.raises(PulsingRuntimeError, match="redis failed"):
        await asyncio.wait_for(waiting, 10)
    await store.close()


async def test_however_many_wait_one_connection_does(redis_url: str) -> None:
    store = RedisBackend(0, "q", url=redis_url)
    waiting = [asyncio.ensure_future(store.wait(1, 0, 30.0)) for _ in range(200)]
    await asyncio.sleep(0.1)
    clients = await command(redis_url, "CLIENT", "LIST")
    assert len(clients if isinstance(clients, list) else clients.splitlines()) < 10
    await store.put({"n": 1})

    windows = await asyncio.wait_for(asyncio.gather(*waiting), 10)
    assert all(window.records == [{"n": 1}] for window in windows)
    await store.close()


async def test_the_death_of_an_owner_loses_nothing_and_nobody_is_told_of_a_loss(
    one_cluster: Any, redis_url: str
) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await one.queue.write("q", backend="redis", backend_options={"url": redis_url})
        await queue.put([{"id": n} for n in range(40)])
        reader = QueueReader(queue)
        seen = await reader.get(limit=10)
        await cluster.kill(two)
        await queue.put([{"id": n} for n in range(40, 60)])

        seen += await reader.get(limit=100)
        assert sorted(record["id"] for record in seen) == list(range(60))


async def test_a_reader_waits_at_the_server(one_system: Any, redis_url: str) -> None:
    async with one_system() as system:
        options = {"backend": "redis", "backend_options": {"url": redis_url}, "num_buckets": 1}
        queue = await system.queue.write("q", **options)
        await queue.put({"id": 0})
        reader = QueueReader(queue)
        await reader.get()
        waiting = asyncio.ensure_future(reader.get(wait=True))
        await asyncio.sleep(0.01)
        await queue.put({"id": 1})

        assert await asyncio.wait_for(waiting, 5) == [{"id": 1}]
