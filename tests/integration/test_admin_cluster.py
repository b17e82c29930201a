"""Any node answers for the whole cluster, and says so where one did not answer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

import pulsing as pul
from pulsing.admin.app import create_admin_app
from pulsing.admin.families import FAMILIES
from pulsing.admin.settings import AdminSettings
from pulsing.core.following import Missed
from pulsing.ids import ActorId
from pulsing.streaming import subscribe_to_topic
from pulsing.testing import wait_until

TOKEN = "cluster-token-0123456789"
API = "/api/v1"


class CounterActor:
    """Counts."""

    def __init__(self, value: int = 0) -> None:
        self.value = value

    def incr(self, by: int = 1) -> int:
        """Add."""
        self.value += by
        return self.value

    def odd(self) -> Any:
        """Give what cannot be sent to another node."""
        return object()

    async def items(self, n: int) -> AsyncIterator[int]:
        """Stream numbers."""
        for number in range(n):
            yield number


Counter: Any = pul.remote(CounterActor)


class TiedActor:
    """Watches, subscribes and reads."""

    def __init__(self, system: Any) -> None:
        self._system = system
        self._kept: list[Any] = []

    async def watch(self, actor_id: str) -> None:
        """Watch an actor of any node."""
        self._kept.append(self._system.inner.bind(ActorId.from_str(actor_id)).watch())

    async def unwatch(self) -> None:
        """Watch no longer."""
        self._kept.pop().cancel()

    async def read(self, topic: str, queue: str) -> Any:
        """Subscribe to a topic and make a reader of a queue."""
        reader = await self._system.topic.read(topic)
        reader.add_callback(print)
        await reader.start()
        self._kept += [reader, await self._system.queue.read(queue)]

    async def stop_reading(self) -> None:
        """End both."""
        self._kept.pop()
        await self._kept.pop().stop()


Tied: Any = pul.remote(TiedActor)


@contextlib.asynccontextmanager
async def two_nodes() -> AsyncIterator[tuple[Any, Any, httpx.AsyncClient]]:
    """Two nodes, and a client of the first one's admin app; the second has none."""
    async with contextlib.AsyncExitStack() as stack:
        one = await stack.enter_async_context(await pul.actor_system(addr="127.0.0.1:0", admin=False))
        joined = await pul.actor_system(addr="127.0.0.1:0", seeds=[one.addr], admin=False)
        two = await stack.enter_async_context(joined)
        await wait_until(lambda: len(one.members_view()) == len(two.members_view()) == 2)
        app = create_admin_app(one, AdminSettings(token=TOKEN, fanout_s=0.5))
        stack.push_async_callback(app.state.plane.close)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700", headers=headers
        )
        yield one, two, await stack.enter_async_context(client)


