"""Consumer groups on one node: loans, acknowledgements, shares, the dead queue, and what the store keeps."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pulsing.core.inspection import register_inspectors
from pulsing.core.service import start_system_actors
from pulsing.core.system import System
from pulsing.exceptions import DataLost, DeadlineExceeded, PulsingRuntimeError
from pulsing.runtime import ActorSystem
from pulsing.streaming import Delivery, GroupReader, MemoryBackend, start_streaming
from pulsing.streaming.administration import QueueBusy, delete_queue, open_queue, trim_queue
from pulsing.streaming.backends.memory import Window
from pulsing.streaming.manager import local_manager
from pulsing.testing import run_virtual
from pulsing.testing.virtual import VirtualLoop
from tests.unit.streaming.damage import damage_records


@asynccontextmanager
async def system_in_virtual_time() -> AsyncIterator[ActorSystem]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    inner = System(clock=loop.clock)
    start_system_actors(inner)
    register_inspectors(inner)
    system = ActorSystem(inner)
    await start_streaming(system)
    try:
        yield system
    finally:
        await inner.shutdown(drain=0)


def virtually(scenario: Callable[[Any], Any]) -> None:
    """Run a scenario on a system whose hours pass in milliseconds."""

    async def main() -> None:
        async with system_in_virtual_time() as system:
            await scenario(system)

    run_virtual(main)


async def filled(system: Any, count: int, buckets: int = 1, **options: Any) -> Any:
    queue = await system.queue.write("q", num_buckets=buckets, **options)
    if count:
        await queue.put([{"id": n} for n in range(count)])
    return queue


async def member(system: Any, buckets: int = 1, **options: Any) -> GroupReader:
    reader = await system.queue.read("q", num_buckets=buckets, group=options.pop("group", "g"), **options)
    assert isinstance(reader, GroupReader)
    return reader


def ids(records: list[Any]) -> list[Any]:
    return [record["id"] for record in records]


# --- opening ---------------------------------------------------------------------------------------------------------


async def test_a_group_takes_no_buckets_and_no_nonsense(one_system: Any) -> None:
    async with one_system() as system:
        for wrong in (
            {"bucket_id": 0},
            {"bucket_ids": [0]},
            {"rank": 0, "world_size": 2},
            {"group": "../g"},
            {"consumer_id": "a b"},
            {"ack_wait": 0},
            {"ack_wait": True},
            {"max_deliver": 0},
            {"start": "middle"},
        ):
            with pytest.raises(ValueError):
                await system.queue.read("q", **{"group": "g", **wrong})
        with pytest.raises(ValueError):
            await system.queue.read("q" * 233, group="g")


async def test_a_member_has_a_name_of_its_own(one_system: Any) -> None:
    async with one_system() as system:
        one, two = await member(system), await member(system)

        assert one.consumer_id.startswith("consumer_")
        assert one.consumer_id != two.consumer_id


# --- loans -----------------------------------------------------------------------------------------------------------


async def test_what_is_committed_is_not_delivered_again(one_system: Any) -> None:
    async with one_system() as system:
        await filled(system, 5)
        async with await member(system) as reader:
            assert ids(await reader.get(limit=3)) == [0, 1, 2]
            assert await reader.commit() == {0: 3}
            assert reader.positions() == {0: 3}

        async with await member(system) as successor:
            assert ids(await successor.get()) == [3, 4]
            assert ids(await successor.get()) == []


async def test_a_member_that_leaves_gives_back_what_it_has_not_acknowledged(one_system: Any) -> None:
    async with one_system() as system:
        await filled(system, 3)
        async with await member(system) as reader:
            assert len(await reader.get()) == 3

        async with await member(system) as successor:
            deliveries = await successor.receive(limit=10)

        assert [(one.offset, one.delivery_count) for one in deliveries] == [(0, 2), (1, 2), (2, 2)]


async def test_deliveries_are_acknowledged_one_by_one_in_any_order(one_system: Any) -> None:
    async with one_system() as system:
        queue = await filled(system, 3)
        async with await member(system) as reader:
            first, second, third = await reader.receive(limit=3)

            assert await third.ack() and await third.ack()
            assert (await queue.groups())[0]["buckets"][0]["committed"] == 0
            assert await first.ack()
            assert (await queue.groups())[0]["buckets"][0]["committed"] == 1
            assert await second.ack()
            assert (await queue.groups())[0]["buckets"][0]["committed"] == 3
            assert not await second.nack()
            assert not await second.extend()


def test_a_loan_that_has_expired_is_lent_again_and_its_late_ack_says_so() -> None:
    async def scenario(system: Any) -> None:
        await filled(system, 1)
        reader = await member(system, ack_wait=5.0)
        (late,) = await reader.receive()
        start = asyncio.get_running_loop().time()
        (again,) = await reader.receive()

        assert 4.9 < asyncio.get_running_loop().time() - start < 7.0
        assert again.delivery_count == 2
        assert await late.ack() is False
        assert await again.ack() is True

    virtually(scenario)


def test_a_loan_can_be_extended() -> None:
    async def scenario(system: Any) -> None:
        await filled(system, 1)
        reader = await member(system, ack_wait=5.0)
        (delivery,) = await reader.receive()
        for _ in range(5):
            await asyncio.sleep(4.0)
            assert await delivery.extend()

        assert await delivery.ack()

    virtually(scenario)


def test_a_record_that_is_given_back_comes_again_after_its_delay() -> None:
    async def scenario(system: Any) -> None:
        await filled(system, 2)
        reader = await member(system)
        first, second = await reader.receive(limit=2)
        for delay in (-1.0, float("inf"), float("nan"), True, "1"):
            with pytest.raises(ValueError):
                await first.nack(delay)  # type: ignore[arg-type]
        await first.nack(delay=3.0)
        await second.ack()
        start = asyncio.get_running_loop().time()
        (again,) = await reader.receive()

        assert again.offset == 0
        assert 2.9 < asyncio.get_running_loop().time() - start < 3.5

    virtually(scenario)


async def test_a_read_that_is_cancelled_loses_nothing(one_system: Any, until: Any) -> None:
    async with one_system() as system:
        await filled(system, 50)
        async with await member(system) as reader:
            seen: list[Any] = []
            while len(seen) < 50:
                reading = asyncio.ensure_future(reader.get(limit=7))
                for _ in range(len(seen) % 5):
                    await asyncio.sleep(0)
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                if not reading.cancelled():
                    seen += ids(reading.result())
                seen += ids(await reader.get(limit=3))

            assert seen == list(range(50))


async def test_waiting_returns_with_the_first_record_of_any_bucket(one_system: Any) -> None:
    async with one_system() as system:
        queue = await filled(system, 0, buckets=4)
        async with await member(system, buckets=4) as reader:
            waiting = asyncio.ensure_future(reader.get(wait=True))
            await asyncio.sleep(0.01)
            await queue.put({"id": "tea"})
            assert ids(await asyncio.wait_for(waiting, 5)) == ["tea"]
            assert await reader.get(wait=True, timeout=0) == []
            assert await reader.get(wait=True, timeout=0.01) == []
            assert await reader.receive(wait=False) == []


async def test_commit_in_a_loop_covers_what_has_come_out(one_system: Any) -> None:
    async with one_system() as system:
        await filled(system, 5)
        async with await member(system) as reader:
            async for record in reader:
                committed = await reader.commit()
                if record["id"] == 2:
                    break

        assert committed == {0: 3}


# --- sharing ---------------------------------------------------------------------------------------------------------


async def test_members_share_the_buckets_and_take_over_from_one_that_leaves(one_system: Any) -> None:
    async with one_system() as system:
        queue = await filled(system, 40, buckets=4)
        one, two = await member(system, 4, consumer_id="one"), await member(system, 4, consumer_id="two")
        for reader in (one, two, one):
            await reader.get()
            await reader.commit()

        assert one.assigned == [0, 2]
        assert two.assigned == [1, 3]
        (row,) = await queue.groups()
        assert row["members"] == ["one", "two"]
        assert {b: figures["consumer"] for b, figures in row["buckets"].items()} == {
            0: "one", 1: "two", 2: "one", 3: "two",
        }  # fmt: skip
        assert sum(figures["lag"] for figures in row["buckets"].values()) == 0
        await two.close()
        await queue.put([{"id": n} for n in range(40)])
        assert len(await one.get(wait=True)) > 0
        assert one.assigned == [0, 1, 2, 3]
        await one.close()
        with pytest.raises(PulsingRuntimeError, match="left the group"):
            await one.get()


async def test_a_bucket_changes_hands_only_when_nothing_of_it_is_on_loan(one_system: Any) -> None:
    async with one_system() as system:
        await filled(system, 4)
        old = await member(system, consumer_id="z")
        (first,) = await old.receive()
        new = await member(system, consumer_id="a")

        assert await new.get() == []
        assert await old.get() == []
        waiting = asyncio.ensure_future(new.get(wait=True))
        await asyncio.sleep(0.01)
        await first.ack()

        assert ids(await asyncio.wait_for(waiting, 5)) == [1, 2, 3]
        for reader in (old, new):
            await reader.close()


def fall_silent(reader: GroupReader) -> None:
    """As if its process had died."""
    assert reader._heartbeat is not None
    reader._heartbeat.cancel()


def test_a_member_that_only_works_on_what_it_has_stays_one() -> None:
    async def scenario(system: Any) -> None:
        await filled(system, 8, buckets=2)
        busy = await member(system, 2, consumer_id="a", ack_wait=5.0)
        other = await member(system, 2, consumer_id="b", ack_wait=5.0)
        await busy.receive()
        await other.get(limit=100)
        await asyncio.sleep(60.0)
        await other.get()

        assert (busy.assigned, other.assigned) == ([0], [1])
        for reader in (busy, other):
            await reader.close()

    virtually(scenario)


def test_a_reader_that_nobody_has_any_more_leaves_its_buckets_to_others() -> None:
    async def scenario(system: Any) -> None:
        await filled(system, 4)
        await (await member(system, consumer_id="a", ack_wait=5.0)).get()
        gc.collect()
        other = await member(system, consumer_id="b", ack_wait=5.0)

        assert len(await other.get(wait=True, timeout=30.0)) == 4
        await other.close()

    virtually(scenario)


def hold(reader: GroupReader, bucket_id: int) -> asyncio.Event:
    """Let a bucket be silent for a reader until the event is set."""
    answers = asyncio.Event()
    queue: Any = reader.queue
    follow = queue.follow

    async def held(bucket: int, method: str, args: Any, args_after_move: Any = None, timeout: float = 30.0) -> Any:
        if bucket == bucket_id:
            try:
                await asyncio.wait_for(answers.wait(), timeout)
            except asyncio.TimeoutError:
                raise DeadlineExceeded(f"bucket {bucket}", timeout, maybe_executed=True) from None
        return await follow(bucket, method, args, args_after_move, timeout)

    queue.follow = held
    return answers


async def cut_short(worker: GroupReader, limit: int) -> None:
    """Read for longer than a bucket's answer is waited for, and give up."""
    reading = asyncio.ensure_future(worker.get(limit, wait=True))
    await asyncio.sleep(2.0)
    reading.cancel()


