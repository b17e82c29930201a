"""Classes that become actors, and the ways to spawn them."""

from __future__ import annotations

import functools
import logging
import pickle
from typing import Any, Generic, TypeVar

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.core.classes import actor_class_named, registered_classes
from pulsing.exceptions import NameTaken, NodeNotFound, NotInitialized, PulsingRuntimeError
from tests.unit.core.acting import Counter, Echo, Plain, spawn, users_actors

COUNTER: Any = Counter
T = TypeVar("T")


def test_a_decorated_class_looks_like_the_class() -> None:
    cls = COUNTER.__wrapped__
    assert isinstance(COUNTER, pul.ActorClass)
    assert (COUNTER.__name__, COUNTER.__qualname__) == ("Counter", "Counter")
    assert (COUNTER.__module__, COUNTER.__doc__) == (cls.__module__, "Counts.")
    assert COUNTER.unit == "things"
    assert COUNTER.incr is cls.incr
    with pytest.raises(AttributeError):
        _ = COUNTER.nothing


def test_calling_it_makes_a_plain_instance() -> None:
    counter = COUNTER(5)
    assert type(counter) is COUNTER.__wrapped__
    assert counter.incr() == 6
    assert isinstance(counter, COUNTER)
    assert not isinstance(5, COUNTER)


def test_a_subclass_is_a_class_until_it_is_decorated() -> None:
    class Doubler(COUNTER):  # type: ignore[misc]
        def incr(self, by: int = 1) -> int:
            return int(super().incr(by * 2))

    assert issubclass(Doubler, COUNTER)
    assert Doubler(1).incr() == 3
    assert isinstance(Doubler(), COUNTER)
    assert not isinstance(Doubler, pul.ActorClass)


async def test_inherited_methods_are_callable_on_a_decorated_subclass() -> None:
    @pul.remote
    class Tripler(COUNTER):  # type: ignore[misc]
        def incr(self, by: int = 1) -> int:
            return int(super().incr(by * 3))

    async with testing.system() as system:
        tripler = await spawn(Tripler, system=system)
        assert await tripler.incr() == 3
        assert await tripler.slow_incr() == 4


def test_class_attributes_are_set_on_the_class() -> None:
    @pul.remote
    class Shared:
        total = 0

        def add(self) -> int:
            Shared.total += 1
            return self.total

    assert Shared().add() == 1
    assert Shared.total == 1
    del Shared.total
    assert not hasattr(Shared, "total")


def test_a_decorated_class_fits_into_annotations() -> None:
    plain = COUNTER.__wrapped__ | None
    assert plain == (COUNTER | None)
    assert plain == (None | COUNTER)


def test_a_decorated_generic_class_takes_its_parameters_in_annotations() -> None:
    @pul.remote
    class Box(Generic[T]):
        pass

    box: Any = Box
    assert box[int] == box.__wrapped__[int]
    with pytest.raises(TypeError, match="not subscriptable"):
        _ = COUNTER[int]


def test_a_decorated_class_is_registered_and_pickled_by_name() -> None:
    name = f"{COUNTER.__module__}.Counter"
    assert registered_classes()[name] is COUNTER
    assert actor_class_named(name) is COUNTER
    assert pickle.loads(pickle.dumps(COUNTER)) is COUNTER
    with pytest.raises(LookupError, match=r"'no\.Such' not found"):
        actor_class_named("no.Such")


@pytest.mark.parametrize("thing", [5, lambda: None, "Counter", COUNTER])
def test_only_classes_are_decorated(thing: Any) -> None:
    with pytest.raises(TypeError):
        pul.remote(thing)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"restart_policy": "often"}, ValueError),
        ({"max_restarts": -1}, ValueError),
        ({"min_backoff": 5, "max_backoff": 1}, ValueError),
        ({"max_concurrency": 0}, ValueError),
        ({"max_concurrency": True}, ValueError),
        ({"max_concurrency": "many"}, ValueError),
        ({"mailbox": 0}, ValueError),
        ({"restart_window": -1}, ValueError),
        ({"unknown": 1}, TypeError),
    ],
)
def test_options_are_checked_at_decoration(options: Any, error: type[Exception]) -> None:
    class Anything:
        pass

    with pytest.raises(error):
        pul.remote(**options)(Anything)


def test_with_options_makes_a_copy() -> None:
    other = COUNTER.with_options(max_concurrency=1, mailbox=5)
    assert other is not COUNTER
    assert other.__wrapped__ is COUNTER.__wrapped__
    assert (COUNTER._spec.max_concurrency, other._spec.max_concurrency) == (1000, 1)
    assert (COUNTER._spec.mailbox.capacity, other._spec.mailbox.capacity) == (1000, 5)
    with pytest.raises(TypeError, match="unknown option 'colour'"):
        COUNTER.with_options(colour="red")
    with pytest.raises(ValueError):
        COUNTER.with_options(restart_policy="often")


async def test_a_keyword_that_was_set_is_left_to_the_constructor() -> None:
    @pul.remote
    class Person:
        def __init__(self, name: str = "nobody") -> None:
            self.called = name

        def get(self) -> str:
            return self.called

    async with testing.system() as system:
        person = await spawn(Person.with_options(name="a1"), name="Ada", system=system)
        assert await person.get() == "Ada"
        assert person.ref.name == "actors/a1"


