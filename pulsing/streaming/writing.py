"""How a handle writes: which bucket a record goes to, what goes together, and what is done when a bucket has moved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from pulsing.core import ActorRef
from pulsing.exceptions import NotOwner, NotSendable, Overloaded
from pulsing.streaming.access import CALL_TIMEOUT_S, QueueAccess, has_failed
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.bucket_words import Appended
from pulsing.streaming.finding import GONE, MAX_REDIRECTS
from pulsing.streaming.footing import Footing
from pulsing.streaming.line import Line
from pulsing.streaming.ownership.catalogue import QueueSettings
from pulsing.streaming.parts import one_part, parts_of

try:
    # That of OpenSSL, in hashlib, takes three times as long for a short text: a fifth of a put in a batch.
    from _md5 import md5  # type: ignore[import-not-found]
except ImportError:  # an interpreter may be built without it
    from hashlib import md5

_BY_LAST_BYTE = frozenset({1, 2, 4, 8, 16, 32, 64, 128, 256})
"""Counts of buckets modulo which a number is known from its last byte."""

OWNER_NEWS_S = 0.4
"""How long a handle waits before it looks again for a bucket whose owner was found to be none any more."""


REFUSALS = (Overloaded, NotSendable)
"""What a bucket raises before it writes anything: it is full, or cannot store a value."""


class QueueWriting(QueueAccess):
    """The part of a handle that writes.

    Args:
        system: the system to work from.
        topic: name of the queue.
        num_buckets: how many buckets there are.
        bucket_column: the key of a record whose value chooses the bucket.
        settings: what the handle wants of the queue.
    """

    def __init__(self, system: Any, topic: str, num_buckets: int, bucket_column: str, settings: QueueSettings) -> None:
        super().__init__(system, topic, num_buckets, settings)
        self.bucket_column = bucket_column
        self._footing = Footing(topic)
        self._lines: dict[int, Line] = {}

    def get_bucket_id(self, partition_value: Any) -> int:
        """The bucket of a value of the bucket column: MD5 of its text, modulo the number of buckets."""
        return bucket_of(partition_value, self.num_buckets)

    async def put(self, record: Record | list[Record]) -> Any:
        """Store one record, or a list of records as one batch a bucket.

        The first put of all fixes the settings of the queue. A list is checked whole before anything is written. What
        is too much for one message to another node goes there in several, one after the other.

        Returns:
            `{"bucket_id", "status": "ok"}`; for a list, a list of those in the order of the records.

        Raises:
            TypeError: neither a dict nor a list of dicts.
            ValueError: a record lacks the bucket column, or the queue was set up otherwise.
            Overloaded: a bucket is full and rejects.
            PulsingRuntimeError: a bucket failed; of a list, the others have been written, and `results` of the error
                has `{"bucket_id", "status": "ok" or "error"}` for each record.
        """
        if isinstance(record, dict):
            bucket_id = self._bucket_of(record)
            await self._append_one(bucket_id, record)
            return {"bucket_id": bucket_id, "status": "ok"}
        if not (isinstance(record, list) and all(issubclass(kind, dict) for kind in set(map(type, record)))):
            raise TypeError("record must be a dict or list of dicts")
        return await self._put_all(record)

    async def append(self, record: Record) -> dict[str, int]:
        """Store one record and tell where it is: `{"bucket_id", "offset", "generation"}`; errors as of `put`."""
        if not isinstance(record, dict):
            raise TypeError("record must be a dict")
        bucket_id = self._bucket_of(record)
        first, (_, generation, _) = await self._append_one(bucket_id, record)
        return {"bucket_id": bucket_id, "offset": first, "generation": generation}

    def _bucket_of(self, record: Record) -> int:
        try:
            value = record[self.bucket_column]
        except KeyError:
            raise self._without_column() from None
        return bucket_of(value, self.num_buckets)

    def _buckets_of(self, records: list[Record]) -> list[int]:
        column, count = self.bucket_column, self.num_buckets
        try:
            values = [record[column] for record in records]
        except KeyError:
            raise self._without_column() from None
        return buckets_of(values, count)

    def _without_column(self) -> ValueError:
        return ValueError(f"Missing partition column {self.bucket_column!r}")

    async def _put_all(self, records: list[Record]) -> list[dict[str, Any]]:
        places = self._buckets_of(records)
        groups: dict[int, list[Record]] = {}
        for bucket_id, record in zip(places, records, strict=True):
            group = groups.get(bucket_id)
            if group is None:
                groups[bucket_id] = [record]
            else:
                group.append(record)
        failed = await self._append_groups(groups)
        if not failed:
            return [{"bucket_id": bucket_id, "status": "ok"} for bucket_id in places]
        error = next(iter(failed.values()))
        if len(failed) < len(groups) and hasattr(error, "maybe_executed"):
            error.maybe_executed = True  # what went to the other buckets is written
        error.results = [  # type: ignore[attr-defined]
            {"bucket_id": bucket_id, "status": "error" if bucket_id in failed else "ok"} for bucket_id in places
        ]
        raise error

    async def _append_one(self, bucket_id: int, record: Record) -> Appended:
        if not self._settled:
            await self._settle()
        if not self._shares_calls:
            return await self._write(bucket_id, [record])
        line = self._lines.get(bucket_id)
        if line is None:
            line = self._lines[bucket_id] = self._line_to(bucket_id)
        return await line.append(record)

    def _line_to(self, bucket_id: int) -> Line:
        def room(records: list[Record]) -> int:
            ref = self._buckets.get(bucket_id)
            return len(records) if ref is None or ref.is_local() else one_part(records)

        name = f"puts into bucket {bucket_id} of {self.topic}"
        return Line(partial(self._write, bucket_id), room, lambda work: self._inner.tasks.start(work, name))

    async def _append_groups(self, groups: Mapping[int, list[Record]]) -> dict[int, Exception]:
        """Write to several buckets at once; returns what failed."""
        if not self._settled:
            await self._settle()
        sent = {
            bucket_id: line.enter(group)
            if (line := self._lines.get(bucket_id)) is not None and line.has_waiting
            else self._send(ref, group)
            for bucket_id, group in groups.items()
            if (ref := self._buckets.get(bucket_id)) is not None
        }
        failed: dict[int, Exception] = {}
        for bucket_id, group in groups.items():
            try:
                if bucket_id in sent:
                    await self._appended(bucket_id, sent[bucket_id], group)
                else:
                    await self._append(bucket_id, group)
            except Exception as error:
                _mark_refused(error)
                failed[bucket_id] = error
        return failed

    async def _appended(self, bucket_id: int, sent: asyncio.Future[Appended], group: list[Record]) -> None:
        try:
            first, ground = await sent
        except (NotOwner, NotSendable):
            await self._append(bucket_id, group)
        except GONE as error:
            self._forget(bucket_id)
            if getattr(error, "maybe_executed", False):
                raise
            await self._append(bucket_id, group)
        else:
            self._footing.wrote(bucket_id, ground, first + len(group))

    async def _append(self, bucket_id: int, records: list[Record]) -> Appended:
        try:
            return await self._write(bucket_id, records)
        except NotSendable as refused:
            return await self._append_in_parts(bucket_id, records, refused)

    async def _write(self, bucket_id: int, records: list[Record]) -> Appended:
        """Append records by one call, wherever the bucket is now."""
        if not self._settled:
            await self._settle()
        lost: Exception | None = None
        for _ in range(MAX_REDIRECTS + 1):
            ref = self._buckets.get(bucket_id) or await self._locate(bucket_id)
            try:
                appended: Appended = await self._send(ref, records)
            except GONE as error:
                self._forget(bucket_id)
                if getattr(error, "maybe_executed", False) or has_failed(error):
                    raise
                await self._settle()
                lost = error
            except NotOwner as error:
                # The store has refused it, so that nothing was written; news of the new owner are under way.
                self._forget(bucket_id)
                await asyncio.sleep(OWNER_NEWS_S)
                await self._settle()
                lost = error
            except REFUSALS as error:
                _mark_refused(error)
                raise
            else:
                self._footing.wrote(bucket_id, appended[1], appended[0] + len(records))
                return appended
        raise self._not_found(bucket_id, lost) from lost

    def _send(self, ref: ActorRef, records: list[Record]) -> asyncio.Future[Appended]:
        """Call a bucket to append records."""
        return ref.request("append", (records,), None, CALL_TIMEOUT_S)

    async def _append_in_parts(self, bucket_id: int, records: list[Record], refused: NotSendable) -> Appended:
        """Write what is too much for one message to another node; each part is written whole, one after the other."""
        try:
            parts = list(parts_of(records))
        except NotSendable:
            raise refused from None
        if len(parts) == 1:
            raise refused
        appended = await self._write(bucket_id, parts[0])
        for part in parts[1:]:
            try:
                await self._write(bucket_id, part)
            except REFUSALS as error:
                error.maybe_executed = True  # the parts before it are written
                raise
        return appended


def _mark_refused(error: Exception) -> None:
    """Let the error of an append say that nothing was written, where it was the bucket that refused."""
    if isinstance(error, REFUSALS) and getattr(error, "actor_name", None) is not None:
        error.maybe_executed = False


def bucket_of(value: Any, count: int) -> int:
    """The bucket of a value among `count`: MD5 of its text as a number, modulo the count; None counts as empty."""
    text = "" if value is None else str(value)
    return int.from_bytes(md5(text.encode(), usedforsecurity=False).digest(), "big") % count


def buckets_of(values: Iterable[Any], count: int) -> list[int]:
    """The bucket of each of some values: the same, in two thirds of the time."""
    texts = ["" if value is None else str(value) for value in values]
    digests = [md5(text.encode(), usedforsecurity=False).digest() for text in texts]
    if count in _BY_LAST_BYTE:
        return [digest[-1] & (count - 1) for digest in digests]
    return [int.from_bytes(digest, "big") % count for digest in digests]
