"""What a node tells of its buckets and brokers: plain rows, counters that only rise; readers make rates from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from pulsing.core import ActorRef
from pulsing.core.class_rows import percentiles
from pulsing.core.system import System
from pulsing.ids import ActorId
from pulsing.streaming.counters import StreamingStatistics
from pulsing.streaming.manager import local_manager
from pulsing.streaming.ownership.catalogue import QueueSettings, bucket_key
from pulsing.streaming.ownership.folders import Folders
from pulsing.streaming.queue import GROUP_FIGURES
from pulsing.streaming.readers import ReaderTrace
from pulsing.streaming.topics.subscriber import Subscriber

Row = dict[str, Any]

PEEK_LIMIT = 500
SCAN_LIMIT = 10_000
BUCKET_ROWS = 256
READER_ROWS = 256
GROUP_ROWS = 256


def register_streaming_inspectors(system: Any) -> None:
    """Let the system answer for its queues and topics."""
    inner: System = getattr(system, "inner", system)
    inner.inspectors.update(
        queues=lambda params: queue_rows(inner),
        queue=lambda params: queue_detail(inner, str(params.get("queue", ""))),
        queue_messages=lambda params: peek(inner, params),
        topics=lambda params: topic_rows(inner),
        topic=lambda params: topic_detail(inner, str(params.get("topic", ""))),
    )
    inner.tallies.update(
        queues=lambda: len({queue for queue, _ in local_manager(inner).buckets}),
        topics=lambda: len(_brokers_here(inner)),
    )
    inner.ties.subscribed_by_name = lambda actor_id: _topics_sent_to(inner, actor_id)


def streaming_statistics(system: Any) -> StreamingStatistics:
    """This node's figures of queues and topics that no row of theirs has."""
    statistics: StreamingStatistics = local_manager(system).counters.snapshot()
    return statistics


def stored_where(system: Any) -> Folders:
    """The folders where this node's queues are stored."""
    folders: Folders = local_manager(system).folders
    return folders


# --- queues ----------------------------------------------------------------------------------------------------------


def queue_rows(system: System) -> list[Row]:
    """The queues of which this node has a bucket, or whose settings it keeps."""
    return [queue_row(system, queue) for queue in _queues_here(system)]


def queue_row(system: System, queue: str) -> Row:
    """One queue, as far as this node's buckets go."""
    manager = local_manager(system)
    settings = manager.catalogue.settings(queue) or QueueSettings()
    buckets = list(buckets_here(system, queue))
    oldest = min((at for at in map(_oldest_at, buckets) if at is not None), default=None)
    traces = [trace for bucket in buckets for trace in bucket.readers.known()]
    groups = group_rows(system, queue)
    readers = reader_rows(system, queue)
    lags = [row["lag"] for row in (*readers, *groups)]
    sizes = [store.byte_count() for store in map(_accounted, buckets) if store is not None]
    unflushed = [count for count in map(_unflushed, buckets) if count is not None]
    unavailable = sum(_state_of(bucket) != "ok" for bucket in buckets)
    return {
        "queue": queue,
        "backend": settings.backend,
        "durable": any(getattr(bucket.backend, "durable", False) for bucket in buckets),
        "num_buckets": settings.num_buckets,
        "bucket_column": settings.bucket_column,
        "records": sum(map(_record_count, buckets)),
        "bytes": sum(sizes) if len(sizes) == len(buckets) else None,
        "unflushed": sum(unflushed) if unflushed or not buckets else None,
        "put_total": sum(bucket.put_total for bucket in buckets),
        "read_total": sum(bucket.read_total for bucket in buckets),
        "oldest_at": None if oldest is None else timestamp(oldest),
        "oldest_s": None if oldest is None else max(0.0, system.clock.wall() - oldest),
        "readers": len({trace.info[0] for trace in traces}),
        "groups": len(groups),
        "max_lag": max(lags, default=0),
        "oldest_unread_s": max((row["oldest_unread_s"] for row in readers if row["oldest_unread_s"]), default=None),
        "nodes": [str(system.node_id)] if buckets else [],
        "open_buckets": len(buckets),
        "unavailable_buckets": unavailable,
        "failures_total": _failures(buckets),
        "state": "degraded" if unavailable else "ok",
        "node": str(system.node_id),
    }


