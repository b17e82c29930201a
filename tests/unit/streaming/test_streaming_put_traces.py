"""The stores that last keep of which puts their records are, for as long as the records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pulsing.exceptions import PulsingRuntimeError
from pulsing.streaming import MemoryBackend, get_backend_class
from pulsing.streaming.put_traces import MOST_RUNS
from pulsing.streaming.storage import BucketStorage

A, B, C = (bytes([n]) * 25 for n in (1, 2, 3))

Opened = Callable[[], AbstractAsyncContextManager[Any]]


@pytest.fixture(params=["sqlite", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """A context manager of a bucket on a store that lasts, the same each time."""
    options = {"url": request.getfixturevalue("redis_url")} if request.param == "redis" else {}

    @asynccontextmanager
    async def open_store() -> AsyncIterator[Any]:
        store = get_backend_class(request.param)(0, str(tmp_path / "q"), **options)
        try:
            yield store
        finally:
            await store.close()

    return open_store


async def test_runs_are_found_by_any_of_their_records(opened: Opened) -> None:
    async with opened() as store:
        await store.put_batch([{"n": n} for n in range(10)])
        assert await store.kept_traces(0, 10) == []
        await store.keep_traces([(0, 3, A), (5, 1, B)])
        await store.keep_traces([(6, 4, C)])
    async with opened() as store:
        assert await store.kept_traces(0, 10) == [(0, 3, A), (5, 1, B), (6, 4, C)]
        assert await store.kept_traces(2, 6) == [(0, 3, A), (5, 1, B)]
        assert await store.kept_traces(3, 5) == []
        assert await store.kept_traces(8, 9) == [(6, 4, C)]


async def test_they_are_forgotten_with_their_records(opened: Opened) -> None:
    async with opened() as store:
        await store.put_batch([{"n": n} for n in range(10)])
        await store.keep_traces([(0, 3, A), (3, 3, B)])
        await store.trim(4)
        await store.put({"n": 10})
        await store.keep_traces([(10, 1, C)])
        assert await store.kept_traces(0, 11) == [(3, 3, B), (10, 1, C)]
        await store.destroy()
    async with opened() as store:
        await store.put({"n": 0})
        assert await store.kept_traces(0, 11) == []


class Forgetful(MemoryBackend):
    """A store that cannot keep what it is told of traces."""

    async def keep_traces(self, runs: Any) -> None:
        raise PulsingRuntimeError("the disk is full")


async def test_a_put_holds_though_what_it_belongs_to_could_not_be_kept(tmp_path: Path) -> None:
    bucket = BucketStorage(0, str(tmp_path), backend=Forgetful)
    await bucket.on_start(None)
    first, _ = await bucket.append_traced([{"n": 1}, {"n": 2}], [(1, 1, A)])
    assert first == 0
    assert await bucket.get(10, 0) == [{"n": 1}, {"n": 2}]
    assert await bucket.traces(0, 2) == [(1, 1, A)]


async def test_a_bucket_remembers_no_more_than_so_many(tmp_path: Path) -> None:
    bucket = BucketStorage(0, str(tmp_path))
    await bucket.on_start(None)
    for _ in range(MOST_RUNS // 100 + 1):
        await bucket.append_traced([{"n": 1}] * 100, [(place, 1, A) for place in range(100)])
    assert [run[0] for run in await bucket.traces(0, 110)] == list(range(100, 110))
