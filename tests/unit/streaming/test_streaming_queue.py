"""Queues on one node: putting, reading, positions, waiting, settings."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsing.exceptions import DataLost, DeadlineExceeded, NotSendable, Overloaded, PulsingRuntimeError
from pulsing.streaming import (
    MemoryBackend,
    Queue,
    QueueReader,
    SqliteBackend,
    get_bucket_ref,
    read_queue,
    register_backend,
    write_queue,
)
from pulsing.streaming import backend as backends
from pulsing.streaming.administration import trim_queue
from pulsing.streaming.inspection import buckets_here


class Bare:
    """Anything that a queue can be constructed on without I/O."""

    node_id = "0"


def by_bucket(queue: Queue, count: int) -> dict[int, list[str]]:
    """Texts for each bucket, `count` of them."""
    found: dict[int, list[str]] = {bucket: [] for bucket in range(queue.num_buckets)}
    number = 0
    while min(map(len, found.values())) < count:
        place = found[queue.get_bucket_id(str(number))]
        if len(place) < count:
            place.append(str(number))
        number += 1
    return found


# --- partitioning ----------------------------------------------------------------------------------------------------


@given(
    st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.integers(), st.none(), st.floats()),
    st.integers(1, 64),
)
def test_the_bucket_is_the_md5_of_the_text_modulo_the_number_of_buckets(value: Any, count: int) -> None:
    queue = Queue(Bare(), "q", num_buckets=count)
    text = "" if value is None else str(value)

    assert queue.get_bucket_id(value) == int(hashlib.md5(text.encode()).hexdigest(), 16) % count


def test_constructing_fills_in_the_defaults() -> None:
    queue = Queue(Bare(), "orders")

    assert queue.bucket_column == "id"
    assert queue.num_buckets == 4
    assert queue.batch_size == 100
    assert queue.storage_path == "./queue_storage/orders"
    assert queue.backend == "memory"
    assert queue.backend_options is None


@pytest.mark.parametrize(
    "name", ["", "../../x", "a//b", "x" * 250, "x" * 10_000, "a b", "nul\0", "a\nb", "a\x1b[2J", "a\u202eb"]
)
def test_a_hostile_name_is_refused_before_any_io(name: str) -> None:
    with pytest.raises(ValueError):
        Queue(Bare(), name)


@pytest.mark.parametrize(
    "options",
    [
        {"num_buckets": 0},
        {"num_buckets": 4097},
        {"num_buckets": True},
        {"batch_size": 0},
        {"backend": "no"},
        {"backend_options": {"overflow": "panic"}},
        {"backend": "sqlite", "backend_options": {"durability": "perhaps"}},
        {"backend": "redis", "backend_options": {"max_age": -1}},
        {"backend": "redis", "backend_options": {"url": "http://user:secret@127.0.0.1"}},
        {"backend": "redis", "backend_options": {"url": None}},
    ],
)
def test_an_argument_without_sense_is_refused_at_opening(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as refused:
        Queue(Bare(), "q", **options)
    assert "secret" not in str(refused.value)


class Picky(MemoryBackend):
    """A store that cannot be made."""

    def __init__(self, bucket_id: int, storage_path: str, batch_size: int) -> None:
        raise OSError("no such device")


@pytest.mark.parametrize("backend", ["sqlite", Picky])
def test_an_option_that_the_store_does_not_take_is_refused_at_opening(backend: Any) -> None:
    with pytest.raises(TypeError, match=r"backend \w+ cannot be made with these options: .*'colour'"):
        Queue(Bare(), "q", backend=backend, backend_options={"colour": "red"})


@pytest.mark.parametrize("option", ["bucket_id", "storage_path", "batch_size"])
def test_an_option_that_the_bucket_itself_gives_is_refused_at_opening(option: str) -> None:
    with pytest.raises(TypeError, match=rf"MemoryBackend gets {option} from its bucket"):
        Queue(Bare(), "q", backend_options={option: 1})


@pytest.mark.parametrize(
    "options", [{"storage_path": 5}, {"storage_path": b"there"}, {"backend_options": 5}, {"backend_options": "a"}]
)
def test_an_argument_of_the_wrong_kind_is_refused_at_opening(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"storage_path is|backend_options is"):
        Queue(Bare(), "q", **options)


async def test_the_folder_may_be_a_path(one_system: Any, tmp_path: Path) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", backend="sqlite", storage_path=tmp_path / "records")
        await queue.put({"id": 1})

        assert queue.storage_path == str(tmp_path / "records")
        reader = await system.queue.read("q", backend="sqlite", storage_path=str(tmp_path / "records"))
        assert await reader.get() == [{"id": 1}]


def test_a_name_is_the_same_in_both_forms_of_its_letters() -> None:
    assert Queue(Bare(), "cafe\u0301").topic == Queue(Bare(), "caf\u00e9").topic


@pytest.mark.parametrize(
    "opened",
    [
        lambda system: system.queue.write("system/q"),
        lambda system: system.queue.read("q", group="system/g"),
        lambda system: system.topic.write("system/t"),
        lambda system: system.topic.read("t", reader_id="system/r"),
        lambda system: get_bucket_ref(system, "system/q", 0),
    ],
)
async def test_names_of_the_system_are_refused(one_system: Any, opened: Any) -> None:
    async with one_system() as system:
        with pytest.raises(ValueError, match="names under 'system/' belong to Pulsing"):
            await opened(system)


# --- putting ---------------------------------------------------------------------------------------------------------


async def test_a_put_tells_the_bucket_and_is_readable_on_return(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        record = {"id": "a", "v": 1}

        assert await queue.put(record) == {"bucket_id": queue.get_bucket_id("a"), "status": "ok"}
        assert await queue.get() == [record]


async def test_a_list_is_answered_in_its_order_and_kept_in_order_in_each_bucket(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        records = [{"id": n % 7, "n": n} for n in range(50)]

        answers = await queue.put(records)

        assert answers == [{"bucket_id": queue.get_bucket_id(r["id"]), "status": "ok"} for r in records]
        for bucket in range(4):
            expected = [r for r in records if queue.get_bucket_id(r["id"]) == bucket]
            assert await queue.get(bucket) == expected
        assert await queue.put([]) == []


async def test_a_bad_record_in_a_list_writes_nothing(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")

        with pytest.raises(ValueError, match="Missing partition column 'id'"):
            await queue.put([{"id": 1}, {"x": 2}])
        with pytest.raises(TypeError, match="record must be a dict or list of dicts"):
            await queue.put([{"id": 1}, "text"])
        assert await queue.get() == []


@pytest.mark.parametrize("record", ["text", None, 3, ({"id": 1},)])
async def test_only_dicts_and_lists_can_be_put(one_system: Any, record: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")

        with pytest.raises(TypeError, match="record must be a dict or list of dicts"):
            await queue.put(record)


async def test_an_append_tells_where_the_record_is(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1)

        assert await queue.append({"id": 1}) == {"bucket_id": 0, "offset": 0, "generation": 1}
        assert await queue.append({"id": 2}) == {"bucket_id": 0, "offset": 1, "generation": 1}


async def test_a_failing_bucket_raises_after_the_others_were_written(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", backend_options={"max_records": 1, "overflow": "reject"})
        names = by_bucket(queue, 2)
        await queue.put({"id": names[2][0]})

        with pytest.raises(Overloaded) as caught:
            await queue.put([{"id": names[bucket][1]} for bucket in (1, 2, 3)])

        assert caught.value.results == [  # type: ignore[attr-defined]
            {"bucket_id": 1, "status": "ok"},
            {"bucket_id": 2, "status": "error"},
            {"bucket_id": 3, "status": "ok"},
        ]
        assert await queue.get(3) == [{"id": names[3][1]}]


# --- settings --------------------------------------------------------------------------------------------------------


async def test_the_first_put_fixes_the_settings(one_system: Any) -> None:
    async with one_system() as system:
        late = await system.queue.write("q", num_buckets=8)
        queue = await system.queue.write("q", num_buckets=2)
        await queue.put({"id": 1})

        with pytest.raises(ValueError, match="num_buckets=2, not 8"):
            await late.put({"id": 1})
        with pytest.raises(ValueError, match="bucket_column='id', not 'key'"):
            await system.queue.write("q", num_buckets=2, bucket_column="key")
        with pytest.raises(ValueError, match="num_buckets=2, not 4"):
            await system.queue.read("q")
        assert await (await system.queue.read("q", num_buckets=2)).get() == [{"id": 1}]


async def test_reading_creates_no_queue(one_system: Any) -> None:
    async with one_system() as system:
        reader = await system.queue.read("q")

        assert await reader.get() == []
        assert await reader.get(wait=True, timeout=0.01) == []
        assert await system.inner.inspect("queues") == []
        await (await system.queue.write("q", num_buckets=2)).put({"id": 1})
        with pytest.raises(ValueError, match="num_buckets=2, not 4"):
            await reader.get()


async def test_a_store_of_a_users_own_works_and_its_positions_move_by_number(one_system: Any) -> None:
    class Plain:
        """The seven methods and nothing else."""

        def __init__(self, **options: Any) -> None:
            self.rows: list[dict[str, Any]] = []
            self.news = asyncio.Event()

        async def put(self, record: dict[str, Any]) -> None:
            self.rows.append(record)
            self.news.set()

        async def put_batch(self, records: list[dict[str, Any]]) -> None:
            self.rows.extend(records)
            self.news.set()

        async def get(self, limit: int, offset: int) -> list[dict[str, Any]]:
            return self.rows[offset : offset + limit]

        async def get_stream(self, limit: int, offset: int, wait: bool = False, timeout: float | None = None) -> Any:
            while wait and offset >= len(self.rows):
                self.news.clear()
                await asyncio.wait_for(self.news.wait(), timeout)
            yield self.rows[offset : offset + limit]

        async def flush(self) -> None: ...

        async def stats(self) -> dict[str, Any]:
            return {"rows": len(self.rows)}

        def total_count(self) -> int:
            return len(self.rows)

    try:
        register_backend("plain", Plain)
        async with one_system() as system:
            queue = await system.queue.write("q", backend="plain", num_buckets=1)
            reader = await system.queue.read("q", backend="plain", num_buckets=1)
            waiting = asyncio.ensure_future(reader.get(wait=True))
            await queue.put({"id": 1})
            await queue.put([{"id": 2}, {"id": 3}])

            assert await waiting == [{"id": 1}]
            assert await reader.get() == [{"id": 2}, {"id": 3}]
            assert reader.positions() == {0: 3}
            assert (await queue.stats())["buckets"] == {0: {"rows": 3, "generation": 1, "epoch": 1}}
    finally:
        backends._registered.clear()


@pytest.mark.parametrize("ours", [MemoryBackend, SqliteBackend])
async def test_what_a_class_that_inherits_from_a_store_does_otherwise_is_done(
    one_system: Any, tmp_path: Path, ours: Any
) -> None:
    class Loud(ours):  # type: ignore[misc]
        async def put(self, record: dict[str, Any]) -> None:
            await super().put({**record, "put": "loudly"})

        async def put_batch(self, records: list[dict[str, Any]]) -> None:
            await super().put_batch([{**record, "put": "loudly"} for record in records])

        async def get(self, limit: int, offset: int) -> list[dict[str, Any]]:
            return [{**record, "got": "loudly"} for record in await super().get(limit, offset)]

    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1, backend=Loud, storage_path=str(tmp_path))
        await asyncio.gather(*(queue.put({"id": n}) for n in range(3)))
        reader = QueueReader(queue)

        loud = [{"id": n, "put": "loudly", "got": "loudly"} for n in range(3)]
        assert await reader.get(limit=2) + await reader.get() == loud
        assert await queue.get(0, offset=1) == loud[1:]


async def test_a_store_that_cannot_open_says_why(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", backend=Picky)

        with pytest.raises(PulsingRuntimeError, match="no such device"):
            await queue.put({"id": 1})


# --- reading ---------------------------------------------------------------------------------------------------------


async def test_get_reads_all_buckets_in_order_with_the_same_offset_in_each(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        names = by_bucket(queue, 3)
        await queue.put([{"id": name} for place in names.values() for name in place])

        assert [r["id"] for r in await queue.get(offset=1)] == [n for place in names.values() for n in place[1:]]
        assert [r["id"] for r in await queue.get(limit=4)] == [*names[0], names[1][0]]
        assert await queue.get(2, limit=0) == []
        assert await queue.get(3, offset=3) == []


@pytest.mark.parametrize("window", [{"limit": -1}, {"offset": -1}, {"bucket_id": 4}, {"bucket_id": -1}])
async def test_a_window_without_sense_is_refused(one_system: Any, window: dict[str, int]) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")

        with pytest.raises(ValueError):
            await queue.get(**window)


@pytest.mark.parametrize("part", [1.5, "1"])
async def test_a_window_or_a_rank_that_is_no_whole_number_is_refused(one_system: Any, part: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        await queue.put([{"id": n} for n in range(9)])
        reader = QueueReader(queue)
        for call in (
            lambda: queue.get(limit=part),
            lambda: queue.get(offset=part),
            lambda: reader.get(limit=part),
            lambda: system.queue.read("q", rank=part, world_size=2),
        ):
            with pytest.raises(TypeError, match="is a whole number, not"):
                await call()
        with pytest.raises(TypeError, match="offset is a whole number, not"):
            reader.set_offset(part)

        assert len(await reader.get()) == 9


async def test_a_whole_number_of_numpy_is_one(one_system: Any) -> None:
    four: Any = numpy.int64(4)
    async with one_system() as system:
        queue = await system.queue.write("q")
        await queue.put([{"id": n} for n in range(9)])

        assert len(await QueueReader(queue).get(limit=four)) == 4


@pytest.mark.parametrize(
    ("options", "buckets"),
    [
        ({"rank": 0, "world_size": 2}, [0, 2]),
        ({"rank": 1, "world_size": 2}, [1, 3]),
        ({"rank": 1, "world_size": 2, "bucket_id": 0}, [1, 3]),
        ({"bucket_id": 2, "bucket_ids": [0]}, [2]),
        ({"bucket_ids": [3, 1]}, [3, 1]),
        ({"bucket_ids": []}, []),
        ({"rank": 4, "world_size": 5}, []),
        ({}, None),
    ],
)
async def test_a_reader_gets_the_buckets_it_asks_for(
    one_system: Any, options: dict[str, Any], buckets: list[int] | None
) -> None:
    async with one_system() as system:
        assert (await system.queue.read("q", **options)).bucket_ids == buckets


@pytest.mark.parametrize(
    "options",
    [
        {"rank": 2, "world_size": 2},
        {"rank": -1, "world_size": 2},
        {"rank": 0},
        {"world_size": 2},
        {"bucket_id": 4},
        {"bucket_ids": [0, 9]},
    ],
)
async def test_buckets_that_there_are_not_are_refused(one_system: Any, options: dict[str, Any]) -> None:
    async with one_system() as system:
        with pytest.raises(ValueError):
            await system.queue.read("q", **options)


async def test_ranks_share_all_records_and_each_reads_its_own_once(one_system: Any) -> None:
    async with one_system() as system:
        queue = await write_queue(system, "q")
        await queue.put([{"id": n} for n in range(40)])
        readers = [await read_queue(system, "q", rank=rank, world_size=3) for rank in range(3)]

        read = [record["id"] for reader in readers for record in await reader.get()]

        assert sorted(read) == list(range(40))
        assert [await reader.get() for reader in readers] == [[], [], []]


async def test_a_reader_goes_on_from_where_it_is(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1)
        await queue.put([{"id": n} for n in range(5)])
        reader = QueueReader(queue)

        assert [r["id"] for r in await reader.get(limit=2)] == [0, 1]
        assert reader.positions() == {0: 2}
        assert [r["id"] for r in await reader.get()] == [2, 3, 4]
        reader.set_offset(4)
        assert [r["id"] for r in await reader.get()] == [4]
        reader.reset()
        assert len(await reader.get()) == 5
        reader.set_offset(3, bucket_id=0)
        assert [r["id"] for r in await reader.get()] == [3, 4]
        for bad in ((-1, None), (0, 1)):
            with pytest.raises(ValueError):
                reader.set_offset(*bad)


async def test_a_call_cut_short_by_its_limit_leaves_the_next_turn_to_the_buckets_not_reached(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        names = by_bucket(queue, 3)
        await queue.put([{"id": name} for place in names.values() for name in place])
        reader = QueueReader(queue)

        reads = [[record["id"] for record in await reader.get(limit=2)] for _ in range(6)]

        assert reads[:4] == [place[:2] for place in names.values()]
        assert sorted(n for read in reads for n in read) == sorted(n for place in names.values() for n in place)


async def test_iterating_gives_records_for_ever(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1)
        await queue.put([{"id": n} for n in range(3)])
        seen = []
        async for record in QueueReader(queue):
            seen.append(record["id"])
            if len(seen) == 3:
                await queue.put({"id": 3})
            if len(seen) == 4:
                break

        assert seen == [0, 1, 2, 3]


async def test_who_stops_iterating_goes_on_behind_the_last_record_that_came_out(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=2)
        names = by_bucket(queue, 4)
        await queue.put([{"id": name} for place in names.values() for name in place])
        reader = QueueReader(queue)
        seen = []
        for count in (1, 5, 2):
            async for record in reader:
                seen.append(record["id"])
                count -= 1
                if not count:
                    break
            assert sum(reader.positions().values()) == len(seen)

        assert sorted(seen) == sorted(names[0] + names[1])


async def test_an_iteration_over_rows_of_which_some_were_removed_skips_none_of_the_others(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1)
        await queue.put([{"id": n} for n in range(6)])
        await (await get_bucket_ref(system, "q", 0)).clear([0, 1, 4])
        reader = QueueReader(queue)
        async for record in reader:
            assert record == {"id": 2}
            break

        assert [record["id"] for record in await reader.get()][-2:] == [3, 5]
        assert reader.positions() == {0: 6}


async def test_an_iteration_goes_on_from_where_its_reader_is_set(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1)
        await queue.put([{"id": n} for n in range(5)])
        reader = QueueReader(queue)
        seen = []
        async for record in reader:
            seen.append(record["id"])
            if len(seen) == 2:
                reader.set_offset(4)
            if len(seen) == 3:
                reader.reset()
            if len(seen) == 5:
                break

        assert seen == [0, 1, 4, 0, 1]


# --- waiting ---------------------------------------------------------------------------------------------------------


async def test_a_waiting_read_returns_the_first_record_of_any_bucket(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        reader = QueueReader(queue)
        for name in ("a", "b", "c", "d", "e"):
            waiting = asyncio.ensure_future(reader.get(limit=50, wait=True))
            await asyncio.sleep(0)
            await queue.put({"id": name})

            assert await asyncio.wait_for(waiting, 5) == [{"id": name}]


async def test_a_reader_may_wait_for_a_queue_that_is_not_there_yet(one_system: Any, until: Any) -> None:
    async with one_system() as system:
        reader = await system.queue.read("q")
        waiting = asyncio.ensure_future(reader.get(wait=True))
        await until(lambda: system.inner.registry.by_path("actors/queue_storage_manager").actor._declarations._waiting)
        await (await system.queue.write("q")).put({"id": 1})

        assert await asyncio.wait_for(waiting, 5) == [{"id": 1}]


async def test_no_wait_and_a_timeout_of_zero_return_at_once(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        await queue.put({"id": 1})
        reader = QueueReader(queue)
        await reader.get()

        assert await reader.get(timeout=9.0) == []
        assert await reader.get(wait=True, timeout=0) == []
        assert await queue.get(0, offset=7, wait=True, timeout=0) == []


@pytest.mark.parametrize("timeout", [-9.0, -0.5, -1])
async def test_a_timeout_that_is_over_already_is_not_waited_for(one_system: Any, timeout: float) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        await queue.put({"id": 1})
        reader = QueueReader(queue)
        async with await system.queue.read("q", group="g") as member:
            for read in (reader.get, member.get):
                assert await read(wait=True, timeout=timeout) == [{"id": 1}]
                assert await read(wait=True, timeout=timeout) == []
        assert await queue.get(0, offset=7, wait=True, timeout=timeout) == []


@pytest.mark.parametrize("timeout", [float("nan"), float("inf"), True, "1"])
async def test_a_timeout_that_is_no_number_of_seconds_is_refused_where_it_means_anything(
    one_system: Any, timeout: Any
) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        async with await system.queue.read("q", group="g") as member:
            for read in (queue.get, QueueReader(queue).get, member.get, member.receive):
                with pytest.raises(ValueError, match="timeout is a number of seconds, or None, and not"):
                    await read(wait=True, timeout=timeout)
                assert await read(wait=False, timeout=timeout) == []


async def test_a_wait_that_is_over_gives_nothing_and_leaves_nothing_waiting(one_system: Any, until: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        await queue.put([{"id": n} for n in range(20)])
        reader = QueueReader(queue)
        await reader.get()

        assert await reader.get(wait=True, timeout=0.02) == []
        buckets = list(buckets_here(system.inner, "q"))
        assert len(buckets) == 4
        await until(lambda: not any(bucket.readers.waiting_reads for bucket in buckets))


async def test_a_cancelled_wait_has_read_nothing(one_system: Any, until: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        await queue.put([{"id": n} for n in range(20)])
        reader = QueueReader(queue)
        await reader.get()
        before = reader.positions()
        waiting = asyncio.ensure_future(reader.get(wait=True))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await queue.put({"id": 99})

        assert reader.positions() == before
        assert await reader.get() == [{"id": 99}]


async def test_a_position_that_is_set_during_a_wait_stays_as_it_was_set(one_system: Any, until: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1)
        await queue.put([{"id": 0}, {"id": 1}])
        reader = QueueReader(queue)
        await reader.get()
        waiting = asyncio.ensure_future(reader.get(wait=True))
        (bucket,) = buckets_here(system.inner, "q")
        await until(lambda: bucket.readers.waiting_reads)
        reader.reset()
        await queue.put({"id": 2})

        assert await asyncio.wait_for(waiting, 5) == [{"id": 2}]
        assert reader.positions() == {0: 0}
        assert [record["id"] for record in await reader.get()] == [0, 1, 2]


async def test_of_several_reads_at_once_each_record_goes_to_one(one_system: Any, until: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=2)
        await queue.put([{"id": n} for n in range(20)])
        reader = QueueReader(queue)
        found = await asyncio.gather(*(reader.get(3) for _ in range(9)))

        assert sorted(record["id"] for records in found for record in records) == list(range(20))
        waiting = [asyncio.ensure_future(reader.get(wait=True)) for _ in range(3)]
        (bucket, _) = buckets_here(system.inner, "q")
        await until(lambda: bucket.readers.waiting_reads == 3)
        await queue.put({"id": 20})
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await queue.put({"id": 21})
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await until(lambda: sum(read.done() for read in waiting) == 2)
        assert sorted(read.result()[0]["id"] for read in waiting if read.done()) == [20, 21]
        for read in waiting:
            read.cancel()


@pytest.mark.parametrize("bucket_ids", [[1, 0, 1], (1, 0), {1: "one", 0: "zero"}])
async def test_each_bucket_that_is_asked_for_is_read_once(one_system: Any, bucket_ids: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=2)
        await queue.put([{"id": n} for n in range(20)])
        reader = QueueReader(queue, bucket_ids)

        assert sorted(record["id"] for record in await reader.get()) == list(range(20))
        assert await reader.get(wait=True, timeout=0.01) == []
        assert list(reader.positions()) == [1, 0]


class Silent(MemoryBackend):
    """A store that does not answer who reads."""

    async def get(self, limit: int, offset: int) -> list[dict[str, Any]]:
        await asyncio.get_running_loop().create_future()
        return []

    def total_count(self) -> int:
        return 1


async def test_a_read_that_waits_is_not_held_up_by_a_silent_bucket(
    one_system: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulsing.streaming.queue.SILENCE_S", 0.02)
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1, backend=Silent)
        await queue.put({"id": 1})
        reader = QueueReader(queue)
        member = await system.queue.read("q", num_buckets=1, backend=Silent, group="g")
        for read in (queue.get, reader.get, member.get):
            with pytest.raises(DeadlineExceeded, match=r"queue q did not answer within 0\.01 s"):
                await asyncio.wait_for(read(wait=True, timeout=0.01), 10)

        assert reader.positions() == {0: 0}
        await member.close()


class FirstIsSilent(Silent):
    """Its bucket 0 does not answer who reads, the others do."""

    async def get(self, limit: int, offset: int) -> list[dict[str, Any]]:
        return await (Silent if self.bucket_id == 0 else MemoryBackend).get(self, limit, offset)


async def test_a_silent_bucket_keeps_none_of_the_others_from_a_read_that_waits(
    one_system: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulsing.streaming.reader.SILENT_AFTER_S", 0.01)
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=2, backend=FirstIsSilent)
        await queue.put([{"id": n} for n in range(20)])
        reader = QueueReader(queue)
        others = [n for n in range(20) if queue.get_bucket_id(n) == 1]

        assert [record["id"] for record in await reader.get(wait=True, timeout=60.0)] == others
        assert reader.positions() == {0: 0, 1: len(others)}


class FirstIsSlow(MemoryBackend):
    """Its bucket 0 takes its time with what is read."""

    async def get(self, limit: int, offset: int) -> list[dict[str, Any]]:
        if self.bucket_id == 0:
            await asyncio.sleep(0.05)
        return await super().get(limit, offset)


async def test_a_slow_bucket_is_read_some_day_however_much_the_others_have(
    one_system: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulsing.streaming.reader.SILENT_AFTER_S", 0.01)
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=2, backend=FirstIsSlow)
        await queue.put([{"id": n} for n in range(80)])
        reader = QueueReader(queue)
        found: list[int] = []
        while 0 not in map(queue.get_bucket_id, found):
            found += [record["id"] for record in await reader.get(1, wait=True)]

        assert len(found) < 40


async def test_a_hundred_readers_wait_and_all_get_the_record(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        waits = [asyncio.ensure_future(QueueReader(queue).get(wait=True)) for _ in range(100)]
        await asyncio.sleep(0)
        await queue.put({"id": 1})

        assert await asyncio.wait_for(asyncio.gather(*waits), 10) == [[{"id": 1}]] * 100


# --- loss ------------------------------------------------------------------------------------------------------------


async def test_a_reader_that_retention_has_left_behind_is_told_once(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1, backend_options={"max_records": 3})
        reader = QueueReader(queue)
        await queue.put({"id": 0})
        await reader.get()
        await queue.put([{"id": n} for n in range(1, 7)])

        with pytest.raises(DataLost) as caught:
            await reader.get()
        assert (caught.value.reason, caught.value.first, caught.value.last) == ("retention", 1, 3)
        assert [r["id"] for r in await reader.get()] == [4, 5, 6]


async def test_a_first_read_begins_with_the_oldest_record_without_an_error(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1, backend_options={"max_records": 2})
        await queue.put([{"id": n} for n in range(6)])

        assert [r["id"] for r in await queue.get()] == [4, 5]
        assert [r["id"] for r in await QueueReader(queue).get()] == [4, 5]
        with pytest.raises(DataLost):
            await queue.get(offset=1)
        assert [r["id"] for r in await queue.get(offset=1)] == [4, 5]


async def test_waiting_beyond_a_purge_gives_the_next_record(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1)
        await queue.put({"id": 0})
        await queue.call_bucket(0, "purge")
        waiting = asyncio.ensure_future(queue.get(wait=True))
        await asyncio.sleep(0.01)
        await queue.put({"id": 1})

        assert await asyncio.wait_for(waiting, 5) == [{"id": 1}]


async def test_figures_cover_every_bucket_that_there_is(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q")
        await queue.put({"id": "a"})
        other = await system.queue.write("q")
        await other.flush()

        stats = await other.stats()

        assert {key: stats[key] for key in ("topic", "bucket_column", "num_buckets")} == {
            "topic": "q",
            "bucket_column": "id",
            "num_buckets": 4,
        }
        assert list(stats["buckets"]) == [queue.get_bucket_id("a")]


def test_the_memory_store_is_the_default() -> None:
    assert backends.get_backend_class("memory") is MemoryBackend


async def test_a_put_into_a_full_bucket_that_blocks_waits_for_room(one_system: Any) -> None:
    async with one_system() as system:
        options = {"max_records": 2, "overflow": "block"}
        queue = await system.queue.write("q", num_buckets=1, backend_options=options)
        await queue.put([{"id": 0}, {"id": 1}])
        waiting = [asyncio.ensure_future(queue.put({"id": n})) for n in (2, 3)]
        await asyncio.sleep(0.05)
        assert not any(put.done() for put in waiting)
        await trim_queue(queue, before_offset=1)
        await asyncio.wait_for(waiting[0], 10)
        assert not waiting[1].done()
        await trim_queue(queue, before_offset=2)
        await asyncio.wait_for(waiting[1], 10)

        assert [record["id"] for record in await queue.get()] == [2, 3]


async def test_a_put_that_will_never_have_room_does_not_wait_for_it(one_system: Any) -> None:
    async with one_system() as system:
        options = {"max_records": 2, "overflow": "block"}
        queue = await system.queue.write("q", num_buckets=1, backend_options=options)
        await queue.put({"id": 0})

        with pytest.raises(Overloaded, match="limit of 2") as caught:
            await asyncio.wait_for(queue.put([{"id": n} for n in range(3)]), 10)
        assert not caught.value.maybe_executed
        await asyncio.wait_for(queue.put({"id": 1}), 10)


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
async def test_what_a_bucket_refuses_was_not_executed(one_system: Any, tmp_path: Path, backend: str) -> None:
    async with one_system() as system:
        options = {"max_records": 1, "overflow": "reject"}
        where: dict[str, Any] = {"backend": backend, "storage_path": str(tmp_path), "backend_options": options}
        queue = await system.queue.write("q", num_buckets=2, **where)
        names = by_bucket(queue, 2)
        await queue.put({"id": names[0][0]})

        for refused in ({"id": names[0][1]}, [{"id": names[0][1]}]):
            with pytest.raises(Overloaded) as caught:
                await queue.put(refused)
            assert not caught.value.maybe_executed
        with pytest.raises(Overloaded) as caught:
            await queue.put([{"id": names[0][1]}, {"id": names[1][0]}])
        assert caught.value.maybe_executed
        if backend == "sqlite":
            with pytest.raises(NotSendable) as unsendable:
                await queue.put({"id": names[1][1], "value": object()})
            assert not unsendable.value.maybe_executed


async def test_a_put_that_waits_for_room_ends_with_its_caller(one_system: Any) -> None:
    async with one_system() as system:
        options = {"max_records": 1, "overflow": "block"}
        queue = await system.queue.write("q", num_buckets=1, backend_options=options)
        await queue.put({"id": 0})
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(queue.put({"id": 1}), 0.05)
        await trim_queue(queue, before_offset=1)
        await queue.put({"id": 2})

        assert [record["id"] for record in await queue.get()] == [2]
