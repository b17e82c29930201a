"""Messages that are issued at once arrive in the order of issue, over links that break all the time.

PULSING_ORDER=1000000 pytest tests/integration/test_node_order_broken.py --timeout 3600
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import LinkLost
from pulsing.testing import cluster
from tests.campaigns.noted import note

MESSAGES = int(os.environ.get("PULSING_ORDER", "60000"))
SENDERS = 8
RECEIVERS = 4
AT_ONCE = 250
BREAK_EVERY = 10_000
"""Messages between two breaks of the link."""


@pul.remote
class Register:
    """Notes what comes of each sender out of order, or twice."""

    def __init__(self) -> None:
        self.last = [0] * SENDERS
        self.heard = 0
        self.wrong: list[tuple[int, int, int]] = []

    def note(self, sender: int, number: int) -> None:
        self.heard += 1
        if number <= self.last[sender]:
            self.wrong.append((sender, self.last[sender], number))
        self.last[sender] = number

    def result(self) -> tuple[int, list[tuple[int, int, int]]]:
        return self.heard, self.wrong[:10]


class Storm:
    """Senders on one node, and how many of their messages were lost."""

    def __init__(self, receivers: list[Any]) -> None:
        self.receivers = receivers
        self.sent = 0
        self.certainly_lost = 0
        self.perhaps_lost = 0
        self.answered = 0

    async def send(self, sender: int, count: int) -> None:
        for start in range(1, count + 1, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, count + 1))
            calls = [asyncio.ensure_future(each.note(sender, n)) for n in numbers for each in self.receivers]
            self.sent += len(calls)
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                self.count(outcome)

    def count(self, outcome: Any) -> None:
        if outcome is None:
            self.answered += 1
            return
        assert isinstance(outcome, LinkLost), outcome
        if outcome.maybe_executed:
            self.perhaps_lost += 1
        else:
            self.certainly_lost += 1


@pytest.mark.timeout(60 + MESSAGES // 1000)
async def test_no_message_overtakes_an_earlier_one_however_often_links_break() -> None:
    async with cluster(2, transport="websocket") as (here, there):
        cls: Any = Register
        spawned = [await cls.spawn(name=f"register{n}", system=there) for n in range(RECEIVERS)]
        receivers = [(await here.refer(str(each.ref.actor_id))).as_type(cls) for each in spawned]
        storm = Storm(receivers)
        sending = asyncio.gather(*(storm.send(n, MESSAGES // SENDERS // RECEIVERS) for n in range(SENDERS)))
        breaks = await break_links(here, there, storm, sending)
        await sending
        heard = [await each.result() for each in spawned]
        assert [wrong for _, wrong in heard] == [[]] * RECEIVERS
        arrived = sum(count for count, _ in heard)
        assert storm.answered <= arrived <= storm.answered + storm.perhaps_lost
        assert breaks >= 3
        lost = storm.certainly_lost + storm.perhaps_lost
        note(messages=storm.sent, arrived=arrived, reported_lost=lost, breaks=breaks, inversions=0)


async def break_links(here: Any, there: Any, storm: Storm, sending: Any) -> int:
    """Break the link whenever so many messages have gone, by one end and the other in turn; how often."""
    breaks, next_at = 0, BREAK_EVERY
    while not sending.done():
        if storm.sent >= next_at:
            next_at += BREAK_EVERY
            breaks += 1
            node, other = ((here, there), (there, here))[breaks % 2]
            for link in list(node.inner.router.peer(other.node_id).links):
                link.connection.abort()
        await asyncio.sleep(0.001)
    return breaks
