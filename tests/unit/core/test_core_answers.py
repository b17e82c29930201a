"""What a caller sees of what an actor raised."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.exceptions import (
    ActorStopped,
    DeadlineExceeded,
    LinkLost,
    PulsingActorError,
    PulsingBusinessError,
    PulsingError,
    PulsingRuntimeError,
    PulsingSystemError,
    PulsingTimeoutError,
    PulsingUnsupportedError,
)
from tests.unit.core.acting import Counter, Echo, spawn


class OwnValueError(ValueError):
    pass


class OwnError(Exception):
    pass


class OwnBusinessError(PulsingBusinessError):
    pass


class OwnMixedError(PulsingBusinessError, KeyError):
    pass


class Unshowable(PulsingRuntimeError):
    def __init__(self) -> None:
        super().__init__("x")

    def __str__(self) -> str:
        raise RuntimeError("no text")


class UnshowableValue(ValueError):
    def __str__(self) -> str:
        raise RuntimeError("no text")


CASES: list[tuple[BaseException, type[PulsingError], tuple[type[BaseException], ...], str]] = [
    (ValueError("bad"), PulsingBusinessError, (ValueError,), "[400] ValueError: bad"),
    (OwnValueError("bad"), PulsingBusinessError, (ValueError,), "[400] OwnValueError: bad"),
    (
        UnicodeDecodeError("utf-8", b"x", 0, 1, "why"),
        PulsingBusinessError,
        (UnicodeDecodeError,),
        "[400] UnicodeDecodeE",
    ),
    (TypeError("bad"), PulsingBusinessError, (TypeError,), "[400] TypeError: bad"),
    (KeyError("bad"), PulsingBusinessError, (KeyError, LookupError), "[400] KeyError: 'bad'"),
    (AttributeError("bad"), PulsingBusinessError, (AttributeError,), "[400] AttributeError: bad"),
    (ValueError(), PulsingBusinessError, (ValueError,), "[400] ValueError: "),
    (TimeoutError("slow"), PulsingTimeoutError, (TimeoutError,), "Operation 'Counter.fail' timed out after 0ms"),
    (asyncio.TimeoutError(), PulsingTimeoutError, (TimeoutError,), "Operation 'Counter.fail' timed out after 0ms"),
    (OwnError("odd"), PulsingSystemError, (), "OwnError: odd"),
    (OwnError(), PulsingSystemError, (), "OwnError: "),
    (RuntimeError("odd"), PulsingSystemError, (RuntimeError,), "RuntimeError: odd"),
    (IndexError("odd"), PulsingSystemError, (IndexError, LookupError), "IndexError: odd"),
    (
        FileNotFoundError(2, "none"),
        PulsingSystemError,
        (FileNotFoundError, OSError),
        "FileNotFoundError: [Errno 2] none",
    ),
    (MemoryError(), PulsingSystemError, (MemoryError,), "MemoryError: "),
    (StopIteration(1), PulsingSystemError, (), "StopIteration: 1"),
    (StopAsyncIteration(), PulsingSystemError, (), "StopAsyncIteration: "),
    (asyncio.CancelledError(), PulsingSystemError, (), "CancelledError: "),
    (GeneratorExit(), PulsingSystemError, (), "GeneratorExit: "),
    (PulsingBusinessError(404, "none", "d"), PulsingBusinessError, (), "[404] none"),
    (PulsingSystemError("odd"), PulsingSystemError, (), "odd"),
    (PulsingTimeoutError("op", 5), PulsingTimeoutError, (), "Operation 'op' timed out after 5ms"),
    (PulsingUnsupportedError("op"), PulsingUnsupportedError, (), "Unsupported operation: op"),
    (OwnBusinessError(409, "own"), PulsingBusinessError, (), "[409] own"),
    (OwnMixedError(410, "own"), PulsingBusinessError, (KeyError,), "[410] own"),
    (LinkLost(1, False), LinkLost, (ConnectionError,), "Link to node"),
    (Unshowable(), PulsingRuntimeError, (), ""),
    (UnshowableValue(), PulsingBusinessError, (ValueError,), "[400] UnshowableValue: <no text"),
]


@pytest.mark.parametrize("method", ["fail", "fail_later"])
@pytest.mark.parametrize(("raised", "expected", "also", "text"), CASES, ids=lambda value: type(value).__name__)
async def test_an_exception_arrives_by_the_table(
    method: str, raised: BaseException, expected: type[PulsingError], also: tuple[type[BaseException], ...], text: str
) -> None:
    if isinstance(raised, (GeneratorExit, StopIteration)) and method == "fail_later":
        return  # no coroutine can raise them
    async with testing.system() as system:
        counter = await spawn(Counter, name="counter", system=system)
        with pytest.raises(expected) as caught:
            await asyncio.wait_for(getattr(counter, method)(raised), 2)
        error: Any = caught.value
        assert type(error).__name__ == expected.__name__
        assert all(isinstance(error, cls) for cls in also)
        assert str(error).startswith(text.replace("Counter.fail", f"Counter.{method}"))
        assert error.actor_name == "actors/counter"
        assert type(raised).__name__ in error.remote_type
        assert type(raised).__name__ in error.remote_traceback
        assert error.__cause__ is raised or isinstance(raised, (StopIteration, StopAsyncIteration))
        assert await counter.incr() == 1


async def test_fields_of_a_pulsing_error_survive() -> None:
    async with testing.system() as system:
        ref = await system.spawn(Echo())
        with pytest.raises(PulsingBusinessError) as business:
            await ref.ask(PulsingBusinessError(404, "none", "more"))
        assert (business.value.code, business.value.message, business.value.details) == (404, "none", "more")
        with pytest.raises(PulsingTimeoutError) as timeout:
            await ref.ask(PulsingTimeoutError("op", 12))
        assert (timeout.value.operation, timeout.value.duration_ms) == ("op", 12)
        with pytest.raises(PulsingActorError) as actor:
            await ref.ask(PulsingActorError("odd", "whose"))
        assert actor.value.actor_name == str(ref.actor_id)


async def test_the_remote_traceback_is_shown_as_the_cause() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        with pytest.raises(KeyError) as caught:
            await counter.fail(KeyError("x"))
        shown = "".join(traceback.format_exception(caught.value))
        assert "in fail" in shown
        assert "direct cause" in shown
        assert isinstance(caught.value, PulsingBusinessError)
        assert "in fail" in (caught.value.remote_traceback or "")
        assert caught.value.remote_type == "KeyError"


async def test_the_type_of_an_own_exception_is_told_with_its_module() -> None:
    async with testing.system() as system:
        ref = await system.spawn(Echo())
        with pytest.raises(PulsingSystemError) as caught:
            await ref.ask(OwnError("x"))
        assert caught.value.remote_type == f"{__name__}.OwnError"


async def test_a_framework_failure_met_inside_the_actor_arrives_as_maybe_executed() -> None:
    @pul.remote
    class Middle:
        async def call(self, other: Any) -> Any:
            return await other.with_options(timeout=0).incr()

    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        with pytest.raises(DeadlineExceeded) as caught:
            await (await spawn(Middle, system=system)).call(counter)
        assert caught.value.maybe_executed


async def test_an_error_passed_on_by_a_second_actor_keeps_its_class() -> None:
    @pul.remote
    class Middle:
        async def call(self, other: Any) -> Any:
            return await other.fail(KeyError("deep"))

    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        with pytest.raises(KeyError) as caught:
            await (await spawn(Middle, system=system)).call(counter)
        assert isinstance(caught.value, PulsingBusinessError)
        assert str(caught.value) == "[400] KeyError: 'deep'"


async def test_an_exception_that_cannot_be_pickled_is_still_an_error() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        error = ValueError(lambda: None)
        with pytest.raises(PulsingBusinessError, match="lambda"):
            await counter.fail(error)


async def test_the_result_of_a_call_to_a_stopped_actor_says_it_was_not_run() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="c", system=system)
        await system.stop("c")
        with pytest.raises(ActorStopped) as caught:
            await counter.incr()
        assert (caught.value.maybe_executed, caught.value.reason) == (False, "stopped")
        assert caught.value.actor_id == counter.ref.actor_id
        with pytest.raises(ActorStopped):
            await counter.with_options(one_way=True).incr()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_the_end_of_the_process_is_no_answer(error: BaseException) -> None:
    outcome: list[Any] = []

    async def main() -> None:
        system = await pul.actor_system()
        counter = await spawn(Counter, system=system)
        call = counter.ref.request("fail", (error,), None, 30.0)
        call.add_done_callback(lambda future: outcome.append(future.exception()))
        await call

    with pytest.raises(type(error)):
        asyncio.run(main())
    assert isinstance(outcome[0], ActorStopped)
    assert outcome[0].maybe_executed
