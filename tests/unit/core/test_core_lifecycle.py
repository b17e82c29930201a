"""From spawn to the end: hooks, stop, shutdown, watching."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.config import SystemConfig
from pulsing.core import get_system_actor
from pulsing.core.lifecycle import TRANSITIONS, advance
from pulsing.exceptions import ActorNotFound, ActorStopped, DeadlineExceeded, PulsingSystemError, SystemStopped
from pulsing.ids import ActorId
from pulsing.runtime import start_system
from pulsing.testing.virtual import VirtualLoop, run_virtual
from tests.unit.core.acting import GATE, Counter, Echo, Gate, in_virtual_time, spawn, turns, users_actors


def test_a_state_that_cannot_follow_is_a_fault_of_the_runtime() -> None:
    assert advance("starting", "running") == "running"
    for ended in ("stopped", "failed"):
        assert TRANSITIONS[ended] == frozenset()
        with pytest.raises(RuntimeError, match=f"while it is {ended}"):
            advance(ended, "running")


class Hooked:
    """Notes its hooks."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        log.append("init")

    def on_start(self, actor_id: ActorId) -> None:
        self.log.append(("start", actor_id, pul.current_actor().actor_id, self.ref.actor_id))  # type: ignore[attr-defined]

    def on_stop(self) -> None:
        self.log.append("stop")

    def work(self) -> None:
        self.log.append("work")


