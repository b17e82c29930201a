"""The tests of stores pass for stores that are right, and fail for those that are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import pulsing.testing.conformance as conformance
from pulsing.streaming import MemoryBackend, get_backend_class
from pulsing.testing import BackendConformance, check_backend

Records = list[dict[str, Any]]


class TestMemory(BackendConformance):
    backend_class = MemoryBackend


class TestSqlite(BackendConformance):
    backend_class = get_backend_class("sqlite")
    backend_options = {"durability": "normal"}
    durable = True


class Forgetful(BackendConformance):
    backend_class = MemoryBackend
    durable = True


async def test_they_run_on_a_loop_that_runs_as_well() -> None:
    await check_backend(MemoryBackend, max_records=1_000)


def test_a_store_that_forgets_is_not_durable() -> None:
    with pytest.raises(AssertionError, match="total_count of the next store: 0, not 2"):
        Forgetful().test_records_are_there_for_the_next_store()  # type: ignore[attr-defined]


class WithoutStream:
    """Six of the seven methods."""

    def __init__(self, **_: Any) -> None: ...
    async def put(self, record: dict[str, Any]) -> None: ...
    async def put_batch(self, records: Records) -> None: ...
    async def get(self, limit: int, offset: int) -> Records: ...  # type: ignore[empty-body]
    async def flush(self) -> None: ...
    async def stats(self) -> dict[str, Any]: ...  # type: ignore[empty-body]
    def total_count(self) -> int: ...  # type: ignore[empty-body]


class Wrapped:
    """A right store, of which others spoil one method."""

    def __init__(self, **options: Any) -> None:
        self.inner = MemoryBackend(**options)

    async def put(self, record: dict[str, Any]) -> None:
        await self.inner.put(record)

    async def put_batch(self, records: Records) -> None:
        await self.inner.put_batch(records)

    async def get(self, limit: int, offset: int) -> Records:
        return await self.inner.get(limit, offset)

    async def get_stream(
        self, limit: int, offset: int, wait: bool = False, timeout: float | None = None
    ) -> AsyncIterator[Records]:
        async for records in self.inner.get_stream(limit, offset, wait, timeout):
            yield records

    async def flush(self) -> None: ...

    async def stats(self) -> dict[str, Any]:
        return await self.inner.stats()

    def total_count(self) -> int:
        return self.inner.total_count()


class Losing(Wrapped):
    async def put_batch(self, records: Records) -> None:
        await self.inner.put_batch(records[1:])


class CountingFromOne(Wrapped):
    async def get(self, limit: int, offset: int) -> Records:
        return await self.inner.get(limit, max(0, offset - 1))


class Racing(Wrapped):
    async def put(self, record: dict[str, Any]) -> None:
        await asyncio.sleep(0.0001 * (record["n"] % 3) if "writer" in record else 0)
        if record.get("n") != 7:
            await self.inner.put(record)


class Patient(Wrapped):
    async def get_stream(
        self, limit: int, offset: int, wait: bool = False, timeout: float | None = None
    ) -> AsyncIterator[Records]:
        async for records in self.inner.get_stream(limit, offset, wait, timeout or None):
            yield records


class Impatient(Wrapped):
    async def get_stream(
        self, limit: int, offset: int, wait: bool = False, timeout: float | None = None
    ) -> AsyncIterator[Records]:
        async for records in self.inner.get_stream(limit, offset):
            yield records


@pytest.mark.parametrize(
    ("store", "told"),
    [
        (WithoutStream, "fails test_it_has_the_seven_methods: it has no get_stream"),
        (Losing, "fails test_offsets_are_dense_from_zero: total_count: 4, not 5"),
        (CountingFromOne, "fails test_reads_begin_anywhere: two from 1 on"),
        (Racing, "fails test_writers_at_once_get_an_offset_each"),
        (Patient, "fails test_a_stream_ends_when_nothing_comes: it is not over within"),
        (Impatient, "fails test_a_stream_that_waits_is_woken_by_a_put"),
    ],
)
async def test_what_a_store_does_wrong_is_named(store: type[Any], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "DEADLINE_S", 3.0)
    with pytest.raises(AssertionError, match=told) as caught:
        await check_backend(store)

    assert str(caught.value).startswith(store.__name__)
    assert caught.value.__cause__ is not None
