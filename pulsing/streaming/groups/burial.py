"""What becomes of a record that a consumer group has not acknowledged in too many deliveries."""

from __future__ import annotations

from pulsing.core.system import System
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.ownership.catalogue import QueueSettings, dead_queue


async def bury(inner: System, topic: str, settings: QueueSettings, record: Record) -> None:
    """Put a record into the dead queue, set up as the queue itself is; its files lie beside those of the queue."""
    # A queue needs the manager, and the manager buries for its buckets.
    from pulsing.streaming.queue import Queue

    queue = Queue(
        inner,
        dead_queue(topic),
        settings.bucket_column or "id",
        settings.num_buckets or 1,
        settings.batch_size,
        None if settings.storage_path is None else dead_queue(settings.storage_path),
        settings.backend or "memory",
        None if settings.backend_options is None else dict(settings.backend_options),
    )
    record.setdefault(queue.bucket_column, None)
    await queue.put(record)
