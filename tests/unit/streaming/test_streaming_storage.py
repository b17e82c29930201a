"""One bucket by itself: replies, figures, rows as training data, opening again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulsing.exceptions import DataLost, NodeLeaving, NotOwner, PulsingBusinessError, PulsingSystemError
from pulsing.streaming import BucketStorage, MemoryBackend, get_bucket_ref
from pulsing.streaming import backend as backends
from pulsing.streaming import writing as writing_module
from pulsing.streaming.administration import delete_queue, open_queue
from pulsing.streaming.manager import STORAGE_MANAGER_NAME, local_manager


def files_of(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def bucket(**options: Any) -> Any:
    storage = BucketStorage(3, "/nowhere", **options)
    await storage.on_start(None)
    return storage


@pytest.mark.parametrize("timeout", [float("nan"), float("inf")])
async def test_a_wait_for_what_is_no_number_of_seconds_is_refused(timeout: float) -> None:
    storage = await bucket()
    with pytest.raises(ValueError, match="timeout is a number of seconds"):
        await anext(storage.get_stream(wait=True, timeout=timeout))
    with pytest.raises(ValueError, match="timeout is a number of seconds"):
        fetched: Any = storage.fetch(1, 0, timeout)
        await fetched


async def test_replies_have_the_fixed_keys() -> None:
    storage = await bucket()

    assert (storage.bucket_id, storage.storage_path, storage.batch_size) == (3, "/nowhere", 100)
    assert await storage.put({"a": 1}) == {"status": "ok"}
    assert await storage.put_batch([{"a": 2}, {"a": 3}]) == {"status": "ok", "count": 2}
    assert await storage.get(limit=2, offset=1) == [{"a": 2}, {"a": 3}]
    assert [chunk async for chunk in storage.get_stream(limit=2)] == [[{"a": 1}, {"a": 2}]]
    assert await storage.flush() == {"status": "ok"}
    assert await storage.stats() == {
        "bucket_id": 3,
        "buffer_size": 3,
        "persisted_count": 0,
        "total_count": 3,
        "backend": "memory",
        "generation": 1,
        "epoch": 1,
    }


async def test_nothing_cannot_be_put() -> None:
    storage = await bucket()

    with pytest.raises(ValueError, match="Missing 'record'"):
        await storage.put({})
    with pytest.raises(ValueError, match="Missing 'records'"):
        await storage.put_batch([])


async def test_only_dicts_are_records(one_system: Any) -> None:
    async with one_system() as system:
        bucket = await get_bucket_ref(system, "q", 0)

        with pytest.raises(TypeError, match="a record must be a dict"):
            await bucket.put("text")
        with pytest.raises(TypeError, match="a record must be a dict"):
            await bucket.put_batch([{"id": 1}, 2])

        assert await bucket.get() == []


async def test_a_batch_is_ready_rows_that_the_task_has_not_consumed() -> None:
    storage = await bucket()
    await storage.put_tensor([{"a": 1, "b": 1}, {"a": 2}, {"a": 3, "b": 3, "_note": 0}])

    first = await storage.get_meta(["a", "b"], 1, "train")
    second = await storage.get_meta(["a", "b"], 5, "train")
    third = await storage.get_meta(["a", "b"], 5, "train")

    assert [meta["global_indexes"] for meta in (first, second, third)] == [[0], [2], []]
    assert (await storage.get_meta(["a"], 9, "test"))["global_indexes"] == [0, 1, 2]
    assert (await storage.get_meta(["_note"], 9, "test"))["global_indexes"] == []
    assert await storage.get_data(second, ["b"]) == [{"b": 3}]
    await storage.reset_consumption("train")
    await storage.mark_consumed("train", [0])
    assert (await storage.get_meta(["a", "b"], 9, "train"))["global_indexes"] == [2]
    await storage.clear([2])
    assert await storage.get(10, 0) == [{"a": 1, "b": 1}, {"a": 2}]


async def test_a_sampler_chooses_and_says_what_is_consumed() -> None:
    class LastTwice:
        def sample(self, ready: list[int], size: int) -> tuple[list[int], list[int]]:
            return [ready[-1]] * size, [ready[-1]]

    storage = await bucket()
    await storage.put_batch([{"a": n} for n in range(3)])

    assert (await storage.get_meta(["a"], 2, "t", LastTwice()))["global_indexes"] == [2, 2]
    assert (await storage.get_meta(["a"], 9, "t"))["global_indexes"] == [0, 1]


async def test_keys_lead_to_rows() -> None:
    storage = await bucket()
    await storage.kv_register("k", 7)

    assert await storage.kv_resolve(["k", "other"]) == {"indexes": [7, -1]}


async def test_a_bucket_can_be_found_and_used_by_itself(one_system: Any) -> None:
    async with one_system() as system:
        proxy = await get_bucket_ref(system, "q", 1)

        assert await proxy.put({"id": 1}) == {"status": "ok"}
        assert await (await get_bucket_ref(system, "q", 1)).get() == [{"id": 1}]
        assert (await system.resolve("bucket_q_1")).actor_id == proxy.ref.actor_id
        with pytest.raises(PulsingBusinessError, match="Missing 'record'"):
            await proxy.put({})


async def test_a_node_that_ends_opens_no_bucket_once_its_manager_has_ended(
    one_system: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with one_system() as system:
        ended = system.inner.registry.by_path(f"actors/{STORAGE_MANAGER_NAME}")
        system.inner._shutdown.draining = True
        await ended.stop("shutdown", 0.0)

        with pytest.raises(NodeLeaving):
            await local_manager(system).get_bucket("q", 0, backend="sqlite")
    assert files_of(tmp_path) == []


class Lingering(MemoryBackend):
    """Takes its time to close."""

    closing: asyncio.Event
    may_close: asyncio.Event
    owners: int
    """how many others have taken it over"""

    async def put(self, record: Any) -> None:
        if Lingering.owners:
            Lingering.owners -= 1
            raise NotOwner("bucket", None, 2)
        await super().put(record)

    async def close(self) -> None:
        Lingering.closing.set()
        await Lingering.may_close.wait()


@pytest.fixture
def lingering() -> Iterator[type[Lingering]]:
    Lingering.closing, Lingering.may_close, Lingering.owners = asyncio.Event(), asyncio.Event(), 0
    yield Lingering
    backends._registered.clear()


async def stopped(system: Any) -> None:
    await system.stop("bucket_q_0")


async def deleted(system: Any) -> None:
    queue = await open_queue(system, "q")
    assert queue is not None
    await delete_queue(queue)


async def taken_over(system: Any) -> None:
    Lingering.owners = 1
    queue = await system.queue.write("q", num_buckets=1, backend=Lingering)
    assert (await queue.put({"id": "refused once"}))["status"] == "ok"


@pytest.mark.parametrize("close", [stopped, deleted, taken_over])
async def test_a_bucket_is_opened_again_once_it_has_closed(
    one_system: Any,
    lingering: type[Lingering],
    close: Callable[[Any], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing_module, "OWNER_NEWS_S", 0.0)
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1, backend=lingering)
        await queue.put({"id": 1})
        closing = asyncio.ensure_future(close(system))
        await lingering.closing.wait()
        putting = asyncio.ensure_future(
            (await system.queue.write("q", num_buckets=1, backend=lingering)).put({"id": 2})
        )
        for _ in range(100):
            await asyncio.sleep(0)
        assert not putting.done()
        lingering.may_close.set()

        assert await putting == {"bucket_id": 0, "status": "ok"}
        await closing
        fresh = await system.queue.read("q", num_buckets=1, backend=lingering)
        assert {"id": 2} in await fresh.get()


async def test_a_bucket_that_is_stopped_while_somebody_waits_in_it_is_there_again_at_once(
    one_system: Any, until: Any
) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1)
        await queue.put({"id": 1})
        waiting = asyncio.ensure_future(queue.get(offset=1, wait=True))
        bucket = local_manager(system).buckets["q", 0]._cell.actor
        await until(lambda: bucket._waits)
        stopping = asyncio.ensure_future(system.stop("bucket_q_0"))
        await asyncio.sleep(0)

        assert await asyncio.wait_for(queue.put({"id": 2}), 5) == {"bucket_id": 0, "status": "ok"}
        with pytest.raises(DataLost):
            await asyncio.wait_for(waiting, 5)
        assert await stopping is True


async def test_a_store_without_tensors_says_so(one_system: Any) -> None:
    from pulsing.streaming import register_backend

    class Plain:
        def __init__(self, **_: Any) -> None: ...
        async def put(self, record: Any) -> None: ...
        async def put_batch(self, records: Any) -> None: ...
        async def get(self, limit: int, offset: int) -> list[Any]:
            return []

        def get_stream(self, limit: int, offset: int, wait: bool = False, timeout: float | None = None) -> Any: ...
        async def flush(self) -> None: ...
        async def stats(self) -> dict[str, Any]:
            return {}

        def total_count(self) -> int:
            return 0

    register_backend("plain", Plain)
    try:
        async with one_system() as system:
            proxy = await get_bucket_ref(system, "q", 0, backend="plain")
            with pytest.raises(PulsingSystemError) as caught:
                await proxy.put_tensor({"a": 1})
            assert isinstance(caught.value, NotImplementedError)
    finally:
        backends._registered.clear()
