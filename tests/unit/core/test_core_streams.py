"""Items on their way from a producer to one reader."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.core.streams import Channel, StreamReader
from pulsing.exceptions import ActorStopped, PulsingBusinessError, PulsingSystemError
from tests.unit.core.acting import Counter, Source, spawn, turns


async def items(stream: Any) -> list[Any]:
    return [item async for item in stream]


async def test_items_arrive_in_order_and_the_end_is_seen() -> None:
    channel = Channel(capacity=2)
    assert channel.put_nowait(1)
    assert not channel.put_nowait(2)
    channel.finish()
    assert await items(StreamReader(channel)) == [1, 2]


async def test_a_producer_waits_while_the_reader_is_behind() -> None:
    channel = Channel(capacity=1)
    assert await channel.put(1)
    waiting = asyncio.ensure_future(channel.put(2))
    await turns()
    assert not waiting.done()
    assert await channel.next() == 1
    assert await waiting


async def test_a_producer_learns_that_nobody_reads_any_more() -> None:
    channel = Channel(capacity=4)
    channel.put_nowait(1)
    channel.close()
    assert not channel.put_nowait(2)
    assert not await channel.put(3)
    with pytest.raises(StopAsyncIteration):
        await channel.next()


async def test_nothing_is_added_after_the_end() -> None:
    channel = Channel()
    channel.put_nowait(1)
    channel.finish(ValueError("first word"))
    channel.finish()
    assert not channel.put_nowait(2)
    assert await channel.next() == 1
    with pytest.raises(ValueError, match="first word"):
        await channel.next()
    with pytest.raises(StopAsyncIteration):
        await channel.next()


async def test_reading_and_leaving_are_told_to_whoever_grants_credit() -> None:
    channel = Channel()
    told: list[str] = []
    channel.on_read = lambda: told.append("read")
    channel.on_close = lambda: told.append("closed")
    channel.put_nowait(1)
    await channel.next()
    channel.close()
    channel.close()
    assert told == ["read", "closed"]


async def test_a_dropped_reader_closes_its_channel() -> None:
    channel = Channel()
    StreamReader(channel)
    gc.collect()
    await testing.wait_until(lambda: channel.closed)


@pytest.mark.parametrize("method", ["numbers", "anumbers", "returned"])
async def test_both_kinds_of_generators_are_iterated(method: str) -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        assert await items(getattr(source, method)(100)) == list(range(100))
        assert await items(getattr(source.as_any(), method)(3)) == [0, 1, 2]


@pytest.mark.parametrize("method", ["numbers", "returned"])
async def test_awaiting_a_sync_generator_gives_an_iterator_of_its_items(method: str) -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        assert await items(await getattr(source, method)(3)) == [0, 1, 2]


async def test_awaiting_an_async_generator_reads_it_to_the_end() -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        assert await source.anumbers(50) is None
        assert await source.state() == (50, ["anumbers"])


async def test_awaiting_an_async_generator_that_fails_gives_its_error() -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        with pytest.raises(KeyError):
            await source.failing(3, KeyError("k"))


@pytest.mark.parametrize("method", ["incr", "slow_incr"])
async def test_what_does_not_stream_cannot_be_iterated(method: str) -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        with pytest.raises(TypeError, match=f"{method} does not stream"):
            await items(getattr(counter, method)())


@pytest.mark.parametrize("method", ["numbers", "anumbers"])
async def test_at_most_32_items_wait_unread(method: str) -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        stream = getattr(source, method)(1000).__aiter__()
        assert await stream.__anext__() == 0
        await turns(50)
        produced, closed = await source.state()
        assert produced <= 34
        assert closed == []
        await stream.aclose()
        await testing.wait_until(lambda: source.ref._cell.actor.closed == [method])


@pytest.mark.parametrize("method", ["numbers", "anumbers", "ticking"])
async def test_leaving_a_loop_early_runs_the_producers_finally(method: str) -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        arguments = () if method == "ticking" else (1_000_000,)
        async for number in getattr(source, method)(*arguments):
            if number == 3:
                break
        await testing.wait_until(lambda: source.ref._cell.actor.closed == [method])
        assert system.statistics().classes[-1].streams_open == 0


@pytest.mark.parametrize("method", ["numbers", "anumbers"])
async def test_a_streaming_call_is_stepped_and_closed_like_a_generator(method: str) -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        async with contextlib.aclosing(getattr(source, method)(1_000_000)) as stream:
            assert await anext(stream) == 0
            assert [await anext(stream), await anext(stream)] == [1, 2]
        await testing.wait_until(lambda: source.ref._cell.actor.closed == [method])
        async with contextlib.aclosing(getattr(source, method)(1_000_000)) as stream:
            async for number in stream:
                if number == 3:
                    break
        await testing.wait_until(lambda: source.ref._cell.actor.closed == [method] * 2)
        async with contextlib.aclosing(getattr(source, method)(1)):
            """A call that is closed before its first step is never sent."""
        assert source.ref._cell.actor.closed == [method] * 2


async def test_a_stream_has_one_reader_at_a_time_as_a_generator_has() -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        stream = source.ticking().__aiter__()
        steps: Any = await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)
        assert (steps[0], type(steps[1])) == (0, RuntimeError)
        await stream.aclose()
    channel = Channel()
    waiting: asyncio.Task[Any] = asyncio.ensure_future(channel.next())
    await turns()
    with pytest.raises(RuntimeError, match="read already"):
        await channel.next()
    channel.put_nowait(1)
    assert await waiting == 1


async def test_a_stream_that_could_not_be_opened_is_not_asked_for_again() -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        await system.stop(source)
        stream = source.ticking().__aiter__()
        with pytest.raises(ActorStopped):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_call_whose_first_item_was_taken_goes_on_and_is_sent_once() -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        call = source.numbers(5)
        assert await anext(call) == 0
        assert [item async for item in call] == [1, 2, 3, 4]
        assert [item async for item in call] == []
        assert source.ref._cell.messages == 1


async def test_a_closed_stream_reads_as_ended() -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        stream = source.ticking().__aiter__()
        await stream.__anext__()
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()


@pytest.mark.parametrize("method", ["failing", "sync_failing"])
async def test_items_before_an_error_are_delivered_first(method: str) -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        got = []
        with pytest.raises(PulsingBusinessError, match="ValueError: bad") as caught:
            async for number in getattr(source, method)(5, ValueError("bad")):
                got.append(number)  # noqa: PERF401 - what came before the error counts
        assert got == [0, 1, 2, 3, 4]
        assert isinstance(caught.value, ValueError)
        assert caught.value.remote_type == "ValueError"
        assert await source.value() == 7


@pytest.mark.parametrize("method", ["failing", "sync_failing"])
async def test_a_generator_that_waited_for_what_was_cancelled_fails_as_a_method_does(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        with pytest.raises(PulsingSystemError, match="CancelledError: given up"):
            await items(getattr(source, method)(1, asyncio.CancelledError("given up")))
        assert await source.value() == 7
    assert "failed" not in caplog.text


async def test_a_failure_inside_a_generator_is_a_failure_of_the_actor() -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        end = source.ref.watch()
        with pytest.raises(PulsingSystemError):
            await items(source.failing(1, PulsingSystemError("broken", recoverable=False)))
        assert (await asyncio.wait_for(end, 1)).reason == "failed"


async def test_a_stop_ends_streams_at_their_next_item() -> None:
    async with testing.system() as system:
        source = await spawn(Source, name="source", system=system)
        actor = source.ref._cell.actor
        stream = source.ticking().__aiter__()
        assert await stream.__anext__() == 0
        await testing.wait_until(lambda: actor.produced >= 3)
        assert await system.stop("source")
        got = []
        with pytest.raises(ActorStopped):
            while True:
                got.append(await stream.__anext__())
        assert got == list(range(1, len(got) + 1))
        await testing.wait_until(lambda: actor.closed == ["ticking"])


async def test_a_stop_does_not_wait_for_a_reader_that_never_reads() -> None:
    async with testing.system() as system:
        source = await spawn(Source, name="source", system=system)
        actor = source.ref._cell.actor
        stream = source.numbers(1000).__aiter__()
        await stream.__anext__()
        await asyncio.wait_for(system.stop("source"), 1)
        await testing.wait_until(lambda: actor.closed == ["numbers"])
        await stream.aclose()


def test_a_deadline_covers_the_opening_of_a_stream_only() -> None:
    async def scenario() -> None:
        async with testing.system() as system:
            source = (await spawn(Source, system=system)).with_options(timeout=2)
            stream = source.ticking().__aiter__()
            await stream.__anext__()
            await asyncio.sleep(60)
            assert await stream.__anext__() == 1
            await stream.aclose()

    testing.run_virtual(scenario)


async def test_many_streams_of_one_actor_run_side_by_side() -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        results = await asyncio.gather(*(items(source.anumbers(200)) for _ in range(20)))
        assert results == [list(range(200))] * 20


async def test_a_stream_that_is_told_is_run_out() -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        await source.with_options(one_way=True).anumbers(10)
        await testing.wait_until(lambda: source.ref._cell.actor.closed == ["anumbers"])


async def test_a_stream_whose_caller_left_is_closed() -> None:
    @pul.remote
    class Late:
        def __init__(self) -> None:
            self.open = asyncio.Event()
            self.closed = False

        async def stream(self) -> Any:
            await self.open.wait()
            return self.items()

        async def items(self) -> Any:
            try:
                while True:
                    yield 1
                    await asyncio.sleep(0)
            finally:
                self.closed = True

    async with testing.system() as system:
        late = await spawn(Late, system=system)
        actor = late.ref._cell.actor
        call = asyncio.ensure_future(items(late.stream()))
        await turns()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        actor.open.set()
        await turns(20)
        gc.collect()
        await testing.wait_until(lambda: system.statistics().classes[-1].streams_open == 0)


async def test_a_stream_is_read_on_the_loop_of_another_thread() -> None:
    from tests.unit.core.test_core_cell import on_another_loop

    async with testing.system() as system:
        source = await spawn(Source, system=system)

        async def elsewhere() -> list[Any]:
            return await items(source.anumbers(100))

        assert await on_another_loop(elsewhere) == list(range(100))


async def test_a_producer_that_never_fills_the_buffer_learns_that_its_reader_left() -> None:
    channel = Channel(32)
    channel.put_nowait(1)
    channel.close()
    assert not channel.put_nowait(2)
    assert not await channel.wait_writable()
