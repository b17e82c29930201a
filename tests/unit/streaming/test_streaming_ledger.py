"""What a group's ledger decides, whatever happens in whatever order."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pulsing.machine import Machine
from pulsing.streaming.groups.ledger import MAX_UNSETTLED, OUTDATED_REMINDERS, GroupLedger
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

LIVES = int(os.environ.get("PULSING_LIVES", "60"))
"""of 40 steps each"""


def report(consumer: str = "a", token: int = 1, ack_wait: float = 10.0, joins: bool = True, times: int = 3) -> Report:
    return Report(consumer, token, ack_wait, times, joins)


def borrow(consumer: str = "a", limit: int = 10, end: int = 10, earliest: int = 0) -> Borrow:
    return Borrow(consumer, limit, earliest, end)


def lends(effects: Sequence[Effect]) -> list[Lend]:
    return [effect for effect in effects if isinstance(effect, Lend)]


def one_reader(bucket_id: int = 0) -> GroupLedger:
    ledger = GroupLedger(bucket_id, 0)
    ledger.handle(report(), 0.0)
    return ledger


def test_it_is_a_machine() -> None:
    machine: Machine[Event, Effect] = GroupLedger(0, 0)

    assert machine.next_deadline() is None
    assert machine.handle(Tick(), 0.0) == []


def test_records_are_lent_in_order_and_each_once() -> None:
    ledger = one_reader()

    assert lends(ledger.handle(borrow(limit=2), 0.0)) == [Lend(0, 1, 1), Lend(1, 2, 1)]
    assert lends(ledger.handle(borrow(limit=2), 0.0)) == [Lend(2, 3, 1), Lend(3, 4, 1)]
    assert ledger.pending == 4


def test_the_committed_offset_is_the_first_that_is_not_acknowledged() -> None:
    ledger = one_reader()
    ledger.handle(borrow(limit=3), 0.0)

    assert ledger.handle(Ack(2, 3), 1.0) == [Accepted()]
    assert ledger.handle(Ack(0, 1), 1.0) == [Accepted(), Save()]
    assert ledger.committed == 1
    assert ledger.handle(Ack(1, 2), 1.0) == [Accepted(), Save()]
    assert ledger.committed == 3


def test_an_ack_with_another_loans_number_changes_nothing() -> None:
    ledger = one_reader()
    ledger.handle(borrow(limit=1), 0.0)

    assert ledger.handle(Ack(0, 7), 1.0) == []
    assert ledger.handle(Ack(5, 1), 1.0) == []
    assert ledger.pending == 1


def test_an_expired_loan_is_lent_again_before_anything_new() -> None:
    ledger = one_reader()
    ledger.handle(borrow(limit=1), 0.0)
    ledger.handle(report(joins=False), 9.0)

    assert ledger.next_deadline() == 10.0
    assert ledger.handle(Ack(0, 1), 10.0) == [Wake()]
    assert lends(ledger.handle(borrow(limit=2), 10.0)) == [Lend(0, 2, 2), Lend(1, 3, 1)]


def test_an_extended_loan_lasts_another_ack_wait() -> None:
    ledger = one_reader()
    ledger.handle(borrow(limit=1), 0.0)
    ledger.handle(report(joins=False), 8.0)

    assert ledger.handle(Extend(0, 1), 8.0) == [Accepted()]
    assert ledger.handle(Ack(0, 1), 17.0) == [Accepted(), Save()]


def test_what_could_not_be_handed_over_does_not_count_as_delivered() -> None:
    ledger = one_reader()
    ledger.handle(borrow(limit=1), 0.0)
    ledger.handle(Undo(0, 1), 0.0)

    assert lends(ledger.handle(borrow(limit=1), 0.0)) == [Lend(0, 2, 1)]


def test_after_too_many_deliveries_a_record_is_buried_and_then_counts_as_read() -> None:
    ledger = one_reader()
    ledger.handle(report(times=2, joins=False), 0.0)
    ledger.handle(borrow(limit=1, end=1), 0.0)
    ledger.handle(Nack(0, 1), 0.0)
    ledger.handle(borrow(limit=1, end=1), 0.0)

    assert Bury(0, 2) in ledger.handle(Nack(0, 2), 0.0)
    assert ledger.handle(borrow(end=1), 0.0) == []
    assert ledger.handle(Buried(0), 1.0) == [Save()]
    assert (ledger.committed, ledger.buried, ledger.pending) == (1, 1, 0)


def test_a_loan_that_expires_for_the_last_time_is_buried_at_the_next_reading() -> None:
    ledger = one_reader()
    ledger.handle(report(times=1, joins=False), 0.0)
    ledger.handle(borrow(limit=1, end=1), 0.0)
    ledger.handle(report(times=1, joins=False), 9.0)

    assert ledger.handle(borrow(end=1), 11.0) == [Wake(), Bury(0, 1)]


def test_members_take_the_buckets_in_turn_by_their_names() -> None:
    readers = []
    for bucket_id in range(4):
        ledger = one_reader(bucket_id)
        ledger.handle(report("b", 2), 0.0)
        readers.append(ledger.reader)

    assert readers == ["a", "b", "a", "b"]


def test_a_bucket_waits_for_what_is_on_loan_before_it_changes_hands() -> None:
    ledger = one_reader(bucket_id=1)
    ledger.handle(borrow(limit=1), 0.0)
    ledger.handle(report("b", 2), 1.0)

    assert ledger.reader == "a"
    assert ledger.handle(borrow("a"), 1.0) == []
    assert ledger.handle(borrow("b"), 1.0) == []
    ledger.handle(Ack(0, 1), 2.0)
    assert ledger.reader == "b"
    assert lends(ledger.handle(borrow("b", limit=1), 2.0)) == [Lend(1, 2, 1)]


def test_a_silent_member_is_taken_for_dead_and_gives_its_loans_back() -> None:
    ledger = one_reader(bucket_id=1)
    ledger.handle(report("b", 2), 0.0)
    ledger.handle(borrow("b", limit=1), 0.0)
    ledger.handle(report("a", 1, joins=False), 5.0)

    assert ledger.next_deadline() == 10.0
    ledger.handle(Tick(), 10.0)
    assert list(ledger.members) == ["a"]
    assert lends(ledger.handle(borrow("a", limit=1), 10.0)) == [Lend(0, 2, 2)]


def test_an_older_reader_of_the_same_name_is_refused_and_only_joining_takes_over() -> None:
    ledger = one_reader()
    ledger.handle(borrow(limit=1), 0.0)

    assert ledger.handle(report(token=2, joins=False), 1.0) == []
    assert Accepted() in ledger.handle(report(token=2), 1.0)
    assert ledger.handle(Ack(0, 1), 1.0) == []
    assert ledger.handle(Leave("a", 1), 1.0) == []
    assert ledger.handle(report(token=1, joins=False), 1.0) == []


def test_lost_records_are_told_before_anything_newer_is_lent() -> None:
    ledger = one_reader()
    ledger.handle(borrow(limit=4), 0.0)
    ledger.handle(Ack(0, 1), 0.0)

    assert ledger.handle(borrow(earliest=3), 1.0)[0] == Lost(1, 2)
    assert ledger.committed == 3
    assert lends(ledger.handle(borrow(limit=1, earliest=3), 1.0)) == [Lend(4, 5, 1)]
    assert ledger.handle(Ack(3, 4), 1.0) == [Accepted(), Save()]


def test_only_the_reader_of_the_bucket_moves_the_group() -> None:
    ledger = one_reader()
    ledger.handle(borrow(limit=4), 0.0)

    assert ledger.handle(Seek("b", 2), 0.0) == []
    assert Accepted() in ledger.handle(Seek("a", 2), 0.0)
    assert ledger.handle(Ack(0, 1), 0.0) == []
    assert lends(ledger.handle(borrow(limit=1), 0.0)) == [Lend(2, 5, 1)]


def test_reading_runs_ahead_of_the_acknowledgements_only_so_far() -> None:
    ledger = one_reader()
    end = MAX_UNSETTLED + 5
    assert len(ledger.handle(borrow(limit=end, end=end), 0.0)) == MAX_UNSETTLED

    assert not ledger.has_for("a", 0, end, 0.0)
    assert ledger.handle(Ack(0, 1), 0.0) == [Accepted(), Save(), Wake()]
    assert ledger.has_for("a", 0, end, 0.0)


def test_the_book_forgets_what_is_done() -> None:
    ledger = one_reader()
    for offset in range(20_000):
        (lend,) = lends(ledger.handle(borrow(limit=1, end=20_000), 0.0))
        ledger.handle(Ack(offset, lend.loan), 0.0)

    assert len(ledger._due) < 2 * OUTDATED_REMINDERS


class Groups(RuleBasedStateMachine):
    """Members come, read, acknowledge, give back, fall silent and die in any order; a log grows and is trimmed."""

    names = ("a", "b", "c")

    @initialize(bucket_id=st.integers(0, 3))
    def begin(self, bucket_id: int) -> None:
        self.ledger = GroupLedger(bucket_id, 0)
        self.now = 0.0
        self.end = 0
        self.earliest = 0
        self.lent: dict[int, tuple[str, int]] = {}
        self.done: set[int] = set()
        self.dying: list[int] = []

    def handle(self, event: Event) -> Sequence[Effect]:
        effects = self.ledger.handle(event, self.now)
        self.dying += [effect.offset for effect in effects if isinstance(effect, Bury)]
        return effects

    @rule(name=st.sampled_from(names), token=st.integers(1, 2), joins=st.booleans(), times=st.integers(1, 3))
    def somebody_reports(self, name: str, token: int, joins: bool, times: int) -> None:
        self.handle(Report(name, token, 10.0, times, joins))

    @rule(count=st.integers(1, 5))
    def records_come(self, count: int) -> None:
        self.end += count

    @rule(name=st.sampled_from(names), limit=st.integers(0, 4))
    def somebody_reads(self, name: str, limit: int) -> None:
        serves_before = self.ledger.reader
        for effect in self.handle(Borrow(name, limit, self.earliest, self.end)):
            if isinstance(effect, Lend):
                assert effect.offset not in self.done, "what is done is not lent again"
                assert self.ledger.reader == name, serves_before
                assert self.earliest <= effect.offset < self.end
                assert effect.count <= 3
                self.lent[effect.offset] = (name, effect.loan)

    @precondition(lambda self: self.lent)
    @rule(data=st.data(), how=st.sampled_from(["ack", "nack", "extend", "undo"]))
    def a_loan_is_answered(self, data: st.DataObject, how: str) -> None:
        offset = data.draw(st.sampled_from(sorted(self.lent)))
        _, loan = self.lent[offset]
        event = {"ack": Ack, "nack": Nack, "extend": Extend, "undo": Undo}[how](offset, loan)
        if Accepted() in self.handle(event) and how == "ack":
            self.done.add(offset)

    @precondition(lambda self: self.dying)
    @rule()
    def a_burial_is_over(self) -> None:
        offset = self.dying.pop(0)
        self.handle(Buried(offset))
        self.done.add(offset)

    @rule(seconds=st.sampled_from([0.5, 4.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.handle(Tick())
        deadline = self.ledger.next_deadline()
        assert deadline is None or deadline > self.now or self.ledger.pending

    @rule(name=st.sampled_from(names), token=st.integers(1, 2))
    def somebody_leaves(self, name: str, token: int) -> None:
        self.handle(Leave(name, token))

    @rule(count=st.integers(1, 3))
    def old_records_go(self, count: int) -> None:
        self.earliest = min(self.earliest + count, self.end)

    @invariant()
    def nothing_is_counted_as_read_that_nobody_has_read(self) -> None:
        assert set(range(self.earliest, self.ledger.committed)) <= self.done
        assert self.ledger.committed <= self.ledger.cursor <= max(self.end, self.ledger.committed)

    @invariant()
    def the_bucket_is_a_members(self) -> None:
        assert self.ledger.reader is None or self.ledger.reader in self.ledger.members
        assert (self.ledger.reader is None) == (not self.ledger.members)

    def teardown(self) -> None:
        """In the end one member gets everything done that is left."""
        if not hasattr(self, "ledger"):
            return
        self.now += 100.0
        self.handle(Report("z", 9, 1e6, 1_000_000, True))
        for _ in range(4):
            while self.dying:
                self.a_burial_is_over()
            for effect in self.handle(Borrow("z", 10_000, self.earliest, self.end)):
                if isinstance(effect, Lend):
                    assert Accepted() in self.handle(Ack(effect.offset, effect.loan))
        assert self.ledger.committed == self.end
        assert self.ledger.pending == 0


TestGroups = Groups.TestCase
TestGroups.settings = settings(max_examples=LIVES, stateful_step_count=40, deadline=None)
