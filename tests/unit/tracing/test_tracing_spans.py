"""Calls, tells, streams, queues and topics give spans that hang together, over nodes too; and nothing when off."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import pulsing as pul
from pulsing import tracing
from pulsing.core.actor import TRACE
from pulsing.core.cell import Cell
from pulsing.streaming import PublishMode
from pulsing.testing import wait_until

NOTHING_SAMPLED = bytes(range(1, 25)) + b"\0"


class BackActor:
    """Answers."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def work(self, by: int) -> int:
        """Give one more."""
        return by + 1

    def note(self, what: Any) -> None:
        """Remember."""
        self.heard.append(what)

    def fail(self) -> None:
        """Fail."""
        raise ValueError("no")

    async def items(self, n: int) -> Any:
        """Stream."""
        for number in range(n):
            yield number


class FrontActor:
    """Asks another actor."""

    def __init__(self, back: Any) -> None:
        self.back = back

    async def work(self, by: int) -> int:
        """Ask."""
        answer: int = await self.back.work(by)
        return answer


class ParentActor:
    """Spawns another actor."""

    async def bear(self, name: str) -> None:
        """Spawn it."""
        await Back.spawn(name=name, system=pul.current_actor().system)


Back: Any = pul.remote(BackActor)
Parent: Any = pul.remote(ParentActor)
Front: Any = pul.remote(FrontActor)
BACK, FRONT = f"{__name__}.BackActor", f"{__name__}.FrontActor"


def named(spans: InMemorySpanExporter, name: str, kind: SpanKind) -> ReadableSpan:
    [found] = [span for span in spans.get_finished_spans() if span.name == name and span.kind is kind]
    return found


def is_child(child: ReadableSpan, parent: ReadableSpan) -> bool:
    assert child.context is not None
    assert parent.context is not None
    same = child.context.trace_id == parent.context.trace_id
    return same and child.parent is not None and child.parent.span_id == parent.context.span_id


async def test_a_call_through_an_actor_is_one_trace(spans: InMemorySpanExporter) -> None:
    async with await pul.actor_system() as system:
        back = await Back.spawn(name="back", system=system)
        front = await Front.spawn(back, system=system)
        assert await front.work(1) == 2
    chain = [
        named(spans, f"{FRONT}/work", SpanKind.CLIENT),
        named(spans, f"{FRONT}/work", SpanKind.SERVER),
        named(spans, f"{BACK}/work", SpanKind.CLIENT),
        named(spans, f"{BACK}/work", SpanKind.SERVER),
    ]
    assert all(is_child(child, parent) for parent, child in itertools.pairwise(chain))
    attributes = chain[3].attributes or {}
    assert attributes["rpc.system.name"] == "pulsing"
    assert attributes["rpc.method"] == f"{BACK}/work"
    assert attributes["pulsing.actor.name"] == "actors/back"
    assert float(str(attributes["pulsing.mailbox.wait_s"])) >= 0


async def test_two_messages_of_one_actor_belong_to_their_own_traces(spans: InMemorySpanExporter) -> None:
    async with await pul.actor_system() as system:
        back = await Back.spawn(system=system)
        await back.work(1)
        await back.work(2)
    called = [span for span in spans.get_finished_spans() if not span.name.startswith("spawn ")]
    traces = {span.context.trace_id for span in called if span.context is not None}
    assert len(traces) == 2


async def test_a_call_to_another_node_is_one_trace(spans: InMemorySpanExporter) -> None:
    one = await pul.actor_system(addr="127.0.0.1:0", admin=False)
    two = await pul.actor_system(addr="127.0.0.1:0", seeds=[one.addr], admin=False)
    async with one, two:
        await Back.spawn(name="back", public=True, system=two)
        ref = await one.resolve("back", timeout=20)
        assert await ref.as_any().work(1) == 2
        await wait_until(lambda: any(s.name == f"{BACK}/work" for s in spans.get_finished_spans()), timeout=10)
    client = named(spans, "actor/work", SpanKind.CLIENT)
    assert is_child(named(spans, f"{BACK}/work", SpanKind.SERVER), client)


async def test_a_tell_is_a_message_that_is_sent_and_processed(spans: InMemorySpanExporter) -> None:
    async with await pul.actor_system() as system:
        back = await Back.spawn(system=system)
        await back.with_options(one_way=True).note("x")
        await back.work(0)
    sent = named(spans, f"send {BACK}", SpanKind.PRODUCER)
    processed = named(spans, f"process {BACK}", SpanKind.CONSUMER)
    assert is_child(processed, sent)
    assert (sent.attributes or {})["messaging.operation.type"] == "send"


async def test_a_failure_is_on_both_spans_and_a_stream_says_how_many_items(spans: InMemorySpanExporter) -> None:
    async with await pul.actor_system() as system:
        back = await Back.spawn(system=system)
        with pytest.raises(ValueError, match="no"):
            await back.fail()
        assert [item async for item in back.items(3)] == [0, 1, 2]
        name = f"{BACK}/items"
        await wait_until(lambda: sum(s.name == name for s in spans.get_finished_spans()) == 2, timeout=10)
    for kind in (SpanKind.CLIENT, SpanKind.SERVER):
        span = named(spans, f"{BACK}/fail", kind)
        assert span.status.status_code is StatusCode.ERROR
        assert (span.attributes or {})["error.type"] == "ValueError"
    assert (named(spans, name, SpanKind.SERVER).attributes or {})["pulsing.stream.items"] == 3


