"""What lists say beside their filters: revisions, sums by role, open streams, agents that are gone."""

from __future__ import annotations

import re
from typing import Any

from pulsing.admin.catalogue import METHODS
from pulsing.agent import agent, clear_agent_registry
from tests.unit.admin.admin_world import API, COUNTER, Counter, Site, site


@agent(role="writer", goal="write", team="news")
class ScribeActor:
    """Writes."""

    def note(self, text: str) -> str:
        """Give it back."""
        return text


Scribe: Any = ScribeActor


async def get(world: Site, path: str) -> Any:
    response = await (await world.client("operator")).get(f"{API}/{path}")
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_revision_of_a_list_grows_when_it_has_changed_and_not_otherwise() -> None:
    async with site() as world:
        first = await get(world, "classes")
        again = await get(world, "classes")
        other = await get(world, "classes?search=counter")
        await Counter.spawn(system=world.system)
        changed = await get(world, "classes")
    assert first["revision"] == again["revision"] < other["revision"] < changed["revision"]


async def test_actors_are_summed_by_the_role_of_their_agent() -> None:
    async with site() as world:
        await Counter.spawn(system=world.system)
        for _ in range(2):
            await Scribe.spawn(system=world.system)
        body = await get(world, "actors/summary?by=role,state")
    assert [(item["key"], item["actors"]) for item in body["items"]] == [
        ({"role": "", "state": "running"}, 1),
        ({"role": "writer", "state": "running"}, 2),
    ]


async def test_what_an_agent_says_of_itself_stands_before_the_tags_of_operators() -> None:
    async with site() as world:
        await Scribe.spawn(name="s", system=world.system)
        client = await world.client("operator")
        await client.patch(f"{API}/actors/s/tags", json={"team": "mine", "shift": "late"})
        [card] = (await get(world, "agents"))["items"]
    assert card["tags"] == {"team": "news", "shift": "late"}


async def test_the_card_of_an_actor_that_is_no_agent_is_not_found() -> None:
    async with site() as world:
        scribe = await Scribe.spawn(name="s", system=world.system)
        await Counter.spawn(name="c", system=world.system)
        client = await world.client("viewer")
        found = await client.get(f"{API}/agents/s")
        await world.system.stop(scribe)
        ended = await client.get(f"{API}/agents/s")
        other = await client.get(f"{API}/agents/c")
    assert (found.status_code, ended.status_code, other.status_code) == (200, 200, 404)
    assert (other.json()["type"], other.json()["detail"]) == ("/problems/actor-not-found", "no agent 'actors/c'")


async def test_a_page_far_down_asks_for_whole_rows_of_what_it_shows_alone() -> None:
    async with site() as world:
        made = [(await Counter.spawn(system=world.system)).ref for _ in range(600)]
        asked = []
        answer = world.system.inner.inspectors["actors"]

        async def listened(params: Any) -> Any:
            rows = await answer(params)
            asked.append([set(row) for row in (rows["rows"] if isinstance(rows, dict) else rows)])
            return rows

        world.system.inner.inspectors["actors"] = listened
        shown = (await get(world, "actors?sort=-id,class&offset=590&limit=20"))["items"]
    assert [row["id"] for row in shown] == [str(ref.actor_id) for ref in made[9::-1]]
    assert asked[0] == [{"id", "class"}] * 600
    assert len(asked[1]) == len(shown) == 10


async def test_names_of_pulsings_own_actors_are_listed_when_asked_for() -> None:
    async with site() as world:
        await Counter.spawn(name="c", public=True, system=world.system)
        await (await world.system.queue.write("docs")).put({"id": "a"})
        own = await get(world, "names?system=true")
        shown = await get(world, "names")
    assert [row["name"] for row in shown["items"]] == ["actors/c"]
    assert own["total"] > 1


async def test_open_streams_are_told_by_method_and_sort_the_list() -> None:
    async with site() as world:
        counter = await Counter.spawn(system=world.system)
        await counter.incr()
        items = counter.items(100).__aiter__()
        await anext(items)
        during = await get(world, f"methods?class={COUNTER}&sort=-streams_open")
        await items.aclose()
        await counter.incr()
        after = await get(world, f"methods?class={COUNTER}&sort=method")
    assert [(row["method"], row["streams_open"]) for row in during["items"]] == [("items", 1), ("incr", 0)]
    assert [(row["method"], row["streams_open"]) for row in after["items"]] == [("incr", 0), ("items", 0)]


async def test_methods_are_sorted_by_what_their_slowest_calls_take() -> None:
    async with site() as world:
        counter = await Counter.spawn(system=world.system)
        await counter.incr()
        async for _ in counter.items(100):
            pass
        rising = await get(world, f"methods?class={COUNTER}&sort=handle_s.max&limit=1")
        rest = await get(world, f"methods?class={COUNTER}&sort=handle_s.max&limit=1&cursor={rising['next']}")
        falling = await get(world, f"methods?class={COUNTER}&sort=-handle_s.max")
    rows = [*rising["items"], *rest["items"]]
    assert [row["method"] for row in falling["items"]] == [row["method"] for row in rows[::-1]]
    assert rows[0]["handle_s"]["max"] <= rows[1]["handle_s"]["max"]
    pattern = next(p for p in METHODS.spec.parameters() if p["name"] == "sort")["schema"]["pattern"]
    assert re.fullmatch(pattern, "-handle_s.p99,method")
    assert not re.fullmatch(pattern, "handle_sxp99")