class AsyncHooked(Hooked):
    async def on_start(self, actor_id: ActorId) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().on_start(actor_id)

    async def on_stop(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().on_stop()


@pytest.mark.parametrize("cls", [Hooked, AsyncHooked])
async def test_hooks_run_before_the_first_and_after_the_last_message(cls: type) -> None:
    async with testing.system() as system:
        log: list[Any] = []
        actor = await spawn(pul.remote(cls), log, name="h", system=system)
        await actor.work()
        assert await system.stop("h")
        identity = actor.ref.actor_id
        assert log == ["init", ("start", identity, identity, identity), "work", "stop"]


async def test_hooks_of_receive_actors_run_too() -> None:
    class Listener(pul.Actor):
        log: list[str] = []

        async def receive(self, msg: Any) -> Any:
            self.log.append(msg)

        async def on_start(self, actor_id: ActorId) -> None:
            self.log.append("start")

        def on_stop(self) -> None:
            self.log.append("stop")

    async with testing.system() as system:
        ref = await system.spawn(Listener(), name="l")
        await ref.ask("message")
        await system.stop("l")
        assert Listener.log == ["start", "message", "stop"]


async def test_on_stop_that_raises_is_logged_and_the_name_is_free(caplog: pytest.LogCaptureFixture) -> None:
    class Sore:
        async def on_stop(self) -> None:
            raise RuntimeError("sore")

    async with testing.system() as system:
        for _ in range(2):
            await spawn(pul.remote(Sore), name="s", system=system)
            assert await system.stop("s")
    assert "sore" in caplog.text


def test_an_on_start_that_hangs_leaves_the_actor_stoppable() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Hanging:
            async def on_start(self, actor_id: ActorId) -> None:
                await asyncio.sleep(1e6)

            def work(self) -> None: ...

        actor = await spawn(pul.remote(Hanging), name="h", system=system)
        with pytest.raises(DeadlineExceeded):
            await actor.work()
        waiting = actor.ref.request("work", (), None, 1000.0)
        assert await system.stop("h")
        with pytest.raises(ActorStopped):
            await waiting

    in_virtual_time(test)


def test_an_on_stop_that_hangs_is_given_up_in_time(caplog: pytest.LogCaptureFixture) -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Hanging:
            async def on_stop(self) -> None:
                await asyncio.sleep(1e6)

        await spawn(pul.remote(Hanging), name="h", system=system)
        began = asyncio.get_running_loop().time()
        assert await system.stop("h", timeout=5)
        assert asyncio.get_running_loop().time() - began <= 31
        await spawn(pul.remote(Hanging), name="h", system=system)

    in_virtual_time(test)
    assert "on_stop" in caplog.text


async def test_stopping_an_actor_does_not_make_the_caller_that_actor() -> None:
    async with testing.system() as system:
        await spawn(pul.remote(Hooked), [], name="h", system=system)
        await system.stop("h")
        with pytest.raises(RuntimeError, match="not inside an actor"):
            pul.current_actor()


async def test_the_running_message_finishes_and_what_waits_is_refused() -> None:
    async with testing.system() as system:
        gate = await spawn(GATE.with_options(max_concurrency=1), name="g", system=system)
        running = gate.ref.request("enter", (1,), None, None)
        waiting = gate.ref.request("enter", (2,), None, None)
        await turns()
        stopping = asyncio.ensure_future(system.stop("g"))
        with pytest.raises(ActorStopped) as caught:
            await waiting
        assert not caught.value.maybe_executed
        assert not stopping.done()
        gate.ref._cell.actor.open.set()
        assert await stopping
        assert await running == 1


def test_a_message_that_does_not_finish_in_time_is_cancelled() -> None:
    async def test(system: pul.ActorSystem) -> None:
        gate = await spawn(Gate, name="g", system=system)
        running = gate.ref.request("enter", (1,), None, None)
        await turns()
        began = asyncio.get_running_loop().time()
        assert await system.stop("g", timeout=3)
        assert asyncio.get_running_loop().time() - began == pytest.approx(3)
        with pytest.raises(ActorStopped) as caught:
            await running
        assert caught.value.maybe_executed
        assert await system.stop("g") is False

    in_virtual_time(test)


def test_a_method_that_swallows_its_cancellation_does_not_hold_the_stop_for_ever() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Stubborn:
            async def work(self) -> None:
                for _ in range(3):
                    try:
                        await asyncio.sleep(100)
                    except asyncio.CancelledError:
                        pass

        actor = await spawn(pul.remote(Stubborn), name="s", system=system)
        actor.ref.request("work", (), None, None).add_done_callback(lambda future: future.exception())
        await turns()
        assert await system.stop("s", timeout=1)
        await asyncio.sleep(1000)

    in_virtual_time(test)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks do not tell who has cancelled them")
async def test_a_call_that_the_end_of_the_program_cancels_is_no_error_of_the_method() -> None:
    @pul.remote
    class Slow:
        async def work(self) -> None:
            await asyncio.Event().wait()

        async def numbers(self) -> Any:
            yield 1
            await asyncio.Event().wait()

    async with testing.system() as system:
        slow = await spawn(Slow, system=system)
        call = slow.ref.request("work", (), None, None)
        stream = slow.numbers()
        assert await anext(stream) == 1
        # What `asyncio.run` does when the program has returned, or raised, without a shutdown.
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        for waiting in (call, anext(stream)):
            with pytest.raises(ActorStopped) as caught:
                await waiting
            assert caught.value.maybe_executed


async def test_an_actor_that_stops_itself_gets_true_and_ends_after_the_message() -> None:
    @pul.remote
    class Leaver:
        async def leave(self) -> Any:
            answer = await self.system.stop(self.ref)  # type: ignore[attr-defined]
            return answer, pul.current_actor().name

    async with testing.system() as system:
        leaver = await spawn(Leaver, name="l", system=system)
        end = leaver.ref.watch()
        assert await leaver.leave() == (True, "actors/l")
        assert (await asyncio.wait_for(end, 1)).reason == "stopped"
        assert not await system.stop("l")


async def test_an_actor_may_stop_itself_while_it_starts() -> None:
    @pul.remote
    class Shy:
        async def on_start(self, actor_id: ActorId) -> None:
            await self.system.stop(self.ref)  # type: ignore[attr-defined]

        def work(self) -> None: ...

    async with testing.system() as system:
        shy = await spawn(Shy, name="s", system=system)
        end = shy.ref.watch()
        assert (await asyncio.wait_for(end, 1)).reason == "stopped"


async def test_stops_called_at_once_all_wait_for_the_end() -> None:
    async with testing.system() as system:
        gate = await spawn(Gate, name="g", system=system)
        running = gate.ref.request("enter", (1,), None, None)
        await turns()
        stops = [asyncio.ensure_future(system.stop("g")) for _ in range(3)]
        await turns()
        assert not any(stop.done() for stop in stops)
        gate.ref._cell.actor.open.set()
        await asyncio.gather(running, *stops)
        assert users_actors(system) == []


async def test_a_stop_that_is_cancelled_goes_on() -> None:
    async with testing.system() as system:
        gate = await spawn(Gate, name="g", system=system)
        running = gate.ref.request("enter", (1,), None, None)
        await turns()
        stopping = asyncio.ensure_future(system.stop("g"))
        await turns()
        stopping.cancel()
        await turns()
        gate.ref._cell.actor.open.set()
        await running
        await testing.wait_until(lambda: "actors/g" not in system.local_actor_names())


async def test_a_watcher_is_told_once_how_the_actor_ended() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="c", system=system)
        ends = [counter.ref.watch() for _ in range(3)]
        await system.stop("c")
        for end in ends:
            told = await end
            assert (told.actor_id, told.name, told.reason, told.error) == (
                counter.ref.actor_id,
                "actors/c",
                "stopped",
                None,
            )


