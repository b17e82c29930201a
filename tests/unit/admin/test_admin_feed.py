"""The live stream: a snapshot, then changes; gaps for the slow, and nothing at all for nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from pulsing.admin.feed import MAX_FRAMES, Change, Client, Feed, interval_s
from pulsing.admin.problems import ProblemError
from pulsing.admin.settings import Principal
from pulsing.admin.sources import Subscribe
from pulsing.exceptions import ActorStopped
from pulsing.testing import wait_until
from tests.unit.admin.admin_world import API, Counter, Site, site

OPERATOR = Principal("op", "operator")
VIEWER = Principal("vi", "viewer")
TICK = 0.25


def subscribe(sub: str = "a", topic: str = "actors", **more: Any) -> Subscribe:
    return Subscribe(sub=sub, topic=topic, **more)


class Reader:
    """Reads the frames of a client, one event at a time."""

    def __init__(self, feed: Feed, client: Client) -> None:
        self.feed = feed
        self.client = client
        self.last_id = ""
        self._frames: AsyncGenerator[bytes, None] = client.frames()

    async def next(self, *events: str) -> tuple[str, dict[str, Any]]:
        """The next frame of one of some events, others but ticks being wrong."""
        while True:
            frame = (await asyncio.wait_for(anext(self._frames), 10)).decode()
            fields = dict(line.split(": ", 1) for line in frame.strip().splitlines())
            self.last_id = fields.get("id", self.last_id)
            if "event" in fields and fields["event"] != "tick":
                assert fields["event"] in events, frame
                return fields["event"], json.loads(fields["data"])

    async def leave(self) -> None:
        await self._frames.aclose()
        self.feed.leave(self.client)


async def opened(world: Site, *asked: Subscribe, principal: Principal = OPERATOR, last: str | None = None) -> Reader:
    reader = Reader(world.plane.feed, world.plane.feed.open(asked, principal, last))
    _, hello = await reader.next("hello")
    assert hello["sid"] == reader.client.sid
    return reader


async def test_a_subscription_gets_a_snapshot_and_then_only_what_changed() -> None:
    async with site(tick_s=TICK) as world:
        first = await Counter.spawn(name="first", system=world.system)
        reader = await opened(world, subscribe(fields=["name", "messages_total"], sort="name"))
        _, snapshot = await reader.next("snapshot")
        await first.incr()
        _, changed = await reader.next("delta")
        await Counter.spawn(name="another", system=world.system)
        _, added = await reader.next("delta")
        await world.system.stop("first")
        _, removed = await reader.next("delta")
        await reader.leave()

    identity = str(first.ref.actor_id)
    assert [row["name"] for row in snapshot["rows"]] == ["actors/first"]
    assert changed["set"] == [{"id": identity, "messages_total": 1}]
    assert "order" not in changed
    assert (changed["base"], added["base"]) == (snapshot["rev"], changed["rev"])
    assert [row["name"] for row in added["set"]] == ["actors/another"]
    assert added["order"][1] == identity
    assert removed["del"] == [identity]
    assert removed["total"] == 1


async def test_the_nodes_own_actors_are_in_the_stream_only_where_they_are_asked_for() -> None:
    async with site(tick_s=TICK) as world:
        usual = await opened(world, subscribe())
        _, snapshot = await usual.next("snapshot")
        assert snapshot["rows"] == []
        everything = await opened(world, subscribe(system=True))
        _, snapshot = await everything.next("snapshot")
        assert "system/core" in [row["name"] for row in snapshot["rows"]]
        client = await world.client("viewer")
        summary = [(await client.get(f"{API}/actors/summary{asked}")).json()["items"] for asked in ("", "?system=true")]
        assert (summary[0], sum(item["actors"] for item in summary[1])) == ([], len(snapshot["rows"]))
        for reader in (usual, everything):
            await reader.leave()


async def test_events_are_appended() -> None:
    async with site(tick_s=TICK) as world:
        reader = await opened(world, subscribe("e", "events", filter={"type": "actor.*"}))
        await reader.next("snapshot")
        await Counter.spawn(name="born", system=world.system)
        _, appended = await reader.next("append")
        await reader.leave()
    assert [row["type"] for row in appended["rows"]] == ["actor.spawned"]


async def test_dead_letters_are_appended_and_what_else_becomes_of_them_is_a_delta() -> None:
    async with site(tick_s=TICK) as world:
        counter = await Counter.spawn(name="counter", system=world.system)
        await world.system.stop("counter")
        reader = await opened(world, subscribe("d", "dead_letters", limit=2))
        await reader.next("snapshot")
        shown: list[str] = []
        for n in (1, 2, 3):
            with pytest.raises(ActorStopped):
                await counter.incr()
            _, appended = await reader.next("append")
            assert (appended["filtered"], len(appended["rows"])) == (n, 1)
            shown.append(appended["rows"][0]["id"])
        world.system.dead_letters.clear()
        _, cleared = await reader.next("delta")
        await reader.leave()
    assert (sorted(cleared["del"]), cleared["filtered"]) == (sorted(shown[-2:]), 0)


async def test_who_asks_during_a_tick_for_what_was_shown_before_is_not_shown_it_as_it_was() -> None:
    actors = subscribe("b", sort="name")
    async with site(tick_s=TICK) as world:
        reader = await opened(world, actors)
        await reader.next("snapshot")
        inspect = world.system.inner.inspectors["methods"]
        began = asyncio.Event()

        def asked_meanwhile(params: Any) -> Any:
            if began.is_set():
                world.system.inner.inspectors["methods"] = inspect
                world.plane.feed.change(reader.client.sid, Change(add=[actors]), OPERATOR)
            return inspect(params)

        world.system.inner.inspectors["methods"] = asked_meanwhile
        methods = Change(add=[subscribe("m", "methods")], remove=["b"])
        world.plane.feed.change(reader.client.sid, methods, OPERATOR)
        await reader.next("snapshot")
        await Counter.spawn(name="born", system=world.system)
        began.set()
        _, shown = await reader.next("snapshot")
        await reader.leave()
    assert (shown["sub"], [row["name"] for row in shown["rows"]]) == ("b", ["actors/born"])


async def test_two_watchers_of_the_same_thing_share_one_question() -> None:
    async with site(tick_s=TICK) as world:
        asked = 0
        inspect = world.system.inner.inspectors["actors"]

        def counted(params: Any) -> Any:
            nonlocal asked
            asked += 1
            return inspect(params)

        world.system.inner.inspectors["actors"] = counted
        readers = [await opened(world, subscribe(sort=sort)) for sort in ("name", "name", "-mailbox")]
        for reader in readers:
            await reader.next("snapshot")
        before = asked
        for _ in range(2):
            await Counter.spawn(system=world.system)
            await asyncio.gather(*(reader.next("delta") for reader in readers))
        for reader in readers:
            await reader.leave()
        assert asked - before <= 4


async def test_without_a_client_nothing_is_asked_and_nothing_runs() -> None:
    async with site(tick_s=TICK) as world:
        asked = False

        def never(params: Any) -> Any:
            nonlocal asked
            asked = True
            return []

        reader = await opened(world, subscribe())
        await reader.next("snapshot")
        await reader.leave()
        world.system.inner.inspectors["actors"] = never
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert "pulsing-admin-feed" in names
        await wait_until(lambda: "pulsing-admin-feed" not in {task.get_name() for task in asyncio.all_tasks()})
        assert not asked


async def test_a_stream_is_resumed_where_it_was_or_told_that_it_cannot_be() -> None:
    async with site(tick_s=TICK) as world:
        stays = await opened(world, subscribe())
        reader = await opened(world, subscribe())
        await reader.next("snapshot")
        await stays.next("snapshot")
        await reader.leave()
        again = await opened(world, subscribe(), last=reader.last_id)
        await Counter.spawn(name="later", system=world.system)
        _, resumed = await again.next("delta")
        stranger = await opened(world, subscribe(), last="deadbeef.7")
        _, gap = await stranger.next("gap")
        await stranger.next("snapshot")
        for one in (stays, again, stranger):
            await one.leave()
    assert [row["name"] for row in resumed["set"]] == ["actors/later"]
    assert gap["reason"] == "restart"


async def test_a_client_that_does_not_read_loses_its_frames_and_is_told() -> None:
    async with site(tick_s=TICK) as world:
        slow, other = await opened(world, subscribe()), await opened(world, subscribe())
        await slow.next("snapshot")
        await other.next("snapshot")
        for _ in range(MAX_FRAMES + 1):
            slow.client.send(b"event: tick\ndata: {}\n\n")
        await Counter.spawn(name="news", system=world.system)
        _, gap = await slow.next("gap")
        _, snapshot = await slow.next("snapshot")
        await other.next("delta")
        await slow.leave()
        await other.leave()
    assert (gap["reason"], gap["missed"]) == ("slow", MAX_FRAMES + 1)
    assert [row["name"] for row in snapshot["rows"]] == ["actors/news"]


async def test_subscriptions_are_changed_without_a_new_stream_and_only_by_their_owner() -> None:
    async with site(tick_s=TICK) as world:
        reader = await opened(world)
        feed = world.plane.feed
        with pytest.raises(ProblemError, match="no open stream of yours"):
            feed.change(reader.client.sid, Change(add=[subscribe()]), VIEWER)
        feed.change(reader.client.sid, Change(add=[subscribe("n", "nodes")]), OPERATOR)
        _, nodes = await reader.next("snapshot")
        feed.change(reader.client.sid, Change(remove=["n"], add=[subscribe("o", "overview")]), OPERATOR)
        _, overview = await reader.next("snapshot")
        await reader.leave()
    assert (nodes["sub"], nodes["rows"][0]["self"]) == ("n", True)
    assert (overview["sub"], overview["rows"][0]["totals"]["actors"]) == ("o", 0)


async def test_what_does_not_exist_ends_its_subscription_and_not_the_stream() -> None:
    async with site(tick_s=TICK) as world:
        reader = await opened(world, subscribe("x", "actor", id="nobody"), subscribe("c", "cluster"))
        frames = dict([await reader.next("error", "snapshot") for _ in range(2)])
        await reader.leave()
    assert frames["error"]["sub"] == "x"
    assert frames["error"]["problem"]["type"] == "/problems/actor-not-found"
    assert frames["snapshot"]["sub"] == "c"


async def test_viewers_see_no_payloads_in_the_stream() -> None:
    async with site(tick_s=TICK) as world:
        counter = await Counter.spawn(name="c", system=world.system)
        with pytest.raises(Exception, match="s3cret"):
            await counter.fail("s3cret")
        reader = await opened(world, subscribe("x", "actor", id="c"), principal=VIEWER)
        _, snapshot = await reader.next("snapshot")
        await reader.leave()
    assert "s3cret" not in json.dumps(snapshot)
    assert snapshot["rows"][0]["redacted"] is True


@pytest.mark.parametrize(
    "asked",
    [
        [subscribe(topic="surprise")],
        [subscribe(topic="actor")],
        [subscribe(sort="surprise")],
        [subscribe(topic="queues", system=True)],
        [subscribe(filter={"colour": "red"})],
        [subscribe(filter={"state": "sideways"})],
        [subscribe(str(n)) for n in range(17)],
    ],
)
async def test_what_cannot_be_subscribed_to_is_refused_before_the_stream_opens(asked: list[Subscribe]) -> None:
    async with site() as world:
        with pytest.raises(ProblemError):
            world.plane.feed.open(asked, OPERATOR, None)
        assert world.plane.feed.clients == 0


async def test_streams_are_limited_and_end_with_a_word() -> None:
    async with site(streams=1, tick_s=TICK) as world:
        reader = await opened(world)
        with pytest.raises(ProblemError, match="1 streams are open"):
            world.plane.feed.open([], OPERATOR, None)
        await world.plane.close()
        _, bye = await reader.next("bye")
        with pytest.raises(StopAsyncIteration):
            await anext(reader._frames)
        with pytest.raises(ProblemError, match="shutting down"):
            world.plane.feed.open([], OPERATOR, None)
        await reader.leave()
    assert bye == {"reason": "shutdown"}


async def test_a_stream_ends_with_the_session_that_it_was_opened_in() -> None:
    async with site(tick_s=TICK) as world:
        plane = world.plane
        token, _ = plane.sessions.open(OPERATOR)
        reader = Reader(plane.feed, plane.feed.open([], OPERATOR, None, lambda: plane.knows(token)))
        await reader.next("hello")
        plane.sessions.close(token)
        _, bye = await reader.next("bye")
        await reader.leave()
    assert bye == {"reason": "session"}


@pytest.mark.parametrize("path", ["events", "topics/news/tail"])
async def test_other_streams_too_end_with_the_session_that_they_were_opened_in(path: str) -> None:
    async with site() as world:
        plane, writer = world.plane, await world.client()

        async def tell() -> None:
            answer = await writer.post(f"{API}/topics/news/messages?create=true", json={"message": "secret"})
            assert answer.status_code == 200
            plane.system.events.publish("test.secret", kind="test", name="secret")

        async def keep_telling() -> None:
            while True:
                await tell()
                await asyncio.sleep(0.01)

        await tell()
        token, _ = plane.sessions.open(OPERATOR)
        client = await world.client(None, Accept="text/event-stream", Authorization=f"Bearer {token}")
        reading = asyncio.ensure_future(client.get(f"{API}/{path}"))
        await wait_until(lambda: plane.feed.clients == 1)
        plane.sessions.close(token)
        telling = asyncio.ensure_future(keep_telling())
        shown = await asyncio.wait_for(reading, 10)
        telling.cancel()
    assert shown.status_code == 200
    assert "secret" not in shown.text


def test_ticks_come_less_often_where_very_many_actors_are_walked_over() -> None:
    assert interval_s(1.0, 0.4, 100_000) == 1.0
    assert interval_s(1.0, 0.04, 100_001) == 1.0
    assert interval_s(1.0, 0.4, 1_000_000) == pytest.approx(8.0)


async def test_a_stretched_tick_is_told_and_the_time_is_told_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulsing.admin.feed.MANY_ACTORS", 0)
    monkeypatch.setattr("pulsing.admin.feed.WALK_SHARE", 1_000_000)
    monkeypatch.setattr("pulsing.admin.feed.TICK_EVERY_S", 0.05)
    async with site(tick_s=TICK) as world:
        client = world.plane.feed.open([subscribe()], OPERATOR, None)
        told: list[dict[str, Any]] = []
        async for frame in client.frames():
            if frame.startswith(b"event: tick"):
                told.append(json.loads(frame.decode().split("data: ", 1)[1]))
                if len(told) == 2:
                    break
        world.plane.feed.leave(client)
    assert all(one["tick_s"] > TICK for one in told)
