"""How one actor takes its turns."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.exceptions import ActorStopped, DeadlineExceeded
from pulsing.testing.virtual import VirtualLoop
from tests.unit.core.acting import GATE, Counter, Echo, Gate, in_virtual_time, spawn, turns


async def test_async_methods_start_in_order_and_interleave() -> None:
    async with testing.system() as system:
        gate = await spawn(Gate, system=system)
        calls = [asyncio.ensure_future(gate.enter(number)) for number in range(10)]
        await turns()
        assert await gate.seen() == list(range(10))
        await gate.unlock()
        assert await asyncio.gather(*calls) == list(range(10))


async def test_a_sync_method_runs_between_the_awaits_of_async_ones_in_the_order_of_the_mailbox() -> None:
    async with testing.system() as system:
        gate = await spawn(Gate, system=system)
        calls = [asyncio.ensure_future(one) for one in (gate.enter("a"), gate.note("b"), gate.enter("c"))]
        await turns()
        assert await gate.seen() == ["a", "b", "c"]
        await gate.unlock()
        await asyncio.gather(*calls)


async def test_max_concurrency_holds_back_what_comes_after() -> None:
    async with testing.system() as system:
        gate = await spawn(GATE.with_options(max_concurrency=3), system=system)
        calls = [asyncio.ensure_future(gate.enter(number)) for number in range(5)]
        await turns()
        actor = gate.ref._cell.actor
        assert actor.entered == [0, 1, 2]
        actor.open.set()
        assert await asyncio.gather(*calls) == [0, 1, 2, 3, 4]


async def test_max_concurrency_of_one_takes_one_message_at_a_time() -> None:
    async with testing.system() as system:
        gate = await spawn(GATE.with_options(max_concurrency=1), system=system)
        first = asyncio.ensure_future(gate.enter(1))
        second = asyncio.ensure_future(gate.note(2))
        await turns()
        assert gate.ref._cell.actor.entered == [1]
        gate.ref._cell.actor.open.set()
        await asyncio.gather(first, second)


@pul.remote
class Ring:
    def __init__(self) -> None:
        self.other: Any = None

    def link(self, other: Any) -> None:
        self.other = other

    async def around(self, hops: int) -> int:
        return hops if hops == 0 else await self.other.around(hops - 1) + 1


async def test_an_actor_may_await_itself_or_a_cycle() -> None:
    async with testing.system() as system:
        alone, left, right = [await spawn(Ring, system=system) for _ in range(3)]
        await alone.link(alone)
        await left.link(right)
        await right.link(left)
        assert await alone.around(5) == 5
        assert await left.around(6) == 6


async def test_receive_takes_one_message_at_a_time() -> None:
    async with testing.system() as system:
        echo = Echo()
        ref = await system.spawn(echo)
        held = asyncio.Event()
        first, second = ref.ask(held), ref.ask("next")
        await turns()
        assert echo.got == [held]
        held.set()
        assert await second == "next"
        await first


def test_a_receive_that_asks_its_own_actor_waits_for_its_deadline() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Selfish(pul.Actor):
            async def receive(self, msg: Any) -> Any:
                return await pul.current_actor().ref.ask("again", timeout=2.0)

        ref = await system.spawn(Selfish)
        with pytest.raises(DeadlineExceeded) as caught:
            await ref.ask("once")
        assert caught.value.maybe_executed

    in_virtual_time(test)


@pul.remote(threaded=True)
class Threaded:
    def __init__(self) -> None:
        self.release = threading.Event()
        self.entered = threading.Event()
        self.threads: list[str] = []
        self.inside = 0

    def work(self, number: int) -> int:
        self.inside += 1
        assert self.inside == 1
        self.threads.append(threading.current_thread().name)
        time.sleep(0.001)
        self.inside -= 1
        return number

    def hold(self) -> str:
        self.entered.set()
        self.release.wait(5)
        return "held"

    def who(self) -> Any:
        return pul.current_actor().actor_id

    def crash(self) -> None:
        raise KeyError("thread")

    async def on_loop(self) -> bool:
        return threading.current_thread() is threading.main_thread()


async def test_sync_methods_of_a_threaded_actor_run_in_one_thread_one_at_a_time() -> None:
    async with testing.system() as system:
        worker = await spawn(Threaded, system=system)
        assert await asyncio.gather(*(worker.work(number) for number in range(10))) == list(range(10))
        names = set(worker.ref._cell.actor.threads)
        assert len(names) == 1
        assert threading.main_thread().name not in names
        assert await worker.who() == worker.ref.actor_id
        with pytest.raises(KeyError):
            await worker.crash()


async def test_async_methods_of_a_threaded_actor_run_on_the_loop_while_its_thread_works() -> None:
    async with testing.system() as system:
        worker = await spawn(Threaded, system=system)
        held = asyncio.ensure_future(worker.hold())
        assert await worker.on_loop()
        worker.ref._cell.actor.release.set()
        assert await held == "held"


async def test_messages_wait_in_the_mailbox_while_the_thread_works() -> None:
    async with testing.system() as system:
        worker = await spawn(Threaded, system=system)
        actor = worker.ref._cell.actor
        held = asyncio.ensure_future(worker.hold())
        await testing.wait_until(actor.entered.is_set)
        given_up = asyncio.ensure_future(worker.work(1))
        late = asyncio.ensure_future(worker.with_options(timeout=0.02).work(2))
        await turns()
        assert len(worker.ref._cell.mailbox) == 2
        given_up.cancel()
        with pytest.raises(DeadlineExceeded):
            await late
        actor.release.set()
        await held
        await worker.work(3)
        assert len(actor.threads) == 1


async def test_a_threaded_actor_leaves_no_thread_when_it_stops() -> None:
    async with testing.system() as system:
        before = threading.active_count()
        worker = await spawn(Threaded, name="w", system=system)
        await worker.work(1)
        await system.stop("w")
        await testing.wait_until(lambda: threading.active_count() == before)


@pul.remote(threaded=True)
class ThreadedSource:
    def __init__(self) -> None:
        self.threads: set[str] = set()

    def numbers(self, count: int) -> Any:
        for number in range(count):
            self.threads.add(threading.current_thread().name)
            yield number

    def seen(self) -> set[str]:
        return self.threads


async def test_a_sync_generator_of_a_threaded_actor_runs_in_its_thread() -> None:
    async with testing.system() as system:
        source = await spawn(ThreadedSource, system=system)
        assert [number async for number in source.numbers(100)] == list(range(100))
        seen = await source.seen()
        assert len(seen) == 1
        assert threading.main_thread().name not in seen


async def test_a_call_that_was_given_up_before_its_turn_is_not_run() -> None:
    async with testing.system() as system:
        gate = await spawn(GATE.with_options(max_concurrency=1), system=system)
        running = asyncio.ensure_future(gate.enter(1))
        await turns()
        given_up = asyncio.ensure_future(gate.enter(2))
        await turns()
        given_up.cancel()
        await turns()
        gate.ref._cell.actor.open.set()
        await running
        assert await gate.seen() == [1]


async def test_a_running_method_goes_on_when_its_caller_leaves() -> None:
    async with testing.system() as system:
        gate = await spawn(Gate, system=system)
        call = asyncio.ensure_future(gate.enter(1))
        await turns()
        call.cancel()
        await turns()
        actor = gate.ref._cell.actor
        assert actor.left == []
        await gate.unlock()
        await testing.wait_until(lambda: actor.left == [1])


async def test_a_running_method_of_a_cancellable_actor_is_cancelled_with_its_caller() -> None:
    async with testing.system() as system:
        gate = await spawn(GATE.with_options(cancellable=True), system=system)
        call = asyncio.ensure_future(gate.enter(1))
        await turns()
        call.cancel()
        await testing.wait_until(lambda: gate.ref._cell.actor.left == [1])
        assert await gate.seen() == [1]


@pytest.mark.parametrize("timeout", [30.0, 2.0])
def test_a_running_method_of_a_cancellable_actor_is_cancelled_when_its_callers_deadline_passes(timeout: float) -> None:
    async def test(system: pul.ActorSystem) -> None:
        for cancellable, left in ((True, [1]), (False, [])):
            gate = await spawn(GATE.with_options(cancellable=cancellable), system=system)
            with pytest.raises(DeadlineExceeded) as caught:
                await gate.with_options(timeout=timeout).enter(1)
            assert caught.value.maybe_executed
            await turns()
            assert gate.ref._cell.actor.left == left

    in_virtual_time(test)


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("method", ["hands_on", "hands_on_later"])
async def test_a_coroutine_that_a_method_returns_is_awaited_for_its_value(threaded: bool, method: str) -> None:
    class Wrapping:
        async def value(self) -> str:
            await asyncio.sleep(0)
            return "value"

        def hands_on(self) -> Any:
            return self.value()

        async def hands_on_later(self) -> Any:
            return self.value()

    async with testing.system() as system:
        wrapping = await spawn(pul.remote(threaded=threaded)(Wrapping), system=system)
        assert await getattr(wrapping, method)() == "value"


@pytest.mark.parametrize("method", ["hands_on", "hands_on_later"])
async def test_a_call_of_another_actor_that_a_method_returns_is_awaited_for_its_value(method: str) -> None:
    class Forwarding:
        def __init__(self, gate: Any) -> None:
            self.gate = gate

        def hands_on(self) -> Any:
            return self.gate.seen()

        async def hands_on_later(self) -> Any:
            return self.gate.seen()

    async with testing.system() as system:
        gate = await spawn(Gate, system=system)
        forwarding = await spawn(pul.remote(Forwarding), gate, system=system)
        assert await getattr(forwarding, method)() == []


async def test_a_timeout_of_the_caller_is_no_reason_to_lose_the_actor() -> None:
    async with testing.system() as system:
        gate = await spawn(Gate, system=system)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(gate.enter(1), 0.01)
        assert await gate.seen() == [1]
        await gate.unlock()


def hold_the_loop() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.pass_time(0.12)


class Blocker:
    """Holds the loop, each time for longer than it should."""

    def block(self) -> None:
        hold_the_loop()

    async def block_twice(self) -> None:
        await asyncio.sleep(0)
        hold_the_loop()
        await asyncio.sleep(0)
        hold_the_loop()

    async def block_at_the_end(self) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            hold_the_loop()

    async def stream(self) -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0)
        hold_the_loop()
        yield 2

    def sync_stream(self) -> Iterator[int]:
        yield 1
        hold_the_loop()
        yield 2

    async def wait(self) -> None:
        await asyncio.sleep(0.15)


def long_turns(system: pul.ActorSystem) -> dict[str, int]:
    found = next(c for c in system.statistics().classes if c.name.endswith("Blocker"))
    return {method.method: method.long_turns for method in found.methods}


async def blocker_on(system: pul.ActorSystem) -> Any:
    return await spawn(pul.remote(cancellable=True)(Blocker), system=system)


@pytest.mark.parametrize(("method", "held"), [("block", 1), ("block_twice", 2), ("stream", 1), ("wait", 0)])
def test_a_turn_that_holds_the_loop_is_counted(method: str, held: int) -> None:
    async def test(system: pul.ActorSystem) -> None:
        await getattr(await blocker_on(system), method)()
        assert long_turns(system) == {method: held}

    in_virtual_time(test)


def test_a_turn_that_holds_the_loop_is_named() -> None:
    async def test(system: pul.ActorSystem) -> None:
        async with system.events.subscribe(["actor.long_turn"]) as events:
            await (await blocker_on(system)).block_twice()
            event = await events.__anext__()
        assert event.data["method"] == "Blocker.block_twice"

    in_virtual_time(test)


@pytest.mark.parametrize("method", ["stream", "sync_stream"])
def test_a_generator_that_holds_the_loop_is_counted(method: str) -> None:
    async def test(system: pul.ActorSystem) -> None:
        assert [item async for item in getattr(await blocker_on(system), method)()] == [1, 2]
        assert long_turns(system) == {method: 1}

    in_virtual_time(test)


def test_the_step_after_a_cancel_is_counted_too() -> None:
    async def test(system: pul.ActorSystem) -> None:
        call = asyncio.create_task((await blocker_on(system)).block_at_the_end())
        await turns()
        call.cancel()
        await turns()
        assert long_turns(system) == {"block_at_the_end": 1}

    in_virtual_time(test)


async def test_a_busy_actor_lets_the_loop_run() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        order: list[str] = []
        calls = [counter.ref.request("incr", (), None, None) for _ in range(1000)]
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, order.append, "others")
        calls[-1].add_done_callback(lambda _: order.append("last call"))
        await asyncio.gather(*calls)
        assert order == ["others", "last call"]


async def test_a_call_from_the_loop_of_another_thread_is_answered_there() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)

        async def elsewhere() -> list[int]:
            await counter.with_options(one_way=True).incr()
            return [await counter.incr(), await counter.slow_incr()]

        assert await on_another_loop(elsewhere) == [2, 3]


async def on_another_loop(work: Any) -> Any:
    """Run a coroutine function on a loop of its own in a thread."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(work())))
    thread.start()
    await testing.wait_until(lambda: not thread.is_alive())
    return results[0]


async def test_a_stop_while_a_message_waits_for_room_answers_it() -> None:
    async with testing.system() as system:
        gate = await spawn(GATE.with_options(max_concurrency=1, mailbox=1), name="gate", system=system)
        calls = [asyncio.ensure_future(gate.enter(number)) for number in range(4)]
        await turns()
        gate.ref._cell.actor.open.set()
        await system.stop("gate")
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert results[0] == 0
        assert all(isinstance(result, ActorStopped) and not result.maybe_executed for result in results[1:])