def shares_of(queue: Any, count: int) -> dict[int, set[int]]:
    """Which of the records 0 to `count` - 1 are in each of two buckets."""
    shares: dict[int, set[int]] = {0: set(), 1: set()}
    for number in range(count):
        shares[queue.get_bucket_id(number)].add(number)
    return shares


def test_a_silent_bucket_keeps_none_of_the_others_from_a_worker() -> None:
    async def scenario(system: Any) -> None:
        queue = await filled(system, 20, buckets=2)
        worker = await member(system, 2)
        shares = shares_of(queue, 20)
        answers = hold(worker, 0)

        assert set(ids(await worker.get(wait=True))) == shares[1]
        assert worker.assigned == [1]
        answers.set()
        assert set(ids(await worker.get(wait=True))) == shares[0]
        await worker.commit()
        answers.clear()
        await queue.put([{"id": n} for n in range(20)])
        start = asyncio.get_running_loop().time()
        assert set(ids(await worker.get(wait=True))) == shares[1]
        assert asyncio.get_running_loop().time() - start < 5.0
        answers.set()
        # Nothing is asked for twice: what was lent on the way comes without a redelivery.
        late = await worker.receive(100)
        assert {one.record["id"] for one in late} == shares[0]
        assert {one.delivery_count for one in late} == {1}
        await worker.close()

    virtually(scenario)


