"""What queues, topics and buckets may be called, so that the names of their actors fit."""

from __future__ import annotations

from pulsing.core.registry import SYSTEM_PREFIX, check_name

MAX_BUCKETS = 4096
"""Each bucket is an actor, and in a durable store a file; more of them make no queue faster."""


def check_own(name: str, what: str) -> str:
    """Return a user's name for something of queues or topics, in NFC.

    Args:
        name: the name.
        what: what has the name, for the error.

    Raises:
        ValueError: it breaks the grammar of names, or is reserved for the system.
    """
    name = check_name(name, what)
    if name.startswith(SYSTEM_PREFIX):
        raise ValueError(f"{what} {name!r} is reserved: names under {SYSTEM_PREFIX!r} belong to Pulsing")
    return name


def check_topic(topic: str, what: str = "topic") -> str:
    """Return the name of a queue or topic, in NFC, if the names of its actors fit.

    Raises:
        ValueError: it breaks the grammar of names, is reserved, or is too long; the text says `what` has the name.
    """
    topic = check_own(topic, what)
    check_name(f"actors/{broker_actor(topic)}", "actor name")
    return topic


def check_bucket(topic: str, bucket_id: int) -> str:
    """Check a bucket's number, and return its queue's name in NFC.

    Raises:
        ValueError: the name is not one for queues, or the number is not from 0 to 4,095.
    """
    topic = check_topic(topic)
    if isinstance(bucket_id, bool) or not isinstance(bucket_id, int) or not 0 <= bucket_id < MAX_BUCKETS:
        raise ValueError(f"a bucket is a number from 0 to {MAX_BUCKETS - 1}, got {bucket_id!r}")
    return topic


def bucket_actor(topic: str, bucket_id: int) -> str:
    """Name of the actor of a bucket."""
    return f"bucket_{topic}_{bucket_id}"


def broker_actor(topic: str) -> str:
    """Name of the actor of a topic's broker."""
    return f"_topic_broker_{topic}"
