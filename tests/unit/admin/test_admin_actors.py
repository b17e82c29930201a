"""Actors by REST: spawned, called in every way, stopped; an actor's own error is a result and not a problem."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import dataclass
from enum import Enum
from typing import Any

import httpx
import pytest

import pulsing as pul
from pulsing.admin.schemas import ActorDetail, ActorRow, ClassDetail
from pulsing.core.actor import TRACE
from pulsing.subprocess import ProcessActor
from pulsing.testing import wait_until
from tests.unit.admin.admin_world import API, COUNTER, Counter, Listener, Site, site

EVENTS = {"Accept": "text/event-stream"}


async def call(client: httpx.AsyncClient, method: str, *args: Any, actor: str = "c", **kwargs: Any) -> dict[str, Any]:
    body = {"method": method, "args": list(args), "kwargs": kwargs}
    response = await client.post(f"{API}/actors/{actor}/call", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def with_counter(world: Site) -> Any:
    return await Counter.spawn(name="c", system=world.system)


async def test_an_actor_is_spawned_with_checked_arguments_and_options() -> None:
    async with site() as world:
        client = await world.client("operator")
        body = {
            "class": COUNTER,
            "kwargs": {"value": "5"},
            "name": "pool/c",
            "mailbox": 7,
            "restart_policy": "on-failure",
            "tags": {"team": "a"},
        }
        made = await client.post(f"{API}/actors", json=body)
        shown = await client.get(f"{API}/{made.headers['location']}")
        by_name = await client.get(f"{API}/actors/pool~c")
        result = await call(client, "incr", 1, actor="pool~c")

    assert made.status_code == 201
    row, detail = ActorRow.model_validate(made.json()), ActorDetail.model_validate(shown.json())
    assert (row.name, row.class_, row.tags) == ("pool/c", COUNTER, {"team": "a"})
    assert detail.policy is not None
    assert detail.mailbox_detail is not None
    assert (detail.policy.restart_policy, detail.mailbox_detail.capacity) == ("on-failure", 7)
    assert by_name.json()["id"] == row.id
    assert result["result"] == 6


SPAWNS: list[tuple[dict[str, Any], int, str]] = [
    ({"class": "tests.unit.admin.admin_world.CounterActr"}, 404, "class-not-found"),
    ({"class": "pulsing.core.system_actor.SystemActor"}, 404, "class-not-found"),
    ({"class": COUNTER, "kwargs": {"value": "many"}}, 422, "bad-arguments"),
    ({"class": COUNTER, "kwargs": {"surprise": 1}}, 422, "bad-arguments"),
    ({"class": COUNTER, "args": [1, 2]}, 422, "bad-arguments"),
    ({"class": COUNTER, "args": [{"$type": "os.PathLike", "fields": {}}]}, 422, "bad-value"),
    ({"class": COUNTER, "name": "a b"}, 400, "bad-name"),
    ({"class": COUNTER, "name": "../x"}, 400, "bad-name"),
    ({"class": COUNTER, "name": "system/core"}, 400, "bad-name"),
    ({"class": COUNTER, "name": "n" * 252}, 400, "bad-name"),
    ({"class": COUNTER, "tags": {"a": "x" * 70_000}}, 413, "too-large"),
    ({"class": COUNTER, "name": "taken"}, 409, "name-taken"),
    ({"class": COUNTER, "restart_policy": "sometimes"}, 422, "validation"),
    ({"class": COUNTER, "placement": "nowhere"}, 404, "node-not-found"),
    ({"class": COUNTER, "mailbox": 0}, 422, "validation"),
    ({"class": COUNTER, "surprise": 1}, 422, "validation"),
    ({"class": COUNTER, "tags": {"a b": "x"}}, 422, "validation"),
    ({"class": COUNTER, "tags": {"team": "x" * 257}}, 422, "validation"),
    ({}, 422, "validation"),
]


@pytest.mark.parametrize(("body", "status", "slug"), SPAWNS)
async def test_a_spawn_that_makes_no_sense_says_what_does_not_fit(body: Any, status: int, slug: str) -> None:
    async with site() as world:
        await Counter.spawn(name="taken", system=world.system)
        response = await (await world.client("operator")).post(f"{API}/actors", json=body)
        rows = (await (await world.client()).get(f"{API}/actors")).json()["items"]
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{slug}")
    assert [row["name"] for row in rows] == ["actors/taken"]


async def test_only_classes_that_the_settings_allow_are_spawned() -> None:
    async with site(spawnable=("shop.*",)) as world:
        client = await world.client("operator")
        refused = await client.post(f"{API}/actors", json={"class": COUNTER})
        shown = ClassDetail.model_validate((await client.get(f"{API}/classes/{COUNTER}")).json())
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/class-not-spawnable")
    assert (shown.spawnable, shown.why_not) == (False, "admin.spawnable does not allow it")


async def test_a_dry_run_checks_everything_and_makes_nothing() -> None:
    async with site() as world:
        client = await world.client("operator")
        fine = await client.post(f"{API}/actors?dry_run=true", json={"class": COUNTER})
        wrong = await client.post(f"{API}/actors?dry_run=true", json={"class": COUNTER, "args": ["x"]})
        rows = (await client.get(f"{API}/actors")).json()
        await client.post(f"{API}/actors", json={"class": COUNTER, "name": "c"})
        order = {"class": COUNTER, "name": "c", "placement": str(world.system.node_id)}
        orders = [order, {**order, "placement": "local"}]
        taken = [await client.post(f"{API}/actors?dry_run=true", json=body) for body in orders]
        await client.delete(f"{API}/actors/c")
        free = await client.post(f"{API}/actors?dry_run=true", json=order)
    assert (fine.status_code, wrong.status_code, rows["total"]) == (200, 422, 0)
    assert fine.json()["dry_run"] is True
    assert [(each.status_code, each.json()["type"]) for each in taken] == [(409, "/problems/name-taken")] * 2
    assert free.status_code == 200
    responses = world.app.openapi()["paths"][f"{API}/actors"]["post"]["responses"]
    assert {"200", "201"} <= set(responses)


async def test_all_that_is_done_to_an_actor_is_audited_under_one_name() -> None:
    async with site() as world:
        client, admin = await world.client("operator"), await world.client("admin")
        made = await client.post(f"{API}/actors", json={"class": COUNTER, "name": "c"})
        by_id = f"{API}/actors/{made.json()['id']}"
        await client.post(f"{API}/actors/c/call", json={"method": "incr"})
        await client.post(f"{by_id}/tell", json={"method": "incr"})
        await client.patch(f"{by_id}/tags", json={"a": "b"})
        await client.post(f"{API}/actors/c/restart")
        await client.delete(f"{API}/actors/c")
        await client.delete(f"{API}/actors/c")
        rows = [(await admin.get(f"{API}/audit?target={name}")).json()["items"] for name in ("c", "actors/c")]
    assert {row["target"] for row in rows[0]} == {"actors/c"}
    assert len(rows[0]) == 7
    assert rows[0] == rows[1]


async def test_a_request_repeated_under_its_key_happens_once() -> None:
    async with site() as world:
        client = await world.client("operator")
        key = {"Idempotency-Key": "k1"}
        answers = await asyncio.gather(
            *(client.post(f"{API}/actors", json={"class": COUNTER}, headers=key) for _ in range(3))
        )
        other = await client.post(f"{API}/actors", json={"class": COUNTER, "name": "x"}, headers=key)
        total = (await client.get(f"{API}/actors")).json()["total"]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (other.status_code, other.json()["type"]) == (409, "/problems/idempotency-key-reused")
    assert total == 1


async def test_results_of_every_kind_come_back_as_they_were_sent() -> None:
    views: list[Any] = [
        1,
        "x",
        None,
        {"a": [1]},
        {"$tuple": [1, {"$bytes": "eA=="}]},
        {"$set": [1]},
        {"$int": "1" * 30},
    ]
    async with site() as world:
        await with_counter(world)
        client = await world.client("operator")
        for view in views:
            assert (await call(client, "echo", view))["result"] == view


class Kind(Enum):
    """What an order is for."""

    GIFT = 1


@dataclass
class Order:
    """A value whose class stands beside an actor's."""

    item: str
    kind: Kind


