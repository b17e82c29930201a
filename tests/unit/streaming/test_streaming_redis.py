"""The store across machines: what it asks of its server, fencing, owners that die, damage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

redis = pytest.importorskip("redis.asyncio")

from pulsing.core.seams import MemberView  # noqa: E402
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


@asynccontextmanager
async def swallowing_answers(url: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A way to the server that passes on all requests; while the event is set it closes instead of answering."""
    swallow = asyncio.Event()
    port = int(url.rpartition(":")[2])
    ends: list[asyncio.Task[None]] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await reader.read(65536):
            if answers and swallow.is_set():
                break
            writer.write(data)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        ends.append(asyncio.ensure_future(pass_on(reader, to_server, answers=False)))
        ends.append(asyncio.ensure_future(pass_on(from_server, writer, answers=True)))

    proxy = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{proxy.sockets[0].getsockname()[1]}", swallow
    finally:
        proxy.close()
        await asyncio.gather(*ends, return_exceptions=True)


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


async def test_of_two_owners_of_one_epoch_the_first_to_open_the_bucket_has_it(redis_url: str) -> None:
    first, second = (RedisBackend(0, "q", url=redis_url, epoch=3) for _ in range(2))
    assert await first.append([{"n": 1}]) == 0
    with pytest.raises(NotOwner) as caught:
        await second.put({"n": 2})
    assert caught.value.epoch == 3
    later = RedisBackend(0, "q", url=redis_url, epoch=4)
    assert await later.append([{"n": 2}]) == 1

    with pytest.raises(NotOwner):
        await first.put({"n": 3})
    assert await later.get(10, 0) == [{"n": 1}, {"n": 2}]
    for store in (first, second, later):
        await store.close()


async def test_both_sides_of_a_partition_take_turns_and_give_no_offset_twice(one_cluster: Any, redis_url: str) -> None:
    async with one_cluster() as cluster:
        nodes = [await cluster.add(number) for number in (1, 2)]
        for node in nodes:
            alone = [MemberView(node.node_id, "", "Alive")]
            node.inner.members_view = lambda alone=alone: alone
        options = {"num_buckets": 1, "backend": "redis", "backend_options": {"url": redis_url}}
        queues = [await node.queue.write("q", **options) for node in nodes]
        told = [await queues[n % 2].append({"id": n}) for n in range(6)]

        assert [(one["offset"], one["generation"]) for one in told] == [(n, 1) for n in range(6)]
        for queue in queues:
            assert [record["id"] for record in await queue.get(0)] == list(range(6))


async def test_an_owner_that_was_fenced_off_reads_what_its_successor_has_written(redis_url: str) -> None:
    old = RedisBackend(0, "q", url=redis_url, epoch=1)
    await old.put({"n": 1})
    new = RedisBackend(0, "q", url=redis_url, epoch=2)
    await new.put({"n": 2})
    assert await old.get(10, 1) == [{"n": 2}]
    for store in (old, new):
        await store.close()


async def test_a_read_at_the_end_says_that_the_server_is_gone(redis_server: Any) -> None:
    store = RedisBackend(0, "q", url=redis_server.url)
    await store.put({"n": 1})
    redis_server.kill()
    with pytest.raises(PulsingRuntimeError, match="redis failed"):
        await store.get(10, 1)
    await store.close()


