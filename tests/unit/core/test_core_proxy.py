"""Calls that look like method calls."""

from __future__ import annotations

import asyncio
import gc
import pickle
import warnings
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.exceptions import PulsingBusinessError, PulsingUnsupportedError
from tests.unit.core.acting import Counter, Echo, Gate, Source, spawn, turns


async def test_sync_and_async_methods_give_their_values() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, 5, system=system)
        assert await counter.incr() == 6
        assert await counter.slow_incr(by=4) == 10


async def test_a_typed_proxy_knows_its_methods() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        with pytest.raises(AttributeError, match="No method 'nothing'"):
            _ = counter.nothing
        with pytest.raises(AttributeError, match="Cannot access private attribute: _secret"):
            _ = counter._secret
        assert {"incr", "slow_incr"} <= set(dir(counter))
        assert repr(counter) == f"ActorProxy(Counter, {counter.ref.actor_id})"


async def test_an_untyped_proxy_lets_the_actor_decide() -> None:
    async with testing.system() as system:
        counter = (await spawn(Counter, system=system)).as_any()
        assert await counter.incr() == 1
        with pytest.raises(PulsingUnsupportedError) as caught:
            await counter.nothing()
        assert isinstance(caught.value, AttributeError)
        assert caught.value.operation == "Counter.nothing"
        with pytest.raises(AttributeError, match="private"):
            _ = counter._secret


@pytest.mark.parametrize("names", [None, []])
async def test_a_proxy_without_method_names_is_untyped(names: Any) -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        assert await pul.ActorProxy(counter.ref, names).incr() == 1


async def test_a_proxy_with_method_names_is_typed() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        proxy = pul.ActorProxy(counter.ref, ["incr"])
        assert await proxy.incr() == 1
        with pytest.raises(AttributeError):
            _ = proxy.slow_incr
        assert await proxy.as_any().slow_incr() == 2


async def test_a_public_attribute_is_read_by_an_untyped_proxy() -> None:
    async with testing.system() as system:
        counter = (await spawn(Counter, 7, system=system)).as_any()
        assert await counter.value == 7
        assert await counter.unit == "things"


@pul.remote
class Guarded:
    def __init__(self) -> None:
        self.callback = len
        self.shown = 1

    def on_start(self, actor_id: pul.ActorId) -> None: ...

    def on_stop(self) -> None: ...

    def metadata(self) -> dict[str, str]:
        return {}

    @property
    def doubled(self) -> int:
        return self.shown * 2

    @property
    def broken(self) -> int:
        raise ValueError("broken")

    @property
    def lacking(self) -> int:
        raise AttributeError("lacks something")

    def _private(self) -> None: ...


@pytest.mark.parametrize(
    "name", ["on_start", "on_stop", "metadata", "delayed", "callback", "ref_", "doubled", "missing", "receive"]
)
async def test_hooks_properties_and_callables_outside_the_table_cannot_be_called(name: str) -> None:
    async with testing.system() as system:
        guarded = (await spawn(Guarded, system=system)).as_any()
        with pytest.raises(PulsingUnsupportedError) as caught:
            await getattr(guarded, name)()
        assert caught.value.operation == f"Guarded.{name}"
        assert isinstance(caught.value, AttributeError)
        assert await guarded.shown == 1


@pytest.mark.parametrize("name", ["callback", "on_start", "system", "delayed", "missing"])
async def test_what_is_no_plain_attribute_cannot_be_read(name: str) -> None:
    async with testing.system() as system:
        guarded = (await spawn(Guarded, system=system)).as_any()
        with pytest.raises(PulsingUnsupportedError) as caught:
            await getattr(guarded, name)
        assert isinstance(caught.value, AttributeError)
        assert caught.value.operation == f"Guarded.{name}"


async def test_a_property_is_read_as_an_attribute_and_fails_by_the_table() -> None:
    async with testing.system() as system:
        guarded = (await spawn(Guarded, system=system)).as_any()
        assert await guarded.doubled == 2
        with pytest.raises(PulsingBusinessError, match="ValueError: broken"):
            await guarded.broken
        with pytest.raises(PulsingBusinessError, match="AttributeError: lacks something"):
            await guarded.lacking


async def test_wrong_arguments_are_the_callers_fault() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        with pytest.raises(PulsingBusinessError, match=r"\[400\] TypeError: .*unexpected keyword") as caught:
            await counter.incr(wrong=1)
        assert caught.value.code == 400
        with pytest.raises(TypeError):
            await counter.slow_incr(1, 2, 3)
        assert await counter.incr() == 1


async def test_nothing_is_sent_before_a_call_is_awaited() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        call = counter.incr()
        await turns()
        assert counter.ref._cell.messages == 0
        assert await call == 1


async def test_a_call_awaited_twice_is_sent_once() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        call = counter.incr()
        assert [await call, await call] == [1, 1]
        one_way = counter.with_options(one_way=True).incr()
        assert [await one_way, await one_way] == [None, None]
        assert await counter.incr() == 3