@pul.remote
class Desk:
    def take(self, order: Any) -> str:
        return f"{type(order).__name__} {order!r}"

    def last(self) -> Order:
        return Order("tea", Kind.GIFT)


async def test_a_value_of_a_class_beside_an_actor_can_be_sent_as_it_was_shown() -> None:
    async with site() as world:
        await Desk.spawn(system=world.system, name="desk")
        client = await world.client("operator")
        shown = (await call(client, "last", actor="desk"))["result"]
        taken = await call(client, "take", shown, actor="desk")
        strange = {"$type": f"{__name__}.Desk", "fields": {}}
        refused = await client.post(f"{API}/actors/desk/call", json={"method": "take", "args": [strange]})
    assert shown["$type"] == f"{__name__}.Order"
    assert taken["result"] == "Order Order(item='tea', kind=<Kind.GIFT: 1>)"
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/bad-value")
    assert refused.json()["errors"][0]["loc"] == ["body", "args", 0]


async def test_an_error_of_the_actor_is_a_result_with_its_fields() -> None:
    async with site() as world:
        await with_counter(world)
        answer = await call(await world.client("operator"), "fail", "bad luck")
    error = answer["error"]
    assert answer["ok"] is False
    assert (error["category"], error["code"], error["remote_type"]) == ("business", 400, "ValueError")
    assert error["message"] == "ValueError: bad luck"
    assert "Traceback" in error["traceback"]


