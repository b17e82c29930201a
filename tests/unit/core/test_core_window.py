"""A window over live actors says what the same window over their rows would say."""

from __future__ import annotations

import random
from typing import Any

import pytest

import pulsing as pul
from pulsing.core import actor_rows
from pulsing.core.window import Window, select


class IdlerActor:
    """Does nothing."""

    def nothing(self) -> None:
        """Nothing."""


Idler: Any = pul.remote(IdlerActor)

WINDOWS = [
    Window(sort=[("name", False)], limit=3),
    Window(sort=[("name", True)], limit=3, after=["actors/n4", "x"]),
    Window(sort=[("messages_total", True), ("name", False)], limit=4),
    Window(sort=[("handle_mean_s", True)]),
    Window(sort=[("mailbox", True), ("restarts", False), ("class", False)], filters={"tag": ["team:a"]}),
    Window(sort=[("created_at", False)], filters={"state": ["running"], "kind": ["remote"]}),
    Window(sort=[("id", False)], filters={"busy": ["true"]}),
    Window(sort=[("id", True)], search="n5", search_fields=["name"]),
    Window(sort=[("last_message_at", False)], filters={"name": ["n1", "n2"], "node": ["elsewhere"]}),
]


def reader(name: str) -> Any:
    return lambda row: row.get(name)


@pytest.mark.parametrize("window", WINDOWS)
async def test_cells_and_rows_agree(window: Window) -> None:
    async with await pul.actor_system() as system:
        for number in range(8):
            idler = await Idler.spawn(name=f"n{number}", system=system)
            for _ in range(number % 3):
                await idler.nothing()
            if number % 2:
                identity = idler.ref.actor_id
                await system.ask_node(identity.node_id, "tag_actor", str(identity), {"team": "a"})
        rows = await system.inspect("actors", {})
        chosen = await system.inspect("actors", {"window": window.to_params()})

    expected = select(rows, window, reader, lambda row: row["id"])
    assert [row["id"] for row in chosen["rows"]] == [row["id"] for row in expected.objects]
    assert (chosen["total"], chosen["filtered"]) == (expected.total, expected.filtered)


def test_a_window_survives_its_journey() -> None:
    for window in WINDOWS:
        again = Window.from_params(window.to_params())
        assert again.to_params() == window.to_params()


def test_the_best_of_many_are_those_that_a_full_sort_puts_first() -> None:
    source = random.Random(7)
    rows = [{"id": f"{n:04}", "a": source.choice([None, 1, 2.5, "x"]), "b": source.randrange(3)} for n in range(500)]
    for sort in ([("b", True)], [("a", False), ("b", True)], [("a", True)], [("b", False), ("a", False)]):
        everything = select(rows, Window(sort=sort), reader, lambda row: row["id"]).objects
        for limit in (0, 1, 10, 100):
            assert (
                select(rows, Window(sort=sort, limit=limit), reader, lambda row: row["id"]).objects
                == everything[:limit]
            )


async def test_a_window_over_several_slices_is_the_window_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor_rows, "CELLS_AT_ONCE", 3)
    monkeypatch.setattr(actor_rows, "ROWS_AT_ONCE", 2)
    async with await pul.actor_system() as system:
        for number in range(10):
            await Idler.spawn(name=f"n{number}", system=system)
        window = Window(sort=[("state", False), ("name", True)], limit=4, filters={"name": [f"n{n}" for n in range(8)]})
        chosen = await system.inspect("actors", {"window": window.to_params()})
        everything = await system.inspect("actors", {})
    assert [row["name"] for row in chosen["rows"]] == [f"actors/n{n}" for n in (7, 6, 5, 4)]
    assert (chosen["total"], chosen["filtered"]) == (10, 8)
    assert [row["name"] for row in everything] == [f"actors/n{n}" for n in range(10)]
