"""Pulsing for code that is not asynchronous."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.core.helpers import run_sync, run_until_signal
from pulsing.core.remote import get_actor_metadata
from pulsing.exceptions import ActorNotFound, ActorStopped, NameTaken, NotInitialized
from tests.unit.core.acting import Counter, turns


class Ledger:
    """No actor, until it is mounted."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.stopped = False

    def add(self, entry: Any) -> int:
        self.entries.append(entry)
        return len(self.entries)

    async def wait(self, opened: asyncio.Event) -> str:
        await opened.wait()
        return "waited"

    def thread(self) -> int:
        return threading.get_ident()

    def on_stop(self) -> None:
        self.stopped = True


async def in_a_thread(work: Callable[[], Any]) -> Any:
    """Run sync code in a thread of its own, and raise here what it raised there."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend([work(), None])
        except BaseException as error:
            outcome.extend([None, error])

    thread = threading.Thread(target=run)
    thread.start()
    await testing.wait_until(lambda: not thread.is_alive())
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


async def shared_system() -> pul.ActorSystem:
    return await pul.init()


async def test_an_object_is_mounted_as_it_is_on_the_loops_own_thread() -> None:
    await shared_system()
    ledger = Ledger()
    pul.mount(ledger, name="ledger")
    proxy = await pul.resolve("ledger", cls=Ledger)
    assert await proxy.add("a") == 1
    assert ledger.entries == ["a"]
    pul.unmount("ledger")
    with pytest.raises(ActorNotFound):
        await pul.resolve("ledger")
    await testing.wait_until(lambda: ledger.stopped)
    pul.mount(ledger, name="ledger")
    assert await (await pul.resolve("ledger")).add("b") == 2
    await pul.shutdown()


async def test_an_object_is_mounted_from_another_thread_and_runs_on_the_loops() -> None:
    await shared_system()
    ledger = Ledger()
    await in_a_thread(lambda: pul.mount(ledger, name="ledger"))
    assert await (await pul.resolve("ledger")).thread() == threading.get_ident()
    await in_a_thread(lambda: pul.unmount("ledger"))
    assert ledger.stopped
    await in_a_thread(lambda: pul.unmount("ledger"))
    await pul.shutdown()


def test_an_object_is_mounted_while_the_loop_rests() -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(pul.init())
    ledger = Ledger()
    pul.mount(ledger, name="ledger")

    async def use() -> Any:
        return await (await pul.resolve("ledger")).add("a")

    assert loop.run_until_complete(use()) == 1
    assert run_sync(use()) == 2
    pul.unmount("ledger")
    assert ledger.stopped
    loop.run_until_complete(pul.shutdown())
    loop.close()


async def test_a_mounted_name_is_taken_and_the_errors_reach_the_thread() -> None:
    await shared_system()
    pul.mount(Ledger(), name="ledger")
    mounts: list[Callable[[], None]] = [
        lambda: pul.mount(Ledger(), name="ledger"),
        lambda: pul.mount(Ledger(), name="no name"),
    ]
    for mount in mounts:
        with pytest.raises((NameTaken, ValueError)):
            mount()
        with pytest.raises((NameTaken, ValueError)):
            await in_a_thread(mount)
    await pul.shutdown()


def test_mounting_without_a_system_says_so_and_unmounting_does_nothing() -> None:
    with pytest.raises(NotInitialized, match="Pulsing initialization failed") as caught:
        pul.mount(Ledger(), name="ledger")
    assert isinstance(caught.value, RuntimeError)
    pul.unmount("ledger")


async def test_unmounting_lets_the_message_in_progress_finish() -> None:
    await shared_system()
    ledger, opened = Ledger(), asyncio.Event()
    pul.mount(ledger, name="ledger")
    waiting = asyncio.ensure_future((await pul.resolve("ledger")).wait(opened))
    await turns()
    pul.unmount("ledger")
    pul.mount(Ledger(), name="ledger")
    assert not ledger.stopped
    opened.set()
    assert await waiting == "waited"
    await testing.wait_until(lambda: ledger.stopped)
    await pul.shutdown()


async def test_a_name_that_was_unmounted_is_free_at_once_for_the_whole_cluster() -> None:
    system = await pul.init(addr="127.0.0.1:0", admin=False)
    ledger, opened = Ledger(), asyncio.Event()
    pul.mount(ledger, name="ledger")
    waiting = asyncio.ensure_future((await pul.resolve("ledger")).wait(opened))
    await turns()
    pul.unmount("ledger")
    with pytest.raises(ActorNotFound):
        await pul.resolve("ledger")
    pul.mount(Ledger(), name="ledger")
    opened.set()
    assert await waiting == "waited"
    await testing.wait_until(lambda: ledger.stopped)
    # The end of the first one has not taken the name from the second.
    assert [instance.path for instance in system.inner.names.instances("actors/ledger")] == ["actors/ledger"]
    await pul.shutdown()


async def test_a_mounted_object_gets_delayed_only_and_its_metadata_is_known() -> None:
    await shared_system()
    ledger = Ledger()
    pul.mount(ledger, name="ledger")
    assert {"ref", "system"}.isdisjoint(vars(ledger))
    assert hasattr(ledger, "delayed")
    found = get_actor_metadata("ledger")
    assert found is not None
    assert found["python_class"].endswith("Ledger")
    assert found["python_module"] == __name__
    assert found["python_file"].endswith("test_core_helpers.py")
    assert get_actor_metadata("nobody") is None
    await pul.shutdown()
    assert not hasattr(ledger, "delayed")
    assert get_actor_metadata("ledger") is None


async def test_run_sync_runs_on_the_systems_loop() -> None:
    await shared_system()
    loop = asyncio.get_running_loop()

    async def work() -> Any:
        return asyncio.get_running_loop() is loop

    assert await in_a_thread(lambda: run_sync(work()))
    with pytest.raises(RuntimeError, match="await"):
        run_sync(work())

    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await in_a_thread(lambda: run_sync(fail()))
    await pul.shutdown()


async def test_run_sync_gives_up_in_time_and_cancels_the_work() -> None:
    await shared_system()
    cancelled = asyncio.Event()

    async def for_ever() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        await in_a_thread(lambda: run_sync(for_ever(), timeout=0.01))
    await asyncio.wait_for(cancelled.wait(), 1)
    await pul.shutdown()


@pytest.mark.shared_resources
def test_run_sync_without_a_system_has_a_loop_of_its_own() -> None:
    async def work() -> str:
        return threading.current_thread().name

    assert run_sync(work()) == run_sync(work()) == "pulsing-background"


@pytest.mark.shared_resources
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_starts_clean() -> None:
    async def main() -> int:
        await pul.init()
        pid = os.fork()
        if pid == 0:
            clean = not pul.is_initialized()
            try:
                pul.mount(Ledger(), name="x")
            except NotInitialized:
                pass
            else:
                clean = False
            os._exit(0 if clean else 1)
        _, status = await asyncio.get_running_loop().run_in_executor(None, os.waitpid, pid, 0)
        await pul.shutdown()
        return os.waitstatus_to_exitcode(status)

    assert asyncio.run(main()) == 0


class Never(pul.Actor):
    """Takes a message and never answers."""

    async def receive(self, msg: Any) -> Any:
        await asyncio.Event().wait()


@pytest.mark.parametrize("others", [0, 1])
def test_a_message_that_does_not_end_holds_up_the_end_for_one_drain_and_no_longer(others: int) -> None:
    signals: dict[int, Callable[[], None]] = {}

    async def end() -> tuple[list[Any], float]:
        loop: Any = asyncio.get_running_loop()
        loop.add_signal_handler = signals.__setitem__
        loop.remove_signal_handler = signals.pop
        system = await pul.init()
        refs = [await system.spawn(Never(), name=f"never{number}") for number in range(1 + others)]
        running = asyncio.ensure_future(run_until_signal("never0"))
        asks = [asyncio.ensure_future(ref.ask({}, timeout=200)) for ref in refs]
        await asyncio.sleep(1)
        signals[signal.SIGTERM]()
        began = loop.time()
        await running
        took = loop.time() - began
        return await asyncio.gather(*asks, return_exceptions=True), took

    errors, took = testing.run_virtual(end)
    assert all(isinstance(error, ActorStopped) and error.maybe_executed for error in errors), errors
    assert took == pytest.approx(10, abs=0.1)


async def test_counters_of_the_global_functions() -> None:
    await shared_system()
    ref = await pul.spawn(Counter, name="c")
    assert await (await pul.resolve("c", cls=Counter)).incr() == 1
    assert await pul.refer(ref.actor_id) == ref
    await pul.shutdown()
