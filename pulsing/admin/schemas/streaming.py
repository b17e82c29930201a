"""Rows of queues, topics and those who use them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pulsing.admin.schemas.base import NodeFault, Row
from pulsing.admin.schemas.cluster import Percentiles


class QueueRow(Row):
    """One queue."""

    queue: str
    backend: str | None = None
    durable: bool | None = None
    num_buckets: int | None = None
    bucket_column: str | None = None
    records: int | None = None
    bytes: int | None = None
    unflushed: int | None = None
    """records that were handed to its stores and are not kept there yet"""
    put_total: int | None = None
    read_total: int | None = None
    oldest_at: str | None = None
    oldest_s: float | None = None
    readers: int | None = None
    groups: int | None = None
    max_lag: int | None = None
    oldest_unread_s: float | None = None
    """age of the oldest record that a reader has yet to read"""
    nodes: list[str] = Field(default_factory=list)
    open_buckets: int | None = None
    """those that some node has open"""
    unavailable_buckets: int | None = None
    failures_total: dict[str, int] | None = None
    """failed operations by name"""
    state: Literal["ok", "degraded", "unavailable"] = "ok"
    href: str | None = None


class BucketRow(Row):
    """One bucket of a queue."""

    bucket_id: int
    node: str
    actor: str | None = None
    state: Literal["ok", "moving", "unavailable"] = "ok"
    earliest: int | None = None
    next: int | None = None
    records: int | None = None
    bytes: int | None = None
    unflushed: int | None = None
    put_total: int | None = None
    read_total: int | None = None
    oldest_at: str | None = None
    generation: int | None = None
    epoch: int | None = None
    waiting_reads: int | None = None


class ReaderRow(Row):
    """One reader of a queue, as its buckets remember it."""

    reader: str
    node: str | None = None
    buckets: list[int] = Field(default_factory=list)
    rank: int | None = None
    world_size: int | None = None
    offsets: dict[str, int] = Field(default_factory=dict)
    lag: int | None = None
    oldest_unread_s: float | None = None
    last_read_at: str | None = None
    waiting: bool | None = None


class QueueDetail(QueueRow):
    """One queue with its buckets and readers."""

    batch_size: int | None = None
    backend_options: dict[str, Any] | None = None
    skew: float | None = None
    bucket_rows: list[BucketRow] = Field(default_factory=list)
    reader_rows: list[ReaderRow] = Field(default_factory=list)
    group_rows: list[dict[str, Any]] | None = None


class PeekItem(Row):
    """One record, looked at and left where it is."""

    bucket_id: int
    offset: int
    at: str | None = None
    bytes: int | None = None
    record: Any = None
    truncated: bool = False


class Peek(Row):
    """Records of a queue that were looked at; keys of `buckets` and `next_offset` are bucket numbers as text."""

    items: list[PeekItem]
    buckets: dict[str, dict[str, int]] = Field(default_factory=dict)
    next_offset: dict[str, int] = Field(default_factory=dict)
    scanned: int | None = None
    """records that were looked at for `contains`"""
    partial: bool = False
    errors: list[NodeFault] = Field(default_factory=list)
    redacted: bool | None = None


class TopicRow(Row):
    """One topic."""

    topic: str
    node: str
    state: Literal["ok", "unavailable"] = "ok"
    subscribers: int = 0
    slow_subscribers: int | None = None
    published_total: int = 0
    delivered_total: int = 0
    failed_total: int = 0
    dropped_total: int | None = None
    bytes_total: int | None = None
    last_published_at: str | None = None
    by_mode: dict[str, int] | None = None
    href: str | None = None


class SubscriberRow(Row):
    """One subscriber of a topic."""

    id: str
    actor: str | None = None
    actor_name: str | None = None
    node: str | None = None
    state: Literal["ok", "slow", "failing"] = "ok"
    pending: int | None = None
    delivered_total: int | None = None
    failed_total: int | None = None
    dropped_total: int | None = None
    consecutive_failures: int | None = None
    subscribed_at: str | None = None
    last_delivered_at: str | None = None
    last_error: str | None = None


class TopicDetail(TopicRow):
    """One topic with its subscribers."""

    publish_s: Percentiles | None = None
    subscriber_rows: list[SubscriberRow] = Field(default_factory=list)
    writers: list[dict[str, Any]] | None = None