async def test_a_call_that_takes_too_long_is_a_result_too() -> None:
    woken = asyncio.Event()

    class Sleeper:
        async def sleep(self) -> None:
            await woken.wait()

    async with site() as world:
        await world.system.spawn(pul.remote(Sleeper)(), name="s")
        client = await world.client("operator")
        response = await client.post(f"{API}/actors/s/call", json={"method": "sleep", "timeout": 0.05})
        woken.set()
    assert response.json()["error"]["category"] == "timeout"


async def test_a_generator_streams_or_is_gathered_as_the_caller_likes() -> None:
    async with site() as world:
        await with_counter(world)
        client = await world.client("operator")
        gathered = await call(client, "items", 3)
        streamed = await client.post(f"{API}/actors/c/call", json={"method": "items", "args": [3]}, headers=EVENTS)
        long = await call(client, "items", 1_500)
    frames = [frame.split("\n") for frame in streamed.text.strip().split("\n\n")]
    assert gathered["items"] == [0, 1, 2]
    assert [frame[0] for frame in frames] == ["event: item"] * 3 + ["event: end"]
    assert json.loads(frames[1][1].removeprefix("data: ")) == {"n": 1, "value": 1}
    assert json.loads(frames[3][1].removeprefix("data: "))["items"] == 3
    assert (len(long["items"]), long["truncated"]) == (1_000, True)


@pytest.mark.parametrize("method", ["nope", "_secret", "__init__", "on_stop", "value", ""])
async def test_hidden_and_absent_methods_look_alike(method: str) -> None:
    async with site() as world:
        await with_counter(world)
        client = await world.client("operator")
        response = await client.post(f"{API}/actors/c/call", json={"method": method})
    assert (response.status_code, response.json()["type"]) == (404, "/problems/method-not-found")


async def test_arguments_that_do_not_fit_name_the_field_and_what_was_expected() -> None:
    async with site() as world:
        await with_counter(world)
        client = await world.client("operator")
        wrong = await client.post(f"{API}/actors/c/call", json={"method": "incr", "args": ["x"]})
        extra = await client.post(f"{API}/actors/c/call", json={"method": "incr", "kwargs": {"to": 1}})
    assert wrong.status_code == extra.status_code == 422
    assert wrong.json()["errors"][0]["loc"] == ["body", "kwargs", "by"]
    assert "integer" in wrong.json()["detail"]
    assert "to" in extra.json()["detail"]


async def test_an_actor_with_receive_takes_messages() -> None:
    async with site() as world:
        await world.system.spawn(Listener(), name="ear")
        client = await world.client("operator")
        plain = await client.post(f"{API}/actors/ear/call", json={"message": {"a": 1}})
        typed = await client.post(f"{API}/actors/ear/call", json={"message": [1], "message_type": "Ping"})
        method = await client.post(f"{API}/actors/ear/call", json={"method": "receive"})
    assert plain.json()["result"] == {"heard": {"a": 1}}
    assert typed.json()["ok"] is True
    assert method.status_code == 404


async def test_a_tell_is_accepted_and_acted_on() -> None:
    async with site() as world:
        counter = await with_counter(world)
        client = await world.client("operator")
        response = await client.post(f"{API}/actors/c/tell", json={"method": "incr", "args": [5]})
        assert (response.status_code, response.json()["accepted"]) == (202, True)
        assert await counter.incr(0) == 5


