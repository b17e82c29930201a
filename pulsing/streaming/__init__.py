"""Queues and topics. `system.queue` and `system.topic` are the usual ways in.

```python
writer = await system.queue.write("orders")
await writer.put({"id": 1, "item": "tea"})
reader = await system.queue.read("orders")
print(await reader.get(wait=True))
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pulsing.config import SystemConfig
from pulsing.logs import logger_of
from pulsing.streaming.backend import (
    MemoryBackend,
    StorageBackend,
    get_backend_class,
    list_backends,
    load_built_in,
    register_backend,
)
from pulsing.streaming.finding import get_bucket_ref, get_topic_broker
from pulsing.streaming.groups.reader import ACK_WAIT_S, EARLIEST, MAX_DELIVER, Delivery, GroupReader
from pulsing.streaming.inspection import register_streaming_inspectors
from pulsing.streaming.manager import StorageManager, get_storage_manager, local_manager
from pulsing.streaming.pubsub import (
    PublishMode,
    PublishResult,
    TopicReader,
    TopicWriter,
    require_callback,
    subscribe_to_topic,
)
from pulsing.streaming.queue import Queue
from pulsing.streaming.reader import QueueReader, share_of
from pulsing.streaming.storage import BucketStorage
from pulsing.streaming.sync_queue import SyncQueue, SyncQueueReader

if TYPE_CHECKING:
    from pulsing.streaming.backends.redis import RedisBackend as RedisBackend
    from pulsing.streaming.backends.sqlite import SqliteBackend as SqliteBackend

__all__ = [
    "BucketStorage",
    "Delivery",
    "GroupReader",
    "MemoryBackend",
    "PublishMode",
    "PublishResult",
    "Queue",
    "QueueAPI",
    "QueueReader",
    "RedisBackend",
    "SqliteBackend",
    "StorageBackend",
    "StorageManager",
    "SyncQueue",
    "SyncQueueReader",
    "TopicAPI",
    "TopicReader",
    "TopicWriter",
    "get_backend_class",
    "get_bucket_ref",
    "get_storage_manager",
    "get_topic_broker",
    "list_backends",
    "read_queue",
    "read_topic",
    "register_backend",
    "subscribe_to_topic",
    "write_queue",
    "write_topic",
]

logger = logger_of("pulsing.streaming")


def __getattr__(name: str) -> Any:
    if name in ("SqliteBackend", "RedisBackend"):
        return load_built_in(name.removesuffix("Backend").lower())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


async def write_queue(
    system: Any,
    topic: str,
    bucket_column: str = "id",
    num_buckets: int = 4,
    batch_size: int = 100,
    storage_path: str | None = None,
    backend: str | type = "memory",
    backend_options: dict[str, Any] | None = None,
) -> Queue:
    """Open a queue for writing; its first put fixes its settings for everybody.

    Args:
        system: the system to work from.
        topic: name of the queue.
        bucket_column: the key of a record whose value chooses the bucket.
        num_buckets: how many buckets there are, 4,096 at most.
        batch_size: passed on to the store.
        storage_path: folder for stores that keep files; `./queue_storage/<topic>` by default.
        backend: name or class of the store.
        backend_options: further arguments of the store's class.

    Raises:
        ValueError: an invalid name or number, an unknown store, or the queue was set up otherwise.
        TypeError: the store's class lacks methods, or does not take the options.
    """
    queue = Queue(system, topic, bucket_column, num_buckets, batch_size, storage_path, backend, backend_options)
    queue.check_known()
    return queue


async def read_queue(
    system: Any,
    topic: str,
    bucket_id: int | None = None,
    bucket_ids: list[int] | None = None,
    rank: int | None = None,
    world_size: int | None = None,
    num_buckets: int = 4,
    storage_path: str | None = None,
    backend: str | type = "memory",
    backend_options: dict[str, Any] | None = None,
    *,
    group: str | None = None,
    consumer_id: str | None = None,
    ack_wait: float = ACK_WAIT_S,
    max_deliver: int = MAX_DELIVER,
    start: str = EARLIEST,
) -> QueueReader:
    """Open a queue for reading; this creates none.

    With `group` the reader is a `GroupReader`: the live members of the group share the buckets, and what a member
    reads is delivered again unless it is acknowledged in time (at least once).

    Of the ways to choose buckets the first that is given counts: `rank` with `world_size`, `bucket_id`, `bucket_ids`;
    without any, all buckets are read.

    Args:
        system: the system to work from.
        topic: name of the queue.
        bucket_id: the one bucket to read.
        bucket_ids: the buckets to read; an empty list reads nothing.
        rank, world_size: read every bucket whose number modulo `world_size` is `rank`.
        num_buckets, storage_path, backend, backend_options: as the queue was set up.
        group: the consumer group to read in; it shares the buckets itself, so none are to be named.
        consumer_id, ack_wait, max_deliver, start: as for `GroupReader`; without `group` they mean nothing.

    Raises:
        ValueError: an invalid name or number, a bucket that there is not, only one of `rank` and `world_size`, `group`
            together with buckets or a rank, an unknown store, or the queue was set up otherwise.
        TypeError: the store's class lacks methods, or does not take the options.
    """
    if (rank is None) != (world_size is None):
        raise ValueError(f"rank and world_size go together, got rank={rank}, world_size={world_size}")
    if group is not None and (bucket_id, bucket_ids, rank) != (None, None, None):
        raise ValueError("a group shares the buckets itself: give no bucket_id, bucket_ids or rank with it")
    queue = Queue(
        system,
        topic,
        num_buckets=num_buckets,
        storage_path=storage_path,
        backend=backend,
        backend_options=backend_options,
    )
    queue.reads_only()
    queue.check_known()
    if group is not None:
        return GroupReader(queue, group, consumer_id, ack_wait, max_deliver, start)
    buckets = bucket_ids
    if not (rank is None or world_size is None):
        buckets = share_of(num_buckets, rank, world_size)
        if not buckets:
            logger.warning("queue %s: reader %d of %d has no bucket to read", topic, rank, world_size)
    elif bucket_id is not None:
        buckets = [bucket_id]
    return QueueReader(queue, buckets, rank=rank, world_size=world_size)


async def write_topic(system: Any, topic: str, writer_id: str | None = None) -> TopicWriter:
    """Open a topic for publishing; nothing is sent yet.

    Raises:
        ValueError: a name breaks the grammar of names.
    """
    return TopicWriter(system, topic, writer_id)


async def read_topic(system: Any, topic: str, reader_id: str | None = None, auto_start: bool = False) -> TopicReader:
    """Open a topic for reading; add callbacks, then `start` it.

    Raises:
        ValueError: a name breaks the grammar of names; `auto_start`, for there is no callback yet.
    """
    reader = TopicReader(system, topic, reader_id)
    if auto_start:
        require_callback([])
    return reader


class QueueAPI:
    """What `system.queue` is.

    Args:
        system: the system to work from.
    """

    def __init__(self, system: Any) -> None:
        self._system = system

    async def write(
        self,
        topic: str,
        *,
        bucket_column: str = "id",
        num_buckets: int = 4,
        batch_size: int = 100,
        storage_path: str | None = None,
        backend: str | type = "memory",
        backend_options: dict[str, Any] | None = None,
    ) -> Queue:
        """Open a queue for writing; see `write_queue`."""
        return await write_queue(
            self._system, topic, bucket_column, num_buckets, batch_size, storage_path, backend, backend_options
        )

    async def read(
        self,
        topic: str,
        *,
        bucket_id: int | None = None,
        bucket_ids: list[int] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        num_buckets: int = 4,
        storage_path: str | None = None,
        backend: str | type = "memory",
        backend_options: dict[str, Any] | None = None,
        group: str | None = None,
        consumer_id: str | None = None,
        ack_wait: float = ACK_WAIT_S,
        max_deliver: int = MAX_DELIVER,
        start: str = EARLIEST,
    ) -> QueueReader:
        """Open a queue for reading; see `read_queue`."""
        return await read_queue(
            self._system,
            topic,
            bucket_id,
            bucket_ids,
            rank,
            world_size,
            num_buckets,
            storage_path,
            backend,
            backend_options,
            group=group,
            consumer_id=consumer_id,
            ack_wait=ack_wait,
            max_deliver=max_deliver,
            start=start,
        )


class TopicAPI:
    """What `system.topic` is.

    Args:
        system: the system to work from.
    """

    def __init__(self, system: Any) -> None:
        self._system = system

    async def write(self, topic: str, *, writer_id: str | None = None) -> TopicWriter:
        """Open a topic for publishing; see `write_topic`."""
        return await write_topic(self._system, topic, writer_id)

    async def read(self, topic: str, *, reader_id: str | None = None, auto_start: bool = False) -> TopicReader:
        """Open a topic for reading; see `read_topic`."""
        return await read_topic(self._system, topic, reader_id, auto_start)


async def start_streaming(system: Any, config: SystemConfig | None = None) -> None:
    """Make a node ready to own buckets and brokers, and to answer for them."""
    local_manager(system, (config or SystemConfig()).queue_path)
    register_streaming_inspectors(system)
