"""The store in memory: absolute offsets, bounds, waiting, rows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsing.exceptions import Overloaded
from pulsing.streaming import MemoryBackend


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def monotonic(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time + 1_000.0


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"n": n} for n in numbers]


async def test_records_are_read_from_an_offset_and_nothing_beyond_the_end() -> None:
    store = MemoryBackend(0)
    await store.put_batch(rows(0, 1, 2))

    assert await store.get(2, 1) == rows(1, 2)
    assert await store.get(10, 3) == []
    assert await store.get(10, 99) == []
    assert store.total_count() == 3


async def test_a_record_that_is_changed_after_its_put_is_stored_as_it_was() -> None:
    store = MemoryBackend(0)
    record = {"n": 1}
    await store.put(record)
    record["n"] = 2
    (await store.get(1, 0))[0]["n"] = 3

    assert await store.get(1, 0) == rows(1)


async def test_figures_have_the_fixed_keys_and_unknown_options_are_ignored() -> None:
    store = MemoryBackend(3, storage_path="/nowhere", colour="red")
    await store.put_batch(rows(0, 1))

    assert await store.stats() == {
        "bucket_id": 3,
        "buffer_size": 2,
        "persisted_count": 0,
        "total_count": 2,
        "backend": "memory",
    }
    assert store.buffer == rows(0, 1)


async def test_at_the_bound_the_oldest_go_and_offsets_stay() -> None:
    store = MemoryBackend(0, max_records=3)
    for n in range(5):
        await store.put({"n": n})

    assert await store.get(10, 0) == rows(2, 3, 4)
    assert await store.get(10, 4) == rows(4)
    assert await store.bounds() == {"earliest": 2, "next": 5, "records": 3, "bytes": store.byte_count()}


async def test_a_bound_in_bytes_drops_what_is_needed() -> None:
    store = MemoryBackend(0, max_bytes=3_000)
    for n in range(5):
        await store.put({"n": n, "text": "x" * 900})

    assert store.byte_count() <= 3_000
    assert [record["n"] for record in await store.get(10, 0)] == [3, 4]


async def test_a_negative_limit_gives_nothing() -> None:
    store = MemoryBackend(0)
    await store.put_batch(rows(0, 1, 2))

    assert await store.get(-1, 0) == []


async def test_a_full_store_that_rejects_keeps_what_it_has() -> None:
    store = MemoryBackend(0, max_records=2, overflow="reject")
    await store.put_batch(rows(0, 1))

    with pytest.raises(Overloaded, match="limit of 2"):
        await store.put({"n": 2})
    assert await store.get(10, 0) == rows(0, 1)


async def test_records_older_than_the_age_are_dropped_when_read() -> None:
    clock = Hands()
    store = MemoryBackend(0, max_age=10.0, clock=clock)
    await store.put({"n": 0})
    clock.time += 6
    await store.put({"n": 1})
    clock.time += 6

    assert await store.get(10, 0) == rows(1)
    assert store.earliest() == 1


async def test_the_time_of_a_record_is_that_of_its_put() -> None:
    clock = Hands()
    store = MemoryBackend(0, clock=clock)
    await store.put_batch(rows(0, 1))
    clock.time += 5
    await store.put({"n": 2})

    assert [store.put_at(offset) for offset in range(4)] == [1_100.0, 1_100.0, 1_105.0, None]
    assert [store.offset_at(wall) for wall in (1_000.0, 1_101.0, 1_200.0)] == [0, 2, 3]


@pytest.mark.parametrize(
    "options",
    [
        {"overflow": "panic"},
        {"max_records": 0},
        {"max_records": True},
        {"max_bytes": -1},
        {"max_bytes": 1.5},
        {"max_age": 0},
        {"max_age": "1"},
    ],
)
def test_an_option_without_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        MemoryBackend(0, **options)


async def test_a_stream_gives_lists_of_up_to_a_hundred_until_the_limit() -> None:
    store = MemoryBackend(0)
    await store.put_batch(rows(*range(250)))

    sizes = [len(chunk) async for chunk in store.get_stream(230, 5)]

    assert sizes == [100, 100, 30]


async def test_a_stream_without_wait_ends_at_the_end() -> None:
    store = MemoryBackend(0)
    await store.put({"n": 0})

    assert [chunk async for chunk in store.get_stream(10, 0)] == [rows(0)]
    assert [chunk async for chunk in store.get_stream(10, 0, wait=True, timeout=0)] == [rows(0)]


async def test_a_waiting_stream_gets_records_as_they_come() -> None:
    store = MemoryBackend(0)
    stream = store.get_stream(2, 0, wait=True)
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await store.put({"n": 0})

    assert await first == rows(0)
    await store.put({"n": 1})
    assert [chunk async for chunk in stream] == [rows(1)]


async def test_rows_that_are_cleared_leave_a_gap_and_the_others_keep_their_indexes() -> None:
    store = MemoryBackend(0)
    assert await store.put_tensor([{"a": 1}, {"a": 2}, {"a": 3, "b": 4}]) == {"size": 3}
    assert await store.put_tensor({"a": 5}) == {"size": 1}
    await store.clear([1])

    assert await store.get(10, 0) == [{"a": 1}, {"a": 3, "b": 4}, {"a": 5}]
    assert await store.get(1, 1) == [{"a": 3, "b": 4}]
    assert await store.get_by_indices([0, 1, 3, 9]) == [{"a": 1}, {"a": 5}]
    assert (await store.get_meta(["a"], 2))["global_indexes"] == [0, 2]
    assert await store.get_data({"global_indexes": [2]}, ["b"]) == [{"b": 4}]
    assert store.total_count() == 4


async def test_only_rows_can_be_put_as_tensors() -> None:
    with pytest.raises(TypeError, match=r"MemoryBackend\.put_tensor expects dict or list\[dict\]"):
        await MemoryBackend(0).put_tensor("text")


async def test_trimming_and_purging_never_give_an_offset_again() -> None:
    store = MemoryBackend(0)
    await store.put_batch(rows(0, 1, 2, 3))

    assert await store.trim(2) == 2
    assert await store.trim(1) == 0
    assert await store.get(10, 0) == rows(2, 3)
    assert await store.clear_all() == 2
    await store.put({"n": 9})
    assert (await store.bounds())["earliest"] == 4
    assert await store.get(10, 4) == rows(9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(1, 7)),
            st.tuples(st.just("trim"), st.integers(0, 40)),
            st.tuples(st.just("clear"), st.integers(0, 40)),
        ),
        max_size=25,
    ),
    st.integers(1, 12),
)
def test_it_reads_like_a_numbered_list_that_forgets(steps: list[tuple[str, int]], bound: int) -> None:
    async def check() -> None:
        store = MemoryBackend(0, max_records=bound)
        model: dict[int, int] = {}
        end = 0
        for step, number in steps:
            if step == "put":
                await store.put_batch(rows(*range(end, end + number)))
                model.update({n: n for n in range(end, end + number)})
                end += number
                model = {n: n for n in model if n >= end - bound}
            elif step == "trim":
                await store.trim(number)
                model = {n: n for n in model if n >= number}
            else:
                await store.clear([number])
                model.pop(number, None)
            assert store.total_count() == end
            assert store.record_count() == len(model)
            for offset in range(0, end + 2, 3):
                assert await store.get(100, offset) == rows(*(n for n in sorted(model) if n >= offset))

    asyncio.run(check())
