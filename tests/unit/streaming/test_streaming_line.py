"""Single records that come while others are under way to the same bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pulsing.exceptions import LinkLost, NotSendable, Overloaded, SystemStopped
from pulsing.streaming.line import Line
from pulsing.testing.virtual import run_virtual

GROUND = (1, 1, 0)


class Bucket:
    """Takes batches, one at a time, as the test lets it."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.stored: list[Any] = []
        self.refuses: Callable[[list[Any]], Exception | None] = lambda batch: None
        self.may_go_on = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.room = 1_000
        self.line = Line(self.write, lambda records: min(len(records), self.room), self.start)

    async def write(self, records: list[Any]) -> Any:
        batch = [record["n"] for record in records]
        self.batches.append(batch)
        await self.may_go_on.wait()
        if (error := self.refuses(batch)) is not None:
            raise error
        first = len(self.stored)
        self.stored += batch
        return first, GROUND

    def start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def put(self, *numbers: int) -> list[asyncio.Task[Any]]:
        return [asyncio.ensure_future(self.line.append({"n": number})) for number in numbers]

    async def finish(self, tasks: list[asyncio.Task[Any]]) -> list[Any]:
        await asyncio.sleep(0)
        self.may_go_on.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self.tasks)
        return outcomes


async def test_a_record_goes_at_once_where_nobody_is_before_it() -> None:
    bucket = Bucket()

    assert await bucket.finish(bucket.put(7)) == [(0, GROUND)]
    assert await bucket.finish(bucket.put(8)) == [(1, GROUND)]
    assert bucket.batches == [[7], [8]]


async def test_those_who_come_meanwhile_go_together_and_each_is_told_its_place() -> None:
    bucket = Bucket()

    outcomes = await bucket.finish(bucket.put(*range(10)))

    assert outcomes == [(n, GROUND) for n in range(10)]
    assert bucket.batches == [[0], list(range(1, 10))]


async def test_those_who_were_just_told_and_come_again_go_together_too() -> None:
    bucket = Bucket()

    async def caller(number: int) -> None:
        for _ in range(3):
            await bucket.line.append({"n": number})

    await bucket.finish([asyncio.ensure_future(caller(number)) for number in range(8)])

    assert len(bucket.stored) == 24
    assert len(bucket.batches) <= 6


async def test_several_records_stand_in_line_and_go_in_a_call_of_their_own() -> None:
    bucket = Bucket()
    singles = bucket.put(0, 1, 2)
    await asyncio.sleep(0)
    assert bucket.line.has_waiting
    several = bucket.line.enter([{"n": 3}, {"n": 4}])
    singles += bucket.put(5)

    outcomes = await bucket.finish(singles)

    assert bucket.batches == [[0], [1, 2], [3, 4], [5]]
    assert await several == (3, GROUND)
    assert outcomes[-1] == (5, GROUND)


async def test_of_a_batch_that_is_refused_each_record_has_its_own_fate() -> None:
    bucket = Bucket()
    bucket.refuses = lambda batch: NotSendable("object") if 3 in batch else None

    outcomes = await bucket.finish(bucket.put(*range(6)))

    assert [type(outcome) for outcome in outcomes] == [tuple, tuple, tuple, NotSendable, tuple, tuple]
    assert bucket.stored == [0, 1, 2, 4, 5]


def test_a_bucket_that_is_slow_to_refuse_is_not_asked_for_each_record_by_itself() -> None:
    bucket = Bucket()

    async def refuse(records: list[Any]) -> Any:
        bucket.batches.append([record["n"] for record in records])
        await asyncio.sleep(27.0)
        raise Overloaded("wait for append, in seconds,", 30.0)

    async def body() -> None:
        bucket.line = Line(refuse, len, bucket.start)
        outcomes = await asyncio.gather(*bucket.put(*range(50)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Overloaded] * 50

    run_virtual(body)
    assert bucket.batches == [[0], list(range(1, 50))]


async def test_what_may_have_been_written_is_not_written_again() -> None:
    bucket = Bucket()
    bucket.refuses = lambda batch: LinkLost(1, maybe_executed=True) if 3 in batch else None

    outcomes = await bucket.finish(bucket.put(*range(6)))

    assert [type(outcome) for outcome in outcomes] == [tuple] + [LinkLost] * 5
    assert bucket.batches == [[0], [1, 2, 3, 4, 5]]


async def test_a_caller_who_has_left_before_its_turn_writes_nothing() -> None:
    bucket = Bucket()
    tasks = bucket.put(0, 1, 2)
    await asyncio.sleep(0)
    tasks[1].cancel()

    await bucket.finish(tasks)

    assert bucket.stored == [0, 2]


async def test_a_batch_is_no_larger_than_there_is_room() -> None:
    bucket = Bucket()
    bucket.room = 2

    outcomes = await bucket.finish(bucket.put(*range(6)))

    assert outcomes == [(n, GROUND) for n in range(6)]
    assert bucket.batches == [[0], [1, 2], [3, 4], [5]]


async def test_whoever_waits_when_the_system_ends_is_told() -> None:
    bucket = Bucket()
    tasks = bucket.put(0, 1)
    await asyncio.sleep(0)
    bucket.may_go_on.set()
    bucket.may_go_on.clear()
    await tasks[0]
    tasks += bucket.put(2)
    await asyncio.sleep(0)
    assert bucket.batches == [[0], [1]]

    for served in bucket.tasks:
        served.cancel()

    for waiting in tasks[1:]:
        with pytest.raises(SystemStopped):
            await waiting
