"""What every store promises; those that come with Pulsing promise more than one of somebody else has to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pulsing.exceptions import Overloaded
from pulsing.streaming import get_backend_class
from pulsing.streaming.backend import CommittingBackend, ManageableBackend, StorageBackend

Opened = Callable[..., AbstractAsyncContextManager[Any]]


class OwnStore:
    """A store of somebody else: the seven methods, and nothing more."""

    def __init__(self, bucket_id: int, **_: Any) -> None:
        self._records: list[dict[str, Any]] = []
        self._grown = asyncio.Condition()

    async def put(self, record: dict[str, Any]) -> None:
        await self.put_batch([record])

    async def put_batch(self, records: list[dict[str, Any]]) -> None:
        async with self._grown:
            self._records += records
            self._grown.notify_all()

    async def get(self, limit: int, offset: int) -> list[dict[str, Any]]:
        return self._records[offset : offset + limit]

    async def get_stream(
        self, limit: int, offset: int, wait: bool = False, timeout: float | None = None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        while limit > 0:
            found = await self.get(min(limit, 100), offset)
            if found:
                limit, offset = limit - len(found), offset + len(found)
                yield found
            elif not wait or not await self._grows_beyond(offset, timeout):
                return

    async def _grows_beyond(self, offset: int, timeout: float | None) -> bool:
        async with self._grown:
            grown = self._grown.wait_for(lambda: len(self._records) > offset)
            try:
                return await asyncio.wait_for(grown, timeout)
            except asyncio.TimeoutError:
                return False

    async def flush(self) -> None:
        pass

    async def stats(self) -> dict[str, Any]:
        return {"total_count": self.total_count()}

    def total_count(self) -> int:
        return len(self._records)


SHIPPED = ["memory", "sqlite", "redis"]


@pytest.fixture(params=SHIPPED)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """A context manager of a store of each kind that comes with Pulsing."""
    return opening(request, tmp_path)


@pytest.fixture(params=[*SHIPPED, OwnStore])
def opened_any(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """A context manager of a store of each kind."""
    return opening(request, tmp_path)


def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    fixed = {"url": request.getfixturevalue("redis_url")} if request.param == "redis" else {}

    @asynccontextmanager
    async def open_store(**options: Any) -> AsyncIterator[Any]:
        store = get_backend_class(request.param)(
            bucket_id=1, storage_path=str(tmp_path / "q"), batch_size=100, **fixed, **options
        )
        try:
            yield store
        finally:
            if hasattr(store, "close"):
                await store.close()

    return open_store


def files_of(folder: Path) -> list[Path]:
    return list(folder.rglob("bucket_*"))


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"n": n} for n in numbers]


async def test_a_store_has_the_seven_methods(opened_any: Opened) -> None:
    async with opened_any() as store:
        assert isinstance(store, StorageBackend)


async def test_it_fulfils_the_protocols(opened: Opened) -> None:
    async with opened() as store:
        assert isinstance(store, StorageBackend)
        assert isinstance(store, ManageableBackend)
        assert isinstance(store, CommittingBackend)


async def test_offsets_are_dense_from_zero_and_reads_begin_anywhere(opened_any: Opened) -> None:
    async with opened_any() as store:
        await store.put({"n": 0})
        await store.put_batch(rows(1, 2, 3))

        assert store.total_count() == 4
        assert await store.get(2, 1) == rows(1, 2)
        assert await store.get(10, 0) == rows(0, 1, 2, 3)
        assert await store.get(10, 4) == []
        assert await store.get(10, 400) == []
        assert await store.get(10, 1 << 70) == []
        assert await store.get(1 << 70, 3) == rows(3)
        assert await store.get(0, 0) == []
        await store.flush()
        assert (await store.stats())["total_count"] == 4


async def test_types_survive(opened_any: Opened) -> None:
    record = {"int": 1 << 80, "tuple": (1, 2), "bytes": b"\0\xff", "set": {1}, "none": None, "deep": [{"x": {2: "y"}}]}
    async with opened_any() as store:
        await store.put(record)

        assert await store.get(1, 0) == [record]


async def test_many_writers_at_once_get_an_offset_each_and_keep_their_own_order(opened_any: Opened) -> None:
    async with opened_any() as store:

        async def write(writer: int) -> None:
            for number in range(20):
                await store.put({"writer": writer, "n": number})

        await asyncio.gather(*(write(writer) for writer in range(8)))

        records = await store.get(1_000, 0)
        assert len(records) == store.total_count() == 160
        for writer in range(8):
            assert [r["n"] for r in records if r["writer"] == writer] == list(range(20))


async def test_streams_end_at_the_limit_the_end_or_the_timeout(opened_any: Opened) -> None:
    async with opened_any() as store:
        await store.put_batch(rows(*range(250)))

        assert [len(chunk) async for chunk in store.get_stream(230, 5)] == [100, 100, 30]
        assert [len(chunk) async for chunk in store.get_stream(1_000, 200)] == [50]
        assert [chunk async for chunk in store.get_stream(5, 250, wait=True, timeout=0)] == []
        assert [chunk async for chunk in store.get_stream(5, 250, wait=True, timeout=0.01)] == []


async def test_a_waiting_stream_is_woken_by_a_put(opened_any: Opened) -> None:
    async with opened_any() as store:
        stream = store.get_stream(2, 0, wait=True)
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await store.put({"n": 0})

        assert await asyncio.wait_for(first, 5) == rows(0)
        await stream.aclose()


async def test_at_the_bound_the_oldest_go_and_offsets_stay(opened: Opened) -> None:
    async with opened(max_records=3) as store:
        for number in range(6):
            await store.put({"n": number})

        assert await store.get(10, 0) == rows(3, 4, 5)
        assert await store.get(10, 5) == rows(5)
        bounds = await store.bounds()
        assert (bounds["earliest"], bounds["next"], bounds["records"]) == (3, 6, 3)


async def test_a_bound_in_bytes_holds(opened: Opened) -> None:
    async with opened(max_bytes=20_000) as store:
        for number in range(100):
            await store.put({"n": number, "text": "x" * 1_000})

        bounds = await store.bounds()
        assert 0 < bounds["bytes"] <= 20_000
        assert (await store.get(1, bounds["next"] - 1))[0]["n"] == 99


async def test_records_older_than_the_age_are_gone(opened: Opened) -> None:
    async with opened(max_age=0.05) as store:
        await store.put_batch(rows(0, 1))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 10
        while await store.get(10, 0):
            assert loop.time() < deadline
            await asyncio.sleep(0.01)
        await store.put({"n": 2})

        assert (await store.bounds())["next"] == 3
        assert (await store.bounds())["earliest"] == 2


async def test_the_size_that_is_told_is_that_of_what_is_there(opened: Opened) -> None:
    async with opened() as store:
        await store.put_batch([{"n": n, "text": "x" * 100} for n in range(20)])
        whole = (await store.bounds())["bytes"]
        await store.trim(15)
        rest = (await store.bounds())["bytes"]
        await store.clear_all()

        assert whole > 20 * 100
        assert 5 * 100 < rest < whole / 3
        assert (await store.bounds())["bytes"] == 0


async def test_a_full_store_that_rejects_stays_as_it_is(opened: Opened) -> None:
    async with opened(max_records=2, overflow="reject") as store:
        await store.put_batch(rows(0, 1))

        with pytest.raises(Overloaded):
            await store.put({"n": 2})
        with pytest.raises(Overloaded):
            await store.put_batch(rows(2, 3))
        await store.trim(1)
        await store.put({"n": 2})
        assert await store.get(10, 0) == rows(1, 2)


@pytest.mark.parametrize("overflow", ["drop_oldest", "reject", "block"])
async def test_a_record_larger_than_the_store_is_refused_and_costs_no_other(opened: Opened, overflow: str) -> None:
    async with opened(max_bytes=4_000, overflow=overflow) as store:
        await store.put({"n": 0})

        with pytest.raises(Overloaded):
            await store.put({"n": 1, "text": "x" * 5_000})
        with pytest.raises(Overloaded):
            await store.put_batch([{"n": 1}, {"n": 2, "text": "x" * 5_000}])
        assert await store.get(10, 0) == rows(0)


async def test_the_newest_record_stays_however_little_room_it_leaves(opened: Opened) -> None:
    async with opened(max_bytes=100_000) as store:
        for n in range(60):
            await store.put({"n": -1})
            try:
                await store.put({"n": n, "text": "x" * (99_000 + 20 * n)})
            except Overloaded:
                continue
            assert (await store.get(10, store.total_count() - 1))[-1]["n"] == n


async def test_trimming_and_purging_never_give_an_offset_again(opened: Opened) -> None:
    async with opened() as store:
        await store.put_batch(rows(0, 1, 2, 3))

        assert await store.trim(2) == 2
        assert await store.trim(1) == 0
        assert await store.trim(99) == 2
        await store.put_batch(rows(4, 5))
        assert await store.clear_all() == 2
        await store.put({"n": 6})
        assert await store.get(10, 6) == rows(6)
        assert (await store.bounds())["earliest"] == 6


async def test_a_time_leads_to_the_first_record_after_it(opened: Opened) -> None:
    async with opened() as store:
        await store.put_batch(rows(0, 1))
        first = store.offset_at(0.0)
        last = store.offset_at(4e9)

        assert (await first if asyncio.iscoroutine(first) else first) == 0
        assert (await last if asyncio.iscoroutine(last) else last) == 2


async def test_destroying_removes_everything(opened: Opened, tmp_path: Path) -> None:
    async with opened() as store:
        await store.put({"n": 0})
        await store.destroy()

    assert files_of(tmp_path) == []


@pytest.mark.parametrize("options", [{"overflow": "panic"}, {"max_records": 0}])
async def test_an_option_without_sense_is_refused(opened: Opened, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        async with opened(**options):
            pass


async def test_it_keeps_how_far_groups_have_acknowledged(opened: Opened) -> None:
    async with opened() as store:
        assert await store.committed() == {}
        await store.commit("a", 3)
        await store.commit("b", 1)
        await store.commit("a", 7)
        await store.commit("b", None)
        await store.commit("c", None)

        assert await store.committed() == {"a": 7}
        await store.destroy()
    async with opened() as store:
        assert await store.committed() == {}


async def test_a_queue_on_a_store_of_somebody_else_reads_waits_and_shares_its_records(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=2, backend=OwnStore)
        reader = await system.queue.read("q", num_buckets=2, backend=OwnStore)
        waiting = asyncio.ensure_future(reader.get(wait=True))
        told = [await queue.append({"id": n}) for n in range(20)]
        in_first = [one["offset"] for one in told if one["bucket_id"] == 0]
        assert in_first == list(range(len(in_first)))
        records = await asyncio.wait_for(waiting, 5)
        while len(records) < 20:
            records += await reader.get()
        assert sorted(record["id"] for record in records) == list(range(20))

        async with await system.queue.read("q", num_buckets=2, backend=OwnStore, group="g") as group:
            assert len(await group.get()) == 20
            await group.commit()
            assert await group.get() == []
