"""Messages that wait keep their place in the line of their actor, and the lines take turns."""

from __future__ import annotations

import asyncio
from typing import Any

from pulsing.core.envelope import Envelope
from pulsing.ids import ActorId
from pulsing.node.lines import Lines


def message(target: int, n: int, reply: Any = None) -> Any:
    return Envelope(ActorId(target), "m", (n,), None, reply), None


def sent(lines: Lines) -> list[tuple[int, int]]:
    """Everything that may be sent now, as it is sent: (actor, number)."""
    result = []
    while (first := lines.first()) is not None:
        result.append((first[0].target.id, first[0].args[0]))
        lines.remove_first()
    return result


def lines_with(*messages: Any) -> Lines:
    lines = Lines(lambda: 0.0, lambda envelope: None, lambda envelope: None)
    for one in messages:
        lines.add(one)
    return lines


def test_lines_take_turns_and_each_keeps_its_order() -> None:
    lines = lines_with(message(1, 1), message(1, 2), message(1, 3), message(2, 4))
    assert len(lines) == 4
    assert sent(lines) == [(1, 1), (2, 4), (1, 2), (1, 3)]
    assert lines.empty and not lines


def test_a_full_actor_holds_up_its_own_line_only() -> None:
    lines = lines_with(message(1, 1), message(2, 2))
    lines.hold(1)
    lines.add(message(1, 3))
    assert sent(lines) == [(2, 2)]
    assert not lines.empty
    lines.release(1)
    assert sent(lines) == [(1, 1), (1, 3)]


def test_a_message_is_known_to_stand_in_line_until_it_is_sent() -> None:
    first, second = message(1, 1), message(1, 2)
    lines = lines_with(first, second)
    lines.remove_first()
    assert not lines.holds(first[0])
    assert lines.holds(second[0])
    assert not lines.holds(message(2, 1)[0])


def test_nothing_may_pass_by_while_an_actor_is_full() -> None:
    lines = Lines(lambda: 0.0, lambda envelope: None, lambda envelope: None)
    lines.hold(1)
    assert not lines.empty and len(lines) == 0
    lines.release_all()
    assert lines.empty


def test_a_large_message_steps_aside_with_its_line() -> None:
    lines = lines_with(message(1, 1), message(1, 2), message(2, 3))
    assert lines.first() is not None
    lines.set_first_aside()
    assert sent(lines) == [(2, 3)]
    lines.take_large()
    assert sent(lines) == [(1, 1), (1, 2)]


def test_an_actor_that_turns_full_while_its_large_message_waits_waits_for_both() -> None:
    lines = lines_with(message(1, 1))
    assert lines.first() is not None
    lines.set_first_aside()
    lines.hold(1)
    lines.take_large()
    assert sent(lines) == []
    lines.release(1)
    assert sent(lines) == [(1, 1)]


async def test_messages_whose_callers_have_left_are_not_sent_and_take_no_room() -> None:
    left: list[int] = []
    lines = Lines(lambda: 0.0, lambda envelope: left.append(envelope.args[0]), lambda envelope: None)
    replies = [asyncio.get_running_loop().create_future() for _ in range(4)]
    for n, reply in enumerate(replies[:3]):
        lines.add(message(1, n, reply))
    replies[0].cancel()
    replies[1].cancel()
    lines.add(message(1, 3, replies[3]))
    assert left == [0, 1]
    assert len(lines) == 2
    replies[3].cancel()
    assert sent(lines) == [(1, 2)]
    assert left == [0, 1, 3]


def test_all_can_be_taken_out() -> None:
    lines = lines_with(message(1, 1), message(2, 2), message(1, 3))
    lines.hold(2)
    assert [envelope.args[0] for envelope, _ in lines.drain()] == [1, 3, 2]
    assert lines.empty and len(lines) == 0