async def test_watching_an_actor_that_has_ended_tells_at_once() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        with pytest.raises(PulsingSystemError):
            await counter.fail(PulsingSystemError("x", recoverable=False))
        await testing.wait_until(lambda: not users_actors(system))
        near = await counter.ref.watch()
        late: Any = await system.inner.bind(counter.ref.actor_id).watch()
        assert near.reason == late.reason == "failed"
        assert type(late.error) is type(near.error)
        assert vars(late.error) == vars(near.error)
        asked = await (await get_system_actor(system)).ref.as_any().wait_for_end(str(counter.ref.actor_id))
        assert asked == {"name": None, "reason": "failed", "error": late.error}


async def test_watching_nobody_is_an_error() -> None:
    async with testing.system() as system:
        with pytest.raises(ActorNotFound):
            await system.inner.bind(ActorId.of(system.node_id.id, 9999)).watch()


async def test_a_watch_that_was_given_up_is_forgotten() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="c", system=system)
        for _ in range(100):
            counter.ref.watch().cancel()
        await turns()
        assert not counter.ref._cell._watchers
        await system.stop("c")


async def test_shutdown_stops_every_actor_and_tells_why() -> None:
    log: list[Any] = []
    system = await pul.actor_system()
    hooked = await spawn(pul.remote(AsyncHooked), log, name="h", system=system)
    ends = [hooked.ref.watch(), (await system.spawn(Echo())).watch()]
    await system.shutdown()
    assert [(await end).reason for end in ends] == ["shutdown", "shutdown"]
    assert log[-1] == "stop"
    with pytest.raises(ActorStopped):
        await hooked.work()
    for late in (lambda: system.spawn(Echo()), lambda: spawn(Counter, system=system), lambda: system.resolve("h")):
        with pytest.raises(SystemStopped):
            await late()
    await system.shutdown()


def virtual_shutdown(prepare: Any, drain: float | None) -> Any:
    async def body() -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        system = await start_system(SystemConfig(), clock=loop.clock)
        calls = await prepare(system)
        await turns()
        began = loop.time()
        await system.shutdown(drain=drain)
        took = loop.time() - began
        return took, await asyncio.gather(*calls, return_exceptions=True)

    return run_virtual(body, limit=10_000.0)


class Slow:
    async def work(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds


async def slow_calls(system: pul.ActorSystem) -> list[Any]:
    cls = pul.remote(max_concurrency=1)(Slow)
    slow = await spawn(cls, system=system)
    return [slow.ref.request("work", (3.0,), None, None) for _ in range(3)]


def test_shutdown_lets_mailboxes_run_empty() -> None:
    took, results = virtual_shutdown(slow_calls, 10.0)
    assert results == [3.0, 3.0, 3.0]
    assert took == pytest.approx(9.0, abs=0.1)


def test_shutdown_gives_up_when_the_time_to_drain_is_over() -> None:
    took, results = virtual_shutdown(slow_calls, 4.0)
    assert took <= 6.0
    assert results[0] == 3.0
    assert all(isinstance(result, ActorStopped) for result in results[1:])


def test_shutdown_without_drain_ends_at_once() -> None:
    took, results = virtual_shutdown(slow_calls, 0)
    assert took < 2.0
    assert all(isinstance(result, ActorStopped) for result in results)


async def test_an_actor_may_shut_its_system_down() -> None:
    @pul.remote
    class Closer:
        async def close(self) -> str:
            await self.system.shutdown()  # type: ignore[attr-defined]
            return "closed"

    system = await pul.actor_system()
    closer = await spawn(Closer, system=system)
    assert await asyncio.wait_for(closer.close(), 5) == "closed"
    await system.shutdown()
    assert users_actors(system) == []


async def test_a_second_shutdown_waits_for_the_first() -> None:
    system = await pul.actor_system()
    gate = await spawn(Gate, system=system)
    running = gate.ref.request("enter", (1,), None, None)
    await turns()
    first = asyncio.ensure_future(system.shutdown())
    second = asyncio.ensure_future(system.shutdown())
    await turns()
    assert not second.done()
    await gate.ref.request("unlock", (), None, None)
    await asyncio.gather(first, second, running)


async def test_many_idle_actors_are_shut_down_without_a_task_each() -> None:
    system = await pul.actor_system()
    for _ in range(5000):
        await spawn(Counter, system=system)
    stopping = asyncio.ensure_future(system.shutdown())
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) < 100
    await stopping


async def test_two_systems_live_side_by_side() -> None:
    async with testing.system() as one, await pul.actor_system() as two:
        first = await spawn(Counter, 1, name="same", system=one)
        second = await spawn(Counter, 10, name="same", system=two)
        assert await first.incr() == 2
        assert await second.incr() == 11
        assert one.node_id != two.node_id
        assert (await one.resolve("same")).actor_id == first.ref.actor_id
        await two.stop("same")
        assert await first.incr() == 3
