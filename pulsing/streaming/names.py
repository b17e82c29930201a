"""What queues, topics and buckets may be called, so that the names of their actors fit."""

from __future__ import annotations

from pulsing.core.registry import check_name


def check_topic(topic: str) -> str:
    """Check the name of a queue or topic, and that the names of its actors fit.

    Raises:
        ValueError: it breaks the grammar of names, or is too long.
    """
    check_name(topic, "topic")
    check_name(f"actors/_topic_broker_{topic}", "actor name")
    return topic


def check_bucket(topic: str, bucket_id: int) -> None:
    """Check a queue's name and a bucket's number."""
    check_topic(topic)
    if isinstance(bucket_id, bool) or not isinstance(bucket_id, int) or bucket_id < 0:
        raise ValueError(f"a bucket is a number from 0 on, got {bucket_id!r}")
