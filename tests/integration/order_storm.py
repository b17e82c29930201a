"""Senders who issue numbered messages at once, and actors that note what comes out of order, or twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pulsing as pul
from pulsing.exceptions import LinkLost

SENDERS = 8


@pul.remote
class Register:
    """Notes what comes of each sender out of order, or twice."""

    def __init__(self) -> None:
        self.last = [0] * SENDERS
        self.heard = 0
        self.wrong: list[tuple[int, int, int]] = []

    def note(self, sender: int, number: int, ballast: bytes = b"") -> None:
        self.heard += 1
        if number <= self.last[sender]:
            self.wrong.append((sender, self.last[sender], number))
        self.last[sender] = number

    def result(self) -> tuple[int, list[tuple[int, int, int]]]:
        return self.heard, self.wrong[:10]


REGISTER: Any = Register


class Storm:
    """Senders on one node, and how many of their messages were lost.

    Args:
        receivers: proxies of registers.
        at_once: messages of a sender to each receiver that are under way together.
        ballast: what each message carries beside its number.
    """

    def __init__(self, receivers: list[Any], at_once: int = 250, ballast: bytes = b"") -> None:
        self.sent = 0
        self.certainly_lost = 0
        self.perhaps_lost = 0
        self.answered = 0
        self._receivers = receivers
        self._at_once = at_once
        self._ballast = ballast

    @property
    def lost(self) -> int:
        """How many were reported as lost, certainly or perhaps."""
        return self.certainly_lost + self.perhaps_lost

    async def send(self, sender: int, count: int) -> None:
        """Send so many messages to each receiver."""
        for start in range(1, count + 1, self._at_once):
            numbers = range(start, min(start + self._at_once, count + 1))
            calls = [
                asyncio.ensure_future(each.note(sender, number, self._ballast))
                for number in numbers
                for each in self._receivers
            ]
            self.sent += len(calls)
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                self._count(outcome)

    async def check(self, registers: list[Any]) -> int:
        """Compare with what came to the registers, asked where they are; returns how much that was.

        Raises:
            AssertionError: a message came out of order or twice, or was lost unreported.
        """
        heard: list[tuple[int, list[tuple[int, int, int]]]] = [await each.result() for each in registers]
        assert [wrong for _, wrong in heard] == [[]] * len(registers)
        arrived = sum(count for count, _ in heard)
        assert self.answered <= arrived <= self.answered + self.perhaps_lost
        return arrived

    def _count(self, outcome: Any) -> None:
        if outcome is None:
            self.answered += 1
            return
        assert isinstance(outcome, LinkLost), outcome
        if outcome.maybe_executed:
            self.perhaps_lost += 1
        else:
            self.certainly_lost += 1
