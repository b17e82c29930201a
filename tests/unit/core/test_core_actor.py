"""What an actor can reach of itself."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from tests.unit.core.acting import in_virtual_time, spawn, turns


def test_an_actor_without_receive_cannot_be_made() -> None:
    class Deaf(pul.Actor):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Deaf()  # type: ignore[abstract]


def test_there_is_no_current_actor_outside_of_one() -> None:
    with pytest.raises(RuntimeError, match="not inside an actor"):
        pul.current_actor()


class Curious:
    def see(self) -> Any:
        context = pul.current_actor()
        return context.actor_id, context.name, context.ref, context.system

    async def see_later(self) -> Any:
        await asyncio.sleep(0)
        return self.see()

    async def see_in_a_task(self) -> Any:
        return await asyncio.create_task(self.see_later())

    async def see_in_a_thread(self) -> Any:
        seen: list[Any] = []
        import contextvars

        thread = threading.Thread(target=contextvars.copy_context().run, args=(lambda: seen.append(self.see()),))
        thread.start()
        thread.join()
        return seen[0]

    def own(self) -> Any:
        return self.ref, self.system  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["see", "see_later", "see_in_a_task", "see_in_a_thread"])
async def test_the_current_actor_is_known_in_methods_tasks_and_threads(method: str) -> None:
    async with testing.system() as system:
        curious = await spawn(pul.remote(Curious), name="c", system=system)
        actor_id, name, ref, found = await getattr(curious, method)()
        assert (actor_id, name, ref) == (curious.ref.actor_id, "actors/c", curious.ref)
        assert found is system
        assert await curious.own() == (curious.ref, system)


class Slotted:
    __slots__ = ("ticks",)

    def __init__(self) -> None:
        self.ticks = 0

    def on_start(self, actor_id: pul.ActorId) -> None:
        pul.current_actor().delayed(1).tick(2)

    def tick(self, by: int) -> int:
        self.ticks += by
        return self.ticks

    def count(self) -> int:
        return self.ticks


def test_a_class_with_slots_reaches_itself_through_the_context() -> None:
    async def test(system: pul.ActorSystem) -> None:
        slotted = await spawn(pul.remote(Slotted), system=system)
        await asyncio.sleep(2)
        assert await slotted.count() == 2

    in_virtual_time(test)


@dataclass(frozen=True)
class Frozen:
    value: int

    def get(self) -> int:
        return self.value


async def test_an_object_that_takes_no_attributes_is_an_actor_all_the_same() -> None:
    class Strict:
        def __setattr__(self, name: str, value: Any) -> None:
            raise ValueError("no new fields")

        def get(self) -> int:
            return 1

    async with testing.system() as system:
        assert await (await spawn(pul.remote(Frozen), 5, system=system)).get() == 5
        assert await (await spawn(pul.remote(Strict), system=system)).get() == 1


class Fields:
    """Gives its fields as attributes, and knows nothing of AttributeError."""

    def __init__(self) -> None:
        self.__dict__["fields"] = {"x": 1}

    def __getattr__(self, name: str) -> Any:
        return self.fields[name]

    def get(self) -> int:
        x: int = self.x
        return x


class Opaque:
    """Shows nothing of itself."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def get(self) -> int:
        return 1


@pytest.mark.parametrize("cls", [Fields, Opaque])
async def test_an_object_that_resents_being_looked_at_is_an_actor_and_ends_all_the_same(cls: type) -> None:
    async with testing.system() as system:
        actor = await spawn(pul.remote(cls), name="strange", system=system)
        assert await actor.get() == 1
        assert await system.stop("strange")
        assert await (await spawn(pul.remote(cls), name="strange", system=system)).get() == 1


async def test_a_class_can_be_mounted_and_is_left_as_it_was() -> None:
    class Shared:
        pass

    before = dict(vars(Shared))
    await pul.init()
    pul.mount(Shared, name="shared")
    assert hasattr(Shared, "delayed")
    await pul.shutdown()
    assert dict(vars(Shared)) == before


async def test_attributes_of_the_users_own_are_never_overwritten() -> None:
    class Own:
        system = "solar"

        def __init__(self) -> None:
            self.ref = "reference"

        def delayed(self) -> str:
            return "late"

        def see(self) -> Any:
            return self.system, self.ref, self.delayed(), pul.current_actor().name

    async with testing.system() as system:
        own = await spawn(pul.remote(Own), name="own", system=system)
        assert await own.see() == ("solar", "reference", "late", "actors/own")
        assert await own.delayed() == "late"


def test_a_delayed_call_comes_later_through_the_mailbox() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Ticker:
            def __init__(self) -> None:
                self.ticks: list[float] = []

            async def start(self, delay: float) -> str:
                return type(self.delayed(delay).tick(by=1)).__name__  # type: ignore[attr-defined]

            def start_and_call_off(self) -> None:
                self.delayed(1).tick().cancel()  # type: ignore[attr-defined]

            def tick(self, by: int = 0) -> None:
                self.ticks.append(asyncio.get_running_loop().time())

            def count(self) -> int:
                return len(self.ticks)

            def bad(self) -> None:
                self.delayed(1)._private()  # type: ignore[attr-defined]

            def unknown(self) -> None:
                self.delayed(1).nothing()  # type: ignore[attr-defined]

        ticker = await spawn(pul.remote(Ticker), name="t", system=system)
        began = asyncio.get_running_loop().time()
        for never in (float("nan"), float("inf"), "2"):
            with pytest.raises(ValueError, match="sec is a number of seconds"):
                await ticker.start(never)
        assert await ticker.start(2) == "Task"
        await ticker.start_and_call_off()
        await asyncio.sleep(1.9)
        assert await ticker.count() == 0
        await asyncio.sleep(0.2)
        assert await ticker.count() == 1
        assert ticker.ref._cell.actor.ticks[0] - began == pytest.approx(2.0)
        await ticker.start(-5)
        await asyncio.sleep(0.001)
        assert await ticker.count() == 2
        for method in ("bad", "unknown"):
            with pytest.raises(AttributeError):
                await getattr(ticker, method)()
        await ticker.start(50)
        await system.stop("t")
        await asyncio.sleep(100)
        await turns()

    in_virtual_time(test)


def test_a_receive_actor_sends_itself_delayed_messages() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Repeater(pul.Actor):
            def __init__(self) -> None:
                self.got: list[Any] = []

            async def receive(self, msg: Any) -> Any:
                if msg == "again":
                    self.delayed(1).receive("later")  # type: ignore[attr-defined]
                self.got.append(msg)
                return list(self.got)

        ref = await system.spawn(Repeater)
        await ref.ask("again")
        await asyncio.sleep(1.5)
        assert await ref.ask("?") == ["again", "later", "?"]

    in_virtual_time(test)


async def test_an_actor_that_ends_by_itself_finishes_the_message_in_progress() -> None:
    @pul.remote
    class Leaver:
        async def leave(self) -> str:
            pul.current_actor().stop()
            await asyncio.sleep(0.001)
            return "bye"

        def next(self) -> None: ...

    async with testing.system() as system:
        leaver = await spawn(Leaver, name="l", system=system)
        first = leaver.ref.request("leave", (), None, None)
        second = leaver.ref.request("next", (), None, None)
        assert await first == "bye"
        with pytest.raises(pul.PulsingRuntimeError):
            await second
        await testing.wait_until(lambda: "actors/l" not in system.local_actor_names())
