"""The consumer groups of one bucket: performs what their ledgers decide, over the bucket's log and store.

The committed offsets lie in the store; loans and numbers of deliveries are forgotten with the bucket's process, so
that what was on loan then is delivered again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

from pulsing.clock import Clock
from pulsing.core.timers import check_seconds
from pulsing.exceptions import DataLost, PulsingError
from pulsing.logs import logger_of
from pulsing.streaming.backend import CommittingBackend
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.groups.ledger import GroupLedger
from pulsing.streaming.groups.ledger_words import (
    Accepted,
    Ack,
    Borrow,
    Buried,
    Bury,
    Effect,
    Event,
    Extend,
    Leave,
    Lend,
    Lost,
    Nack,
    Report,
    Save,
    Seek,
    Tick,
    Undo,
    Wake,
)
from pulsing.streaming.log import Log
from pulsing.streaming.parts import one_part
from pulsing.tasks import TaskScope

logger = logger_of("pulsing.streaming")

BURY_AGAIN_AFTER_S = 1.0
READ_AGAIN_AFTER_S = 0.5
"""After a store had less to read than it counts; soon enough, and no race with it."""
LATEST = "latest"
LAST_OFFSET = (1 << 63) - 1
"""What every store can keep for a group; no log has so many records."""

CallerFields = tuple[str, str, int, float, int, str]
"""The fields of `Caller`, as a reader sends them."""


class Caller(NamedTuple):
    """The member of a group that asks for something."""

    group: str
    consumer_id: str
    token: int
    """The reader's own; two readers with one id differ by it."""
    ack_wait: float
    """Seconds."""
    max_deliver: int
    start: str
    """Where a new group begins."""


class Standing(NamedTuple):
    """How a member of a group stands in one bucket."""

    is_member: bool
    """Whether the reader is the member of its id, which another reader may have become since."""
    serves: bool
    """Whether it reads this bucket."""
    committed: int
    """First offset that is not acknowledged."""
    cursor: int
    """Next offset to lend."""
    turnover: int
    """How many times a member has come or gone."""


Lent = tuple[int, int, int, Record]
"""Offset, number of the loan, deliveries with this one, the record."""

BuryRecord = Callable[[Record], Awaitable[None]]
"""Puts a record into the dead queue."""


class _Group:
    """A ledger with what its driver needs to know."""

    def __init__(self, name: str, ledger: GroupLedger) -> None:
        self.name = name
        self.ledger = ledger
        self.waiting: set[asyncio.Future[None]] = set()
        self.saving = asyncio.Lock()
        self.changes = 0
        """of the committed offset"""
        self.saved = 0
        """how many of them are in the store"""


