"""What an operator does to queues and topics from any node: set up, put, flush, trim, purge, delete, publish, evict."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pulsing.core import ActorProxy
from pulsing.core.system import System
from pulsing.exceptions import PulsingRuntimeError
from pulsing.streaming.backend import backend_name
from pulsing.streaming.finding import ask_manager, get_topic_broker
from pulsing.streaming.names import check_topic
from pulsing.streaming.ownership.catalogue import QueueDiffers, QueueSettings
from pulsing.streaming.queue import Queue


class QueueBusy(PulsingRuntimeError):
    """The queue is not deleted, because it has records or readers; `reason` is "not-empty" or "in-use"."""

    def __init__(self, queue: str, reason: str) -> None:
        super().__init__(f"queue {queue!r} is {reason.replace('-', ' ')}")
        self.queue = queue
        self.reason = reason


async def open_queue(system: Any, queue: str) -> Queue | None:
    """A handle of a queue as it was set up; None if nobody has put anything into it."""
    queue = check_topic(queue)
    fields = await ask_manager(system, "lookup", queue)
    return None if fields is None else _handle(system, queue, QueueSettings.from_dict(fields))


async def create_queue(
    system: Any,
    queue: str,
    *,
    num_buckets: int = 4,
    bucket_column: str = "id",
    backend: str = "memory",
    batch_size: int = 100,
    backend_options: dict[str, Any] | None = None,
) -> bool:
    """Fix the settings of a queue as its first put would; False if it is there with equal settings.

    Raises:
        QueueDiffers: it is there with other settings.
        ValueError: a name, number or option makes no sense.
    """
    asked = QueueSettings(num_buckets, bucket_column, backend_name(backend), backend_options, batch_size)
    queue = _handle(system, queue, asked).topic
    before = await ask_manager(system, "lookup", queue, asked.to_dict())
    fixed = QueueSettings.from_dict(await ask_manager(system, "declare", queue, asked.to_dict()))
    if (difference := fixed.difference(asked)) is not None:
        raise QueueDiffers(queue, difference)
    return before is None


def _handle(system: Any, queue: str, settings: QueueSettings) -> Queue:
    return Queue(
        system,
        queue,
        settings.bucket_column or "id",
        settings.num_buckets or 1,
        settings.batch_size,
        None,
        settings.backend or "memory",
        None if settings.backend_options is None else dict(settings.backend_options),
    )


async def flush_queue(queue: Queue) -> int:
    """Make durable what was put before; returns the number of buckets."""
    existing = await queue.existing_buckets()
    await queue.flush()
    return len(existing)


async def trim_queue(
    queue: Queue,
    *,
    keep_last: int | None = None,
    before_offset: int | None = None,
    before_at: float | None = None,
    bucket_id: int | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Remove the oldest records. Offsets stay; readers that are behind will be told of the loss.

    Args:
        queue: the queue.
        keep_last: how many records each bucket keeps.
        before_offset: the first offset to keep.
        before_at: wall clock time from which on to keep.
        bucket_id: the one bucket to trim; None for all.
        dry_run: only tell what would be removed.

    Returns:
        `{"removed", "buckets": {"0": {"earliest", "next"}}, "readers_behind"}`

    Raises:
        ValueError: not exactly one of the three ways to say how much.
        PulsingUnsupportedError: the store cannot do that.
    """
    if sum(way is not None for way in (keep_last, before_offset, before_at)) != 1:
        raise ValueError("give one of keep_last, before_offset and before_at")
    buckets = await queue.existing_buckets()
    answer: dict[str, Any] = {"removed": 0, "buckets": {}, "readers_behind": 0}
    for one in buckets if bucket_id is None else [b for b in buckets if b == bucket_id]:
        bounds = await queue.call_bucket(one, "bounds")
        if keep_last is not None:
            limit = bounds["next"] - keep_last
        elif before_offset is not None:
            limit = before_offset
        else:
            limit = await queue.call_bucket(one, "offset_at", before_at)
        await _trim_bucket(queue, one, bounds, limit, dry_run, answer)
    if not dry_run:
        _report(queue, "queue.trimmed", answer["removed"])
    return answer