async def get(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    response = await client.get(f"{API}/{path}")
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_lists_hold_the_rows_of_every_node() -> None:
    async with two_nodes() as (one, two, client):
        await Counter.spawn(name="here", system=one)
        far = await Counter.spawn(name="far", system=two)
        await far.incr()
        actors = await get(client, "actors?sort=name")
        only = await get(client, f"actors?node={two.node_id}")
        own = await get(client, "actors?scope=node")
        nodes = await get(client, "nodes")
        classes = await get(client, "classes?search=counteractor")
        overview = await get(client, "overview")
        members = await get(client, "cluster/members")

    assert [row["name"] for row in actors["items"]] == ["actors/far", "actors/here"]
    assert (actors["partial"], actors["nodes"]) == (False, {"asked": 2, "answered": 2})
    assert [row["name"] for row in only["items"]] == ["actors/far"]
    assert [row["name"] for row in own["items"]] == ["actors/here"]
    assert {row["id"]: row["self"] for row in nodes["items"]} == {str(one.node_id): True, str(two.node_id): False}
    assert {row["status"] for row in members["items"]} == {"alive"}
    assert overview["totals"]["actors"] == 2
    mine = next(row for row in classes["items"] if row["class"].endswith("test_admin_cluster.CounterActor"))
    assert (mine["actors"], mine["messages_total"], len(mine["nodes"])) == (2, 1, 2)


async def test_actors_elsewhere_are_spawned_called_tagged_and_stopped_from_here() -> None:
    async with two_nodes() as (_, two, client):
        name = f"{__name__}.CounterActor"
        made = await client.post(
            f"{API}/actors", json={"class": name, "args": [5], "name": "far", "placement": str(two.node_id)}
        )
        assert made.status_code == 201, made.text
        assert made.json()["node"] == str(two.node_id)
        called = await client.post(f"{API}/actors/{made.json()['id']}/call", json={"method": "incr"})
        tagged = await client.patch(f"{API}/actors/{made.json()['id']}/tags", json={"team": "b"})
        shown = await get(client, f"actors/{made.json()['id']}")
        stopped = await client.delete(f"{API}/actors/far")
        left = await get(client, "actors")
    assert called.json()["result"] == 6
    assert tagged.json() == {"tags": {"team": "b"}}
    assert shown["tags"] == {"team": "b"}
    assert stopped.json()["stopped"] is True
    assert left["total"] == 0


async def test_a_call_whose_result_cannot_travel_has_run_and_says_why_nothing_is_shown() -> None:
    async with two_nodes() as (_, two, client):
        await Counter.spawn(name="far", system=two)
        answer = await client.post(f"{API}/actors/far/call", json={"method": "odd"})
    assert answer.status_code == 200, answer.text
    error = answer.json()["error"]
    assert (error["category"], error["type"], error["maybe_executed"]) == ("unsupported", "NotSendable", True)
    assert "object cannot be sent" in error["message"]


async def test_a_name_on_two_nodes_is_ambiguous_unless_one_is_named() -> None:
    async with two_nodes() as (one, two, client):
        await Counter.spawn(name="twin", system=one)
        await Counter.spawn(name="twin", system=two)
        unclear = await client.get(f"{API}/actors/twin")
        clear = await client.get(f"{API}/actors/twin?node={two.node_id}")
    assert (unclear.status_code, unclear.json()["type"]) == (409, "/problems/ambiguous-name")
    assert {candidate["node"] for candidate in unclear.json()["candidates"]} == {str(one.node_id), str(two.node_id)}
    assert clear.json()["node"] == str(two.node_id)


@pytest.mark.parametrize("path", ["actors", "overview", "nodes"])
async def test_a_node_that_does_not_answer_makes_the_answer_partial_in_time(path: str) -> None:
    async with two_nodes() as (_, two, client):

        async def never(params: Any) -> Any:
            await asyncio.sleep(60)

        for kind in ("actors", "node"):
            two.inner.inspectors[kind] = never
        answer = await asyncio.wait_for(get(client, path), 5)
        two.inner.inspectors.clear()
    assert answer["partial"] is True
    assert answer["errors"] == [
        {"node": str(two.node_id), "type": "/problems/node-timeout", "detail": "no answer in 0.5 s"}
    ]


async def test_a_page_may_be_as_long_and_as_far_down_as_on_one_node() -> None:
    async with two_nodes() as (_, two, client):
        made = [str((await Counter.spawn(system=two)).ref.actor_id) for _ in range(1_500)]
        longest = await get(client, "actors?sort=id&limit=1000")
        last = await get(client, "actors?sort=id&offset=1490&limit=20")
        few = await get(client, "actors?sort=id&offset=700&limit=1&fields=class")
    assert [row["id"] for row in longest["items"]] == sorted(made)[:1000]
    assert [row["id"] for row in last["items"]] == sorted(made)[1490:]
    assert [row.keys() for row in last["items"]] == [longest["items"][0].keys()] * 10
    assert [row.keys() for row in few["items"]] == [{"id", "class", "href"}]
    assert [(page["total"], page["partial"]) for page in (longest, last)] == [(1_500, False)] * 2


async def test_actors_are_counted_where_they_are() -> None:
    async with two_nodes() as (one, two, client):
        made = [await Counter.spawn(system=system) for system in (one, two, two)]
        await client.patch(f"{API}/actors/{made[1].ref.actor_id}/tags", json={"team": "a"})

        def rows_travel(params: Any) -> Any:
            raise AssertionError("rows are asked for, where sums are enough")

        for system in (one, two):
            system.inner.inspectors["actors"] = rows_travel
        by_class = await get(client, "actors/summary?by=class")
        by_node = await get(client, f"actors/summary?by=node,state&node={two.node_id}")
        here = await get(client, "actors/summary?by=state&scope=node")
        team = await get(client, "actors/summary?by=class&tag=team:a")
        none = await get(client, "actors/summary?by=class&search=nothing-of-that-name")
    assert [(item["key"]["class"].rpartition(".")[2], item["actors"]) for item in by_class["items"]] == [
        ("CounterActor", 3)
    ]
    assert by_class["items"][0]["by_state"] == {"running": 3}
    assert [(item["key"], item["actors"]) for item in by_node["items"]] == [
        ({"node": str(two.node_id), "state": "running"}, 2)
    ]
    assert [[item["actors"] for item in answer["items"]] for answer in (here, team, none)] == [[1], [1], []]


async def test_a_silent_node_is_still_listed_by_what_the_cluster_knows() -> None:
    async with two_nodes() as (_, two, client):

        async def never(params: Any) -> Any:
            await asyncio.sleep(60)

        two.inner.inspectors["node"] = never
        rows = (await get(client, "nodes"))["items"]
    silent = next(row for row in rows if row["id"] == str(two.node_id))
    assert (silent["status"], silent["addr"]) == ("alive", two.addr)
    assert "rss_bytes" not in silent


async def test_metrics_name_the_node_its_cluster_and_its_links() -> None:
    async with two_nodes() as (one, _, client):
        text = (await client.get("/metrics")).text
    [info] = [line for line in text.splitlines() if line.startswith("pulsing_node_info{")]
    assert f'node_id="{one.node_id}"' in info
    assert 'cluster="pulsing"' in info
    assert 'pulsing_cluster_members{status="alive"} 2.0' in text
    assert 'pulsing_cluster_members{status="dead"} 0.0' in text
    assert 'pulsing_links{direction="in",state="open"} 1.0' in text
    assert 'pulsing_links{direction="out",state="open"} 0.0' in text


async def test_callers_of_other_nodes_are_timed_by_outcome() -> None:
    async with two_nodes() as (one, two, client):
        far = await Counter.spawn(name="far", public=True, system=two)
        ref = one.bind(far.ref.actor_id)
        await ref.request("incr", (), None, 10)
        with contextlib.suppress(pul.PulsingActorError):
            await ref.request("nothing", (), None, 10)
        text = (await client.get("/metrics")).text

    def count(outcome: str) -> float:
        sample = f'pulsing_ask_seconds_count{{outcome="{outcome}",route="remote"}} '
        return float(next(line for line in text.splitlines() if line.startswith(sample)).split()[-1])

    assert (count("ok") >= 1, count("error"), count("timeout")) == (True, 1, 0)


async def test_a_node_is_ready_when_it_has_joined_or_there_is_nobody_to_join() -> None:
    async def readiness(system: Any) -> tuple[int, dict[str, Any]]:
        app = create_admin_app(system, AdminSettings(token=TOKEN))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
            response = await client.get("/health/ready")
        await app.state.plane.close()
        return response.status_code, response.json()

    late = await pul.actor_system(addr="127.0.0.1:0", admin=False)
    free = late.addr
    await late.shutdown()
    async with await pul.actor_system(addr="127.0.0.1:0", seeds=[free], admin=False) as waiting:
        assert await readiness(waiting) == (503, {"status": "not_ready", "checks": ["joined"]})
        async with await pul.actor_system(addr=free, admin=False) as first:
            await wait_until(waiting.inner.has_joined, timeout=30)
            assert await readiness(first) == await readiness(waiting) == (200, {"status": "ready"})
    async with await pul.actor_system(addr=free, seeds=[free], admin=False) as alone:
        assert (await readiness(alone))[0] == 200


async def test_a_node_says_how_many_queues_topics_and_links_it_has_and_what_it_grants() -> None:
    async with two_nodes() as (one, _, client):
        for number in range(4):
            await (await one.queue.write(f"q{number}", num_buckets=2)).put([{"id": n} for n in range(8)])
            await client.post(f"{API}/topics/t{number}/messages?create=true", json={"message": 1})
        rows = (await get(client, "nodes?sort=-queues"))["items"]
        shown = await get(client, f"nodes/{one.node_id}")
        queues = await get(client, "queues")
    assert sum(row["topics"] for row in rows) == 4
    assert {row["id"]: row["queues"] for row in rows} == {
        row["id"]: sum(row["id"] in queue["nodes"] for queue in queues["items"]) for row in rows
    }
    assert [row["links"] for row in rows] == [1, 1]
    assert shown["limits"] == {
        "mailbox": 1_000,
        "mailbox_bytes": 64 << 20,
        "user_bytes": 512 << 20,
        "public_names": 10_000,
        "ask_timeout": 30.0,
        "max_message_bytes": 16 << 20,
        "window_frames": 1_024,
        "window_bytes": 8 << 20,
        "pending_asks": 10_000,
        "stream_items": 32,
    }


async def test_each_end_of_each_link_has_an_id_of_its_own() -> None:
    async with two_nodes() as (one, two, client), await pul.actor_system("127.0.0.1:0", seeds=[two.addr], admin=False):
        await wait_until(lambda: len(one.members_view()) == 3)
        await client.get(f"{API}/actors")  # those who have nothing to say to each other have no link yet
        await two.inner.ask_node(one.node_id, "inspect", "node", {})
        rows = (await get(client, "links"))["items"]
        assert len({row["id"] for row in rows}) == len(rows) >= 4
        assert {row["state"]: (row["closed_at"], row["close_reason"]) for row in rows} == {"open": (None, None)}
        assert (await get(client, f"links/{rows[0]['id']}"))["peer"] == rows[0]["peer"]


async def test_what_was_sent_does_not_wait_whether_or_not_the_other_node_has_said_that_it_was_taken() -> None:
    async with two_nodes() as (one, two, _):
        counter = await Counter.spawn(name="far", system=two)
        far = one.bind(counter.ref.actor_id)
        for _ in range(5):
            await far.request("incr", (), None, 10)

        async def nothing_waits() -> bool:
            rows = await one.inner.inspect("links")
            return [(row["pending_frames"], row["pending_bytes"]) for row in rows] == [(0, 0)]

        await wait_until(nothing_waits)


async def test_what_a_link_carries_is_told_by_direction() -> None:
    async with two_nodes() as (_, two, client):
        await get(client, "actors")
        text = (await client.get("/metrics/detailed?family=link")).text
    for direction in ("in", "out"):
        sample = f'pulsing_detailed_link_bytes_total{{direction="{direction}",peer="{two.node_id}"}} '
        [line] = [line for line in text.splitlines() if line.startswith(sample)]
        assert float(line.split()[-1]) > 0


async def test_an_actor_of_an_unknown_node_is_not_found() -> None:
    async with two_nodes() as (_, _, client):
        response = await client.get(f"{API}/actors/00000000000000ff:0000000000000010")
    assert (response.status_code, response.json()["type"]) == (404, "/problems/actor-not-found")


async def test_an_actor_shows_who_watches_it_and_what_it_reads_wherever_that_is() -> None:
    async with two_nodes() as (one, two, client):
        here, there = await Tied.spawn(one, system=one), await Tied.spawn(two, name="there", system=two)
        ids = [str(each.ref.actor_id) for each in (here, there)]
        for each in (here, there):
            await each.watch(ids[0])
        await here.watch(ids[1])
        await here.read("news", "work")
        await one.resolve("there", timeout=20)  # a broker knows its subscriber's actor once it has found the name
        for number in range(8):  # so many that each node has the broker of some
            await subscribe_to_topic(one, f"t{number}", "s", "there")

        first, second = [(await client.get(f"{API}/actors/{each}")).json() for each in ids]
        assert first["watchers"] == sorted(ids)
        assert (first["watching"], first["topics"], first["queue_readers"]) == (sorted(ids), ["news"], ["work"])
        assert (second["watchers"], second["watching"]) == ([ids[0]], [ids[0]])
        assert (second["topics"], second["queue_readers"]) == ([f"t{number}" for number in range(8)], [])

        assert (first["partial"], first["unheard"]) == (False, [])

        async def never(params: Any) -> Any:
            await asyncio.sleep(60)

        ties, two.inner.inspectors["ties"] = two.inner.inspectors["ties"], never
        first = (await client.get(f"{API}/actors/{ids[0]}")).json()
        assert (first["watchers"], first["partial"]) == ([ids[0]], True)
        assert [(fault["node"], fault["type"]) for fault in first["unheard"]] == [
            (str(two.node_id), "/problems/node-timeout")
        ]
        two.inner.inspectors["ties"] = ties

        await here.stop_reading()
        await here.unwatch()
        gc.collect()
        first, second = [(await client.get(f"{API}/actors/{each}")).json() for each in ids]
        assert (first["watching"], first["topics"], first["queue_readers"]) == ([ids[0]], [], [])
        assert second["watchers"] == []
        await two.stop("there")
        assert (await client.get(f"{API}/actors/{ids[0]}")).json()["watchers"] == [ids[0]]


async def test_every_metric_of_the_table_is_exported_and_no_other() -> None:
    async with two_nodes() as (one, _, client):
        counter = await Counter.spawn(name="c", system=one)
        await counter.incr()
        await one.resolve("c")
        assert [item async for item in counter.items(2)] == [0, 1]
        with contextlib.suppress(pul.PulsingActorError):
            await counter.ref.request("nothing", (), None, 5)
        with contextlib.suppress(pul.PulsingRuntimeError):
            await one.bind(ActorId.of(one.node_id.id, 99_999)).ask("x", timeout=1)
        await one.stop("c")
        for number in range(10):  # so many that this node gets some of them
            queue = f"q{number}"
            writer = await one.queue.write(queue, num_buckets=1)
            await writer.put([{"id": "a"}, {"id": "b"}])
            await writer.flush()
            await (await one.queue.read(queue, num_buckets=1)).get(limit=1)
            await client.post(f"{API}/queues/{queue}/trim", json={"keep_last": 1})
            body = {"message": {}, "mode": "fire_and_forget"}
            await client.post(f"{API}/topics/t{number}/messages?create=true", json=body)
        await client.get(f"{API}/whoami", headers={"Authorization": "Bearer wrong"})
        await client.get(f"{API}/health/checks")
        await client.get("/metrics")
        await asyncio.sleep(1.1)  # a rendering is shared for a second
        text = (await client.get("/metrics")).text
    found = {line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE pulsing_")}
    exported = {name.removeprefix("pulsing_") for name in found}
    assert exported == set(FAMILIES)
    for sample in (
        'pulsing_queue_operation_seconds_count{backend="memory",op="put"}',
        'pulsing_topic_publish_seconds_count{mode="fire_and_forget"}',
        'pulsing_cluster_messages_total{direction="in",type="sync"}',
        'pulsing_link_connects_total{outcome="ok"}',
    ):
        [line] = [line for line in text.splitlines() if line.startswith(sample)]
        assert float(line.split()[-1]) > 0, line


async def test_a_node_joins_further_seeds_when_an_administrator_says_so() -> None:
    third = await pul.actor_system(addr="127.0.0.1:0", admin=False)
    async with third, two_nodes() as (_, _, client):
        joined = await client.post(f"{API}/cluster/join", json={"seeds": [third.addr]})
        assert joined.status_code == 200, joined.text
        assert joined.json() == {"joined": True, "size": 3}
        wrong = await client.post(f"{API}/cluster/join", json={"seeds": ["no address"]})
        assert (wrong.status_code, wrong.json()["type"]) == (422, "/problems/validation")
        await third.shutdown()
        silent = await client.post(f"{API}/cluster/join", json={"seeds": [f"127.0.0.1:{free_port()}"]})
        assert (silent.status_code, silent.json()["type"]) == (503, "/problems/join-timeout")


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_the_history_of_the_cluster_lacks_nothing_where_a_node_has_no_admin_app() -> None:
    async with two_nodes() as (_, _, client):
        told = await get(client, "timeseries?names=actors&scope=cluster")
    assert (told["nodes"], told["partial"], told["errors"]) == (1, False, [])


async def test_a_list_is_filtered_by_the_name_of_a_node_as_by_its_id() -> None:
    async with two_nodes() as (one, two, client):
        second = (await get(client, f"nodes/{two.node_id}"))["name"]
        for system, name in ((one, "here"), (two, "far"), (two, "farther")):
            await Counter.spawn(name=name, system=system)
        rows = await get(client, f"actors?node={second}&sort=name&limit=1")
        rest = await get(client, f"actors?node={second}&sort=name&limit=1&cursor={rows['next']}")
        links = await get(client, f"links?node={second}")
        events = await get(client, f"events?node={second}&type=actor.spawned")
        summary = await get(client, f"actors/summary?by=node&node={second}")
        strange = await get(client, "actors?node=third")
    assert [row["name"] for row in (*rows["items"], *rest["items"])] == ["actors/far", "actors/farther"]
    assert {row["node"] for row in (*links["items"], *events["items"])} == {str(two.node_id)}
    assert [item["key"] for item in summary["items"]] == [{"node": str(two.node_id)}]
    assert strange["items"] == []


def of_an_actor(row: dict[str, Any]) -> bool:
    return str(row["type"]).startswith("actor.")


async def test_events_of_every_node_come_over_one_stream() -> None:
    async with two_nodes() as (one, two, _):
        plane = create_admin_app(one, AdminSettings(token=TOKEN)).state.plane
        following = plane.relay.subscribe(of_an_actor)
        rows: list[dict[str, Any]] = []

        async def read() -> None:
            async for event in following:
                assert not isinstance(event, Missed)
                rows.append({"number": event[0], **event[1]})

        reading = asyncio.ensure_future(read())
        await wait_until(lambda: two.inner.events.watched, timeout=20)
        await Counter.spawn(name="there", system=two)
        await Counter.spawn(name="here", system=one)
        await wait_until(lambda: len(rows) >= 2, timeout=20)
        kept, complete = plane.relay.since(rows[0]["number"] - 1, of_an_actor)
        await plane.close()
        await reading
        await wait_until(lambda: not two.inner.events.watched, timeout=20)
    assert {row["node"] for row in rows} == {str(one.node_id), str(two.node_id)}
    assert (len(kept), complete) == (2, True)