class BucketGroups:
    """The groups of a bucket.

    Args:
        topic: the queue.
        bucket_id: the bucket.
        backend: its store.
        log: its log.
        generation: of the log, for errors.
        clock: where time comes from.
        first_loan: from which on loans are numbered.
        bury: takes the records that were delivered too often.
    """

    def __init__(
        self,
        topic: str,
        bucket_id: int,
        backend: Any,
        log: Log,
        generation: int,
        clock: Clock,
        first_loan: int,
        bury: BuryRecord,
    ) -> None:
        self._topic = topic
        self._bucket_id = bucket_id
        self._backend = backend
        self._log = log
        self._generation = generation
        self._now = clock.monotonic
        self._first_loan = first_loan
        self._bury_record = bury
        self._groups: dict[str, _Group] = {}
        self._burials = TaskScope(f"groups of bucket {bucket_id} of {topic}")

    async def load(self) -> None:
        """Take up the groups where the store has them."""
        if isinstance(self._backend, CommittingBackend):
            for name, committed in (await self._backend.committed()).items():
                self._groups[name] = self._opened(name, committed)

    async def close(self) -> None:
        """End the burials that are under way; their records are delivered again."""
        await self._burials.close()

    # --- what members ask --------------------------------------------------------------------------------------------

    async def report(self, caller: Caller, joins: bool) -> Standing:
        """Note that a reader is there."""
        group, known = await self._enter(caller, joins)
        return self._standing(group, caller, known)

    async def lend(self, caller: Caller, limit: int) -> tuple[list[Lent], Standing]:
        """Lend up to so many records, without waiting.

        Raises:
            DataLost: records that the group had not acknowledged are gone; told once, to whoever asks first.
        """
        group, known = await self._enter(caller)
        if not known:
            return [], self._standing(group, caller, False)
        effects = self._handle(group, Borrow(caller.consumer_id, limit, await self._earliest(), self._end()))
        for effect in effects:
            if isinstance(effect, Lost):
                await self._save(group)
                raise self._data_lost("retention", effect.first, effect.last)
        lent = await self._read_lent(group, [effect for effect in effects if isinstance(effect, Lend)])
        return lent, self._standing(group, caller, True)

    async def wait(self, caller: Caller, timeout: float) -> Standing:
        """Wait up to so many seconds until there may be something to lend."""
        group, known = await self._enter(caller)
        check_seconds(timeout, "timeout")
        deadline = self._now() + timeout
        earliest = await self._earliest()
        while known:
            self._handle(group, Tick())
            left = deadline - self._now()
            if left <= 0 or group.ledger.has_for(caller.consumer_id, earliest, self._end(), self._now()):
                break
            await self._wait_for_news(group, caller.consumer_id, left)
            known = group.ledger.knows(caller.consumer_id, caller.token)
        return self._standing(group, caller, known)

    async def ack(self, caller: Caller, loans: Sequence[tuple[int, int]]) -> tuple[list[bool], Standing]:
        """Acknowledge loans by offset and number; False for one that has expired."""
        return await self._about_loans(caller, [Ack(offset, number) for offset, number in loans])

    async def nack(self, caller: Caller, offset: int, number: int, delay: float) -> tuple[list[bool], Standing]:
        """Give a loan back."""
        check_seconds(delay, "delay")
        return await self._about_loans(caller, [Nack(offset, number, delay)])

    async def extend(self, caller: Caller, offset: int, number: int) -> tuple[list[bool], Standing]:
        """Keep a loan for longer."""
        return await self._about_loans(caller, [Extend(offset, number)])

    async def seek(self, caller: Caller, offset: int | None) -> Standing:
        """Move the group, if the bucket is the caller's own; None for the oldest record."""
        group, known = await self._enter(caller)
        if known:
            place = await self._earliest() if offset is None else min(offset, LAST_OFFSET)
            self._handle(group, Seek(caller.consumer_id, place))
            await self._save(group)
        return self._standing(group, caller, known)

    async def leave(self, caller: Caller) -> None:
        """Let a reader go; what it has on loan is due at once."""
        group = self._groups.get(caller.group)
        if group is not None:
            self._handle(group, Leave(caller.consumer_id, caller.token))

    async def _about_loans(self, caller: Caller, events: Sequence[Event]) -> tuple[list[bool], Standing]:
        group, known = await self._enter(caller)
        outcomes = [_accepted(self._handle(group, event)) for event in events]
        await self._save(group)
        return outcomes, self._standing(group, caller, known)

    # --- groups as such ----------------------------------------------------------------------------------------------

    def rows(self) -> list[dict[str, Any]]:
        """What there is to tell of every group here: `{"group", "members", "committed", "end", "lag", …}`."""
        end = self._end()
        rows = []
        for name, group in sorted(self._groups.items()):
            self._handle(group, Tick())
            ledger = group.ledger
            rows.append(
                {
                    "group": name,
                    "members": sorted(ledger.members),
                    "committed": ledger.committed,
                    "end": end,
                    "lag": max(0, end - ledger.committed),
                    "pending": ledger.pending,
                    "consumer": ledger.reader,
                    "dead_records": ledger.buried,
                }
            )
        return rows

    async def delete(self, name: str) -> bool:
        """Forget a group; False if there is none. A member that is still there begins a new one."""
        group = self._groups.pop(name, None)
        if group is None:
            return False
        async with group.saving:
            await self._commit(name, None)
        _wake(group)
        return True

    # --- performing --------------------------------------------------------------------------------------------------

    async def _enter(self, caller: Caller, joins: bool = False) -> tuple[_Group, bool]:
        """The caller's group, and whether the caller is the member of its id."""
        name, consumer, token, ack_wait, max_deliver, start = caller
        check_seconds(ack_wait, "ack_wait")
        group = self._groups.get(name) or await self._begin(name, start)
        return group, _accepted(self._handle(group, Report(consumer, token, ack_wait, max_deliver, joins)))

    async def _begin(self, name: str, start: str) -> _Group:
        committed = self._end() if start == LATEST else await self._earliest()
        # Somebody else may have begun it meanwhile.
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = self._opened(name, committed)
            group.changes += 1
            await self._save(group)
        return group

    def _opened(self, name: str, committed: int) -> _Group:
        return _Group(name, GroupLedger(self._bucket_id, committed, self._first_loan))

    def _handle(self, group: _Group, event: Event) -> list[Effect]:
        effects = list(group.ledger.handle(event, self._now()))
        for effect in effects:
            if isinstance(effect, Save):
                group.changes += 1
            elif isinstance(effect, Wake):
                _wake(group)
            elif isinstance(effect, Bury):
                self._burials.start(self._bury(group, effect), f"bury {effect.offset}")
        return effects

    async def _save(self, group: _Group) -> None:
        """Bring the committed offset into the store; those who come meanwhile share the next write."""
        wanted = group.changes
        async with group.saving:
            if group.saved >= wanted:
                return
            changes = group.changes
            if self._groups.get(group.name) is group:
                await self._commit(group.name, group.ledger.committed)
            group.saved = changes

    async def _commit(self, name: str, offset: int | None) -> None:
        if isinstance(self._backend, CommittingBackend):
            await self._backend.commit(name, offset)

    async def _read_lent(self, group: _Group, lends: Sequence[Lend]) -> list[Lent]:
        """Read what was lent; what cannot be read goes back."""
        left = {lend.offset: lend for lend in lends}
        lent: list[Lent] = []
        try:
            for first, end in _stretches(left):
                async for offset, record in self._records(first, end):
                    lend = left.pop(offset)
                    if record is None:
                        self._handle(group, Ack(offset, lend.loan))
                    else:
                        lent.append((offset, lend.loan, lend.count, record))
        except DataLost as loss:
            return await self._pass_over(group, left, lent, loss)
        except BaseException:
            for lend in lends:
                self._handle(group, Undo(lend.offset, lend.loan))
            raise
        for lend in left.values():
            self._handle(group, Undo(lend.offset, lend.loan, READ_AGAIN_AFTER_S))
        await self._save(group)
        return self._cut(group, lent)

    def _cut(self, group: _Group, lent: list[Lent]) -> list[Lent]:
        """Take back what is too much for one answer to another node."""
        count = one_part([record for *_, record in lent])
        for offset, loan, *_ in lent[count:]:
            self._handle(group, Undo(offset, loan))
        return lent[:count]

    async def _pass_over(self, group: _Group, left: dict[int, Lend], lent: list[Lent], loss: DataLost) -> list[Lent]:
        """Lend what came before a damaged place; with nothing before it, tell of it and go on behind it."""
        first = min(left) if loss.first is None else loss.first
        last = first if loss.last is None else min(loss.last, max(left))
        for offset, lend in left.items():
            gone = not lent and first <= offset <= last
            self._handle(group, Ack(offset, lend.loan) if gone else Undo(offset, lend.loan))
        if lent:
            return self._cut(group, lent)
        await self._save(group)
        raise self._data_lost(loss.reason, first, last) from loss

    async def _records(self, first: int, end: int) -> AsyncIterator[tuple[int, Record | None]]:
        """Records by their offsets, None for one that was taken out by itself; stops where the log cannot go on."""
        offset = first
        while offset < end:
            window = await self._log.read(end - offset, offset)
            if offset + len(window.records) != window.next:
                # Only one record at a time tells where it is.
                window = await self._log.read(1, offset)
            if window.earliest > offset or window.next <= offset:
                return
            for place in range(offset, min(window.next - len(window.records), end)):
                yield place, None
            for place, record in enumerate(window.records, window.next - len(window.records)):
                if place < end:
                    yield place, record
            offset = window.next

    async def _bury(self, group: _Group, effect: Bury) -> None:
        """Put a record into the dead queue, again and again until that has worked."""
        while True:
            try:
                await self._bury_once(effect)
                break
            except DataLost as loss:
                logger.warning("queue %s: a record was to go to the dead queue: %s", self._topic, loss)
                break
            except (PulsingError, ValueError, OSError) as error:
                logger.warning("queue %s: record %d of bucket %d is not in the dead queue yet: %s", self._topic,
                               effect.offset, self._bucket_id, error)  # fmt: skip
            await asyncio.sleep(BURY_AGAIN_AFTER_S)
        self._handle(group, Buried(effect.offset))
        await self._save(group)

    async def _bury_once(self, effect: Bury) -> None:
        async for offset, record in self._records(effect.offset, effect.offset + 1):
            if record is not None:
                about = {"_topic": self._topic, "_bucket_id": self._bucket_id, "_offset": offset}
                error = f"not acknowledged in {effect.count} deliveries"
                await self._bury_record({**record, "_error": error, **about})

    async def _wait_for_news(self, group: _Group, consumer: str, timeout: float) -> None:
        """Wait until the ledger or the log has changed, or something falls due."""
        ledger = group.ledger
        due = ledger.next_deadline()
        timeout = timeout if due is None else max(0.001, min(timeout, due - self._now()))
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        group.waiting.add(news)
        waits: list[asyncio.Future[Any]] = [news]
        if ledger.serves(consumer) and not ledger.is_full():
            waits.append(asyncio.ensure_future(self._log.wait(1, ledger.cursor, timeout)))
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            group.waiting.discard(news)
            for wait in waits:
                wait.cancel()
            outcomes = await asyncio.gather(*waits[1:], return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, DataLost):
                raise outcome

    def _standing(self, group: _Group, caller: Caller, known: bool) -> Standing:
        ledger = group.ledger
        serves = known and ledger.serves(caller.consumer_id)
        return Standing(known, serves, ledger.committed, ledger.cursor, ledger.turnover)

    def _end(self) -> int:
        end: int = self._backend.total_count()
        return end

    async def _earliest(self) -> int:
        return (await self._log.read(0, 0)).earliest

    def _data_lost(self, reason: str, first: int | None, last: int | None) -> DataLost:
        return DataLost(self._topic, self._bucket_id, reason, first, last, self._generation)


def _accepted(effects: Sequence[Effect]) -> bool:
    return any(isinstance(effect, Accepted) for effect in effects)


def _wake(group: _Group) -> None:
    waiting, group.waiting = group.waiting, set()
    for news in waiting:
        if not news.done():
            news.set_result(None)


def _stretches(offsets: Iterable[int]) -> list[tuple[int, int]]:
    """Offsets as stretches without a gap: the first of each, and the one behind its last."""
    stretches: list[tuple[int, int]] = []
    for offset in sorted(offsets):
        if stretches and offset == stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], offset + 1)
        else:
            stretches.append((offset, offset + 1))
    return stretches