async def test_stop_ends_an_actor_and_says_so_to_those_who_come_later() -> None:
    async with site() as world:
        counter = await with_counter(world)
        client = await world.client("operator")
        identity = str(counter.ref.actor_id)
        stopped = await client.delete(f"{API}/actors/c")
        again = await client.delete(f"{API}/actors/{identity}")
        called = await client.post(f"{API}/actors/{identity}/call", json={"method": "incr"})
        shown = await client.get(f"{API}/actors/{identity}")
        ended = await client.get(f"{API}/actors?state=stopped")
    assert stopped.json()["stopped"] is True
    assert (again.status_code, called.status_code) == (410, 410)
    assert shown.json()["exit"]["reason"] == "stopped"
    assert [row["id"] for row in ended.json()["items"]] == [identity]


async def test_restart_gives_a_fresh_state_under_the_same_id() -> None:
    async with site() as world:
        await with_counter(world)
        client = await world.client("operator")
        await call(client, "incr", 5)
        before = (await client.get(f"{API}/actors/c")).json()
        restarted = await client.post(f"{API}/actors/c/restart")
        assert restarted.status_code == 200
        await wait_until(lambda: _is_running(client))
        assert (await call(client, "incr", 1))["result"] == 1
        assert restarted.json()["id"] == before["id"]


async def _is_running(client: httpx.AsyncClient) -> bool:
    return bool((await client.get(f"{API}/actors/c")).json()["state"] == "running")


async def test_the_nodes_own_actors_are_left_alone() -> None:
    async with site() as world:
        client = await world.client("admin")
        for method, path in (("DELETE", "system~core"), ("POST", "system~core/restart")):
            assert (await client.request(method, f"{API}/actors/{path}")).status_code == 403
        called = await client.post(f"{API}/actors/system~core/call", json={"method": "inspect", "args": ["node"]})
        rows = (await client.get(f"{API}/actors")).json()["items"]
        all_rows = (await client.get(f"{API}/actors?system=true")).json()["items"]
    assert called.status_code == 403
    assert rows == []
    assert "system/core" in {row["name"] for row in all_rows}


async def test_a_program_of_a_user_is_not_called_but_can_be_stopped() -> None:
    async with site() as world:
        client = await world.client("operator")
        await ProcessActor.spawn(["cat"], stdin=subprocess.PIPE, name="cat", system=world.system)
        called = await client.post(f"{API}/actors/cat/call", json={"method": "poll"})
        stopped = await client.delete(f"{API}/actors/cat")
    assert (called.status_code, stopped.status_code) == (403, 200)


async def test_tags_are_set_and_taken_away_and_found() -> None:
    async with site() as world:
        await with_counter(world)
        client = await world.client("operator")
        await client.patch(f"{API}/actors/c/tags", json={"team": "a", "old": "x"})
        tags = await client.patch(f"{API}/actors/c/tags", json={"old": None})
        found = await client.get(f"{API}/actors?tag=team:a")
        wrong = [
            await client.patch(f"{API}/actors/c/tags", json=body)
            for body in ({"a b": "x"}, {"k" * 65: "x"}, {"k": "v" * 257}, {"k": 1}, {str(n): "v" for n in range(40)})
        ]
    assert tags.json() == {"tags": {"team": "a"}}
    assert found.json()["total"] == 1
    assert {response.status_code for response in wrong} == {422}


async def test_an_unknown_actor_gets_a_hint() -> None:
    async with site() as world:
        await Counter.spawn(name="worker", system=world.system)
        response = await (await world.client("viewer")).get(f"{API}/actors/wroker")
    assert response.status_code == 404
    assert response.json()["hint"] == "did you mean 'actors/worker'?"


async def test_an_actor_by_another_name_is_no_hint() -> None:
    async with site() as world:
        await Counter.spawn(name="c2", system=world.system)
        response = await (await world.client("viewer")).get(f"{API}/actors/nobody")
    assert (response.status_code, response.json().get("hint")) == (404, None)


async def test_viewers_see_no_payloads() -> None:
    async with site() as world:
        counter = await with_counter(world)
        with pytest.raises(ValueError, match="s3cret"):
            await counter.fail("s3cret")
        viewer, operator = await world.client("viewer"), await world.client("operator")
        seen = (await viewer.get(f"{API}/actors/c")).text
        shown = (await operator.get(f"{API}/actors/c")).text
    assert ("s3cret" in seen, "s3cret" in shown) == (False, True)