async def test_a_constructors_exception_reaches_the_spawner_unchanged() -> None:
    class Unlucky:
        def __init__(self) -> None:
            raise KeyError("unlucky")

    async with testing.system() as system:
        with pytest.raises(KeyError) as caught:
            await spawn(pul.remote(Unlucky), name="u", system=system)
        assert not isinstance(caught.value, pul.PulsingError)
        assert users_actors(system) == []
        with pytest.raises(KeyError):
            await system.spawn(Unlucky)


async def test_a_bad_or_taken_name_is_found_before_the_constructor_runs() -> None:
    built: list[int] = []

    @pul.remote
    class Built:
        def __init__(self) -> None:
            built.append(1)

    async with testing.system() as system:
        await spawn(Built, name="b", system=system)
        with pytest.raises(NameTaken, match="already exists: actors/b") as caught:
            await spawn(Built, name="b", system=system)
        assert (caught.value.name, caught.value.node_id) == ("actors/b", system.node_id)
        with pytest.raises(ValueError):
            await spawn(Built, name="a b", system=system)
        assert built == [1]


async def test_a_named_actor_is_public_unless_it_says_otherwise() -> None:
    async with testing.system() as system:
        assert (await spawn(Counter, name="a", system=system)).ref._cell.public
        assert not (await spawn(Counter, name="b", public=False, system=system)).ref._cell.public
        assert not (await spawn(Counter, system=system)).ref._cell.public
        assert (await spawn(Counter, system=system)).ref.name is None
        ref: Any = await system.spawn(Echo(), name="c")
        assert not ref._cell.public
        assert await system.resolve("c") == ref


async def test_spawning_without_a_system_says_what_to_do() -> None:
    with pytest.raises(NotInitialized, match="Call 'await init\\(\\)' first"):
        await spawn(Counter)
    with pytest.raises(NotInitialized):
        await pul.spawn(Echo())
    with pytest.raises(NotInitialized):
        await pul.resolve("x")
    with pytest.raises(NotInitialized):
        await COUNTER.resolve("x")


@pytest.mark.parametrize("placement", ["moon", 1.5, True, object()])
async def test_an_unknown_placement_is_refused(placement: Any) -> None:
    async with testing.system() as system:
        with pytest.raises(ValueError, match="Use 'local', 'remote', 'process', 'ray', or an int node_id"):
            await spawn(Counter, placement=placement, system=system)


async def test_placement_on_this_node_and_on_strange_ones() -> None:
    async with testing.system() as system:
        for placement in ("local", None, system.node_id, system.node_id.id):
            assert await (await spawn(Counter, placement=placement, system=system)).incr() == 1
        with pytest.raises(NodeNotFound):
            await spawn(Counter, placement=12345, system=system)


async def test_placement_elsewhere_without_others_is_here_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with testing.system() as system:
        with caplog.at_level(logging.WARNING):
            counters = [await spawn(Counter, placement="remote", system=system) for _ in range(100)]
        assert all(counter.ref.is_local() for counter in counters)
        assert caplog.text.count("no other node") == 1, "one line for many that are spawned in a row"


async def test_what_can_be_spawned() -> None:
    async with testing.system() as system:
        assert await (await system.spawn(Echo())).ask(1) == 1
        assert await (await system.spawn(Echo)).ask(1) == 1
        assert await (await system.spawn(Plain)).ask(1) == ("plain", 1)
        assert await (await system.spawn(lambda: Plain())).ask(1) == ("plain", 1)
        assert await (await system.spawn(functools.partial(Plain))).ask(1) == ("plain", 1)
        assert await (await system.spawn(COUNTER)).as_type(COUNTER).incr() == 1
        assert await (await system.spawn(COUNTER(5))).as_any().incr() == 6
        assert await (await system.spawn(functools.partial(COUNTER, 7))).as_any().incr() == 8
        assert await (await system.spawn(COUNTER.__wrapped__)).as_any().incr() == 1


class NeedsMuch:
    def __init__(self, much: int) -> None:
        pass

    def receive(self, msg: Any) -> Any: ...


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (5, "mount"),
        ("text", "@remote"),
        (None, "mount"),
        (object(), "mount"),
        (NeedsMuch, "functools.partial"),
        (object, "mount"),
    ],
)
async def test_what_cannot_be_spawned(thing: Any, text: str) -> None:
    async with testing.system() as system:
        with pytest.raises(TypeError, match=text):
            await system.spawn(thing)
        assert users_actors(system) == []


async def test_options_given_to_spawn_are_checked() -> None:
    async with testing.system() as system:
        for options in ({"restart_policy": "often"}, {"mailbox": 0}, {"max_restarts": -1}, {"restart_window": 0}):
            with pytest.raises(ValueError):
                await system.spawn(Echo(), **options)
        ref: Any = await system.spawn(Echo(), mailbox=3, restart_policy="on_failure")
        assert ref._cell.spec.mailbox.capacity == 3


async def test_resolve_gives_typed_proxies() -> None:
    async with testing.system() as system:
        await spawn(Counter, 3, name="c", system=system)
        counter = await COUNTER.resolve("c", system=system)
        assert await counter.incr() == 4
        with pytest.raises(AttributeError):
            _ = counter.nothing


async def test_process_placement_says_when_it_is_not_there() -> None:
    async with testing.system() as system:
        with pytest.raises(PulsingRuntimeError):
            await spawn(Counter, placement="ray", system=system)
