"""Ids, refs and proxies on their way: inside messages and answers, pickled by users, over several nodes."""

from __future__ import annotations

import pickle
import sys
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

import pulsing as pul
from pulsing.node.references import MESSAGE_TAG, PROXY_TAG, class_beside_actors, teach
from pulsing.testing import cluster, run_virtual
from pulsing.wire import Codec, DecodeError, TypeRegistry


@pul.remote
class Desk:
    """Counts, and uses what it is given."""

    def __init__(self) -> None:
        self.count = 0

    def stamp(self) -> int:
        self.count += 1
        return self.count

    async def use(self, given: dict[str, Any]) -> list[int]:
        """Call the actor behind an id, a ref and both kinds of proxy."""
        system = pul.current_actor().system
        found = (await system.refer(given["id"])).as_any()
        return [
            await found.stamp(),
            await given["ref"].as_any().stamp(),
            await given["proxy"].stamp(),
            await given["any"].stamp(),
        ]

    async def use_pickled(self, given: bytes) -> list[int]:
        # The message carries nothing but bytes: this is the actor's own pickle.
        return await self.use(pickle.loads(given))

    def give(self) -> dict[str, Any]:
        me = pul.current_actor().ref
        return {"id": me.actor_id, "ref": me, "proxy": me.as_type(DESK), "any": me.as_any()}

    def give_pickled(self) -> bytes:
        return pickle.dumps(self.give())

    async def hand_out(self) -> AsyncIterator[Any]:
        for handle in self.give().values():
            yield handle


DESK: Any = Desk


def test_handles_work_wherever_they_arrive_and_pickled_ones_too() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            for number, system in enumerate(systems):
                await DESK.spawn(name=f"desk{number}", system=system)
            here, there = [await DESK.resolve(f"desk{n}", system=systems[0], timeout=5) for n in (1, 2)]
            # From the second node by the first to the third: whoever uses them has made none of them.
            assert await there.use(await here.give()) == [1, 2, 3, 4]
            assert await there.use_pickled(await here.give_pickled()) == [5, 6, 7, 8]
            given = await here.give()
            assert given["ref"].actor_id == given["id"] == here.ref.actor_id
            assert given["ref"] == here.ref
            assert await given["proxy"].stamp() == 9
            streamed = [handle async for handle in here.hand_out()]
            assert streamed[0] == given["id"]
            assert await streamed[2].stamp() == 10
            # Where they come from, they lead to the actor itself.
            assert await here.use(given) == [11, 12, 13, 14]

    run_virtual(scenario)


ENDLESS = range(1 << 62)
"""A few bytes on the wire, and more elements than any memory."""


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        (MESSAGE_TAG, ENDLESS),
        (PROXY_TAG, [None, ENDLESS, None, frozenset(), None]),
        (PROXY_TAG, [None, None, ENDLESS, frozenset(), None]),
        (PROXY_TAG, [None, None, None, ENDLESS, None]),
    ],
)
def test_handles_are_not_made_of_parts_without_end(tag: int, parts: Any) -> None:
    async def scenario() -> None:
        system = (await pul.actor_system()).inner
        registry = TypeRegistry()
        teach(registry, system)
        forged = TypeRegistry()
        forged.add_extension(tag, Forged, lambda _: parts, lambda content: content)
        with pytest.raises(DecodeError):
            Codec(registry).decode(Codec(forged).encode(Forged()))
        await system.shutdown()

    run_virtual(scenario)


class Asked:
    """Notes for which attributes it is asked."""

    names: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.names.append(name)
        raise AttributeError(name)


asked = Asked()


@pul.remote
class Office:
    class Form(NamedTuple):
        number: int


def test_a_class_is_found_where_it_stands_and_no_object_is_asked_for_one() -> None:
    assert class_beside_actors(f"{__name__}:Forged") is Forged
    assert class_beside_actors(f"{__name__}:Office.Form") is Office.Form
    for name in ("asked.anything", "Forged.__class__", "Forged.__init__", "absent", "pytest.Item", "", "."):
        assert class_beside_actors(f"{__name__}:{name}") is None
    assert "anything" not in asked.names


def test_a_module_is_not_asked_for_what_it_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[str] = []
    monkeypatch.setattr(sys.modules[__name__], "__getattr__", wanted.append, raising=False)
    assert class_beside_actors(f"{__name__}:lazily_imported") is None
    assert wanted == []


class Forged:
    """Stands for what a peer says is a handle."""