def test_a_read_that_finds_nothing_else_tells_of_a_silent_bucket() -> None:
    async def scenario(system: Any) -> None:
        await filled(system, 0, buckets=2)
        await (await system.queue.write("q", num_buckets=2)).put({"id": 1})
        worker = await member(system, 2)
        assert ids(await worker.get()) == [1]
        await worker.commit()
        hold(worker, 0)

        for reading in (worker.get(), worker.get(wait=True, timeout=3.0)):
            with pytest.raises(DeadlineExceeded):
                await reading
        await worker.close()

    virtually(scenario)


def test_a_worker_that_moves_gets_nothing_that_was_lent_before() -> None:
    async def scenario(system: Any) -> None:
        await filled(system, 6)
        worker = await member(system)
        assert ids(await worker.get(2)) == [0, 1]
        answers = hold(worker, 0)
        await cut_short(worker, 2)
        worker.set_offset(0)
        answers.set()

        assert ids(await worker.get(3, wait=True)) == [0, 1, 2]
        await worker.close()

    virtually(scenario)


def test_a_move_in_a_silent_bucket_keeps_none_of_the_others_from_a_worker() -> None:
    async def scenario(system: Any) -> None:
        queue = await filled(system, 20, buckets=2)
        worker = await member(system, 2)
        await worker.get()
        await worker.commit()
        answers = hold(worker, 0)
        worker.reset()
        shares = shares_of(queue, 20)

        assert set(ids(await worker.get(wait=True))) == shares[1]
        answers.set()
        assert set(ids(await worker.get(wait=True))) == shares[0]
        await worker.close()

    virtually(scenario)