async def test_queues_and_topics_are_messaging(spans: InMemorySpanExporter) -> None:
    async with await pul.actor_system() as system:
        writer = await system.queue.write("jobs", num_buckets=1)
        await writer.put({"id": "a"})
        await (await system.queue.read("jobs", num_buckets=1)).get(limit=1)
        await (await system.topic.write("news")).publish({"n": 1})
    assert (named(spans, "send jobs", SpanKind.PRODUCER).attributes or {})["messaging.system"] == "pulsing"
    assert (named(spans, "receive jobs", SpanKind.CONSUMER).attributes or {})["messaging.destination.name"] == "jobs"
    assert named(spans, "send news", SpanKind.PRODUCER)


async def test_what_a_subscriber_does_is_linked_to_the_publication_and_part_of_its_trace(
    spans: InMemorySpanExporter,
) -> None:
    one = await pul.actor_system(addr="127.0.0.1:0", admin=False)
    two = await pul.actor_system(addr="127.0.0.1:0", seeds=[one.addr], admin=False)
    async with one, two:
        back = await Back.spawn(system=two)
        reader = await two.topic.read("news")

        async def heard(message: Any) -> None:
            await back.work(message["n"])

        reader.add_callback(heard)
        await reader.start()
        await (await one.topic.write("news")).publish({"n": 1}, mode=PublishMode.WAIT_ALL_ACKS)
        await reader.stop()
    published = named(spans, "send news", SpanKind.PRODUCER)
    processed = named(spans, "process news", SpanKind.CONSUMER)
    asked = named(spans, f"{BACK}/work", SpanKind.CLIENT)
    assert published.context is not None
    assert {span.context.trace_id for span in (processed, asked) if span.context} == {published.context.trace_id}
    assert [link.context.trace_id for link in processed.links] == [published.context.trace_id]
    assert is_child(asked, processed)
    assert (processed.attributes or {})["messaging.operation.type"] == "process"


async def test_an_actor_that_is_spawned_by_another_is_part_of_its_trace(spans: InMemorySpanExporter) -> None:
    async with await pul.actor_system() as system:
        parent = await Parent.spawn(system=system)
        await parent.bear("child")
    working = [span for span in spans.get_finished_spans() if span.name.endswith("/bear")]
    born = named(spans, f"spawn {BACK}", SpanKind.INTERNAL)
    assert any(is_child(born, span) for span in working)
    assert (born.attributes or {})["pulsing.actor.name"] == "actors/child"


async def test_a_trace_that_is_not_sampled_makes_no_spans(spans: InMemorySpanExporter) -> None:
    async with await pul.actor_system() as system:
        token = TRACE.set(NOTHING_SAMPLED)
        back = await Back.spawn(system=system)
        await back.work(1)
        TRACE.reset(token)
    assert spans.get_finished_spans() == ()


async def test_off_means_that_nothing_was_touched() -> None:
    before = (Cell.post, Cell.tell, Cell.turn_for, Cell._run)
    tracing.instrument()
    assert Cell.post is not before[0]
    tracing.uninstrument()
    assert (Cell.post, Cell.tell, Cell.turn_for, Cell._run) == before


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "PULSING_TRACING_MODE": "off"}, False),
    ],
)
def test_the_standard_environment_says_whether_spans_are_wanted(environ: dict[str, str], on: bool) -> None:
    script = f"from pulsing.tracing import wanted; print(wanted({environ!r}))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=50)
    assert said.stdout.strip() == str(on)


def test_nothing_of_opentelemetry_is_imported_while_it_is_off() -> None:
    script = (
        "import asyncio, sys, pulsing as pul\n"
        "async def main():\n"
        "    async with await pul.actor_system(): pass\n"
        "asyncio.run(main())\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=50)
    assert said.stdout.strip() == "[]"


EXPORTING = """
import asyncio, pulsing as pul

class ExportedActor:
    def work(self): return 1

async def main():
    async with await pul.actor_system() as system:
        actor = await pul.remote(ExportedActor).spawn(system=system)
        await actor.work()

asyncio.run(main())
"""


async def test_spans_are_exported_as_the_standard_environment_says(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(re.findall(rb"(?i)content-length: (\d+)", head)[0])
        bodies.append(gzip_free(head, await reader.readexactly(size)))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(collect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    environ = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_SERVICE_NAME": "a-shop",
    }
    async with server:
        run = await asyncio.create_subprocess_exec(sys.executable, "-c", EXPORTING, env=environ, cwd=tmp_path)
        assert await asyncio.wait_for(run.wait(), 50) == 0
    [body] = bodies
    assert b"a-shop" in body
    assert body.count(b"__main__.ExportedActor/work") >= 2


def gzip_free(head: bytes, body: bytes) -> bytes:
    return gzip.decompress(body) if b"gzip" in head.lower().split(b"content-encoding")[-1][:10] else body
