"""The grammar of names, and who holds which."""

from __future__ import annotations

import asyncio
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsing import testing
from pulsing.core.registry import NAME_LIMIT, Instance, LocalNames, actor_path, check_name, lookup_path
from pulsing.ids import ActorId, NodeId
from tests.unit.core.acting import Counter, spawn


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("x", "actors/x"),
        ("a.b-c_9", "actors/a.b-c_9"),
        ("team/x", "team/x"),
        ("a/b/c", "a/b/c"),
        ("zähler", "actors/zähler"),
        ("计数器", "actors/计数器"),
        ("...", "actors/..."),
        ("x" * (NAME_LIMIT - 7), "actors/" + "x" * (NAME_LIMIT - 7)),
    ],
)
def test_a_name_stands_for_a_path(name: str, path: str) -> None:
    assert actor_path(name) == lookup_path(name) == path


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "/x",
        "x/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/.",
        "a\n",
        "a\x00b",
        "a:b",
        "a?",
        "ä b",
        "x" * 257,
        "actors/" + "x" * 250,
        "é" * 129,
        "\ud800",
        "a\u200bb",
        "emoji😀",
        "x\n",
    ],
)
def test_a_name_that_breaks_the_grammar_is_shown_with_the_rule(name: str) -> None:
    with pytest.raises(ValueError) as caught:
        actor_path(name)
    assert "name" in str(caught.value)


@pytest.mark.parametrize("name", [None, 5, b"x", ["x"]])
def test_a_name_is_text(name: object) -> None:
    with pytest.raises(ValueError, match="is text"):
        check_name(name)  # type: ignore[arg-type]


def test_names_of_the_system_are_reserved_but_can_be_looked_up() -> None:
    with pytest.raises(ValueError, match="reserved"):
        actor_path("system/core")
    assert lookup_path("system/core") == "system/core"
    assert actor_path("systems/core") == "systems/core"


def test_two_spellings_of_one_letter_are_one_name() -> None:
    assert actor_path(unicodedata.normalize("NFD", "zähler")) == actor_path("zähler")


@given(st.text(max_size=300))
def test_any_text_is_a_path_or_a_value_error(name: str) -> None:
    try:
        path = actor_path(name)
    except ValueError:
        return
    assert len(path.encode()) <= NAME_LIMIT
    assert not path.startswith("system/")
    assert actor_path(path) == path


def instance(path: str, number: int) -> Instance:
    return Instance(path, ActorId(number), NodeId(1))


async def test_a_published_name_is_found_until_it_is_withdrawn() -> None:
    names = LocalNames()
    names.publish(instance("actors/x", 1))
    names.publish(instance("actors/x", 2))
    assert [one.actor_id.id for one in names.instances("actors/x")] == [1, 2]
    names.withdraw("actors/x", ActorId(1))
    names.withdraw("actors/x", ActorId(99))
    assert [one.actor_id.id for one in names.instances("actors/x")] == [2]
    names.withdraw("actors/x", ActorId(2))
    assert names.paths() == []


async def test_whoever_waits_for_a_name_is_woken_by_it() -> None:
    names = LocalNames()
    waiting = [asyncio.ensure_future(names.wait_for("actors/x", 5)) for _ in range(2)]
    await asyncio.sleep(0)
    names.publish(instance("actors/x", 1))
    assert await asyncio.gather(*waiting) == [True, True]
    assert await names.wait_for("actors/x", 5)
    assert not await names.wait_for("actors/y", 0.01)
    assert names._waiting == {}


async def test_an_actor_is_found_by_its_id_its_path_and_its_bare_name() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="counter", system=system)
        find = system.inner.registry.find
        texts = [str(counter.ref.actor_id), "actors/counter", "counter", "nobody", "no:id", "no name"]
        assert [cell and cell.actor_id for cell in map(find, texts)] == [counter.ref.actor_id] * 3 + [None] * 3