def test_a_move_drops_what_has_arrived_and_is_not_handed_out() -> None:
    async def scenario(system: Any) -> None:
        await filled(system, 6)
        worker = await member(system)
        await worker.get(1)
        answers = hold(worker, 0)
        await cut_short(worker, 5)
        answers.set()
        await asyncio.sleep(1.0)
        worker.set_offset(0)

        assert ids(await worker.get(2)) == [0, 1]
        await worker.close()

    virtually(scenario)


def test_a_silent_member_loses_its_buckets_and_its_loans() -> None:
    async def scenario(system: Any) -> None:
        await filled(system, 8, buckets=2)
        silent = await member(system, 2, consumer_id="a", ack_wait=10.0)
        await silent.get()
        fall_silent(silent)
        other = await member(system, 2, consumer_id="b", ack_wait=10.0)
        seen: list[Any] = []
        start = asyncio.get_running_loop().time()
        while len(seen) < 8:
            seen += ids(await other.get(wait=True))
            await other.commit()

        assert sorted(seen) == list(range(8))
        assert asyncio.get_running_loop().time() - start < 15.0
        assert other.assigned == [0, 1]

    virtually(scenario)


async def test_the_same_consumer_id_takes_over_from_the_old_reader(one_system: Any) -> None:
    async with one_system() as system:
        await filled(system, 2)
        old = await member(system, consumer_id="me")
        (delivery,) = await old.receive()
        async with await member(system, consumer_id="me") as new:
            assert [one.delivery_count for one in await new.receive(limit=5)] == [2, 1]
            assert await delivery.ack() is False
            with pytest.raises(PulsingRuntimeError, match="taken over"):
                await old.get()


async def test_groups_do_not_know_of_each_other(one_system: Any) -> None:
    async with one_system() as system:
        queue = await filled(system, 3)
        async with await member(system, group="a") as a, await member(system, group="b") as b:
            assert ids(await a.get()) == ids(await b.get()) == [0, 1, 2]
            await a.commit()

            assert [row["group"] for row in await queue.groups()] == ["a", "b"]
            assert await queue.delete_group("a") is True
            assert await queue.delete_group("a") is False
            assert ids(await a.get()) == [0, 1, 2]


