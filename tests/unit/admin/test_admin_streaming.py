"""Queues and topics by REST: set up, put, looked into, trimmed, published, looked on at."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from pulsing.admin.payloads import Payloads
from pulsing.admin.schemas import Peek, QueueDetail, QueueRow, TopicDetail, TopicRow
from pulsing.admin.settings import AdminSettings
from pulsing.admin.tail import Sampler
from pulsing.clock import SystemClock
from pulsing.streaming import write_queue
from tests.unit.admin.admin_world import API, site


async def put(client: httpx.AsyncClient, count: int = 3, queue: str = "docs") -> httpx.Response:
    records = [{"id": str(number), "n": number} for number in range(count)]
    return await client.post(f"{API}/queues/{queue}/messages?create=true", json={"records": records})


async def test_records_are_put_seen_and_counted() -> None:
    async with site() as world:
        client = await world.client("operator")
        stored = await put(client)
        rows = (await client.get(f"{API}/queues")).json()["items"]
        detail = (await client.get(f"{API}/queues/docs")).json()
        seen = (await client.get(f"{API}/queues/docs/messages?limit=10")).json()
        found = (await client.get(f"{API}/queues/docs/messages?contains=%22n%22:%202")).json()
    assert (stored.status_code, stored.json()["count"]) == (201, 3)
    [row] = [QueueRow.model_validate(row) for row in rows]
    assert (row.queue, row.records, row.put_total, row.state) == ("docs", 3, 3, "ok")
    assert sum(bucket.records or 0 for bucket in QueueDetail.model_validate(detail).bucket_rows) == 3
    assert sorted(item.record["n"] for item in Peek.model_validate(seen).items) == [0, 1, 2]
    assert [item["record"]["n"] for item in found["items"]] == [2]


async def test_what_keeps_queues_is_reached_by_their_own_routes_alone() -> None:
    async with site(disabled_actions=frozenset({"queue.delete", "queue.purge"})) as world:
        client = await world.client("operator")
        await put(client)
        await client.post(f"{API}/topics/news/messages?create=true", json={"message": 1})
        rows = (await client.get(f"{API}/actors?system=true")).json()["items"]
        own = [row for row in rows if row["class"].startswith("pulsing.streaming.")]
        orders = [
            ("POST", "call", {"method": "destroy"}),
            ("POST", "call", {"method": "lookup", "args": ["docs"]}),
            ("POST", "tell", {"method": "purge"}),
            ("POST", "restart", None),
            ("DELETE", "", None),
        ]
        answers = [
            await client.request(method, f"{API}/actors/{row['id']}/{path}".rstrip("/"), json=body)
            for row in own
            for method, path, body in orders
        ]
        replay = {"filter": {"reason": "stopped"}, "to": own[0]["id"]}
        answers.append(await client.post(f"{API}/dead-letters/replay", json=replay))
        kept = (await client.get(f"{API}/queues/docs")).json()["records"]
    assert {row["class"].rpartition(".")[2] for row in own} == {"BucketStorage", "StorageManager", "TopicBroker"}
    assert {(answer.status_code, answer.json()["type"]) for answer in answers} == {(403, "/problems/forbidden")}
    assert kept == 3


async def test_looking_moves_no_reader() -> None:
    async with site() as world:
        client = await world.client("operator")
        await put(client)
        reader = await world.system.queue.read("docs")
        before = reader.positions()
        await client.get(f"{API}/queues/docs/messages")
        assert reader.positions() == before
        assert len(await reader.get(limit=10)) == 3


async def test_a_record_without_the_bucket_column_is_named_and_nothing_is_written() -> None:
    async with site() as world:
        client = await world.client("operator")
        await put(client)
        records: list[dict[str, Any]] = [{"id": "a"}, {"n": 1}]
        response = await client.post(f"{API}/queues/docs/messages", json={"records": records})
        left = (await client.get(f"{API}/queues/docs")).json()["records"]
    assert (response.status_code, left) == (422, 3)
    assert response.json()["errors"] == [{"loc": ["body", "records", 1], "msg": "the bucket column 'id' is missing"}]


async def test_an_unknown_queue_is_only_made_when_asked_to() -> None:
    async with site() as world:
        client = await world.client("operator")
        await put(client)
        response = await client.post(f"{API}/queues/dogs/messages", json={"records": [{"id": 1}]})
        strange = await client.post(f"{API}/queues/a b/messages?create=true", json={"records": [{"id": 1}]})
    assert (response.status_code, response.json()["hint"]) == (404, "did you mean 'docs'?")
    assert (strange.status_code, strange.json()["type"]) == (400, "/problems/bad-name")


@pytest.mark.parametrize("name", ["system~news", "n" * 250], ids=["reserved", "too long for its actors"])
async def test_names_that_no_queue_or_topic_can_have_are_refused_as_names(name: str) -> None:
    async with site() as world:
        client = await world.client("operator")
        refused = [
            await client.put(f"{API}/queues/{name}", json={}),
            await client.post(f"{API}/queues/{name}/messages?create=true", json={"records": [{"id": 1}]}),
            await client.post(f"{API}/topics/{name}/messages?create=true", json={"message": 1}),
        ]
        unknown = [
            await client.post(f"{API}/queues/{name}/messages", json={"records": [{"id": 1}]}),
            await client.get(f"{API}/queues/{name}/messages"),
            await client.post(f"{API}/queues/{name}/flush"),
            await client.post(f"{API}/queues/{name}/purge"),
            await client.delete(f"{API}/queues/{name}"),
            await client.post(f"{API}/topics/{name}/messages", json={"message": 1}),
            await client.get(f"{API}/topics/{name}/tail"),
            await client.delete(f"{API}/topics/{name}/subscribers/s"),
        ]
    assert [(each.status_code, each.json()["type"]) for each in refused] == [(400, "/problems/bad-name")] * 3
    assert {each.status_code for each in unknown} == {404}


async def test_a_queue_is_set_up_once() -> None:
    async with site() as world:
        client = await world.client("operator")
        made = await client.put(f"{API}/queues/q", json={"num_buckets": 2, "bucket_column": "key"})
        same = await client.put(f"{API}/queues/q", json={"num_buckets": 2, "bucket_column": "key"})
        other = await client.put(f"{API}/queues/q", json={"num_buckets": 3})
        unknown = await client.put(f"{API}/queues/r", json={"backend": "granite"})
        path = await client.put(f"{API}/queues/s", json={"backend_options": {"storage_path": "/etc"}})
    assert (made.status_code, same.status_code, other.status_code) == (201, 200, 409)
    assert other.json()["type"] == "/problems/queue-differs"
    assert (unknown.status_code, path.status_code) == (422, 422)


async def test_how_a_store_is_opened_is_told_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pulsing.audit")
    async with site() as world:
        secret = {"url": "redis://me:hunter2@host/0", "password": "hunter2"}
        writer = await write_queue(world.system, "jobs", backend_options={**secret, "max_records": 5})
        await writer.put({"id": 1})
        seen = (await (await world.client("viewer")).get(f"{API}/queues/jobs")).json()
        client = await world.client()
        order = {"backend_options": {"max_records": 6, "overflow": "redis://me:hunter2@host/1"}}
        refused = await client.put(f"{API}/queues/jobs", json=order)
        rows = (await client.get(f"{API}/audit")).text
    assert seen["backend_options"] == {"url": "redis://•••@host/0", "password": "•••", "max_records": 5}
    assert refused.status_code == 422
    assert "@host/1" in rows
    assert not [text for text in (rows, caplog.text) if "hunter2" in text]


OPTIONS: list[tuple[str, dict[str, Any], str | None]] = [
    ("memory", {"max_records": 10, "max_bytes": None, "max_age": 60, "overflow": "reject"}, None),
    ("memory", {"quorum": "off"}, None),
    ("memory", {"max_record": 10}, "max_record: the store memory has no such option; did you mean 'max_records'?"),
    ("memory", {"max_records": "ten"}, "max_records: Input should be a valid integer"),
    ("memory", {"max_records": -1}, "max_records is a positive whole number, got -1"),
    ("memory", {"clock": None}, "clock: the store memory has no such option"),
    ("sqlite", {"durability": "some"}, "durability is 'full' or 'normal', not 'some'"),
    ("sqlite", {"epoch": 7}, "epoch: the store sqlite has no such option"),
    ("sqlite", {"surprise": 1}, "surprise: the store sqlite has no such option"),
]


@pytest.mark.parametrize(("backend", "options", "said"), OPTIONS)
async def test_options_are_checked_by_what_the_store_takes(
    backend: str, options: dict[str, Any], said: str | None
) -> None:
    async with site() as world:
        client = await world.client("operator")
        made = await client.put(f"{API}/queues/q", json={"backend": backend, "backend_options": options})
        there = (await client.get(f"{API}/queues")).json()["total"]
    assert (made.status_code, there) == ((201, 1) if said is None else (422, 0)), made.text
    assert said is None or made.json()["detail"].startswith(said)


async def test_trim_purge_and_delete_do_what_their_dry_runs_say() -> None:
    async with site() as world:
        client = await world.client("operator")
        await put(client, 40)
        for path, body in (("trim", {"keep_last": 2}), ("purge", None)):
            tried = await client.post(f"{API}/queues/docs/{path}?dry_run=true", json=body)
            done = await client.post(f"{API}/queues/docs/{path}", json=body)
            assert tried.json()["dry_run"] is True
            assert tried.json()["removed"] == done.json()["removed"] > 0, path
        await put(client, 1)
        full = [await client.delete(f"{API}/queues/docs?if_empty=true&dry_run={dry}") for dry in ("false", "true")]
        rehearsed = await client.delete(f"{API}/queues/docs?dry_run=true")
        gone = await client.delete(f"{API}/queues/docs")
        missing = await client.get(f"{API}/queues/docs")
    assert [(each.status_code, each.json()["type"]) for each in full] == [(409, "/problems/queue-not-empty")] * 2
    assert rehearsed.json() == {"deleted": False, "records": 1, "dry_run": True}
    assert gone.json() == {"deleted": True, "records": 1}
    assert missing.status_code == 404


class Unmanaged:
    """A store with what is needed to put and to read, and no more."""

    def __init__(self, bucket_id: int, **options: Any) -> None:
        self.records: list[dict[str, Any]] = []

    async def put(self, record: dict[str, Any]) -> None:
        self.records.append(record)

    async def put_batch(self, records: list[dict[str, Any]]) -> None:
        self.records.extend(records)

    async def get(self, limit: int, offset: int) -> list[dict[str, Any]]:
        return self.records[offset : offset + limit]

    async def get_stream(self, limit: int, offset: int, wait: bool, timeout: float | None) -> Any:
        yield self.records[offset : offset + limit]

    async def flush(self) -> None:
        return None

    async def stats(self) -> dict[str, Any]:
        return {"total_count": len(self.records)}

    def total_count(self) -> int:
        return len(self.records)


async def test_a_rehearsal_says_as_well_what_the_store_cannot_do() -> None:
    async with site() as world:
        client = await world.client("operator")
        queue = await world.system.queue.write("plain", backend=Unmanaged)
        await queue.put({"id": "a"})
        for method, path in (("POST", "/trim"), ("POST", "/purge"), ("DELETE", "")):
            body = {"keep_last": 0} if path == "/trim" else None
            for dry in ("true", "false"):
                answer = await client.request(method, f"{API}/queues/plain{path}?dry_run={dry}", json=body)
                assert answer.json()["type"] == "/problems/not-supported", (method, path, dry)


@pytest.mark.parametrize("body", [{}, {"keep_last": 1, "before_offset": 2}, {"keep_last": -1}, {"before_at": "x"}])
async def test_a_trim_says_how_much_in_one_way(body: dict[str, Any]) -> None:
    async with site() as world:
        client = await world.client("operator")
        await put(client)
        assert (await client.post(f"{API}/queues/docs/trim", json=body)).status_code == 422


async def test_a_misspelt_rehearsal_does_not_do_the_thing_itself() -> None:
    async with site() as world:
        client = await world.client("operator")
        await put(client)
        response = await client.post(f"{API}/queues/docs/purge?dryrun=true")
        left = (await client.get(f"{API}/queues/docs")).json()["records"]
    assert (response.status_code, response.json()["hint"], left) == (422, "did you mean 'dry_run'?", 3)
    assert response.json()["errors"] == [{"loc": ["query", "dryrun"], "msg": "Unknown parameter"}]


async def test_a_bucket_that_the_queue_does_not_have_is_not_found() -> None:
    async with site() as world:
        client = await world.client("operator")
        await put(client)
        last = await client.get(f"{API}/queues/docs/messages?bucket_id=3")
        peeked = await client.get(f"{API}/queues/docs/messages?bucket_id=4")
        trimmed = await client.post(f"{API}/queues/docs/trim", json={"keep_last": 0, "bucket_id": 4})
    assert (last.status_code, peeked.status_code, trimmed.status_code) == (200, 404, 404)
    assert peeked.json()["detail"] == "no bucket 4: the queue has 4, from 0 on"


async def test_payload_settings_cap_what_operators_see() -> None:
    for mode, shown in (
        ("off", None),
        ("types", {"id": "str", "password": "str"}),
        ("full", {"id": "1", "password": "•••"}),
    ):
        async with site(payloads=mode) as world:
            client = await world.client("operator")
            records = [{"id": "1", "password": "hunter2"}]
            await client.post(f"{API}/queues/docs/messages?create=true", json={"records": records})
            items = (await client.get(f"{API}/queues/docs/messages")).json()["items"]
            viewer = await (await world.client("viewer")).get(f"{API}/queues/docs/messages")
        assert items[0]["record"] == shown
        assert viewer.status_code == 403


async def test_a_message_is_published_in_every_mode_and_its_fate_told() -> None:
    got: list[Any] = []
    async with site() as world:
        client = await world.client("operator")
        reader = await world.system.topic.read("news")
        reader.on_message(got.append)
        await reader.start()
        for mode in ("fire_and_forget", "wait_all_acks", "wait_any_ack", "best_effort"):
            answer = await client.post(f"{API}/topics/news/messages", json={"message": {"m": mode}, "mode": mode})
            assert answer.status_code == 200, answer.text
            assert (answer.json()["success"], answer.json()["delivered"]) == (True, 1), mode
        rows = (await client.get(f"{API}/topics")).json()["items"]
        detail = TopicDetail.model_validate((await client.get(f"{API}/topics/news")).json())
        unknown = await client.post(f"{API}/topics/nws/messages", json={"message": 1})
        wrong = await client.post(f"{API}/topics/news/messages", json={"message": 1, "mode": "shout"})
        evicted = await client.delete(f"{API}/topics/news/subscribers/{detail.subscriber_rows[0].id}")
        nobody = await client.delete(f"{API}/topics/news/subscribers/nobody")
        await reader.stop()
    assert [message["m"] for message in got] == ["fire_and_forget", "wait_all_acks", "wait_any_ack", "best_effort"]
    assert TopicRow.model_validate(rows[0]).published_total == 4
    assert (unknown.status_code, unknown.json()["hint"]) == (404, "did you mean 'news'?")
    assert (wrong.status_code, evicted.status_code, nobody.status_code) == (422, 204, 404)


def test_an_onlooker_sees_so_many_messages_a_second_and_how_many_were_left_out() -> None:
    class Hands(SystemClock):
        now = 0.0

        def monotonic(self) -> float:
            return self.now

    clock = Hands()
    sampler = Sampler(2, clock, Payloads(AdminSettings()))
    message = {"n": 1, "at": 0.0, "sender": "w", "value": {"a": 1}}
    events = [event for _ in range(5) for event, _ in sampler.take(message, "")]
    clock.now = 2.0
    later = list(sampler.take(message, ""))
    assert events == ["message", "message"]
    assert [event for event, _ in later] == ["message", "skipped"]
    assert later[1][1]["count"] == 3
    assert list(sampler.take(message, "nothing like it")) == []


async def test_an_onlooker_is_no_subscriber() -> None:
    async with site() as world:
        client = await world.client("operator")
        await client.post(f"{API}/topics/news/messages?create=true", json={"message": 0})
        from pulsing.admin.routes.topics import _tail_frames

        frames = _tail_frames(world.plane, "news", Sampler(50, world.plane.clock, world.plane.payloads), "")
        assert await anext(frames) == b": looking on\n\n"
        first = asyncio.ensure_future(anext(frames))
        answer: dict[str, Any] = {}
        for _ in range(100):
            answer = (await client.post(f"{API}/topics/news/messages", json={"message": {"x": 1}})).json()
            if first.done():
                break
            await asyncio.sleep(0.01)
        assert b'"value":{"x":1}' in await first
        await frames.aclose()
    assert answer["subscriber_count"] == 0
