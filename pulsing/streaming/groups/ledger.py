"""The book of one consumer group in one bucket: who reads it, what is on loan until when, how far all is acknowledged.

Every bucket decides by itself who of the members it knows reads it, by the same rule; as each member reports to all
buckets, they agree. A bucket changes hands only when its reader has nothing on loan, so that no record is with two
members at once; a member that leaves or stays silent gives its loans back.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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

MAX_UNSETTLED = 100_000
"""How far reading runs ahead of the first record that is not acknowledged: the book must stay bounded."""

OUTDATED_REMINDERS = 1_000
"""How many are kept at most, beside as many as there are records pending."""


@dataclass(slots=True)
class Member:
    """What is known of a member."""

    token: int
    ack_wait: float
    max_deliver: int
    heard_at: float


@dataclass(frozen=True, slots=True)
class Loan:
    """A record that is with a member."""

    number: int
    count: int
    due_at: float


@dataclass(frozen=True, slots=True)
class Returned:
    """A record that came back without an acknowledgement."""

    count: int
    due_at: float


class GroupLedger:
    """A pure machine: events and the time in, effects out.

    Args:
        bucket_id: the bucket's number, by which the members share the buckets of a queue.
        committed: the first offset that is not acknowledged.
        first_loan: number of the first loan; another one at each opening, so that a late acknowledgement of a loan
            from before is none of a loan from now.
    """

    def __init__(self, bucket_id: int, committed: int, first_loan: int = 1) -> None:
        self.committed = committed
        self.cursor = committed
        self.members: dict[str, Member] = {}
        self.reader: str | None = None
        self.buried = 0
        self.turnover = 0
        """how many times a member has come or gone"""
        self._bucket_id = bucket_id
        self._next_loan = first_loan
        self._loans: dict[int, Loan] = {}
        self._returned: dict[int, Returned] = {}
        self._dying: set[int] = set()
        self._settled: set[int] = set()
        self._due: list[tuple[float, int, int]] = []
        self._handlers: dict[type, Callable[[Any, float], list[Effect]]] = {
            Report: self._report,
            Borrow: self._borrow,
            Ack: self._ack,
            Nack: self._nack,
            Extend: self._extend,
            Undo: self._undo,
            Buried: self._was_buried,
            Leave: self._leave,
            Seek: self._seek,
            Tick: self._tick,
        }

    # --- reading the book --------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Records that are on loan, or came back and wait to be lent again."""
        return len(self._loans) + len(self._returned) + len(self._dying)

    def knows(self, consumer: str, token: int) -> bool:
        """Whether this reader is the member of that id."""
        member = self.members.get(consumer)
        return member is not None and member.token == token

    def serves(self, consumer: str) -> bool:
        """Whether the member gets records here: the bucket is its own, and is to stay so."""
        return consumer == self.reader == self._heir()

    def is_full(self) -> bool:
        """Whether no new record is lent before one is acknowledged."""
        return self.cursor - self.committed >= MAX_UNSETTLED

    def has_for(self, consumer: str, earliest: int, end: int, now: float) -> bool:
        """Whether a `Borrow` of the member would have an effect."""
        if not self.serves(consumer):
            return False
        fresh = max(self.cursor, earliest) < end and not self.is_full()
        return fresh or earliest > self.committed or any(back.due_at <= now for back in self._returned.values())

    # --- the machine -------------------------------------------------------------------------------------------------

    def handle(self, event: Event, now: float) -> Sequence[Effect]:
        """Take one event at monotonic time `now` and return what is to be done about it, in order."""
        effects = self._expire(now)
        effects += self._handlers[type(event)](event, now)
        effects += self._hand_over()
        return effects

    def next_deadline(self) -> float | None:
        """When something falls due by itself: a loan, a returned record, or a member that stays silent."""
        self._drop_outdated()
        deadlines = [member.heard_at + member.ack_wait for member in self.members.values()]
        if self._due:
            deadlines.append(self._due[0][0])
        return min(deadlines, default=None)

    def _report(self, event: Report, now: float) -> list[Effect]:
        known = self.members.get(event.consumer)
        if known is not None and known.token != event.token and not event.joins:
            return []
        effects: list[Effect] = [Accepted()]
        if known is None:
            self.turnover += 1
            effects.append(Wake())
        elif known.token != event.token:
            effects += self._remove(event.consumer, now)
        self.members[event.consumer] = Member(event.token, event.ack_wait, event.max_deliver, now)
        return effects

    def _borrow(self, event: Borrow, now: float) -> list[Effect]:
        if not self.serves(event.consumer):
            return []
        if event.earliest > self.committed:
            return self._lose_below(event.earliest)
        member = self.members[event.consumer]
        effects: list[Effect] = []
        lent = 0
        for offset in sorted(offset for offset, back in self._returned.items() if back.due_at <= now):
            if lent == event.limit:
                return effects
            count = self._returned.pop(offset).count
            if count >= member.max_deliver:
                effects.append(self._bury(offset, count))
            else:
                effects.append(self._lend(offset, count + 1, now + member.ack_wait))
                lent += 1
        while lent < event.limit and self.cursor < event.end and not self.is_full():
            effects.append(self._lend(self.cursor, 1, now + member.ack_wait))
            self.cursor += 1
            lent += 1
        return effects

    def _lend(self, offset: int, count: int, due_at: float) -> Lend:
        number = self._next_loan
        self._next_loan += 1
        self._put_on_loan(offset, Loan(number, count, due_at))
        return Lend(offset, number, count)

    def _put_on_loan(self, offset: int, loan: Loan) -> None:
        self._loans[offset] = loan
        self._remind(loan.due_at, offset, loan.number)

    def _bury(self, offset: int, count: int) -> Bury:
        self._dying.add(offset)
        return Bury(offset, count)

    def _lose_below(self, earliest: int) -> list[Effect]:
        lost = Lost(self.committed, earliest - 1)
        for offset in [offset for offset in self._loans if offset < earliest]:
            del self._loans[offset]
        for offset in [offset for offset in self._returned if offset < earliest]:
            del self._returned[offset]
        self._dying = {offset for offset in self._dying if offset >= earliest}
        self._settled = {offset for offset in self._settled if offset >= earliest}
        self.committed = earliest
        self.cursor = max(self.cursor, earliest)
        self._advance()
        return [lost, Save(), Wake()]

    def _ack(self, event: Ack, now: float) -> list[Effect]:
        if self._end_loan(event.offset, event.loan) is None:
            return []
        return [Accepted(), *self._count_as_read(event.offset)]

    def _nack(self, event: Nack, now: float) -> list[Effect]:
        loan = self._end_loan(event.offset, event.loan)
        if loan is None:
            return []
        if self.reader is not None and loan.count >= self.members[self.reader].max_deliver:
            return [Accepted(), self._bury(event.offset, loan.count)]
        self._take_back(event.offset, loan.count, now + event.delay)
        return [Accepted(), Wake()]

    def _undo(self, event: Undo, now: float) -> list[Effect]:
        loan = self._end_loan(event.offset, event.loan)
        if loan is None:
            return []
        self._take_back(event.offset, loan.count - 1, now + event.delay)
        return [Accepted(), Wake()]

    def _extend(self, event: Extend, now: float) -> list[Effect]:
        loan = self._end_loan(event.offset, event.loan)
        if loan is None or self.reader is None:
            return []
        due_at = now + self.members[self.reader].ack_wait
        self._put_on_loan(event.offset, Loan(loan.number, loan.count, due_at))
        return [Accepted()]

    def _was_buried(self, event: Buried, now: float) -> list[Effect]:
        if event.offset not in self._dying:
            return []
        self._dying.remove(event.offset)
        self.buried += 1
        return self._count_as_read(event.offset)

    def _leave(self, event: Leave, now: float) -> list[Effect]:
        if not self.knows(event.consumer, event.token):
            return []
        return [Accepted(), *self._remove(event.consumer, now)]

    def _seek(self, event: Seek, now: float) -> list[Effect]:
        if event.consumer != self.reader:
            return []
        for book in (self._loans, self._returned, self._dying, self._settled):
            book.clear()
        self.committed = self.cursor = event.offset
        return [Accepted(), Save(), Wake()]

    def _tick(self, event: Tick, now: float) -> list[Effect]:
        return []

    def _end_loan(self, offset: int, number: int) -> Loan | None:
        loan = self._loans.get(offset)
        if loan is None or loan.number != number:
            return None
        return self._loans.pop(offset)

    def _take_back(self, offset: int, count: int, due_at: float) -> None:
        self._returned[offset] = Returned(count, due_at)
        self._remind(due_at, offset, 0)

    def _count_as_read(self, offset: int) -> list[Effect]:
        was_full = self.is_full()
        self._settled.add(offset)
        moved = self._advance()
        effects: list[Effect] = [Save()] if moved else []
        return [*effects, Wake()] if moved and was_full else effects

    def _advance(self) -> bool:
        before = self.committed
        while self.committed in self._settled:
            self._settled.remove(self.committed)
            self.committed += 1
        return self.committed != before

    # --- what time brings --------------------------------------------------------------------------------------------

    def _expire(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for consumer in [name for name, m in self.members.items() if m.heard_at + m.ack_wait <= now]:
            effects += self._remove(consumer, now)
        while self._due and self._due[0][0] <= now:
            _, offset, number = heapq.heappop(self._due)
            loan = self._loans.get(offset)
            if loan is not None and loan.number == number and loan.due_at <= now:
                del self._loans[offset]
                self._returned[offset] = Returned(loan.count, now)
                effects.append(Wake())
        return effects

    def _remind(self, due_at: float, offset: int, number: int) -> None:
        heapq.heappush(self._due, (due_at, offset, number))
        # Most loans are acknowledged long before they fall due, and would fill the heap until then.
        if len(self._due) > 2 * self.pending + OUTDATED_REMINDERS:
            self._due = [reminder for reminder in self._due if self._is_current(*reminder)]
            heapq.heapify(self._due)

    def _drop_outdated(self) -> None:
        while self._due and not self._is_current(*self._due[0]):
            heapq.heappop(self._due)

    def _is_current(self, due_at: float, offset: int, number: int) -> bool:
        if number:
            loan = self._loans.get(offset)
            return loan is not None and loan.number == number and loan.due_at == due_at
        back = self._returned.get(offset)
        return back is not None and back.due_at == due_at

    # --- whose the bucket is -----------------------------------------------------------------------------------------

    def _heir(self) -> str | None:
        """Whose the bucket is to be: the members in the order of their names take the buckets in turn."""
        if not self.members:
            return None
        names = sorted(self.members)
        return names[self._bucket_id % len(names)]

    def _hand_over(self) -> list[Effect]:
        heir = self._heir()
        if heir == self.reader or (self.reader in self.members and self._loans):
            return []
        self.reader = heir
        return [Wake()]

    def _remove(self, consumer: str, now: float) -> list[Effect]:
        del self.members[consumer]
        self.turnover += 1
        if consumer == self.reader:
            self.reader = None
            for offset, loan in self._loans.items():
                self._take_back(offset, loan.count, now)
            self._loans.clear()
        return [Wake()]