# --- where a group begins and goes -----------------------------------------------------------------------------------


async def test_a_group_may_begin_with_what_comes_from_now_on(one_system: Any) -> None:
    async with one_system() as system:
        queue = await filled(system, 3)
        async with await member(system, start="latest") as reader:
            assert await reader.get() == []
            await queue.put({"id": "new"})
            assert ids(await reader.get()) == ["new"]


async def test_what_is_first_put_into_a_queue_is_new_to_those_who_waited_for_it(one_system: Any) -> None:
    async with one_system() as system, await member(system, start="latest") as reader:
        waiting = asyncio.ensure_future(reader.get(wait=True))
        await asyncio.sleep(0.01)
        await filled(system, 1)
        assert ids(await asyncio.wait_for(waiting, 5)) == [0]


async def test_the_group_can_be_moved(one_system: Any) -> None:
    async with one_system() as system:
        await filled(system, 5)
        async with await member(system) as reader:
            await reader.get()
            await reader.commit()
            reader.set_offset(3)
            assert ids(await reader.get()) == [3, 4]
            reader.reset()
            assert ids(await reader.get(limit=1)) == [0]
            with pytest.raises(ValueError):
                reader.set_offset(-1)
            with pytest.raises(ValueError):
                reader.set_offset(0, bucket_id=7)


async def test_records_that_were_trimmed_are_told_once(one_system: Any) -> None:
    async with one_system() as system:
        queue = await filled(system, 10)
        async with await member(system) as reader:
            assert len(await reader.get(limit=2)) == 2
            assert (await trim_queue(queue, before_offset=5, dry_run=True))["readers_behind"] == 1
            await trim_queue(queue, before_offset=5)
            with pytest.raises(DataLost) as told:
                await reader.get()
            assert (told.value.reason, told.value.first, told.value.last) == ("retention", 0, 4)
            assert ids(await reader.get()) == [5, 6, 7, 8, 9]
            await reader.commit()
        async with await member(system, group="late") as late:
            assert ids(await late.get()) == [5, 6, 7, 8, 9]


async def test_rows_that_were_taken_out_are_passed_over(one_system: Any) -> None:
    async with one_system() as system:
        queue = await filled(system, 6)
        await queue.call_bucket(0, "clear", [1, 2, 5])
        async with await member(system) as reader:
            assert [one.offset for one in await reader.receive(limit=10)] == [0, 3, 4]


# --- the dead queue --------------------------------------------------------------------------------------------------


async def test_a_record_that_nobody_gets_done_goes_to_the_dead_queue(one_system: Any) -> None:
    async with one_system() as system:
        queue = await filled(system, 3)
        async with await member(system, max_deliver=2) as reader:
            for delivery in await reader.receive(limit=3):
                await (delivery.nack() if delivery.offset == 1 else delivery.ack())
            (again,) = await reader.receive()
            assert again.delivery_count == 2
            await again.nack()
            dead = await system.queue.read("q.dead", num_buckets=1)
            (record,) = await dead.get(wait=True, timeout=5)

            assert record == {
                "id": 1,
                "_error": "not acknowledged in 2 deliveries",
                "_topic": "q",
                "_bucket_id": 0,
                "_offset": 1,
            }
            assert await reader.get(wait=True, timeout=0.01) == []
            assert (await queue.groups())[0]["buckets"][0] == {
                "committed": 3, "end": 3, "lag": 0, "pending": 0, "consumer": reader.consumer_id,
            }  # fmt: skip
            detail = await system.inner.inspect("queue", {"queue": "q"})
            assert detail["group_rows"][0]["dead_records"] == 1