def queue_detail(system: System, queue: str) -> Row | None:
    """One queue with this node's buckets and the readers that they remember; None if nothing of it is here."""
    if queue not in _queues_here(system):
        return None
    settings = local_manager(system).catalogue.settings(queue) or QueueSettings()
    buckets = list(buckets_here(system, queue))
    return {
        **queue_row(system, queue),
        "batch_size": settings.batch_size,
        "backend_options": system.preview.without_secrets(settings.backend_options or {}),
        "bucket_rows": [bucket_row(system, queue, bucket) for bucket in buckets[:BUCKET_ROWS]],
        "reader_rows": reader_rows(system, queue)[:READER_ROWS],
        "group_rows": group_rows(system, queue)[:GROUP_ROWS],
    }


def _failures(buckets: Iterable[Any]) -> dict[str, int]:
    """Failed operations by their name."""
    failures: dict[str, int] = {}
    for bucket in buckets:
        for operation, count in bucket.failures.items():
            failures[operation] = failures.get(operation, 0) + count
    return failures


def bucket_row(system: System, queue: str, bucket: Any) -> Row:
    """One bucket of this node."""
    manager = local_manager(system)
    oldest = _oldest_at(bucket)
    store = _accounted(bucket)
    return {
        "bucket_id": bucket.bucket_id,
        "node": str(system.node_id),
        "actor": str(manager.buckets[queue, bucket.bucket_id].actor_id),
        "state": _state_of(bucket),
        "earliest": 0 if store is None else store.earliest(),
        "next": bucket.next_offset,
        "records": _record_count(bucket),
        "bytes": None if store is None else store.byte_count(),
        "unflushed": _unflushed(bucket),
        "put_total": bucket.put_total,
        "read_total": bucket.read_total,
        "oldest_at": None if oldest is None else timestamp(oldest),
        "generation": bucket.generation,
        "epoch": manager.catalogue.holding(bucket_key(queue, bucket.bucket_id)).epoch,
        "waiting_reads": bucket.readers.waiting_reads,
    }


def _state_of(bucket: Any) -> str:
    if bucket.backend is None:
        return "moving"
    return "ok" if bucket.may_write else "unavailable"


def reader_rows(system: System, queue: str) -> list[Row]:
    """The readers that this node's buckets remember, one row each."""
    rows: dict[str, Row] = {}
    for bucket in buckets_here(system, queue):
        for trace in bucket.readers.known():
            _add_to_reader(rows, system, bucket, trace)
    return list(rows.values())


def _add_to_reader(rows: dict[str, Row], system: System, bucket: Any, trace: ReaderTrace) -> None:
    reader, node, buckets, rank, world_size = trace.info
    row = rows.setdefault(
        reader,
        {
            "reader": reader,
            "node": node,
            "buckets": list(buckets),
            "rank": rank,
            "world_size": world_size,
            "offsets": {},
            "lag": 0,
            "oldest_unread_s": None,
            "last_read_at": timestamp(trace.heard_at),
            "waiting": False,
        },
    )
    row["offsets"][str(bucket.bucket_id)] = trace.offset
    row["lag"] += max(0, bucket.next_offset - trace.offset)
    row["last_read_at"] = max(row["last_read_at"], timestamp(trace.heard_at))
    row["waiting"] = row["waiting"] or trace.waiting > 0
    store = _accounted(bucket)
    unread = None if store is None else store.put_at(trace.offset)
    if unread is not None:
        row["oldest_unread_s"] = max(row["oldest_unread_s"] or 0.0, system.clock.wall() - unread)


