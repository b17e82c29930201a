"""Queues for code that does not await: each call runs on the system's loop, from any other thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pulsing.streaming.backends.memory import Record
    from pulsing.streaming.groups.reader import GroupReader
    from pulsing.streaming.queue import Queue
    from pulsing.streaming.reader import QueueReader

T = TypeVar("T")


class SyncQueue:
    """A queue whose methods block; not for the thread of the system's loop."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def put(self, record: Record | list[Record]) -> Any:
        """See `Queue.put`."""
        return _run(self._queue, lambda: self._queue.put(record), "put")

    def get(
        self,
        bucket_id: int | None = None,
        limit: int = 100,
        offset: int = 0,
        wait: bool = False,
        timeout: float | None = None,
    ) -> list[Record]:
        """See `Queue.get`."""
        return _run(self._queue, lambda: self._queue.get(bucket_id, limit, offset, wait, timeout), "get")

    def flush(self) -> None:
        """See `Queue.flush`."""
        _run(self._queue, self._queue.flush, "flush")

    def stats(self) -> dict[str, Any]:
        """See `Queue.stats`."""
        return _run(self._queue, self._queue.stats, "stats")


class SyncQueueReader:
    """A reader whose methods block; not for the thread of the system's loop."""

    def __init__(self, reader: QueueReader) -> None:
        self._reader = reader

    def get(self, limit: int = 100, wait: bool = False, timeout: float | None = None) -> list[Record]:
        """See `QueueReader.get`."""
        return _run(self._reader.queue, lambda: self._reader.get(limit, wait, timeout), "get")

    def reset(self) -> None:
        """See `QueueReader.reset`."""
        self._reader.reset()

    def set_offset(self, offset: int, bucket_id: int | None = None) -> None:
        """See `QueueReader.set_offset`."""
        self._reader.set_offset(offset, bucket_id)


class SyncGroupReader(SyncQueueReader):
    """A member of a consumer group whose methods block; not for the thread of the system's loop."""

    def __init__(self, reader: GroupReader) -> None:
        super().__init__(reader)
        self._member = reader

    def commit(self) -> dict[int, int]:
        """See `GroupReader.commit`."""
        return _run(self._member.queue, self._member.commit, "commit")

    def close(self) -> None:
        """See `GroupReader.close`."""
        _run(self._member.queue, self._member.close, "close")


def _run(queue: Queue, call: Callable[[], Coroutine[Any, Any, T]], name: str) -> T:
    loop = queue.loop
    if loop.is_closed() or not loop.is_running():
        raise RuntimeError("Event loop not running. Sync wrapper requires a running event loop.")
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is loop:
        raise RuntimeError(f"this thread runs the event loop and cannot block it: use 'await queue.{name}(…)' instead")
    pending = asyncio.run_coroutine_threadsafe(call(), loop)
    try:
        return pending.result()
    except BaseException:
        pending.cancel()
        raise
