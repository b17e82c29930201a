"""Spans of queues: each put is one, and each read is one that is linked to the puts of the records that it got.

The context of a put goes beside its records to the bucket, which keeps it; a reader whose span is recorded asks for it
afterwards. So neither records nor the calls of those who do not trace have anything of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.trace import Span

from pulsing.core.actor import TRACE
from pulsing.exceptions import PulsingError
from pulsing.streaming.access import CALL_TIMEOUT_S
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.bucket_words import Fetched
from pulsing.streaming.groups.reader import Delivery
from pulsing.streaming.put_traces import Run
from pulsing.streaming.queue import Queue
from pulsing.tracing.spans import end, link_to

Places = defaultdict[int, list[int]]
"""Offsets by their buckets."""

LOOK_S = 5.0
"""How long a bucket may take to tell of which puts its records are."""

_waiting: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()
"""the contexts of the puts that stand in line behind others, by what they wait for"""
_together: ContextVar[list[bytes | None] | None] = ContextVar("pulsing_traced_together", default=None)
"""the contexts of records that go in one call though they are of several puts"""
_pages: ContextVar[list[tuple[int, Fetched]] | None] = ContextVar("pulsing_traced_pages", default=None)
"""what buckets have answered to the read that is under way"""


# --- writing ---------------------------------------------------------------------------------------------------------


def traced_send(send: Callable[..., Any]) -> Callable[..., Any]:
    """Let records go to their bucket with what they belong to."""

    def traced(queue: Any, ref: Any, records: list[Any]) -> Any:
        runs = _runs_of(records)
        if not runs:
            return send(queue, ref, records)
        return ref.request("append_traced", (records, runs), None, CALL_TIMEOUT_S)

    return traced


def traced_enter(enter: Callable[..., Any]) -> Callable[..., Any]:
    """Note the context of a put that has to stand in line: the call that takes it is made by somebody else."""

    def traced(line: Any, records: list[Any]) -> Any:
        told, context = enter(line, records), _sampled()
        if context is not None:
            _waiting[told] = context
        return told

    return traced


def traced_together(write_together: Callable[..., Any]) -> Callable[..., Any]:
    """Let each record that goes together with those of others have the context of its own put."""

    async def traced(line: Any, batch: list[tuple[list[Any], Any]], began: float) -> None:
        token = _together.set([_waiting.get(told) for records, told in batch for _ in records])
        try:
            await write_together(line, batch, began)
        finally:
            _together.reset(token)

    return traced


def _runs_of(records: list[Any]) -> list[Run]:
    contexts = _together.get()
    if contexts is None:
        own = _sampled()
        return [] if own is None else [(0, len(records), own)]
    runs: list[Run] = []
    for place, context in enumerate(contexts):
        if context is None:
            continue
        if runs and runs[-1][2] == context and runs[-1][0] + runs[-1][1] == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, context)
        else:
            runs.append((place, 1, context))
    return runs


def _sampled() -> bytes | None:
    context = TRACE.get()
    return context if context is not None and context[24] & 1 else None


# --- reading ---------------------------------------------------------------------------------------------------------


def noting_fetch(fetch: Callable[..., Any]) -> Callable[..., Any]:
    """Note what a read has been answered, for its span."""

    async def noting(queue: Queue, bucket_id: int, *args: Any, **kwargs: Any) -> Any:
        fetched = await fetch(queue, bucket_id, *args, **kwargs)
        pages = _pages.get()
        if pages is not None and fetched is not None and fetched[0]:
            pages.append((bucket_id, fetched))
        return fetched

    return noting


async def read(get: Awaitable[list[Record]]) -> tuple[list[Record], Places]:
    """Read, and tell where the records were."""
    pages: list[tuple[int, Fetched]] = []
    token = _pages.set(pages)
    try:
        records = await get
    finally:
        _pages.reset(token)
    returned = set(map(id, records))
    places: Places = defaultdict(list)
    for bucket_id, (page, following, *_) in pages:
        first = following - len(page)
        places[bucket_id] += [place for place, record in enumerate(page, first) if id(record) in returned]
    return records, places


async def receive(get: Awaitable[list[Delivery]]) -> tuple[list[Delivery], Places]:
    """Receive as a member of a group, and tell where the records were."""
    deliveries = await get
    places: Places = defaultdict(list)
    for delivery in deliveries:
        places[delivery.bucket_id].append(delivery.offset)
    return deliveries, places


def end_linked(span: Span, queue: Queue, places: Places) -> None:
    """End the span of a read; its links are asked for afterwards, so that nobody waits for them or cuts them off."""
    count = sum(map(len, places.values()))
    span.set_attribute("messaging.batch.message_count", count)
    if count:
        queue._inner.tasks.start(_link_and_end(span, queue, places, time.time_ns()), "links of a read")
    else:
        end(span)


async def _link_and_end(span: Span, queue: Queue, places: Places, ended: int) -> None:
    try:
        asked = (_contexts(queue, bucket_id, offsets) for bucket_id, offsets in places.items() if offsets)
        found = await asyncio.gather(*asked)
        link_to(span, dict.fromkeys(context for contexts in found for context in contexts))
    finally:
        end(span, at=ended)


async def _contexts(queue: Queue, bucket_id: int, offsets: list[int]) -> Iterable[bytes]:
    """The contexts of the puts of some records of a bucket; none where the bucket cannot tell now."""
    wanted = min(offsets), max(offsets) + 1
    try:
        runs: list[Run] = await queue.follow(bucket_id, "traces", wanted, None, LOOK_S) or []
    except (PulsingError, TimeoutError, asyncio.TimeoutError):
        return ()
    return [run[2] for run in runs if any(run[0] <= offset < run[0] + run[1] for offset in offsets)]