async def test_events_are_found_by_what_they_are_about() -> None:
    async with site() as world:
        for name in ("wanted", "other"):
            await Counter.spawn(name=name, system=world.system)
        searched = await get(world, "events?search=WANTED")
        named = await get(world, "events?subject=wanted")
        kinds = await get(world, "events?search=kind")
    assert [row["subject"]["name"] for row in searched["items"]] == ["actors/wanted"]
    assert [row["id"] for row in named["items"]] == [row["id"] for row in searched["items"]]
    assert kinds["items"] == []


async def test_a_reason_that_no_dead_letter_has_is_no_filter() -> None:
    async with site() as world:
        client = await world.client("operator")
        wrong = await client.get(f"{API}/dead-letters?reason=lost")
        fine = await client.get(f"{API}/dead-letters?reason=expired")
    assert (wrong.status_code, wrong.json()["type"], fine.status_code) == (400, "/problems/bad-filter", 200)


async def test_names_of_agents_that_have_ended_are_listed_when_asked_for() -> None:
    clear_agent_registry()
    async with site() as world:
        await Scribe.spawn(name="gone", system=world.system)
        await Scribe.spawn(name="here", system=world.system)
        await world.system.stop("gone")
        usual = (await get(world, "agents"))["items"]
        both = (await get(world, "agents?gone=true&sort=name"))["items"]
    clear_agent_registry()
    assert [(row["name"], row["gone"]) for row in usual] == [("actors/here", False)]
    assert [(row["name"], row["gone"], row["role"], row["tags"]) for row in both] == [
        ("actors/gone", True, "writer", {"team": "news"}),
        ("actors/here", False, "writer", {"team": "news"}),
    ]
    assert both[0]["href"] is None


async def test_every_bucket_gives_as_many_records_as_were_asked_for() -> None:
    async with site() as world:
        await (await world.system.queue.write("q", num_buckets=2)).put([{"id": n} for n in range(40)])
        body = await get(world, "queues/q/messages?limit=3")
    assert sorted((item["bucket_id"], item["offset"]) for item in body["items"]) == [
        (bucket, offset) for bucket in (0, 1) for offset in range(3)
    ]
    assert body["next_offset"] == {"0": 3, "1": 3}


async def test_a_search_through_records_goes_on_where_it_stopped() -> None:
    async with site() as world:
        await (await world.system.queue.write("q", num_buckets=1)).put(
            [{"id": n, "even": n % 2 == 0} for n in range(9)]
        )
        path = "queues/q/messages?bucket_id=0&contains=true&limit=2"
        met, offset = [], 0
        for _ in range(3):
            body = await get(world, f"{path}&offset={offset}")
            met += [item["record"]["id"] for item in body["items"]]
            assert body["scanned"] == 9 - offset
            offset = body["next_offset"]["0"]
    assert met == [0, 2, 4, 6, 8]


async def test_a_topic_tells_how_many_bytes_were_published() -> None:
    async with site() as world:
        client = await world.client("operator")
        await client.post(f"{API}/topics/t/messages?create=true", json={"message": "x" * 1_000})
        first = await get(world, "topics/t")
        await client.post(f"{API}/topics/t/messages", json={"message": "x" * 2_000, "mode": "wait_all_acks"})
        second = await get(world, "topics/t")
    assert 1_000 < first["bytes_total"] < 2_000
    assert 3_000 < second["bytes_total"] < 5_000


async def test_the_last_errors_of_an_actor_say_what_callers_were_told() -> None:
    async with site() as world:
        await Counter.spawn(name="c", system=world.system)
        client = await world.client("operator")
        told = (await client.post(f"{API}/actors/c/call", json={"method": "fail", "args": ["no"]})).json()
        [kept] = (await get(world, "actors/c"))["errors"]
    assert (kept["type"], kept["message"]) == ("ValueError", told["error"]["message"])


async def test_the_actors_of_the_node_are_told_in_the_old_shape_too() -> None:
    async with site() as world:
        for name in ("mine", "_mine"):
            await Counter.spawn(name=name, system=world.system)
        operator, viewer = await world.client("operator"), await world.client("viewer")
        usual = await operator.get("/actors")
        everything = (await operator.get("/actors?all=true")).json()
        seen = (await viewer.get("/actors")).json()
    [mine] = usual.json()
    assert usual.headers["deprecation"] == "true"
    assert (mine["name"], mine["type"], f"{mine['module']}.{mine['class']}") == ("mine", "user", COUNTER)
    assert mine["file"].endswith("admin_world.py")
    assert seen == [{**mine, "file": None}]
    types = {row["name"]: row["type"] for row in everything}
    assert types.pop("mine") == types.pop("_mine") == "user"
    assert types
    assert set(types.values()) == {"system"}


async def test_an_empty_cluster_has_sums_of_nothing() -> None:
    async with site() as world:
        totals = (await get(world, "overview"))["totals"]
    unknown = {"mailbox_oldest_s"}
    assert {name for name, value in totals.items() if value is None} <= unknown
    assert (totals["queue_records"], totals["queue_max_lag"], totals["subscribers"]) == (0, 0, 0)


async def test_the_specification_allows_rows_of_lists_to_have_nothing_but_their_key() -> None:
    async with site() as world:
        await Counter.spawn(system=world.system, name="one")
        [row] = (await get(world, "actors?fields=none"))["items"]
        parts = world.app.openapi()["components"]["schemas"]
    listed = parts[parts["ActorRowPage"]["properties"]["items"]["items"]["$ref"].rpartition("/")[2]]
    assert set(listed["required"]) <= set(row) < set(listed["properties"])
