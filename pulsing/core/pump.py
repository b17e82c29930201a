"""Carries the items of a generator to the caller who iterates over them, until one of the two ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any

from pulsing.core.answers import answer, fail_actor_by, record_error
from pulsing.core.messages import Message
from pulsing.core.statistics import MethodCounters
from pulsing.core.steps import in_steps
from pulsing.core.streams import Channel, StreamReader
from pulsing.exceptions import PulsingError
from pulsing.tasks import is_told_to_end

if TYPE_CHECKING:
    from pulsing.core.envelope import Envelope
    from pulsing.core.progress import Progress


def is_awaited_only(cell: Progress, envelope: Envelope, producer: Any) -> bool:
    """Whether nobody iterates: an async generator that was awaited, or any generator that was told."""
    if envelope.reply is None:
        return type(producer) in (GeneratorType, AsyncGeneratorType)
    return type(producer) is AsyncGeneratorType and not envelope.stream and cell.spec.table is not None


async def run_out(cell: Progress, producer: Any, counters: MethodCounters) -> None:
    """Let a generator run to its end that nobody iterates over."""
    async for _ in _items_of(cell, producer):
        counters.items += 1


def give_stream(cell: Progress, envelope: Envelope, result: Any, counters: MethodCounters) -> None:
    """Answer with the items of a generator, or with an explicit message."""
    if isinstance(result, Message):
        _give_message(cell, envelope, result, counters)
    else:
        _open_stream(cell, envelope, result, counters)


def _open_stream(cell: Progress, envelope: Envelope, producer: Any, counters: MethodCounters) -> None:
    channel = Channel()
    cell.add_stream(channel, counters)
    # The pump knows nothing of the envelope: that would keep the reader alive, whose end is the pump's end.
    pump = _pump(cell, _items_of(cell, producer), channel, envelope.method, counters, envelope.accepted_at)
    cell.system.tasks.start(pump, f"stream of {cell.label}")
    reader = StreamReader(channel)
    answer(cell, envelope, reader if cell.spec.table is not None else Message.streaming("", reader))


def _give_message(cell: Progress, envelope: Envelope, message: Message, counters: MethodCounters) -> None:
    channel = message.channel
    if channel is not None:
        # Its stream is written by hand: there is nothing to pump, but an end to watch.
        channel.translate = lambda error: (
            error if isinstance(error, PulsingError) else record_error(cell, envelope.method, error, counters)
        )
        cell.add_stream(channel, counters)
        channel.on_finish = lambda: cell.drop_stream(channel)
        if channel.finished:
            cell.drop_stream(channel)
    answer(cell, envelope, message)


async def _pump(
    cell: Progress,
    items: AsyncIterator[Any],
    channel: Channel,
    method: str | None,
    counters: MethodCounters,
    asked_at: float,
) -> None:
    try:
        await in_steps(cell, method, counters, _carry(cell, items, channel, counters, asked_at))
        channel.finish()
    except (Exception, asyncio.CancelledError) as raised:
        if isinstance(raised, asyncio.CancelledError) and (not cell.running or is_told_to_end()):
            raise
        error = record_error(cell, method, raised, counters)
        channel.finish(error)
        fail_actor_by(cell, raised, error)
    finally:
        channel.finish(cell.stopped_error(maybe_executed=True))
        cell.drop_stream(channel)
        await items.aclose()  # type: ignore[attr-defined]


async def _carry(
    cell: Progress, items: AsyncIterator[Any], channel: Channel, counters: MethodCounters, asked_at: float | None
) -> None:
    async for item in items:
        if asked_at is not None:
            cell.counters.first_item.observe(cell.now() - asked_at)
            asked_at = None
        counters.items += 1
        if not channel.put_nowait(item) and not await channel.wait_writable():
            break


def _items_of(cell: Progress, producer: Any) -> AsyncIterator[Any]:
    if type(producer) is AsyncGeneratorType:
        return producer
    return cell.worker.items(producer) if cell.spec.threaded else _as_async(producer)


async def _as_async(generator: Any) -> AsyncIterator[Any]:
    try:
        for item in generator:
            yield item
    finally:
        generator.close()
