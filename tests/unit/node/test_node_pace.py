"""What stands in line for an actor of another node is sent as long as it would be answered in time."""

from __future__ import annotations

import asyncio
from typing import Any

from pulsing.core.envelope import Envelope
from pulsing.ids import ActorId
from pulsing.node.lines import Lines


class Sender:
    """A line of calls, a clock and those that were refused."""

    def __init__(self) -> None:
        self.now = 0.0
        self.refused: list[int] = []
        self.lines = Lines(lambda: self.now, lambda envelope: None, lambda late: self.refused.append(late.args[0]))

    def call(self, n: int, timeout: float | None, method: str = "work") -> asyncio.Future[Any]:
        """Let a call stand in line; without a timeout it is a tell."""
        reply = asyncio.get_running_loop().create_future()
        asked = None if timeout is None else reply
        deadline = None if timeout is None else self.now + timeout
        self.lines.add((Envelope(ActorId(1), method, (n,), None, asked, timeout, deadline, self.now), None))
        return reply

    def send(self) -> int | None:
        """Send the next one."""
        first = self.lines.first()
        if first is None:
            return None
        self.lines.remove_first()
        return int(first[0].args[0])

    async def answered_after(self, seconds: float, method: str = "work") -> None:
        """Send a call that takes so long, while a tell stands in line from now on."""
        reply = self.call(-1, 1000, method)
        self.call(-2, None, method)
        while self.send() != -1:
            pass
        self.now += seconds
        reply.set_result(None)
        await asyncio.sleep(0)


async def test_before_anything_is_known_all_are_sent() -> None:
    sender = Sender()
    sender.call(1, 0.001)
    sender.call(2, 0.001)
    assert (sender.send(), sender.send(), sender.refused) == (1, 2, [])


async def test_a_call_needs_half_as_much_time_again_as_others_took() -> None:
    sender = Sender()
    await sender.answered_after(2.0)
    sender.call(1, 2.9)
    assert sender.refused == [1]
    assert sender.send() == -2
    sender.call(2, 3.1)
    assert sender.send() == 2
    assert sender.refused == [1]


async def test_one_whose_time_passes_in_line_is_refused_when_it_is_its_turn() -> None:
    sender = Sender()
    await sender.answered_after(2.0)
    for n, timeout in (1, 6.0), (2, 7.0):
        sender.call(n, timeout)
    sender.now += 3.5
    assert (sender.send(), sender.send(), sender.refused) == (-2, 2, [1])


async def test_what_was_seen_is_believed_for_a_while_only() -> None:
    sender = Sender()
    await sender.answered_after(2.0)
    sender.call(1, 6.0)
    sender.now += 4.1
    assert (sender.send(), sender.send(), sender.refused) == (-2, 1, [])


async def test_those_that_stand_before_it_count() -> None:
    sender = Sender()
    replies = [sender.call(n, 1000) for n in range(40)]
    for n in range(10):
        assert sender.send() == n
    sender.now += 1.0
    replies[0].set_result(None)
    await asyncio.sleep(0)
    # Nine went in a second; thirty stand there still, for more than three seconds.
    sender.call(100, 4.0)
    assert sender.refused == [100]
    sender.call(101, 5.5)
    assert sender.refused == [100]


async def test_the_quicker_of_the_last_two_counts() -> None:
    sender = Sender()
    await sender.answered_after(0.5)
    await sender.answered_after(60.0)
    sender.call(1, 1.0).cancel()
    assert sender.refused == []
    await sender.answered_after(60.0)
    sender.call(2, 80.0)
    assert sender.refused == [2]


async def test_a_pause_says_nothing_of_how_fast_the_line_moves() -> None:
    sender = Sender()
    replies = [sender.call(n, 1000) for n in range(2_000)]
    for first, took in (0, 0.1), (100, 2.1):
        for _ in range(100):
            sender.send()
        sender.now += took
        replies[first].set_result(None)
        await asyncio.sleep(0)
    # A thousandth of a second for each before the pause, and twenty times as much with it.
    sender.call(3_000, 4.0)
    assert sender.refused == []
    sender.call(3_001, 1.5)
    assert sender.refused == [3_001]


async def test_each_method_has_a_pace_of_its_own_and_tells_have_none() -> None:
    sender = Sender()
    await sender.answered_after(20.0, method="wait_for_news")
    sender.call(1, 5.0)
    sender.call(2, None, method="wait_for_news")
    assert sender.refused == []
    sender.call(3, 5.0, method="wait_for_news")
    assert sender.refused == [3]


async def test_a_method_that_takes_long_by_itself_is_told_from_a_line_that_hardly_moves() -> None:
    sender = Sender()
    await sender.answered_after(20.0, method="wait_for_news")
    await sender.answered_after(1.0)
    sender.now += 30.0
    sender.call(1, 5.0, method="wait_for_news").cancel()
    assert sender.refused == []
    await sender.answered_after(4.0)
    await sender.answered_after(4.0)
    sender.call(2, 5.0, method="wait_for_news")
    assert sender.refused == [2]


async def test_a_method_that_was_watched_while_the_line_hardly_moved_is_judged_by_the_others_too() -> None:
    sender = Sender()
    replies = [sender.call(n, 1000, "rare" if n == 98 else "work") for n in range(1_000)]
    for _ in range(100):
        sender.send()
    sender.now += 1.0
    for n in 0, 98:
        replies[n].set_result(None)
    await asyncio.sleep(0)
    # One call followed the rare one, and ninety-nine the other; nine hundred stand there still.
    sender.call(2_000, 12.0, "rare")
    assert sender.refused == []
    sender.call(2_001, 8.0, "rare")
    assert sender.refused == [2_001]


async def test_nothing_is_known_of_the_way_over_another_link() -> None:
    sender = Sender()
    await sender.answered_after(20.0)
    sender.lines.release_all()
    sender.call(1, 1.0)
    assert sender.refused == []


async def test_a_caller_who_leaves_says_nothing_of_the_pace() -> None:
    sender = Sender()
    reply = sender.call(1, 1000)
    sender.call(2, 1000)
    assert sender.send() == 1
    sender.now += 50.0
    reply.cancel()
    await asyncio.sleep(0)
    sender.call(3, 1.0)
    assert sender.refused == []


async def test_a_line_that_is_gone_leaves_nothing_behind() -> None:
    sender = Sender()
    await sender.answered_after(20.0)
    while sender.send() is not None:
        pass
    sender.call(1, 1.0)
    assert (sender.send(), sender.refused) == (1, [])
