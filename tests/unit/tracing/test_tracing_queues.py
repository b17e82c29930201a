"""A read of a queue is linked to the puts of the records that it got, and the records are as they were put."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

import pulsing as pul
from pulsing import tracing
from pulsing.core.actor import TRACE
from pulsing.streaming.manager import local_manager
from pulsing.streaming.storage import BucketStorage
from pulsing.testing import wait_until

NOTHING_SAMPLED = bytes(range(1, 25)) + b"\0"
OPTIONS = {"num_buckets": 2}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def puts(spans: InMemorySpanExporter) -> list[ReadableSpan]:
    """The spans of the puts into the queue of these tests, in their order."""
    found = [s for s in spans.get_finished_spans() if s.name == "send jobs" and s.kind is SpanKind.PRODUCER]
    return sorted(found, key=lambda span: span.start_time or 0)


def reads(spans: InMemorySpanExporter) -> list[ReadableSpan]:
    """The spans of the reads that have got something."""
    found = [s for s in spans.get_finished_spans() if s.name == "receive jobs" and s.kind is SpanKind.CONSUMER]
    return [span for span in found if (span.attributes or {})["messaging.batch.message_count"]]


async def read_of(spans: InMemorySpanExporter) -> ReadableSpan:
    """The span of the one read that has got something; it comes when its links are known."""
    await wait_until(lambda: reads(spans), timeout=10)
    [read] = reads(spans)
    return read


def linked(read: ReadableSpan) -> set[int]:
    return {link.context.span_id for link in read.links}


def ids_of(sent: list[ReadableSpan]) -> set[int]:
    return {span.context.span_id for span in sent if span.context is not None}


@pytest.fixture(params=["memory", "sqlite"])
def stored(request: pytest.FixtureRequest) -> dict[str, Any]:
    """How a queue is opened."""
    return {"backend": request.param, **OPTIONS}


async def test_a_read_is_linked_to_the_puts_of_its_records_and_they_are_as_they_were(
    spans: InMemorySpanExporter, stored: dict[str, Any]
) -> None:
    async with await pul.actor_system() as system:
        writer = await system.queue.write("jobs", **stored)
        await writer.put({"id": "a"})
        await writer.put([{"id": "b"}, {"id": "c", "n": [1]}, {"id": "d"}])
        await writer.append({"id": "e"})
        records = await (await system.queue.read("jobs", **stored)).get()
        read = await read_of(spans)

    assert sorted(records, key=lambda record: record["id"]) == [
        {"id": "a"},
        {"id": "b"},
        {"id": "c", "n": [1]},
        {"id": "d"},
        {"id": "e"},
    ]
    assert {type(record) for record in records} == {dict}
    assert len(puts(spans)) == 3
    assert linked(read) == ids_of(puts(spans))
    assert read.parent is None
    assert (read.attributes or {})["messaging.batch.message_count"] == 5


async def test_of_puts_that_went_together_each_record_leads_to_its_own(
    spans: InMemorySpanExporter, stored: dict[str, Any]
) -> None:
    stored = {**stored, "num_buckets": 1}
    async with await pul.actor_system() as system:
        writer = await system.queue.write("jobs", **stored)
        await asyncio.gather(*(writer.put({"id": n}) for n in range(20)))
        sent = {span.context.span_id for span in puts(spans) if span.context is not None}
        assert len(sent) == 20
        met: set[int] = set()
        reader = await system.queue.read("jobs", **stored)
        for number in range(20):
            spans.clear()
            assert await reader.get(limit=1) == [{"id": number}]
            (one,) = linked(await read_of(spans))
            met.add(one)
    assert met == sent


async def test_a_member_of_a_group_is_linked_to_what_it_was_lent(
    spans: InMemorySpanExporter, stored: dict[str, Any]
) -> None:
    async with await pul.actor_system() as system:
        writer = await system.queue.write("jobs", **stored)
        for n in range(3):
            await writer.put({"id": n})
        async with await system.queue.read("jobs", group="g", **stored) as member:
            assert len(await member.get(100, wait=True, timeout=10)) == 3
            read = await read_of(spans)
    assert linked(read) == ids_of(puts(spans))


async def test_a_read_by_offset_is_linked_only_to_what_it_returned(
    spans: InMemorySpanExporter, stored: dict[str, Any]
) -> None:
    stored = {**stored, "num_buckets": 1}
    async with await pul.actor_system() as system:
        queue = await system.queue.write("jobs", **stored)
        for n in range(4):
            await queue.put({"id": n})
        assert await queue.get(limit=2, offset=1) == [{"id": 1}, {"id": 2}]
        read = await read_of(spans)
    assert linked(read) == ids_of(puts(spans)[1:3])


async def test_a_reader_that_waits_is_linked_too(spans: InMemorySpanExporter, stored: dict[str, Any]) -> None:
    async with await pul.actor_system() as system:
        writer = await system.queue.write("jobs", **stored)
        await writer.put({"id": 0})
        reader = await system.queue.read("jobs", **stored)
        await reader.get()
        await read_of(spans)
        spans.clear()
        waiting = asyncio.ensure_future(reader.get(wait=True))
        bucket = local_manager(system).buckets["jobs", writer.get_bucket_id(1)]._cell.actor
        await wait_until(lambda: bucket.readers.waiting_reads, timeout=10)
        await writer.put({"id": 1})
        assert await waiting == [{"id": 1}]
        read = await read_of(spans)
    assert linked(read) == ids_of(puts(spans))


async def test_links_go_over_nodes(spans: InMemorySpanExporter) -> None:
    one = await pul.actor_system(addr="127.0.0.1:0", admin=False)
    two = await pul.actor_system(addr="127.0.0.1:0", seeds=[one.addr], admin=False)
    async with one, two:
        await (await one.queue.write("jobs", num_buckets=4)).put([{"id": n} for n in range(40)])
        assert len(await (await two.queue.read("jobs", num_buckets=4)).get()) == 40
        read = await read_of(spans)
    assert linked(read) == ids_of(puts(spans))


async def test_links_outlive_the_node_with_the_files(spans: InMemorySpanExporter) -> None:
    stored = {**OPTIONS, "backend": "sqlite"}
    async with await pul.actor_system() as system:
        writer = await system.queue.write("jobs", **stored)
        await writer.put([{"id": n} for n in range(10)])
        await writer.put([{"id": n} for n in range(10)])
    async with await pul.actor_system() as system:
        assert len(await (await system.queue.read("jobs", **stored)).get(limit=15)) == 15
        read = await read_of(spans)
    assert linked(read) == ids_of(puts(spans))


async def test_links_go_with_a_bucket_in_memory_whose_node_leaves(spans: InMemorySpanExporter) -> None:
    one = await pul.actor_system(addr="127.0.0.1:0", admin=False)
    async with one:
        async with await pul.actor_system(addr="127.0.0.1:0", seeds=[one.addr], admin=False) as two:
            await (await two.queue.write("jobs", num_buckets=8)).put([{"id": n} for n in range(40)])
        assert len(await (await one.queue.read("jobs", num_buckets=8)).get()) == 40
        read = await read_of(spans)
    assert linked(read) == ids_of(puts(spans))


async def test_a_put_that_is_not_sampled_leaves_no_context(spans: InMemorySpanExporter) -> None:
    async with await pul.actor_system() as system:
        token = TRACE.set(NOTHING_SAMPLED)
        writer = await system.queue.write("jobs", num_buckets=1)
        await writer.put({"id": 1})
        TRACE.reset(token)
        assert local_manager(system).buckets["jobs", 0]._cell.actor._runs is None
        assert await (await system.queue.read("jobs", num_buckets=1)).get() == [{"id": 1}]
        assert linked(await read_of(spans)) == set()


async def test_nothing_of_it_is_called_while_tracing_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BucketStorage, "append_traced", None)
    tracing.uninstrument()
    async with await pul.actor_system() as system:
        writer = await system.queue.write("jobs", **OPTIONS)
        await writer.put({"id": 1})
        assert await (await system.queue.read("jobs", **OPTIONS)).get() == [{"id": 1}]
