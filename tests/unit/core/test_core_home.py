"""What is asked of a system in other threads than its own: it works there too, or says what to do."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.core.lifecycle import Terminated
from pulsing.core.spawning import mounted_spec
from pulsing.exceptions import ActorNotFound, ActorStopped, NameTaken, SystemStopped, WrongLoop
from tests.unit.core.acting import COUNTER, Counter, Source, spawn


async def elsewhere(work: Callable[[], Awaitable[Any]]) -> Any:
    """Await something on a loop of another thread."""

    async def there() -> Any:
        return await asyncio.wait_for(work(), 20)

    return await asyncio.to_thread(lambda: asyncio.run(there()))


@pul.remote
class Native:
    """Knows in which thread it was made."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def made_in(self) -> int:
        return self.thread


async def test_actors_are_spawned_from_another_loop_on_their_own() -> None:
    async with testing.system() as system:
        native = await elsewhere(lambda: spawn(Native, name="n", system=system))
        assert await native.made_in() == threading.get_ident()
        ref = await elsewhere(lambda: system.spawn(Native))
        assert await ref.as_any().made_in() == threading.get_ident()
        with pytest.raises(NameTaken):
            await elsewhere(lambda: spawn(Native, name="n", system=system))


async def test_a_system_answers_on_every_loop() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="c", system=system)
        assert await elsewhere(lambda: system.resolve("c")) == counter.ref
        assert await elsewhere(lambda: system.refer(counter.ref.actor_id)) == counter.ref
        assert len(await elsewhere(system.members)) == 1
        assert await elsewhere(lambda: system.stop("c"))
        with pytest.raises(ActorNotFound):
            await elsewhere(lambda: system.resolve("c"))
        await elsewhere(system.shutdown)
        assert system.stopped


async def test_messages_are_sent_from_every_loop() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        source = await spawn(Source, system=system)

        async def items() -> list[int]:
            return [item async for item in source.anumbers(100)]

        assert await elsewhere(counter.incr) == 1
        assert await elsewhere(counter.with_options(one_way=True).incr) is None
        assert await counter.incr() == 3
        assert await elsewhere(items) == list(range(100))


async def test_an_end_is_watched_from_another_loop() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)

        async def watch_the_end() -> Terminated:
            told = counter.ref.watch()
            await system.stop(counter)
            end: Terminated = await told
            return end

        assert (await elsewhere(watch_the_end)).reason == "stopped"
        stranger = system.bind(pul.ActorId.of(system.node_id.id, 999_999))
        with pytest.raises(ActorNotFound):
            await elsewhere(lambda: stranger.watch())


class Threaded:
    """Does in its worker thread what actors do."""

    def __init__(self) -> None:
        self.ticks = 0
        self.pending: Any = None

    def tick(self) -> None:
        self.ticks += 1

    def seen(self) -> int:
        return self.ticks

    def tick_later(self, seconds: float) -> None:
        self.pending = pul.current_actor().delayed(seconds).tick()

    def call_off(self) -> bool:
        return bool(self.pending.cancel())

    def leave(self) -> str:
        pul.current_actor().stop()
        return "gone"

    def call_without_a_loop(self, other: Any) -> None:
        other.ref.ask("hello")

    def call_by_run_sync(self, other: Any) -> Any:
        from pulsing.core.helpers import run_sync

        return run_sync(other.incr(), timeout=20)

    def start_unasked(self) -> None:
        cell = pul.current_actor().ref._cell
        assert cell is not None
        cell.system.start_actor(Counter(), mounted_spec(COUNTER.__wrapped__))


async def threaded_on(system: pul.ActorSystem) -> Any:
    return await spawn(pul.remote(threaded=True)(Threaded), system=system)


async def test_a_delayed_call_is_made_from_a_worker_thread() -> None:
    async with testing.system() as system:
        actor = await threaded_on(system)
        await actor.tick_later(0.01)

        async def ticked() -> bool:
            return bool(await actor.seen())

        await testing.wait_until(ticked, 20)


async def test_a_delayed_call_of_a_worker_thread_can_be_called_off() -> None:
    async with testing.system() as system:
        actor = await threaded_on(system)
        await actor.tick_later(1000)
        cell = actor.ref._cell
        await testing.wait_until(lambda: len(cell.tasks) == 1, 20)
        assert await actor.call_off()
        await testing.wait_until(lambda: len(cell.tasks) == 0, 20)


async def test_an_actor_ends_itself_from_its_worker_thread() -> None:
    async with testing.system() as system:
        actor = await threaded_on(system)
        ended = actor.ref.watch()
        assert await actor.leave() == "gone"
        assert (await asyncio.wait_for(ended, 20)).reason == "stopped"
        with pytest.raises(ActorStopped):
            await actor.seen()


async def test_a_thread_without_a_loop_is_told_what_to_do() -> None:
    async with testing.system() as system:
        actor, counter = await threaded_on(system), await spawn(Counter, system=system)
        with pytest.raises(WrongLoop, match="run_sync run a coroutine"):
            await actor.call_without_a_loop(counter)
        assert await actor.call_by_run_sync(counter) == 1


async def test_nothing_is_started_from_a_thread_that_is_not_the_systems() -> None:
    async with testing.system() as system:
        actor = await threaded_on(system)
        with pytest.raises(WrongLoop, match="mount"):
            await actor.start_unasked()
        assert await actor.seen() == 0


def test_a_loop_that_rests_or_is_closed_is_an_error_and_no_wait_for_ever() -> None:
    loop = asyncio.new_event_loop()
    system = loop.run_until_complete(pul.actor_system())
    counter = loop.run_until_complete(spawn(Counter, system=system))

    async def call() -> Any:
        return await counter.incr()

    with pytest.raises(WrongLoop, match="does not run now"):
        asyncio.run(call())
    assert loop.run_until_complete(call()) == 1
    loop.run_until_complete(system.shutdown())
    loop.close()
    with pytest.raises(SystemStopped):
        asyncio.run(call())


def test_a_loop_may_be_taken_up_by_another_thread() -> None:
    loop = asyncio.new_event_loop()
    system = loop.run_until_complete(pul.actor_system())
    counter = loop.run_until_complete(spawn(Counter, system=system))

    async def call() -> Any:
        return await counter.incr()

    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(loop.run_until_complete(call())))
    thread.start()
    thread.join(20)
    assert found == [1]
    loop.run_until_complete(system.shutdown())
    loop.close()


def test_a_forked_child_is_told_that_the_system_is_its_parents() -> None:
    async def main() -> int:
        async with await pul.actor_system() as system:
            counter = await spawn(Counter, system=system)
            pid = os.fork()
            if pid == 0:
                os._exit(in_the_child(counter, system))
            _, status = await asyncio.get_running_loop().run_in_executor(None, os.waitpid, pid, 0)
            assert await counter.incr() == 1
            return os.waitstatus_to_exitcode(status)

    assert asyncio.run(main()) == 0


def in_the_child(counter: Any, system: pul.ActorSystem) -> int:
    """Use what is the parent's; the exit code counts what was not refused."""
    uses: list[Callable[[], Awaitable[Any]]] = [
        lambda: counter.incr(),
        lambda: counter.ref.tell("hello"),
        lambda: counter.ref.watch(),
        lambda: spawn(Counter, system=system),
        lambda: system.resolve("c"),
    ]

    async def use_all() -> int:
        accepted = 0
        for use in uses:
            try:
                await asyncio.wait_for(use(), 5)
                accepted += 1
            except SystemStopped:
                pass
        return accepted

    try:
        return asyncio.run(use_all())
    except BaseException:
        return 99
