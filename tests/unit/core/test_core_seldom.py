"""What others could make happen very often is told once in a while, with how often it happened."""

from __future__ import annotations

import asyncio
import logging

import pytest

import pulsing as pul
from pulsing.core.seldom import SUBJECTS_KEPT, Seldom
from tests.unit.core.acting import Counter, in_virtual_time, spawn


class HandClock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


def test_a_subject_is_due_once_in_a_while_and_its_count_is_told_then() -> None:
    clock = HandClock()
    seldom = Seldom(clock, every_s=10.0)
    assert [seldom.due("a") for _ in range(4)] == [1, 0, 0, 0]
    assert seldom.due("b") == 1
    clock.now = 9.9
    assert seldom.due("a") == 0
    clock.now = 10.0
    assert seldom.due("a") == 5
    clock.now = 20.0
    assert seldom.due("a") == 1


def test_ever_new_subjects_take_bounded_memory() -> None:
    seldom = Seldom(HandClock())
    for number in range(5 * SUBJECTS_KEPT):
        seldom.due(str(number))
    assert len(seldom._subjects) <= SUBJECTS_KEPT


def test_tells_that_fail_without_end_leave_a_line_in_ten_seconds_with_their_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(system: pul.ActorSystem) -> None:
        counter = await spawn(Counter, system=system)
        with caplog.at_level(logging.WARNING, "pulsing"):
            for number in range(500):
                await counter.ref.send("fail", (ValueError("sore"),), None)
                # Names that the sender makes up are one subject, and never stand in the log.
                await counter.ref.send(f"made_up_{number}", (), None)
            await asyncio.sleep(10.0)
            await counter.ref.send("fail", (ValueError("sore"),), None)
            await asyncio.sleep(0.1)
        lines = [record.getMessage() for record in caplog.records]
        assert len(lines) == 3
        assert "Counter.fail failed" in lines[0]
        assert "Counter.(unknown) failed" in lines[1]
        assert "as on 499 others" in lines[2]

    in_virtual_time(test)