async def test_a_class_shows_signatures_as_schema() -> None:
    async with site() as world:
        client = await world.client("operator")
        shown = ClassDetail.model_validate((await client.get(f"{API}/classes/{COUNTER}")).json())
    assert shown.constructor is not None
    constructor = shown.constructor["schema"]
    assert constructor["properties"]["value"] == {
        "title": "value", "type": "integer", "default": 0, "description": "where to begin",
    }  # fmt: skip
    methods = {method.name: method for method in shown.methods}
    assert list(methods) == ["incr", "echo", "fail", "items"]
    assert methods["fail"].schema_["required"] == ["text"]
    assert methods["items"].kind == "stream"
    assert methods["incr"].returns == {"type": "integer"}


async def test_the_summary_counts_by_class_and_state() -> None:
    async with site() as world:
        for _ in range(3):
            await Counter.spawn(system=world.system)
        client = await world.client("viewer")
        summary = (await client.get(f"{API}/actors/summary?by=class,state")).json()
        wrong = await client.get(f"{API}/actors/summary?by=colour")
    assert [(item["key"], item["actors"]) for item in summary["items"]] == [({"class": COUNTER, "state": "running"}, 3)]
    assert wrong.status_code == 422


HOSTILE = ["<script>alert(1)</script>", "\u202edrow", "x" * 10_000, "a\nb", "'; DROP TABLE", "{{7*7}}", "%00", "\x00"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_names_and_values_are_refused_or_stay_text(text: str) -> None:
    async with site() as world:
        await with_counter(world)
        client = await world.client("admin")
        spawned = await client.post(f"{API}/actors", json={"class": COUNTER, "name": text})
        echoed = await call(client, "echo", text)
        listed = await client.get(f"{API}/actors", params={"search": text, "class": text, "name": text})
        sorted_by = await client.get(f"{API}/actors", params={"sort": text})
        queue = await client.post(f"{API}/queues/x/messages", json={"records": [{"id": text}]})
    assert spawned.status_code in (400, 422)
    assert echoed["result"] == text
    assert (listed.status_code, sorted_by.status_code) == (200, 400)
    assert queue.status_code < 500
    assert listed.headers["content-type"] == "application/json"


class SlowActor:
    """Waits until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def wait(self) -> str:
        """Wait."""
        await self.go.wait()
        return "done"


async def test_a_stop_answers_when_its_time_is_over_and_says_how_many_asks_failed() -> None:
    async with site() as world:
        actor = await pul.remote(SlowActor).with_options(max_concurrency=1).spawn(name="slow", system=world.system)
        cell = world.system.inner.registry.by_path("actors/slow")
        slow = cell.actor
        running = actor.ref.request("wait", (), None, 30)
        waiting = [actor.ref.request("wait", (), None, 30) for _ in range(2)]
        await asyncio.sleep(0)
        client = await world.client("operator")
        early = await client.delete(f"{API}/actors/slow?timeout=0")
        assert (early.status_code, early.json()["state"]) == (202, "stopping"), early.text
        assert (early.json()["stopped"], early.json()["failed_asks"]) == (False, 2)
        for one in waiting:
            with pytest.raises(pul.PulsingRuntimeError):
                await one
        slow.go.set()
        assert await running == "done"
        await wait_until(lambda: cell.ended, timeout=10)


class TracedActor:
    """Says which trace its message belongs to."""

    def trace(self) -> str:
        """The trace id and the flags."""
        carried = TRACE.get()
        return "" if carried is None else f"{carried[:16].hex()} {carried[24]}"

    async def stream(self) -> Any:
        """The same, once."""
        yield self.trace()


@pytest.mark.parametrize("method", ["trace", "stream"])
async def test_the_trace_of_a_request_goes_on_in_the_actor(method: str) -> None:
    async with site() as world:
        await pul.remote(TracedActor).spawn(name="c", system=world.system)
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        client = await world.client("operator", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
        answer = await call(client, method)
        own = await call(await world.client("operator"), "trace")
    assert answer.get("result", (answer.get("items") or [None])[0]) == f"{trace} 1"
    assert answer["trace_id"] == trace
    assert own["result"] == f"{own['trace_id']} 0"


async def test_the_calls_of_the_only_actor_of_a_class_are_told_by_method() -> None:
    async with site() as world:
        counter = await Counter.spawn(name="c", system=world.system)
        await counter.incr()
        await counter.incr()
        client = await world.client("viewer")
        alone = (await client.get(f"{API}/actors/c")).json()["by_method"]
        await Counter.spawn(name="d", system=world.system)
        not_alone = (await client.get(f"{API}/actors/c")).json()["by_method"]
    assert alone == [{"method": "incr", "messages_total": 2, "errors_total": 0}]
    assert not_alone is None
