"""What a node does with its buckets and brokers before it leaves: each goes to the node that would take it over.

A log in memory is sent there whole, with its offsets and its generation, so that nobody loses anything. A store that
lasts is closed, and opened there at once. Whoever asks for a bucket meanwhile waits, and is then sent on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from pulsing.core import ActorRef
from pulsing.core.system import System
from pulsing.exceptions import NodeLeaving, PulsingError
from pulsing.logs import logger_of
from pulsing.streaming.backends.bodies import Bodies
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.bucket_words import Moved
from pulsing.streaming.ownership.catalogue import bucket_key, topic_key

logger = logger_of("pulsing.streaming")

PART_BYTES = 128 * 1024
"""Bytes of records a call; a value's structure may have twice that."""
FINISH_S = 5.0
"""How long what a bucket does may take before it is handed over."""

Heirs = Callable[[str, int, str], Awaitable[list[int]]]
"""Who may take a bucket of a queue, by its key, the best first."""
Ask = Callable[..., Awaitable[Any]]


class HandOver:
    """The buckets and brokers of one node on their way to others.

    Args:
        inner: the node.
        ask: `ask(node_id, method, *args)` of another node's manager.
    """

    def __init__(self, inner: System, ask: Ask) -> None:
        self._inner = inner
        self._ask = ask
        self._bodies = Bodies()
        self._arriving: dict[str, list[Record]] = {}
        self._under_way: dict[str, asyncio.Future[None]] = {}

    async def done_with(self, key: str) -> None:
        """Wait until a bucket that is on its way has arrived."""
        under_way = self._under_way.get(key)
        if under_way is not None:
            await asyncio.shield(under_way)

    # --- giving ------------------------------------------------------------------------------------------------------

    async def give_bucket(self, topic: str, bucket_id: int, ref: ActorRef, heirs: Heirs) -> bool:
        """Hand a bucket over; returns whether that went well, which it also did if all who may take it leave as well.

        Args:
            topic: the queue.
            bucket_id: the bucket.
            ref: its actor here.
            heirs: who may take it.
        """
        key = bucket_key(topic, bucket_id)
        self._under_way[key] = self._inner.loop.create_future()
        try:
            bucket = ref._cell.actor if ref._cell is not None else None
            if bucket is not None:
                bucket.end_waits()
            # Queued calls are refused, and come back when the bucket has arrived.
            await self._inner.stop(ref, timeout=FINISH_S)
            moved = None if bucket is None else bucket.move_out()
            leaving = False
            for heir in await heirs(topic, bucket_id, key):
                try:
                    if await self._try(heir, topic, bucket_id, moved):
                        return True
                except NodeLeaving:
                    leaving = True
            return leaving
        finally:
            self._under_way.pop(key).set_result(None)

    async def _try(self, heir: int, topic: str, bucket_id: int, moved: Moved | None) -> bool:
        try:
            if moved is None:
                await self._ask(heir, "take_bucket", topic, bucket_id, None)
                return True
            about, records = moved
            for number, part in enumerate(self._parts(records)):
                await self._ask(heir, "receive_records", topic, bucket_id, part, number == 0)
            await self._ask(heir, "take_bucket", topic, bucket_id, {**about, "count": len(records)})
        except NodeLeaving:
            raise
        except (PulsingError, OSError, TypeError) as error:
            logger.warning("queue %s: node %016x did not take bucket %d: %s", topic, heir, bucket_id, error)
            return False
        return True

    def _parts(self, records: list[Record]) -> Iterator[list[bytes]]:
        part: list[bytes] = []
        size = 0
        for record in records:
            (body,) = self._bodies.encode([record])
            if part and size + len(body) > PART_BYTES:
                yield part
                part, size = [], 0
            part.append(body)
            size += len(body)
        if part:
            yield part

    async def give_topic(self, topic: str, ref: ActorRef, heirs: Heirs) -> None:
        """Hand the subscriptions of a topic over; a reader of its own would come back by itself, an actor would not."""
        broker = ref._cell.actor if ref._cell is not None else None
        if broker is None:
            return
        for heir in await heirs(topic, -1, topic_key(topic)):
            try:
                await self._ask(heir, "take_topic", topic, broker.subscriptions())
                return
            except NodeLeaving:
                continue
            except (PulsingError, OSError) as error:
                logger.warning("topic %s: node %016x did not take the broker: %s", topic, heir, error)

    # --- taking ------------------------------------------------------------------------------------------------------

    def receive(self, topic: str, bucket_id: int, part: list[bytes], is_first: bool) -> None:
        """Take a part of the records of a bucket that is to come.

        Raises:
            ValueError: a record arrived damaged.
        """
        key = bucket_key(topic, bucket_id)
        if is_first:
            self._arriving[key] = []
        arriving = self._arriving[key]
        for body in part:
            record = self._bodies.decode(body)
            if record is None:
                raise ValueError(f"a record of {key} arrived damaged")
            arriving.append(record)

    def received(self, topic: str, bucket_id: int, about: dict[str, Any]) -> Moved:
        """The log whose records have come.

        Raises:
            ValueError: some are missing.
        """
        key = bucket_key(topic, bucket_id)
        records = self._arriving.pop(key, [])
        if len(records) != about["count"]:
            raise ValueError(f"{about['count']} records of {key} were to come, and {len(records)} came")
        return about, records