# --- what the store keeps --------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "redis"])
def durable(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """How a queue is opened that outlives its process."""
    options: dict[str, Any] = {"backend": request.param, "storage_path": str(tmp_path / "q")}
    if request.param == "redis":
        options["backend_options"] = {"url": request.getfixturevalue("redis_url")}
    return options


async def test_a_durable_queue_goes_on_where_its_groups_were(one_system: Any, durable: dict[str, Any]) -> None:
    async with one_system() as system:
        await filled(system, 6, **durable)
        reader = await member(system, **durable)
        await reader.get(limit=3)
        await reader.commit()
        await reader.get(limit=1)

    async with one_system() as system:
        queue = await filled(system, 0, **durable)
        await queue.put({"id": 6})
        async with await member(system, **durable) as reader:
            assert ids(await reader.get()) == [3, 4, 5, 6]
            await reader.commit()
        assert await queue.delete_group("g") is True

    async with one_system() as system:
        queue = await filled(system, 0, **durable)
        await queue.put({"id": 7})
        assert await queue.groups() == []


async def test_a_group_may_be_moved_further_than_a_store_can_count(one_system: Any, durable: dict[str, Any]) -> None:
    async with one_system() as system:
        await filled(system, 3, **durable)
        async with await member(system, **durable) as reader:
            await reader.get()
            reader.set_offset(2**70)
            assert await reader.get() == []
            reader.set_offset(1)
            assert ids(await reader.get()) == [1, 2]
            assert await reader.commit() == {0: 3}


async def test_a_queue_that_is_deleted_takes_its_groups_with_it(one_system: Any) -> None:
    async with one_system() as system:
        await filled(system, 2)
        reader = await member(system)
        await reader.get()
        found = await open_queue(system, "q")
        assert found is not None
        with pytest.raises(QueueBusy):
            await delete_queue(found, if_unused=True)
        await delete_queue(found)
        queue = await filled(system, 2)

        assert await queue.groups() == []


# --- without await, and from outside ---------------------------------------------------------------------------------


async def test_threads_commit_and_close_too(one_system: Any) -> None:
    async with one_system() as system:
        await filled(system, 3)
        reader = (await member(system)).sync()

        def work() -> Any:
            records = reader.get(wait=True)
            committed = reader.commit()
            reader.close()
            return ids(records), committed

        assert await asyncio.to_thread(work) == ([0, 1, 2], {0: 3})


async def test_a_node_tells_of_its_groups(one_system: Any) -> None:
    async with one_system() as system:
        await filled(system, 5)
        async with await member(system, consumer_id="me") as reader:
            await reader.get(limit=3)
            row = await system.inner.inspect("queue", {"queue": "q"})

        assert (row["groups"], row["max_lag"]) == (1, 5)
        assert row["group_rows"] == [
            {
                "group": "g",
                "members": ["me"],
                "buckets": {"0": {"committed": 0, "end": 5, "lag": 5, "pending": 3, "consumer": "me"}},
                "lag": 5,
                "dead_records": 0,
            }
        ]


# --- when the store fails --------------------------------------------------------------------------------------------


async def test_a_damaged_record_is_told_once_and_the_group_goes_on_behind_it(one_system: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"backend": "sqlite", "storage_path": str(tmp_path / "q")}
    async with one_system() as system:
        await filled(system, 5, **options)
    damage_records(tmp_path / "q" / "bucket_0.sqlite", 2)
    async with one_system() as system, await member(system, **options) as reader:
        assert ids(await reader.get()) == [0, 1]
        with pytest.raises(DataLost) as told:
            await reader.get()
        assert (told.value.reason, told.value.first, told.value.last) == ("corrupt", 2, 2)
        assert ids(await reader.get()) == [3, 4]
        assert await reader.commit() == {0: 5}


class _Fragile(MemoryBackend):
    """Fails where it is told to."""

    broken: ClassVar[set[str]] = set()

    def read(self, limit: int, offset: int) -> Window:
        if limit and "read" in self.broken:
            raise PulsingRuntimeError("the disk is away")
        return super().read(limit, offset)

    async def commit(self, group: str, offset: int | None) -> None:
        if "commit" in self.broken:
            raise PulsingRuntimeError("the disk is away")
        await super().commit(group, offset)


@pytest.fixture
def broken() -> Iterator[set[str]]:
    """What the fragile store cannot do now."""
    yield _Fragile.broken
    _Fragile.broken.clear()


async def test_what_could_not_be_read_is_still_a_first_delivery(one_system: Any, broken: set[str]) -> None:
    async with one_system() as system:
        await filled(system, 2, backend=_Fragile)
        async with await member(system, backend=_Fragile) as reader:
            broken.add("read")
            with pytest.raises(PulsingRuntimeError, match="away"):
                await reader.receive()
            broken.clear()
            assert [one.delivery_count for one in await reader.receive(limit=2)] == [1, 1]


async def test_a_commit_that_fails_is_written_by_the_next_one(one_system: Any, broken: set[str]) -> None:
    async with one_system() as system:
        await filled(system, 2, backend=_Fragile)
        async with await member(system, backend=_Fragile) as reader:
            first, second = await reader.receive(limit=2)
            broken.add("commit")
            with pytest.raises(PulsingRuntimeError, match="away"):
                await first.ack()
            broken.clear()
            assert await second.ack()
        bucket = next(iter(local_manager(system).buckets.values()))
        assert await bucket._cell.actor.backend.committed() == {"g": 2}


async def test_over_a_store_that_keeps_no_groups_the_bucket_does(one_system: Any) -> None:
    class Plain(MemoryBackend):
        committed = None  # type: ignore[assignment]

    async with one_system() as system:
        await filled(system, 3, backend=Plain)
        async with await member(system, backend=Plain) as reader:
            await reader.get(limit=2)
            await reader.commit()
        async with await member(system, backend=Plain) as reader:
            assert ids(await reader.get()) == [2]
            await reader.commit()


# --- everything at once ----------------------------------------------------------------------------------------------


class Crowd:
    """Workers that come, dawdle, give back, are cut short, leave or fall silent, by chance."""

    def __init__(self, system: Any, buckets: int, chance: random.Random) -> None:
        self.acknowledged: Counter[int] = Counter()
        self._system = system
        self._buckets = buckets
        self._chance = chance

    async def work(self) -> None:
        chance, loop = self._chance, asyncio.get_running_loop()
        reader = await member(self._system, self._buckets, ack_wait=chance.choice([1.0, 5.0]), max_deliver=1_000)
        end = loop.time() + 20 * chance.random()
        while loop.time() < end:
            reading = reader.receive(limit=chance.randint(1, 9), timeout=3 * chance.random())
            try:
                deliveries = await asyncio.wait_for(reading, chance.choice([0.001, 9.0]))
            except asyncio.TimeoutError:
                continue
            for delivery in deliveries:
                await self._handle(delivery)
        if chance.random() < 0.6:
            await reader.close()
        elif reader._heartbeat is not None:
            fall_silent(reader)

    async def _handle(self, delivery: Delivery) -> None:
        await asyncio.sleep(0.3 * self._chance.random())
        lot = self._chance.random()
        if lot < 0.8:
            self.acknowledged[delivery.record["id"]] += await delivery.ack()
        elif lot < 0.9:
            await delivery.nack(self._chance.random())

    async def finish(self) -> None:
        async with await member(self._system, self._buckets) as last:
            while deliveries := await last.receive(limit=100, timeout=20.0):
                for delivery in deliveries:
                    self.acknowledged[delivery.record["id"]] += await delivery.ack()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_workers_do_each_record_is_acknowledged_once(seed: int) -> None:
    async def scenario(system: Any) -> None:
        chance = random.Random(seed)
        buckets = chance.choice([1, 3, 4, 8])
        queue = await filled(system, 0, buckets)
        crowd = Crowd(system, buckets, chance)
        workers = [asyncio.ensure_future(crowd.work()) for _ in range(4)]
        for n in range(200):
            await queue.put({"id": n})
            if chance.random() < 0.1:
                await asyncio.sleep(chance.random())
            if chance.random() < 0.03:
                workers.append(asyncio.ensure_future(crowd.work()))
        await asyncio.gather(*workers)
        await crowd.finish()

        assert crowd.acknowledged == Counter(range(200))
        (row,) = await queue.groups()
        assert {(figures["lag"], figures["pending"]) for figures in row["buckets"].values()} == {(0, 0)}

    virtually(scenario)
