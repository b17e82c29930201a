"""A member whose answers make no sense is one that did not answer: lists show what the others say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pulsing.admin.credible import is_credible
from pulsing.admin.replies import encode
from pulsing.streaming import write_queue
from tests.unit.admin.admin_world import API, COUNTER, Counter, Site, site

LIAR = "00000000000bad00"
Bend = Callable[[Any], Any]


def bent(value: Any, bend: Bend) -> Any:
    """An honest answer with each field of its rows bent."""
    if isinstance(value, dict):
        return {name: bent(item, bend) if name == "rows" else bend(item) for name, item in value.items()}
    return [bent(item, bend) for item in value] if isinstance(value, (list, tuple)) else bend(value)


LIES: dict[str, Bend] = {
    "nothing": lambda _: None,
    "a number": lambda _: 5,
    "a text": lambda _: "rows",
    "rows that are numbers": lambda _: [1, 2],
    "rows without a field": lambda _: [{}],
    "a window without rows": lambda _: {"rows": None, "total": 1, "filtered": 1},
    "an object without fields": lambda _: {},
    "fields that are missing": lambda honest: bent(honest, lambda _: None),
    "numbers for texts, and texts for numbers": lambda honest: bent(
        honest, lambda item: 5 if isinstance(item, str) else "x"
    ),
    "lists for everything": lambda honest: bent(honest, lambda item: [item, {}]),
    "keys that are no texts": lambda honest: (
        [{**row, (1, 2): 3} if isinstance(row, dict) else row for row in honest]
        if isinstance(honest, list)
        else {(1, 2): 3}
    ),
    "numbers that cannot be written out": lambda honest: bent(
        honest, lambda item: 10**6_000 if isinstance(item, (int, float)) else item
    ),
    "numbers that are none": lambda honest: bent(
        honest, lambda item: float("nan") if isinstance(item, (int, float)) else item
    ),
}

PATHS = (
    *("overview", "nodes", "links", "actors", "actors?sort=-mailbox", "actors?offset=500", "actors?search=cou&tag=a"),
    *("agents", "classes"),
    *("methods", "queues", "topics", "events", "dead-letters", "actors/summary?by=class,node"),
    *("actors?scope=node", "queues/jobs", "queues/jobs/messages", f"classes/{COUNTER}", "timeseries?scope=cluster"),
)


@asynccontextmanager
async def beside_a_liar() -> AsyncIterator[tuple[Site, Callable[[Bend], None]]]:
    """A plane that asks another node as well, and how that one lies."""
    async with site() as world:
        counter = await Counter.spawn(name="counter", system=world.system)
        await counter.incr()
        writer = await write_queue(world.system, "jobs")
        await writer.put({"id": 1})
        fanout = world.plane.fanout
        told: list[Bend] = []

        async def lie(_: Any, node: str, kind: str, params: Any) -> Any:
            return told[-1](await fanout.ask_here(kind, params) if fanout.offers(kind) else [])

        async def nodes() -> list[str]:
            return [fanout.here, LIAR]

        fanout._ask_remote, fanout.nodes = lie, nodes  # type: ignore[method-assign]
        yield world, told.append


@pytest.mark.parametrize("lie", LIES)
async def test_a_member_that_lies_takes_nothing_from_what_the_others_say(lie: str) -> None:
    async with beside_a_liar() as (world, tell):
        tell(LIES[lie])
        client = await world.client()
        for path in PATHS:
            response = await client.get(f"{API}/{path}")
            assert response.status_code == 200, (path, response.text)
            body = json.loads(response.text, parse_constant=pytest.fail)
            if path == "actors":
                assert world.plane.fanout.here in {row["node"] for row in body["items"]}


async def test_an_answer_that_makes_no_sense_is_told_as_a_fault() -> None:
    async with beside_a_liar() as (world, tell):
        tell(LIES["rows that are numbers"])
        body = (await (await world.client()).get(f"{API}/classes")).json()
    assert body["partial"]
    assert body["errors"] == [
        {"node": LIAR, "type": "/problems/unavailable", "detail": "its answer makes no sense as classes"}
    ]


async def test_what_an_honest_member_says_is_credible() -> None:
    async with beside_a_liar() as (world, tell):
        tell(lambda honest: honest)
        client = await world.client()
        for path in PATHS:
            body = (await client.get(f"{API}/{path}")).json()
            assert not body.get("partial") and not body.get("errors"), (path, body)


async def test_a_member_speaks_for_itself_alone() -> None:
    async with beside_a_liar() as (world, tell):
        tell(lambda honest: honest)
        body = (await (await world.client()).get(f"{API}/actors")).json()
    assert sorted(row["node"] for row in body["items"]) == sorted([LIAR, world.plane.fanout.here])


@pytest.mark.parametrize("type_", ["a\nevent: bye\ndata: {}", "", 5, None])
def test_an_event_is_no_more_than_one(type_: Any) -> None:
    row = {"id": "1", "at": "2026-01-01T00:00:00Z", "type": "actor.spawned"}
    assert is_credible("events", [row], {})
    assert not is_credible("events", [{**row, "type": type_}], {})


def test_what_json_has_no_word_for_is_null() -> None:
    value = {"a": [float("nan"), float("inf"), 1.5, True], (1,): {"b": object()}, 2: ("x", "\ud800")}
    assert json.loads(encode(value), parse_constant=pytest.fail) == {
        "a": [None, None, 1.5, True],
        "(1,)": {"b": None},
        "2": ["x", "\ud800"],
    }
