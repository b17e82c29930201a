"""A reader that shares the buckets of a queue with the other members of its consumer group.

Delivery is at least once: what is not acknowledged in time is delivered again, so whoever handles a record must bear
to see it twice. Exactly once takes a store of one's own that keeps the results together with the offsets.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from pulsing.core.system import System
from pulsing.core.timers import check_seconds
from pulsing.exceptions import DataLost, PulsingError, PulsingRuntimeError
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.bucket_words import Fetched
from pulsing.streaming.groups.bucket_groups import LATEST, CallerFields, Standing
from pulsing.streaming.groups.calls import DatedStanding
from pulsing.streaming.groups.errands import PATIENCE_S, Errands, answers_soon
from pulsing.streaming.names import check_own, check_topic
from pulsing.streaming.ownership.catalogue import dead_queue
from pulsing.streaming.parts import Pages, is_full
from pulsing.streaming.queue import WAIT_SLICE_S, Queue, check_window, in_time, patience_of
from pulsing.streaming.reader import QueueReader

if TYPE_CHECKING:
    from pulsing.streaming.sync_queue import SyncGroupReader

ACK_WAIT_S = 30.0
MAX_DELIVER = 20
EARLIEST = "earliest"
ACKS_A_CALL = 5_000
REPORTS_IN_ACK_WAIT = 3
"""How often a member reports to every bucket before it would count as silent."""


class Delivery:
    """A record on loan, to be acknowledged before the group's `ack_wait` is over.

    Attributes:
        record: the record.
        bucket_id: its bucket.
        offset: its place there.
        delivery_count: how many times it has been delivered, with this one, since its bucket was opened.
    """

    def __init__(
        self, reader: GroupReader, record: Record, bucket_id: int, offset: int, loan: int, delivery_count: int
    ) -> None:
        self.record = record
        self.bucket_id = bucket_id
        self.offset = offset
        self.delivery_count = delivery_count
        self._reader = reader
        self._loan = loan
        self._outcome: bool | None = None

    def __repr__(self) -> str:
        return f"Delivery(bucket_id={self.bucket_id}, offset={self.offset}, delivery_count={self.delivery_count})"

    async def ack(self) -> bool:
        """Say that the record is done with; once more does nothing.

        Returns:
            False if the loan had expired: the record is, or will be, delivered again.
        """
        if self._outcome is None:
            (self._outcome,) = await self._reader._about(self.bucket_id, "group_ack", [(self.offset, self._loan)])
        return self._outcome

    async def nack(self, delay: float = 0.0) -> bool:
        """Give the record back, to be delivered again after `delay` seconds; False if the loan has ended already.

        Raises:
            ValueError: a negative delay, or one that is no number of seconds.
        """
        check_seconds(delay, "delay")
        if delay < 0:
            raise ValueError(f"delay must not be negative, got {delay!r}")
        if self._outcome is not None:
            return False
        (given,) = await self._reader._about(self.bucket_id, "group_nack", self.offset, self._loan, delay)
        self._outcome = False
        return given

    async def extend(self) -> bool:
        """Begin `ack_wait` anew for this record; False if the loan has ended already."""
        if self._outcome is not None:
            return False
        (extended,) = await self._reader._about(self.bucket_id, "group_extend", self.offset, self._loan)
        return extended


class GroupReader(QueueReader):
    """Reads the share of one member of a consumer group, at least once; its positions are kept with the data.

    A member joins at its first read, and stays until it is closed: its reader reports to the buckets by itself. One
    that is not heard of for `ack_wait` seconds is taken for dead, and its buckets and loans go to the others. More
    members than buckets leave some without any.

    Args:
        queue: the queue.
        group: name of the group.
        consumer_id: name of the member; the same again takes over from the old one. "consumer_" and 8 hex digits by
            default.
        ack_wait: seconds after which an unacknowledged record is delivered again.
        max_deliver: deliveries after which a record goes to the queue `<topic>.dead` instead.
        start: where a new group begins, "earliest" or "latest".

    Raises:
        ValueError: a name breaks the grammar of names, or another argument makes no sense.
    """

    def __init__(
        self,
        queue: Queue,
        group: str,
        consumer_id: str | None = None,
        ack_wait: float = ACK_WAIT_S,
        max_deliver: int = MAX_DELIVER,
        start: str = EARLIEST,
    ) -> None:
        super().__init__(queue)
        inner: System = queue._inner
        if consumer_id is None:
            consumer_id = f"consumer_{inner.random.getrandbits(32):08x}"
        group = check_own(group, "group")
        consumer_id = check_own(consumer_id, "consumer id")
        check_topic(dead_queue(queue.topic))
        if isinstance(ack_wait, bool) or not 0 < ack_wait < float("inf"):
            raise ValueError(f"ack_wait is a positive number of seconds, got {ack_wait!r}")
        if isinstance(max_deliver, bool) or not isinstance(max_deliver, int) or max_deliver < 1:
            raise ValueError(f"max_deliver is a number from 1 on, got {max_deliver!r}")
        if start not in (EARLIEST, LATEST):
            raise ValueError(f"start is 'earliest' or 'latest', not {start!r}")
        self.group = group
        self.consumer_id = consumer_id
        self.ack_wait = ack_wait
        self.max_deliver = max_deliver
        self.start = start
        self._token = inner.random.getrandbits(62)
        self._now = inner.now
        self._standings: dict[int, Standing] = {}
        self._joined: set[int] = set()
        self._seeks: dict[int, int | None] = {}
        self._report_at: float | None = None
        self._losses: list[DataLost] = []
        self._pages = Pages()
        self._arrived: list[Delivery] = []
        self._unacknowledged: list[Delivery] = []
        self._errands = Errands()
        self._heartbeat: asyncio.Task[None] | None = None
        self._closed = False
        self._replaced = False

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def assigned(self) -> list[int]:
        """The buckets that are this member's, as it was last told."""
        return sorted(bucket_id for bucket_id, standing in self._standings.items() if standing.serves)

    async def get(self, limit: int = 100, wait: bool = False, timeout: float | None = None) -> list[Record]:
        """The next records of this member's buckets; they are on loan until `commit`.

        Args:
            limit: most records to return.
            wait: return as soon as there is at least one record, instead of at once.
            timeout: seconds to wait; None for ever, 0 or less not at all. Without `wait` it means nothing.

        Raises:
            ValueError: a negative limit, a timeout that is no number of seconds, or the queue was set up otherwise.
            DataLost: records that the group has not acknowledged are gone; told once, the next call goes on after them.
            PulsingRuntimeError: the reader is closed, or another one with its consumer id has taken over.
            DeadlineExceeded: a bucket is silent, so that it is not known two seconds after `timeout` what there is.
        """
        deliveries = await self.receive(limit, wait, timeout)
        self._unacknowledged += deliveries
        return [delivery.record for delivery in deliveries]

    async def receive(self, limit: int = 1, wait: bool = True, timeout: float | None = None) -> list[Delivery]:
        """The next records, each to be acknowledged by itself; arguments and errors as of `get`."""
        check_window(limit, 0)
        patience = patience_of(wait, timeout)
        return await in_time(self._receive(limit, patience), self.queue.topic, patience)

    async def _receive(self, limit: int, patience: float | None) -> list[Delivery]:
        deadline = None if patience is None else self._now() + patience
        while True:
            self._check_open()
            deliveries = await self._next(limit)
            left = WAIT_SLICE_S if deadline is None else deadline - self._now()
            if deliveries or limit == 0:
                return deliveries
            if left <= 0:
                await self._last_answers()
                return self._hand_out(limit)
            await self._wait_for_news(min(left, WAIT_SLICE_S, self.ack_wait / REPORTS_IN_ACK_WAIT))

    async def __aiter__(self) -> AsyncIterator[Record]:
        """Records for ever; `commit` acknowledges those that have come out."""
        while True:
            for delivery in await self.receive(100):
                self._unacknowledged.append(delivery)
                yield delivery.record

    async def commit(self) -> dict[int, int]:
        """Acknowledge all that `get` has returned.

        Returns:
            The committed offset of each of this member's buckets: all before it are acknowledged.
        """
        self._check_open()
        taken, self._unacknowledged = self._unacknowledged, []
        by_bucket: dict[int, list[Delivery]] = {}
        for delivery in taken:
            by_bucket.setdefault(delivery.bucket_id, []).append(delivery)
        acks = [self._acknowledge(bucket_id, deliveries) for bucket_id, deliveries in by_bucket.items()]
        outcomes = await asyncio.gather(*acks, return_exceptions=True)
        for deliveries, outcome in zip(by_bucket.values(), outcomes, strict=True):
            if isinstance(outcome, BaseException):
                self._unacknowledged += deliveries
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return {bucket_id: self._standings[bucket_id].committed for bucket_id in {*self.assigned, *by_bucket}}

    async def _acknowledge(self, bucket_id: int, deliveries: list[Delivery]) -> None:
        loans = [(delivery.offset, delivery._loan) for delivery in deliveries if delivery._outcome is None]
        for start in range(0, len(loans), ACKS_A_CALL):
            await self._about(bucket_id, "group_ack", loans[start : start + ACKS_A_CALL])

    def reset(self) -> None:
        """Let the group go back to the beginning of the buckets that are this member's, at the next read."""
        self._move(self.assigned, None)

    def set_offset(self, offset: int, bucket_id: int | None = None) -> None:
        """Let the group go on from an offset in one of this member's buckets, or in all, at the next read.

        Raises:
            ValueError: a negative offset, or a bucket that the queue does not have.
        """
        self._check_place(offset, bucket_id)
        self._move(self.assigned if bucket_id is None else [bucket_id], offset)

    def _move(self, buckets: Iterable[int], offset: int | None) -> None:
        moved = dict.fromkeys(buckets, offset)
        self._seeks.update(moved)
        self._arrived = [one for one in self._arrived if one.bucket_id not in moved]

    def positions(self) -> dict[int, int]:
        """The next offset that the group has not read yet, for each of this member's buckets, as it was last told."""
        return {bucket_id: self._standings[bucket_id].cursor for bucket_id in self.assigned}

    # --- leaving -----------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Leave the group; what is on loan is delivered to others at once. Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        self.queue._inner.ties.forget(self)
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        self._errands.give_up()
        # Who does not answer now will find that this member is silent.
        leaving = (self.queue.follow(b, "group_leave", (self._caller(b),)) for b in sorted(self._joined))
        await asyncio.gather(*leaving, return_exceptions=True)

    async def __aenter__(self) -> GroupReader:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def sync(self) -> SyncGroupReader:
        """The same reader for threads that do not await."""
        from pulsing.streaming.sync_queue import SyncGroupReader

        return SyncGroupReader(self)

    # --- the buckets -------------------------------------------------------------------------------------------------

    async def _next(self, limit: int) -> list[Delivery]:
        if not self._arrived and limit > 0 and await self._is_ready():
            await self._borrow(limit)
        return self._hand_out(limit)

    def _hand_out(self, limit: int) -> list[Delivery]:
        """What has arrived; it stays until it is asked for, so that a call that is cut short forgets nothing."""
        self._check_open()
        if self._losses:
            raise self._losses.pop(0)
        deliveries = self._arrived[:limit]
        del self._arrived[:limit]
        return deliveries

    async def _is_ready(self) -> bool:
        """Report to every bucket if that is due; False without a queue."""
        if not await self.queue.is_set_up():
            # Whatever comes into a queue that does not exist yet is new.
            self.start = EARLIEST
            return False
        await self._report_if_due()
        return True

    async def _report_if_due(self) -> None:
        if self._heartbeat is None:
            self._heartbeat = self.queue._inner.tasks.start(
                _report_for(weakref.ref(self), self.ack_wait / REPORTS_IN_ACK_WAIT), f"member {self.consumer_id}"
            )
        if self._report_at is not None and self._now() < self._report_at:
            return
        self._report_at = self._now() + self.ack_wait / REPORTS_IN_ACK_WAIT
        reports = [self._errands.begin("report", bucket_id, self._report(bucket_id)) for bucket_id in self._assigned()]
        try:
            await answers_soon([report for report in reports if report is not None])
        except BaseException:
            self._report_at = None
            raise

    async def _report(self, bucket_id: int) -> None:
        # Only the first report takes over from an older reader of this name: that one must not take it back.
        self._heard(bucket_id, await self._ask(bucket_id, "group_report", bucket_id not in self._joined))

    async def _borrow(self, limit: int) -> None:
        buckets = self.assigned
        self._seeks = {b: offset for b, offset in self._seeks.items() if b in buckets or b not in self._standings}
        start = self._turn % len(buckets) if buckets else 0
        self._turn += 1
        ends_at = self._now() + PATIENCE_S
        failure: PulsingError | None = None
        for bucket_id in buckets[start:] + buckets[:start]:
            if len(self._arrived) >= limit:
                return
            lending = self._errands.begin("lend", bucket_id, self._borrow_from(bucket_id, limit))
            if lending is None:
                continue
            try:
                await answers_soon([lending], ends_at - self._now())
            except PulsingError as error:
                failure = failure or error  # of no interest while others have something
        if failure is not None and not self._arrived and not self._losses:
            raise failure

    async def _borrow_from(self, bucket_id: int, limit: int) -> None:
        """Go where that was asked for, then borrow until there is as much as was wanted, or the bucket has no more."""
        if bucket_id in self._seeks:
            await self._seek(bucket_id)
        while len(self._arrived) < limit and await self._borrow_part(bucket_id, limit - len(self._arrived)):
            pass

    async def _seek(self, bucket_id: int) -> None:
        offset = self._seeks[bucket_id]
        self._heard(bucket_id, await self._ask(bucket_id, "group_seek", offset))
        if bucket_id in self._seeks and self._seeks[bucket_id] == offset:
            del self._seeks[bucket_id]
        self._unacknowledged = [one for one in self._unacknowledged if one.bucket_id != bucket_id]

    async def _borrow_part(self, bucket_id: int, limit: int) -> bool:
        """Borrow as much as one answer has room for; returns whether that may have been less than there is."""
        limit = min(limit, self._pages.size)
        try:
            answer = await self._ask(bucket_id, "group_lend", limit)
        except DataLost as loss:
            self._losses.append(loss)
            return False
        if answer is None:
            return False
        lent, told = answer
        if bucket_id not in self._seeks:  # else the group will go elsewhere, and forget these
            self._arrived += [Delivery(self, record, bucket_id, *loan) for *loan, record in lent]
        self._heard(bucket_id, told)
        if lent:
            self._footing.reach(bucket_id, max(offset for offset, *_ in lent) + 1)
        if len(lent) == limit:
            self._pages.grow()
            return True
        was_cut = is_full([record for *_, record in lent])
        if was_cut:
            self._pages.fit(len(lent))
        return was_cut

    async def _last_answers(self) -> None:
        """Wait for buckets that owe an answer, until one has something: before, nobody knows that there is nothing.

        Raises:
            PulsingError: one has failed.
        """
        errands = set(self._errands.open)
        while errands and not self._arrived and not self._losses:
            done, errands = await asyncio.wait(errands, return_when=asyncio.FIRST_COMPLETED)
            for errand in done:
                if not errand.cancelled():
                    errand.result()

    async def _wait_for_news(self, timeout: float) -> None:
        if not await self.queue.is_set_up():
            await self.queue.wait_set_up(timeout)
            return
        waits = [asyncio.ensure_future(self._wait_in(bucket_id, timeout)) for bucket_id in self._assigned()]
        try:
            done, _ = await asyncio.wait([*waits, *self._errands.open], return_when=asyncio.FIRST_COMPLETED)
            for wait in done.intersection(waits):
                wait.result()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _wait_in(self, bucket_id: int, timeout: float) -> None:
        self._heard(bucket_id, await self._ask(bucket_id, "group_wait", timeout, timeout=timeout + 10.0))

    async def _about(self, bucket_id: int, method: str, *args: Any) -> list[bool]:
        """Ask something about loans; False for each while the queue is not there."""
        self._check_open()
        if await self.queue.is_set_up():
            await self._report_if_due()
        answer = await self._ask(bucket_id, method, *args)
        if answer is None:
            return [False]
        outcomes, standing = answer
        self._heard(bucket_id, standing)
        return list(outcomes)

    async def _ask(self, bucket_id: int, method: str, *args: Any, timeout: float = 30.0) -> Any:
        return await self.queue.follow(bucket_id, method, (self._caller(bucket_id), *args), None, timeout)

    def _heard(self, bucket_id: int, told: DatedStanding | None) -> None:
        """Note where this member stands in a bucket, and whether the log there was lost since."""
        if told is None:
            return
        fields, ground = told
        standing = Standing(*fields)
        before = self._standings.get(bucket_id)
        if before is not None and before.turnover != standing.turnover:
            # Somebody has come or gone, so that other buckets may be this member's too.
            self._report_at = None
        self._standings[bucket_id] = standing
        self._joined.add(bucket_id)
        self._replaced = self._replaced or not standing.is_member
        loss = self._footing.read(bucket_id, Fetched([], 0, 0, ground, stale=False, end=0), 0, anchored=False)
        if loss is not None:
            self._losses.append(loss)

    def _caller(self, bucket_id: int) -> CallerFields:
        # A bucket that begins anew under a member has nothing that this member has read.
        start = EARLIEST if bucket_id in self._joined else self.start
        return self.group, self.consumer_id, self._token, self.ack_wait, self.max_deliver, start

    def _check_open(self) -> None:
        if self._replaced:
            raise PulsingRuntimeError(f"another reader has taken over as {self.consumer_id!r} of group {self.group!r}")
        if self._closed:
            raise PulsingRuntimeError(f"the reader has left the group {self.group!r}")


async def _report_for(member: weakref.ref[GroupReader], pause: float) -> None:
    """Report now and then for a member that may be busy with what it has read, until nobody has its reader any more."""
    while True:
        await asyncio.sleep(pause)
        reader = member()
        if reader is None or reader._replaced:
            return
        try:
            await reader._report_if_due()
        except PulsingError:
            pass  # tried again soon; whoever reads meets the error itself
        del reader
