"""Actors out of instances and factories: what is asked of a factory, and what is kept of a class."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing


class Wanting(pul.Actor):
    def __init__(self, needed: int) -> None:
        self.needed = needed

    async def receive(self, msg: Any) -> Any:
        return self.needed


class Clumsy(pul.Actor):
    def __init__(self) -> None:
        len(3)  # type: ignore[arg-type]

    async def receive(self, msg: Any) -> Any: ...


async def test_a_factory_that_needs_arguments_is_told_of_partial() -> None:
    async with testing.system() as system:
        for factory in (Wanting, lambda needed: Wanting(needed)):
            with pytest.raises(TypeError, match=r"needs some: use functools\.partial"):
                await system.spawn(factory)
        assert await (await system.spawn(functools.partial(Wanting, 7))).ask("?") == 7


async def test_a_type_error_within_a_constructor_is_that_error() -> None:
    async with testing.system() as system:
        with pytest.raises(TypeError, match="has no len"):
            await system.spawn(Clumsy)


async def test_options_of_one_spawn_are_not_those_of_the_next_of_its_class() -> None:
    async with testing.system() as system:
        capacities = []
        chosen: list[dict[str, Any]] = [{"mailbox": 3}, {}, {"mailbox": 5}, {}]
        for options in chosen:
            ref = await system.spawn(Wanting(1), **options)
            cell = system.inner.registry.by_id(ref.actor_id)
            assert cell is not None
            capacities.append(cell.spec.mailbox.capacity)
        assert capacities == [3, 1000, 5, 1000]


@pul.remote(restart_policy="always", max_restarts=7)
class Tireless:
    def ping(self) -> str:
        return "pong"


tireless: Any = Tireless


@pytest.mark.parametrize("given", [lambda: Tireless, tireless, lambda: lambda: tireless()])
async def test_a_class_keeps_its_policy_whichever_spawn_is_called(given: Callable[[], Any]) -> None:
    system = await pul.init()
    refs = [await system.spawn(given()), await pul.spawn(given()), await pul.spawn(given(), min_backoff=0.5)]
    policies = [ref._cell.spec.policy for ref in refs if ref._cell is not None]
    await pul.shutdown()

    assert [(policy.policy, policy.max_restarts) for policy in policies] == [("always", 7)] * 3
    assert [policy.min_backoff for policy in policies] == [0.1, 0.1, 0.5]


async def test_an_option_that_only_looks_like_the_default_is_refused() -> None:
    await pul.init()
    with pytest.raises(ValueError, match="max_restarts"):
        await pul.spawn(Tireless, max_restarts=3.0)  # type: ignore[arg-type]
    await pul.shutdown()