async def purge_queue(queue: Queue, *, dry_run: bool = False) -> dict[str, Any]:
    """Remove every record that there is now; answers as `trim_queue`."""
    answer: dict[str, Any] = {"removed": 0, "buckets": {}, "readers_behind": 0}
    for one in await queue.existing_buckets():
        bounds = await queue.call_bucket(one, "bounds")
        await _trim_bucket(queue, one, bounds, bounds["next"], dry_run, answer)
    if not dry_run:
        _report(queue, "queue.purged", answer["removed"])
    return answer


async def _trim_bucket(
    queue: Queue, bucket_id: int, bounds: dict[str, int], limit: int, dry_run: bool, answer: dict[str, Any]
) -> None:
    limit = min(max(limit, bounds["earliest"]), bounds["next"])
    answer["readers_behind"] += await queue.call_bucket(bucket_id, "readers_behind", limit)
    if dry_run:
        await queue.call_bucket(bucket_id, "check_manageable", "trim")
        after = {"removed": limit - bounds["earliest"], "earliest": limit, "next": bounds["next"]}
    else:
        after = await queue.call_bucket(bucket_id, "trim", limit)
    answer["removed"] += after["removed"]
    answer["buckets"][str(bucket_id)] = {"earliest": after["earliest"], "next": after["next"]}


async def delete_queue(
    queue: Queue, *, if_empty: bool = False, if_unused: bool = False, dry_run: bool = False
) -> dict[str, Any]:
    """Remove a queue with its records.

    Args:
        queue: the queue.
        if_empty: only if it has no records.
        if_unused: only if nobody reads it.
        dry_run: only check, and tell how many records would go.

    Returns:
        `{"deleted", "records"}`

    Raises:
        QueueBusy: it has records and `if_empty` is set, or it is read and `if_unused` is set.
        PulsingUnsupportedError: the store cannot do that.
    """
    buckets = await queue.existing_buckets()
    held = sum([(await queue.call_bucket(one, "bounds"))["records"] for one in buckets]) if if_empty or dry_run else 0
    if if_empty and held:
        raise QueueBusy(queue.topic, "not-empty")
    if if_unused and any([await queue.call_bucket(one, "reader_count") for one in buckets]):
        raise QueueBusy(queue.topic, "in-use")
    if dry_run:
        for one in buckets:
            await queue.call_bucket(one, "check_manageable", "delete")
        return {"deleted": False, "records": held}
    records = sum([await queue.call_bucket(one, "destroy") for one in buckets])
    await ask_manager(queue.system, "delete", queue.topic)
    return {"deleted": True, "records": records}


def _report(queue: Queue, type: str, removed: int) -> None:
    inner: System = getattr(queue.system, "inner", queue.system)
    inner.events.publish(type, kind="queue", id=queue.topic, name=queue.topic, data={"removed": removed})


async def open_topic(system: Any, topic: str) -> ActorProxy | None:
    """The broker of a topic; None if nobody has opened the topic."""
    topic = check_topic(topic)
    if not await ask_manager(system, "has_topic", topic):
        return None
    return await get_topic_broker(system, topic)


async def publish_message(
    system: Any,
    topic: str,
    message: Any,
    mode: str = "fire_and_forget",
    timeout: float | None = None,
    *,
    create: bool = False,
    sender_id: str | None = None,
) -> dict[str, Any] | None:
    """Publish a message.

    Returns:
        What the broker answers, as of `TopicBroker.publish`; None if nobody has opened the topic, unless `create`.

    Raises:
        ValueError: an unknown mode.
    """
    broker = await get_topic_broker(system, topic) if create else await open_topic(system, topic)
    if broker is None:
        return None
    patience = 30.0 if timeout is None else timeout + 5.0
    outcome: dict[str, Any] = await broker.with_options(timeout=patience).publish(message, mode, sender_id, timeout)
    return outcome


async def evict_subscriber(system: Any, topic: str, subscriber_id: str) -> bool:
    """Remove a subscriber; False if there is none. A reader that is alive subscribes again."""
    broker = await open_topic(system, topic)
    return False if broker is None else bool(await broker.evict(subscriber_id))


async def tail_topic(system: Any, topic: str) -> AsyncIterator[dict[str, Any]]:
    """Messages of a topic as they are published; see `TopicBroker.tail`. Ends at once if there is no such topic."""
    broker = await open_topic(system, topic)
    if broker is not None:
        async for message in broker.tail():
            yield message
