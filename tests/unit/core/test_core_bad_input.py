"""What users get wrong: each has its error, and what they got wrong goes on working afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.exceptions import (
    ActorNotFound,
    ActorStopped,
    DeadlineExceeded,
    NameTaken,
    NodeNotFound,
    PulsingBusinessError,
    PulsingSystemError,
    PulsingUnsupportedError,
)
from tests.unit.core.acting import COUNTER, Counter, Echo, in_virtual_time, spawn

NAN = float("nan")
INFINITE = float("inf")


@pytest.mark.parametrize(
    "options",
    [
        {"restart_policy": 3},
        {"max_restarts": "3"},
        {"max_restarts": 1.5},
        {"max_restarts": True},
        {"min_backoff": "soon"},
        {"min_backoff": NAN},
        {"max_backoff": INFINITE},
        {"restart_window": None},
        {"restart_window": NAN},
        {"max_concurrency": 1.5},
        {"mailbox": "big"},
        {"mailbox": True},
        {"threaded": "yes"},
        {"cancellable": 1},
    ],
)
def test_an_option_of_a_wrong_type_is_a_value_error(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        COUNTER.with_options(**options)


@pytest.mark.parametrize("public", ["x", "", 1, 0])
async def test_whether_a_name_is_public_is_said_by_a_truth_value_before_anything_is_made(public: Any) -> None:
    made: list[object] = []

    class Noted:
        def __init__(self) -> None:
            made.append(self)

    async with testing.system() as system:
        with pytest.raises(ValueError, match="public is True or False"):
            await spawn(pul.remote(Noted), name="c", public=public, system=system)
        assert made == []
        for actor in (Echo(), Echo):
            with pytest.raises(ValueError, match="public is True or False"):
                await system.spawn(actor, name="c", public=public)
        await spawn(Counter, name="c", system=system)


NO_TIMES = ["1", True, NAN, INFINITE, 10**400, object()]


@pytest.mark.parametrize("seconds", NO_TIMES)
async def test_a_time_that_is_none_is_a_value_error(seconds: Any) -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="c", system=system)
        with pytest.raises(ValueError, match="timeout is a number of seconds"):
            counter.with_options(timeout=seconds)
        with pytest.raises(ValueError, match="timeout is a number of seconds"):
            counter.ref.ask("hello", timeout=seconds)
        waits: list[Callable[[], Awaitable[Any]]] = [
            lambda: system.resolve("nobody", timeout=seconds),
            lambda: system.stop("c", timeout=seconds),
            lambda: system.shutdown(drain=seconds),
        ]
        for wait in waits:
            with pytest.raises(ValueError, match="is a number of seconds"):
                await wait()
        assert await counter.incr() == 1


@pytest.mark.parametrize("actor_id", ["zz", "0x12", -1, 2**128, 1.5, None, True, b"x", object()])
async def test_what_is_no_actor_id_is_a_value_error(actor_id: Any) -> None:
    async with testing.system() as system:
        with pytest.raises(ValueError):
            await system.refer(actor_id)


@pytest.mark.parametrize("node_id", ["zz", -1, 2**64, 1.5, True, b"x"])
async def test_what_is_no_node_id_is_a_value_error(node_id: Any) -> None:
    async with testing.system() as system:
        with pytest.raises(ValueError):
            await system.resolve("x", node_id=node_id)
        with pytest.raises(ValueError):
            await system.remote_system(node_id)
        with pytest.raises(ValueError):
            await system.remote_system(None)  # type: ignore[arg-type]


async def test_unknown_ids_are_not_found() -> None:
    async with testing.system() as system:
        with pytest.raises(ActorNotFound):
            await system.refer(pul.ActorId.of(system.node_id.id, 999_999))
        with pytest.raises(NodeNotFound):
            await system.refer(pul.ActorId())
        with pytest.raises(NodeNotFound):
            await system.resolve("x", node_id=12345)
        stranger = system.bind(pul.ActorId.of(system.node_id.id, 999_999))
        with pytest.raises(ActorNotFound):
            await stranger.ask("hello")
        with pytest.raises(ActorNotFound):
            await stranger.tell("hello")


@pytest.mark.parametrize("name", [5, b"x", "", "x y", "a//b", "a/../b", "/a", "a/", "x" * 300, "system/x", "tab\t"])
async def test_a_name_that_cannot_be_is_a_value_error_before_anything_is_made(name: Any) -> None:
    async with testing.system() as system:
        before = system.local_actor_names()
        with pytest.raises(ValueError):
            await spawn(Counter, name=name, system=system)
        with pytest.raises(ValueError):
            await system.spawn(Echo(), name=name)
        assert system.local_actor_names() == before


async def test_a_name_is_taken_once_by_whatever_way() -> None:
    async with testing.system() as system:
        first = await spawn(Counter, name="one", system=system)
        for again in (lambda: spawn(Counter, name="one", system=system), lambda: system.spawn(Echo(), name="one")):
            with pytest.raises(NameTaken, match="already exists"):
                await again()
        assert await first.incr() == 1


@pytest.mark.parametrize("actor", [5, "text", None, object(), int, lambda needed: needed])
async def test_what_cannot_be_an_actor_is_a_type_error(actor: Any) -> None:
    async with testing.system() as system:
        with pytest.raises(TypeError):
            await system.spawn(actor)


async def test_what_is_no_system_is_a_type_error() -> None:
    nowhere: Any
    for nowhere in (5, "node", object()):
        with pytest.raises(TypeError, match="takes a system"):
            await spawn(Counter, system=nowhere)


class Failing:
    """Raises what is hard to pass on."""

    def empty(self) -> None:
        raise ValueError

    def empty_text(self) -> None:
        raise RuntimeError("")

    def unspeakable(self) -> None:
        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no words")

        raise Mute

    def base(self) -> None:
        raise GeneratorExit

    def end_of_iteration(self) -> None:
        raise StopIteration(3)

    async def end_of_async_iteration(self) -> None:
        raise StopAsyncIteration

    async def cancelled(self) -> None:
        raise asyncio.CancelledError

    def group(self) -> None:
        raise PulsingSystemError("outer") from OSError(5, "inner")

    def well(self) -> str:
        return "well"


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize(
    ("method", "error", "text"),
    [
        ("empty", PulsingBusinessError, "ValueError: "),
        ("empty_text", PulsingSystemError, "RuntimeError: "),
        ("unspeakable", PulsingSystemError, "Mute: "),
        ("base", PulsingSystemError, "GeneratorExit"),
        ("end_of_iteration", PulsingSystemError, ""),
        ("end_of_async_iteration", PulsingSystemError, "StopAsyncIteration"),
        ("cancelled", PulsingSystemError, "CancelledError"),
        ("group", PulsingSystemError, "outer"),
    ],
)
async def test_every_exception_is_an_answer_and_the_actor_goes_on(
    method: str, error: type[Exception], text: str, threaded: bool
) -> None:
    async with testing.system() as system:
        failing = await spawn(pul.remote(threaded=threaded)(Failing), system=system)
        with pytest.raises(error) as caught:
            await asyncio.wait_for(getattr(failing, method)(), 20)
        assert text in str(caught.value)
        assert await failing.well() == "well"


async def test_a_receive_actor_without_receive_and_a_class_without_a_method_say_so() -> None:
    async with testing.system() as system:
        echo = (await system.spawn(Echo())).as_any()
        with pytest.raises(PulsingUnsupportedError) as caught:
            await echo.anything()
        assert isinstance(caught.value, AttributeError)
        counter = await spawn(Counter, system=system)
        with pytest.raises(PulsingUnsupportedError):
            await counter.ref.ask("hello")
        with pytest.raises(AttributeError):
            counter._hidden()
        assert await counter.incr() == 1


async def test_a_call_to_an_actor_that_has_ended_says_that_it_was_not_run() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        await system.stop(counter)
        for proxy in (counter, counter.with_options(one_way=True)):
            with pytest.raises(ActorStopped) as caught:
                await asyncio.wait_for(proxy.incr(), 20)
            assert not caught.value.maybe_executed


def test_an_actor_that_asks_itself_while_it_starts_fails_by_its_deadline() -> None:
    class Impatient:
        async def on_start(self, actor_id: pul.ActorId) -> None:
            await pul.current_actor().ref.request("hello", (), None, 1.0)

        def hello(self) -> str:
            return "hello"

    async def test(system: pul.ActorSystem) -> None:
        impatient = await spawn(pul.remote(Impatient), name="i", system=system)
        ended = impatient.ref.watch()
        with pytest.raises(ActorStopped) as caught:
            await impatient.hello()
        assert isinstance(caught.value.cause, DeadlineExceeded)
        await ended
        await spawn(Counter, name="i", system=system)

    in_virtual_time(test)


async def test_a_storm_of_cancelled_calls_leaves_nothing_behind() -> None:
    class Slow:
        async def wait(self) -> None:
            await asyncio.sleep(1000)

        def well(self) -> str:
            return "well"

    async with testing.system() as system:
        slow = await spawn(pul.remote(cancellable=True)(Slow), system=system)
        for started in (0, 3):
            calls = [asyncio.ensure_future(slow.wait()) for _ in range(2000)]
            for _ in range(started):
                await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            ends = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(end) for end in ends} == {asyncio.CancelledError}
        assert await slow.well() == "well"
        cell = slow.ref._cell
        await testing.wait_until(lambda: not cell.busy and not len(system.deadlines), 20)


async def test_a_child_is_spawned_while_its_parent_starts() -> None:
    class Parent:
        async def on_start(self, actor_id: pul.ActorId) -> None:
            self.child = await spawn(Counter, name="child", system=pul.current_actor().system)

        async def count(self) -> Any:
            return await self.child.incr()

    async with testing.system() as system:
        parent = await spawn(pul.remote(Parent), system=system)
        assert await parent.count() == 1
        assert "actors/child" in system.local_actor_names()