async def test_a_put_after_a_pause_is_not_lost_on_a_connection_from_before_the_servers_restart(
    redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulsing.streaming.backends.redis_pipeline.QUIET_S", 0.0)
    await command(redis_server.url, "CONFIG", "SET", "appendfsync", "always")
    redis_server.also("--appendfsync", "always")
    store = RedisBackend(0, "q", url=redis_server.url)
    await store.put({"n": 1})
    redis_server.kill()
    with pytest.raises(PulsingRuntimeError, match="redis failed") as failed:
        await store.put({"n": 2})
    assert failed.value.maybe_executed is False  # type: ignore[attr-defined]
    redis_server.start()
    await store.put({"n": 3})
    redis_server.kill()
    redis_server.start()
    await store.put({"n": 4})
    assert await store.get(10, 0) == [{"n": 1}, {"n": 3}, {"n": 4}]
    await store.close()
    redis_server.kill()


async def test_an_answer_that_is_lost_is_told_as_maybe_executed_and_written_once(redis_url: str) -> None:
    async with swallowing_answers(redis_url) as (url, swallow):
        store = RedisBackend(0, "q", url=url)
        await store.put({"n": 1})
        swallow.set()
        with pytest.raises(PulsingRuntimeError, match="redis failed") as caught:
            await store.put({"n": 2})
        assert caught.value.maybe_executed  # type: ignore[attr-defined]
        swallow.clear()

        assert await store.append([{"n": 3}]) == 2
        assert [record["n"] for record in await store.get(10, 0)] == [1, 2, 3]
        await store.close()


async def test_a_paused_server_makes_puts_wait_and_stores_each_once(redis_url: str) -> None:
    store = RedisBackend(0, "q", url=redis_url)
    await store.put({"n": 0})
    await command(redis_url, "CLIENT", "PAUSE", 300, "ALL")
    puts = [asyncio.ensure_future(store.put({"n": n})) for n in range(1, 20)]
    await asyncio.sleep(0)
    assert store.unflushed_count() == 19
    await asyncio.gather(*puts)
    assert store.unflushed_count() == 0
    records = await store.get(100, 0)
    assert sorted(record["n"] for record in records) == list(range(20))
    await store.close()


async def test_kills_of_the_server_amid_puts_lose_nothing_acknowledged_and_give_no_offset_twice(
    redis_server: Any, until: Any
) -> None:
    await command(redis_server.url, "CONFIG", "SET", "appendfsync", "always")
    redis_server.also("--appendfsync", "always")
    store = RedisBackend(0, "q", url=redis_server.url)
    acked: dict[int, int] = {}
    tried = 0

    async def produce() -> None:
        nonlocal tried
        while not done:
            number = tried = tried + 1
            try:
                offset = await store.append([{"n": number}])
            except PulsingRuntimeError:
                await asyncio.sleep(0.01)
                continue
            assert offset not in acked
            acked[offset] = number

    done = False
    producers = [asyncio.ensure_future(produce()) for _ in range(8)]
    for _ in range(5):
        wanted = len(acked) + 50
        await until(lambda wanted=wanted: len(acked) >= wanted, timeout=30.0)
        redis_server.kill()
        redis_server.start()
    done = True
    await asyncio.gather(*producers)
    stored = [record["n"] for record in await store.get(100_000, 0)]
    assert len(stored) == len(set(stored))
    assert {offset: stored[offset] for offset in acked} == acked
    assert store.generation == 1
    await store.close()
    redis_server.kill()


async def test_a_handle_leaves_an_owner_that_was_fenced_off_for_the_new_one(one_cluster: Any, redis_url: str) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await one.queue.write("q", num_buckets=8, backend="redis", backend_options={"url": redis_url})
        await queue.put([{"id": n} for n in range(40)])
        manager = local_manager(two)
        bucket = next(b for b in range(8) if manager.catalogue.holding(f"q:bucket_{b}").node_id == 2)
        name = next(n for n in range(999) if queue.get_bucket_id(n) == bucket)
        await command(redis_url, "HSET", f"pulsing:{{q:{bucket}}}:m", "epoch", 7)
        putting = asyncio.ensure_future(queue.put({"id": name}))
        await asyncio.sleep(0.1)
        assert not putting.done()
        news = {"queues": {}, "holdings": {f"q:bucket_{bucket}": [7, 1]}}
        for system in (one, two):
            await local_manager(system).learn(news)

        assert await asyncio.wait_for(putting, 20) == {"bucket_id": bucket, "status": "ok"}
        assert {"id": name} in await queue.get(bucket)


async def test_trimming_ends_where_the_server_has_lost_what_was_to_go(redis_url: str) -> None:
    store = RedisBackend(0, "q", url=redis_url)
    await store.put_batch([{"n": number} for number in range(10)])
    await store.trim(2)
    await command(redis_url, "FLUSHALL")

    await asyncio.wait_for(store.trim(6), 10)
    assert store.generation == 2
    assert await store.bounds() == {"earliest": 10, "next": 10, "records": 0, "bytes": 0}
    await store.put({"n": "after"})
    assert await store.get(10, 10) == [{"n": "after"}]
    await store.close()


async def test_a_missing_record_is_told_with_its_offset(redis_url: str) -> None:
    store = RedisBackend(0, "q", url=redis_url)
    for number in range(4):
        await store.put({"n": number})
    await command(redis_url, "XDEL", "pulsing:{q:0}:s", "0-2")

    assert await store.get(10, 0) == [{"n": 0}]
    with pytest.raises(DataLost) as caught:
        await store.get(10, 1)
    assert (caught.value.reason, caught.value.first, caught.value.last) == ("corrupt", 1, 1)
    assert await store.get(10, 2) == [{"n": 2}, {"n": 3}]
    await store.close()


async def test_records_that_shared_an_entry_are_lost_with_it_and_those_behind_it_are_read(redis_url: str) -> None:
    store = RedisBackend(0, "q", url=redis_url)
    for number in range(0, 9, 3):
        await store.put_batch([{"n": n} for n in range(number, number + 3)])
    await command(redis_url, "XDEL", "pulsing:{q:0}:s", "0-6")

    assert await store.get(2, 1) == [{"n": 1}, {"n": 2}]
    with pytest.raises(DataLost) as caught:
        await store.get(2, 4)
    assert (caught.value.reason, caught.value.first, caught.value.last) == ("corrupt", 4, 5)
    assert await store.get(2, 6) == [{"n": 6}, {"n": 7}]
    await store.close()


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x01", b"\x91\xa3ab"])
async def test_an_entry_that_makes_no_sense_is_told_as_lost(redis_url: str, payload: bytes) -> None:
    store = RedisBackend(0, "q", url=redis_url)
    await store.put({"n": 0})
    await command(redis_url, "XADD", "pulsing:{q:0}:s", "0-4", "t", "1.5", "b", payload)
    await command(redis_url, "HSET", "pulsing:{q:0}:m", "next", 4)
    assert await store.append([{"n": 4}]) == 4

    assert await store.get(10, 0) == [{"n": 0}]
    with pytest.raises(DataLost) as caught:
        await store.get(10, 1)
    assert (caught.value.first, caught.value.last) == (1, 3)
    assert await store.get(10, 4) == [{"n": 4}]
    await store.close()


async def test_an_append_of_nothing_makes_no_entry(redis_url: str) -> None:
    store = RedisBackend(0, "q", url=redis_url)
    assert [await store.append(records) for records in ([], [{"n": 0}], [])] == [0, 0, 1]
    assert await store.get(10, 0) == [{"n": 0}]
    await store.close()


async def test_what_is_trimmed_within_an_entry_is_gone_and_no_longer_counted(redis_url: str) -> None:
    store = RedisBackend(0, "q", url=redis_url)
    await store.put_batch([{"n": n, "text": "x" * n} for n in range(9)])
    whole = store.byte_count()
    await store.put({"n": 9})
    left = []
    for before in (2, 5, 9):
        await store.trim(before)
        assert [record["n"] for record in await store.get(10, 0)] == list(range(before, 10))
        left.append(store.byte_count())

    assert whole > left[0] > left[1] > left[2]
    assert left[2] == len(store._bodies.encode([{"n": 9}])[0])
    assert await command(redis_url, "XLEN", "pulsing:{q:0}:s") == 1
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
