"""The book of faults that networks for tests keep."""

from __future__ import annotations

import asyncio

from pulsing.testing.virtual import run_virtual
from pulsing.transport.faults import Faults


class Book(Faults):
    """One that only counts its news."""

    def __init__(self) -> None:
        super().__init__()
        self.worse = self.changes = 0

    def _on_fault(self) -> None:
        self.worse += 1

    def _on_change(self) -> None:
        self.changes += 1


def test_a_partition_one_way_lets_the_other_way_through() -> None:
    book = Book()

    book.partition("a:7000", "b", one_way=True)

    assert (book.passes("a", "b"), book.passes("b", "a"), book.worse) == (False, True, 1)


def test_one_partition_can_be_healed_without_the_others() -> None:
    book = Book()
    book.partition("a", "b")
    book.partition("a", "c")

    book.heal("b", "a")

    assert book.passes("a", "b")
    assert book.cut("c", "a")
    book.heal()
    assert book.passes("c", "a")


def test_a_host_that_is_frozen_twice_thaws_with_the_last() -> None:
    async def scenario() -> None:
        book = Book()
        book.freeze("a", 1)
        book.freeze("a:7000", 3)

        await asyncio.sleep(2)
        assert not book.passes("b", "a")

        await asyncio.sleep(2)
        assert book.passes("b", "a")

    run_virtual(scenario)


def test_a_host_that_is_killed_while_it_is_frozen_is_answered_for() -> None:
    async def scenario() -> None:
        book = Book()
        book.freeze("a", 1)

        book.kill("a:7000")
        assert book.is_dead("a")
        assert book.passes("b", "a")

        await asyncio.sleep(2)
        assert book.passes("b", "a")

    run_virtual(scenario)
