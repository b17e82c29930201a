"""Agents are actors with a card, and the process remembers the named ones that it spawned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import pulsing as pul
from pulsing import agent as package
from pulsing.agent import AgentMeta, agent, cleanup, clear_agent_registry, get_agent_meta, list_agents
from pulsing.core import get_system_actor
from pulsing.exceptions import NameTaken
from pulsing.testing import cluster, system


@agent(role="Researcher", goal="Find out", backstory="Has read much", field="physics", max_restarts=7)
class Researcher:
    """Finds out."""

    def __init__(self, fails: bool = False) -> None:
        if fails:
            raise ValueError("nothing to find")

    async def look_up(self, topic: str) -> str:
        return f"all about {topic}"


META = AgentMeta("Researcher", "Find out", "Has read much", {"field": "physics", "max_restarts": 7})

# What a class decorator makes of a class is not seen by mypy.
researcher: Any = Researcher


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    cleanup()
    yield
    cleanup()


def test_the_public_names_are_pinned() -> None:
    assert sorted(package.__all__) == [
        "AgentMeta",
        "agent",
        "cleanup",
        "clear_agent_registry",
        "extract_field",
        "get_agent_meta",
        "list_agents",
        "llm",
        "parse_json",
        "reset_llm",
        "runtime",
    ]


def test_a_card_has_empty_defaults_of_its_own() -> None:
    one, other = AgentMeta(), AgentMeta()
    one.tags["a"] = 1

    assert other == AgentMeta(role="", goal="", backstory="", tags={})


def test_a_card_is_a_dict_of_its_four_fields() -> None:
    assert META.to_dict() == {
        "role": "Researcher",
        "goal": "Find out",
        "backstory": "Has read much",
        "tags": {"field": "physics", "max_restarts": 7},
    }


def test_a_card_reads_as_its_role_or_as_agent() -> None:
    assert (str(META), str(AgentMeta())) == ("Researcher", "Agent")


def test_the_card_is_on_the_class_and_on_what_the_decorator_returns() -> None:
    assert isinstance(Researcher, pul.ActorClass)
    assert researcher.__agent_meta__ == META
    assert researcher._agent_meta_template == META
    assert researcher._cls._agent_meta_template is researcher.__agent_meta__


def test_an_agent_class_makes_plain_instances_and_can_be_subclassed() -> None:
    class Historian(Researcher): ...

    assert isinstance(Researcher(), Researcher)
    assert issubclass(Historian, Researcher)


def test_the_decorator_needs_its_parentheses() -> None:
    with pytest.raises(TypeError, match=r"needs parentheses: write @agent\(\) above 'Plain'"):

        @agent  # type: ignore[arg-type]
        class Plain: ...


def test_the_decorator_takes_classes_only() -> None:
    with pytest.raises(TypeError, match="takes a class"):
        agent()(len)  # type: ignore[arg-type]


def test_a_method_that_proxies_hide_is_warned_of_where_the_class_stands() -> None:
    with pytest.warns(UserWarning, match="method 'ref' of Hiding") as warned:

        @agent()
        class Hiding:
            def ref(self) -> None: ...

    assert warned[0].filename == __file__


async def test_a_named_spawn_enters_the_raw_name() -> None:
    async with system() as s:
        proxy = await researcher.spawn(name="researcher", system=s)

        assert await proxy.look_up("light") == "all about light"
        assert list_agents() == {"researcher": META}
        assert get_agent_meta("researcher") is get_agent_meta("actors/researcher") is researcher.__agent_meta__


async def test_a_path_is_entered_as_it_was_written() -> None:
    async with system() as s:
        await researcher.spawn(name="labs/one", system=s)

    assert list(list_agents()) == ["labs/one"]
    assert get_agent_meta("labs/one") == META


async def test_an_anonymous_spawn_enters_nothing() -> None:
    async with system() as s:
        await researcher.spawn(system=s)

    assert list_agents() == {}


@pytest.mark.parametrize("how", ["constructor", "name"])
async def test_a_failed_spawn_enters_nothing(how: str) -> None:
    async with system() as s:
        await researcher.spawn(name="taken", system=s)
        clear_agent_registry()
        with pytest.raises(ValueError if how == "constructor" else NameTaken):
            await researcher.spawn(how == "constructor", name="free" if how == "constructor" else "taken", system=s)

    assert list_agents() == {}


@pytest.mark.parametrize(
    "given", [Researcher, researcher(), lambda: researcher()], ids=["class", "instance", "factory"]
)
async def test_what_is_given_to_the_system_enters_its_name_too(given: Any) -> None:
    async with system() as s:
        await s.spawn(given, name="researcher")
        with pytest.raises(NameTaken):
            await s.spawn(given, name="actors/researcher")

    assert list_agents() == {"researcher": META}


async def test_a_copy_with_options_is_an_agent_and_enters_its_name() -> None:
    async with system() as s:
        copy = researcher.with_options(restart_policy="on-failure", name="fixed", system=s).with_options(public=False)
        proxy = await copy.spawn()
        [row] = await s.inspect("agents", {})

        assert await proxy.look_up("light") == "all about light"
        assert (row["name"], row["role"]) == ("actors/fixed", "Researcher")

    assert copy.__agent_meta__ is researcher.__agent_meta__
    assert list_agents() == {"fixed": META}


async def test_tags_are_no_options_of_supervision() -> None:
    assert researcher._options["max_restarts"] == 3


async def test_entries_outlive_the_actor_and_the_system() -> None:
    async with system() as s:
        await researcher.spawn(name="researcher", system=s)
        await s.stop("researcher")

    assert get_agent_meta("researcher") == META
    clear_agent_registry()
    assert get_agent_meta("researcher") is None


async def test_the_list_is_a_copy() -> None:
    list_agents()["nobody"] = META

    assert get_agent_meta("nobody") is None
    assert get_agent_meta(None) is None  # type: ignore[arg-type]


async def test_the_card_shows_on_any_node_of_the_cluster() -> None:
    async with cluster(2) as (one, two):
        await researcher.spawn(name="researcher", system=one)
        asked = await get_system_actor(two, one.node_id.id)
        [row] = await asked.inspect("agents")
        actors = await asked.inspect("actors")
        listed = {actor["name"]: actor["metadata"] for actor in await asked.list_actors()}

    assert listed[row["name"]].items() >= META.to_dict().items()
    assert {key: row[key] for key in ("role", "goal", "backstory", "tags")} == META.to_dict()
    assert [actor["kind"] for actor in actors if actor["name"] == row["name"]] == ["agent"]


@pytest.mark.parametrize("long", [{"goal": "ß" * 9000}, {"prompt": "p" * 9000}])
async def test_a_long_card_is_shortened_for_other_nodes_only(long: dict[str, str]) -> None:
    wordy: Any = agent(role="Writer", **long)(type("Wordy", (), {}))
    async with cluster(2) as (one, two):
        await wordy.spawn(name="wordy", system=one)
        [row] = await one.inspect("agents", {})
        await two.resolve("wordy", timeout=5)

    assert {**row["tags"], "goal": row["goal"]} == {"goal": "", **long}


async def test_an_agent_placed_on_another_node_is_entered_where_it_was_spawned() -> None:
    async with cluster(2) as (one, two):
        proxy = await researcher.spawn(name="far", system=one, placement=two.node_id)
        [row] = await two.inspect("agents", {})

        assert await proxy.look_up("light") == "all about light"

    assert (row["name"], row["role"]) == ("actors/far", "Researcher")
    assert get_agent_meta("far") == META


async def test_tags_of_any_kind_are_listed_as_json() -> None:
    tagged: Any = agent(made=complex(1, 2), weights=(1, 2.5, float("inf")), nested={1: {"x"}})(type("Tagged", (), {}))
    async with system() as s:
        await tagged.spawn(name="tagged", system=s)
        [row] = await s.inspect("agents", {})

    assert row["tags"] == {"made": "(1+2j)", "weights": [1, 2.5, "inf"], "nested": {"1": ["x"]}}
    assert tagged.__agent_meta__.tags["made"] == complex(1, 2)