async def test_a_call_that_was_never_awaited_warns() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        with pytest.warns(RuntimeWarning, match="'incr' was never awaited"):
            counter.incr()
            gc.collect()


async def test_calls_fit_tasks_gather_and_wait_for() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        assert await asyncio.create_task(counter.incr()) == 1
        assert list(await asyncio.gather(counter.incr(), counter.slow_incr())) == [2, 3]
        assert await asyncio.wait_for(counter.incr(), 1) == 4
        source = await spawn(Source, system=system)
        assert [n async for n in await asyncio.create_task(source.numbers(2))] == [0, 1]
        assert await asyncio.wait_for(source.anumbers(2), 1) is None


async def test_a_task_cancelled_before_its_first_step_warns_of_nothing() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            task = asyncio.create_task(counter.incr())
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            gc.collect()
        assert await counter.incr() == 1


async def test_one_way_returns_when_the_message_was_accepted() -> None:
    async with testing.system() as system:
        gate = await spawn(Gate, system=system)
        assert await gate.with_options(one_way=True).enter(1) is None
        assert await gate.seen() == [1]
        await gate.unlock()


async def test_one_way_calls_fit_into_tasks() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        one_way = counter.with_options(one_way=True)
        assert await asyncio.gather(*(one_way.incr() for _ in range(3))) == [None] * 3
        assert await asyncio.create_task(one_way.incr()) is None
        assert await asyncio.wait_for(one_way.incr(), 1) is None
        assert await counter.incr() == 6


async def test_an_error_of_a_one_way_call_is_not_reported() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        assert await counter.with_options(one_way=True).fail(ValueError("x")) is None
        assert await counter.incr() == 1


async def test_options_make_another_proxy_of_the_same_actor() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        quick = counter.with_options(timeout=0.5)
        assert quick == counter
        assert hash(quick) == hash(counter)
        assert counter != await spawn(Counter, system=system)
        assert await quick.incr() == 1
        with pytest.raises(AttributeError):
            _ = quick.nothing


async def test_a_proxy_can_be_pickled_and_is_bound_by_the_actor_that_unpickles_it() -> None:
    @pul.remote
    class Unpickler:
        async def call(self, pickled: bytes) -> int:
            found: int = await pickle.loads(pickled).incr()
            return found

    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        caller = await spawn(Unpickler, system=system)
        pickled = pickle.dumps(counter)
        assert await caller.call(pickled) == 1
        again = pickle.loads(pickled)
        assert again == counter
        assert repr(again) == repr(counter)
        with pytest.raises(AttributeError, match="No method"):
            _ = again.nothing


async def test_a_proxy_travels_in_a_message() -> None:
    @pul.remote
    class Caller:
        async def call(self, other: Any) -> Any:
            return await other.incr()

    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        assert await (await spawn(Caller, system=system)).call(counter) == 1


async def test_a_receive_actor_has_no_methods_to_call() -> None:
    async with testing.system() as system:
        ref = await system.spawn(Echo())
        with pytest.raises(PulsingUnsupportedError) as caught:
            await ref.as_any().anything()
        assert isinstance(caught.value, AttributeError)
        assert caught.value.operation == "Echo.anything"


async def test_as_any_and_as_type_give_proxies_of_a_ref() -> None:
    async with testing.system() as system:
        ref = (await spawn(Counter, system=system)).ref
        assert await pul.as_any(ref).incr() == 1
        assert await pul.as_any(pul.as_any(ref)).incr() == 2
        for cls in (Counter, Counter.__wrapped__):  # type: ignore[attr-defined]
            assert await ref.as_type(cls).incr() > 2
            with pytest.raises(AttributeError):
                _ = ref.as_type(cls).nothing
        with pytest.raises(TypeError, match="not for 5"):
            ref.as_type(5)


def test_a_method_that_a_proxy_hides_is_pointed_out_at_decoration() -> None:
    class Hidden:
        def ref(self) -> None: ...

        def as_any(self) -> None: ...

        def with_options(self) -> None: ...

    with pytest.warns(UserWarning) as caught:
        pul.remote(Hidden)
    assert len(caught) == 3


async def test_arguments_and_results_in_one_process_are_the_same_objects() -> None:
    @pul.remote
    class Mirror:
        def show(self, thing: Any) -> Any:
            return thing

    async with testing.system() as system:
        thing = object()
        assert await (await spawn(Mirror, system=system)).show(thing) is thing


async def test_static_and_class_methods_are_callable() -> None:
    @pul.remote
    class Mixed:
        @staticmethod
        def double(n: int) -> int:
            return n * 2

        @classmethod
        def title(cls) -> str:
            return cls.__name__

        @staticmethod
        async def later(n: int) -> int:
            return n

    async with testing.system() as system:
        mixed = await spawn(Mixed, system=system)
        assert [await mixed.double(4), await mixed.title(), await mixed.later(3)] == [8, "Mixed", 3]