def group_rows(system: System, queue: str) -> list[Row]:
    """The consumer groups that this node's buckets have, one row each."""
    rows: dict[str, Row] = {}
    for bucket in buckets_here(system, queue):
        for told in bucket.group_rows():
            new = {"group": told["group"], "members": [], "buckets": {}, "lag": 0, "dead_records": 0}
            row = rows.setdefault(told["group"], new)
            row["members"] = sorted({*row["members"], *told["members"]})
            row["buckets"][str(bucket.bucket_id)] = {name: told[name] for name in GROUP_FIGURES}
            row["lag"] += told["lag"]
            row["dead_records"] += told["dead_records"]
    return list(rows.values())


def buckets_here(system: System, queue: str) -> Iterable[Any]:
    """The bucket actors of a queue on this node, in order; for those who read their books."""
    held = local_manager(system).buckets
    for name, bucket_id in sorted(held):
        if name == queue and (bucket := _actor(held[name, bucket_id])) is not None:
            yield bucket


def _queues_here(system: System) -> list[str]:
    manager = local_manager(system)
    held = {queue for queue, _ in manager.buckets}
    kept = {queue for queue in manager.catalogue.queues() if manager.home_of(queue) == system.node_id.id}
    return sorted(held | kept)


def _record_count(bucket: Any) -> int:
    store = _accounted(bucket)
    count: int = bucket.next_offset if store is None else store.record_count()
    return count


def _unflushed(bucket: Any) -> int | None:
    """Records that were handed to a bucket's store and are not kept there yet; None of a store that does not say."""
    count = getattr(bucket.backend, "unflushed_count", None)
    return None if count is None else int(count())


def _oldest_at(bucket: Any) -> float | None:
    store = _accounted(bucket)
    oldest: float | None = None if store is None else store.put_at(store.earliest())
    return oldest


def _accounted(bucket: Any) -> Any:
    """The store of a bucket if it keeps figures that need no I/O, as those that come with Pulsing do."""
    return bucket.backend if hasattr(bucket.backend, "record_count") else None


def _actor(ref: ActorRef) -> Any:
    return None if ref._cell is None or ref._cell.closed else ref._cell.actor


# --- peeking ---------------------------------------------------------------------------------------------------------


async def peek(system: System, params: Mapping[str, Any]) -> Row | None:
    """Look at records of this node's buckets of a queue, without moving a reader or counting in any figure.

    Args:
        system: the node.
        params: `queue`; optional `bucket_id`, `offset`, `limit` (20 of each bucket, at most 500), `order` ("oldest"
            or "newest"), `contains` (a part of the record's JSON).

    Returns:
        `{"items", "buckets", "next_offset"}`, and `"scanned"` with `contains`; None if nothing of the queue is here.
    """
    queue = str(params.get("queue", ""))
    if queue not in _queues_here(system):
        return None
    wanted = params.get("bucket_id")
    buckets = [b for b in buckets_here(system, queue) if wanted is None or b.bucket_id == int(wanted)]
    limit = min(int(params.get("limit") or 20), PEEK_LIMIT)
    newest = params.get("order") == "newest"
    contains = params.get("contains") or ""
    items: list[Row] = []
    answer: Row = {"items": items, "buckets": {}, "next_offset": {}}
    scanned = 0
    for bucket in buckets:
        if bucket.backend is None:
            continue
        bounds = await bucket.bounds()
        found, after, seen = await _look(bucket, bounds, params.get("offset"), limit, newest, contains)
        items += found
        scanned += seen
        answer["buckets"][str(bucket.bucket_id)] = {"earliest": bounds["earliest"], "next": bounds["next"]}
        answer["next_offset"][str(bucket.bucket_id)] = after
    if wanted is None:
        items.sort(key=lambda item: item["at"] or "", reverse=newest)
    if contains:
        answer["scanned"] = scanned
    return answer


async def _look(
    bucket: Any, bounds: Mapping[str, int], offset: Any, limit: int, newest: bool, contains: str
) -> tuple[list[Row], int, int]:
    """Up to `limit` records of one bucket, the offset to go on from, and how many were looked at."""
    span = SCAN_LIMIT if contains else limit
    if offset is not None:
        start = max(int(offset), bounds["earliest"])
    else:
        start = max(bounds["earliest"], bounds["next"] - span) if newest else bounds["earliest"]
    records = await bucket.backend.get(min(span, SCAN_LIMIT), start)
    rows = [_peeked(bucket, start + place, record) for place, record in enumerate(records)]
    if newest:
        rows.reverse()
    if contains:
        rows = [row for row in rows if contains in json.dumps(row["record"], default=str, ensure_ascii=False)]
    after = rows[limit]["offset"] if len(rows) > limit and not newest else start + len(records)
    return rows[:limit], after, len(records)


def _peeked(bucket: Any, offset: int, record: Any) -> Row:
    store = _accounted(bucket)
    at = None if store is None else store.put_at(offset)
    return {
        "bucket_id": bucket.bucket_id,
        "offset": offset,
        "at": None if at is None else timestamp(at),
        "bytes": None if store is None else store.size_at(offset),
        "record": record,
        "truncated": False,
    }


# --- topics ----------------------------------------------------------------------------------------------------------


def topic_rows(system: System) -> list[Row]:
    """The topics whose brokers are on this node."""
    return [topic_row(system, broker) for broker in _brokers_here(system)]


def topic_row(system: System, broker: Any) -> Row:
    """One topic."""
    return {
        "topic": broker.topic,
        "node": str(system.node_id),
        "state": "ok",
        "subscribers": len(broker.audience.subscribers),
        "slow_subscribers": sum(s.state != "ok" for s in broker.audience.subscribers.values()),
        "published_total": broker.published,
        "delivered_total": broker.audience.delivered,
        "failed_total": broker.audience.failed,
        "dropped_total": broker.audience.dropped,
        "bytes_total": broker.bytes,
        "last_published_at": _shown(broker.last_published_at),
        "by_mode": dict(broker.by_mode),
    }


def topic_detail(system: System, topic: str) -> Row | None:
    """One topic with its subscribers and last writers; None if its broker is not here."""
    broker = next((broker for broker in _brokers_here(system) if broker.topic == topic), None)
    if broker is None:
        return None
    return {
        **topic_row(system, broker),
        "publish_s": percentiles(broker.publish_times.snapshot()),
        "subscriber_rows": [_subscriber_row(subscriber) for subscriber in broker.audience.subscribers.values()],
        "writers": [
            {"id": writer, "node": node, "last_published_at": timestamp(at)}
            for writer, (at, node) in broker.writers.items()
        ],
    }


def _subscriber_row(subscriber: Subscriber) -> Row:
    ref = subscriber.ref
    node = None if ref is None else str(ref.node_id)
    return {
        "id": subscriber.id,
        "actor": None if ref is None else str(ref.actor_id),
        "actor_name": subscriber.actor_name,
        "node": node,
        "state": subscriber.state,
        "pending": subscriber.pending,
        "delivered_total": subscriber.delivered,
        "failed_total": subscriber.failed,
        "dropped_total": subscriber.dropped,
        "consecutive_failures": subscriber.failures_in_a_row,
        "subscribed_at": timestamp(subscriber.subscribed_at),
        "last_delivered_at": _shown(subscriber.last_delivered_at),
        "last_error": subscriber.last_error,
    }


def _brokers_here(system: System) -> list[Any]:
    topics = local_manager(system).topics
    actors = (_actor(topics[topic]) for topic in sorted(topics))
    return [broker for broker in actors if broker is not None]


def _topics_sent_to(system: System, actor_id: ActorId) -> list[str]:
    """The topics whose brokers are on this node and have an actor among their subscribers."""
    return [broker.topic for broker in _brokers_here(system) if broker.sends_to(actor_id)]


def _shown(wall: float | None) -> str | None:
    return None if wall is None else timestamp(wall)


def timestamp(wall: float) -> str:
    """A wall clock time as RFC 3339 in UTC."""
    moment = datetime.fromtimestamp(wall, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
