"""What is queued leaves together, large values between the rest, and nothing while the network is slow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from pulsing.node.outbox import EARLY, EARLY_AT_MOST, MESSAGE_TARGET, Outbox
from pulsing.wire import CHUNK, Codec, EncodedFrame, Frame, FrameCodec, Tell


class Wire:
    """A connection that remembers its messages."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def send(self, message: Any) -> None:
        parts: Sequence[Any] = message
        self.messages.append(b"".join(parts))


class Desk:
    """An outbox whose loop is turned by hand."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.calls: list[Any] = []
        self.emptied = 0
        loop: Any = self
        connection: Any = self.wire
        self.outbox = Outbox(connection, loop, self._empty)
        self.codec = FrameCodec(Codec())

    def call_soon(self, call: Any) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()

    def put(self, value: Any, target: int = 1) -> None:
        self.outbox.put(self.codec.encode(Tell(target, "m", (value,))))

    def received(self) -> list[Frame]:
        other = FrameCodec(Codec())
        return [frame for message in self.wire.messages for frame in other.decode(message)]

    def _empty(self) -> None:
        self.emptied += 1


def values(frames: list[Frame]) -> list[Any]:
    return [frame.args[0] for frame in frames if isinstance(frame, Tell) and isinstance(frame.args, tuple)]


def test_what_is_queued_in_one_turn_leaves_as_one_message() -> None:
    desk = Desk()
    for n in range(5):
        desk.put(n)
    assert desk.wire.messages == []
    desk.turn()
    assert len(desk.wire.messages) == 1
    assert values(desk.received()) == [0, 1, 2, 3, 4]
    assert desk.outbox.is_empty and desk.emptied == 1


def test_a_turn_that_queues_many_frames_sends_the_first_of_them_early() -> None:
    desk = Desk()
    desk.put(-1)
    desk.turn()
    for n in range(EARLY + 1):
        desk.put(n)
    assert len(desk.wire.messages) == 2
    desk.turn()
    assert values(desk.received()) == [-1, *range(EARLY + 1)]


def test_each_early_message_of_a_turn_holds_twice_as_many_frames_as_the_one_before() -> None:
    desk = Desk()
    desk.turn()
    for turn in range(2):
        desk.outbox.put(b"begins the turn")
        desk.turn()
        desk.wire.messages.clear()
        for _ in range(3 * EARLY_AT_MOST):
            desk.outbox.put(b"x")
        assert [len(message) for message in desk.wire.messages] == [EARLY, 2 * EARLY, EARLY_AT_MOST], turn
        desk.turn()


def test_nothing_is_sent_from_within_the_call_that_makes_the_handler() -> None:
    desk = Desk()
    for n in range(3 * EARLY):
        desk.put(n)
    assert desk.wire.messages == []


def test_a_value_below_a_chunk_leaves_with_its_head_and_a_larger_one_in_turns() -> None:
    desk = Desk()
    desk.put(bytes(CHUNK - 1000))
    desk.turn()
    assert len(desk.wire.messages) == 1
    desk.put(bytes(3 * CHUNK))
    desk.put("small", target=2)
    desk.turn()
    assert values(desk.received())[1:] == ["small"]
    desk.turn()
    desk.turn()
    assert [len(value) for value in values(desk.received()) if isinstance(value, bytes)] == [CHUNK - 1000, 3 * CHUNK]


def test_nothing_leaves_while_the_network_is_slow() -> None:
    desk = Desk()
    desk.put(bytes(4 * CHUNK))
    desk.turn()
    desk.outbox.block()
    sent = len(desk.wire.messages)
    desk.turn()
    desk.put(1)
    desk.turn()
    assert len(desk.wire.messages) <= sent + 1
    desk.outbox.unblock()
    for _ in range(6):
        desk.turn()
    assert desk.outbox.is_empty


def test_no_frame_is_torn_apart_where_messages_are_cut() -> None:
    desk = Desk()
    for _ in range(20):
        desk.put(list(range(1 << 17, (1 << 17) + 40_000)))
    desk.turn()
    assert len(desk.wire.messages) > 1
    assert all(len(message) <= MESSAGE_TARGET for message in desk.wire.messages)
    assert len(desk.received()) == 20


async def test_a_lost_connection_keeps_nothing() -> None:
    wire: Any = Wire()
    outbox = Outbox(wire, asyncio.get_running_loop(), lambda: None)
    outbox.put(EncodedFrame(b"x"))
    outbox.clear()
    await asyncio.sleep(0)
    assert wire.messages == [] and outbox.is_empty


def test_there_is_room_for_large_frames_until_they_would_hold_up_others() -> None:
    desk = Desk()
    desk.turn()
    assert desk.outbox.room() == CHUNK
    desk.outbox.put(bytes(1000))
    assert desk.outbox.room() == CHUNK
    desk.outbox.put(bytes(100_000))
    desk.outbox.put(bytes(100_000))
    assert desk.outbox.room() == CHUNK - 200_000
    desk.turn()
    assert desk.outbox.room() == CHUNK
    desk.put(bytes(4 * CHUNK))
    assert desk.outbox.room() == 0


@pytest.mark.parametrize("left", range(0, 120, 8))
def test_a_message_that_grows_too_large_is_cut_between_frames(left: int) -> None:
    desk = Desk()
    desk.turn()
    structured = ["x" * 1000] * 200
    count, rest = divmod(MESSAGE_TARGET - left, len(desk.codec.encode(Tell(1, "m", (structured,))).head))
    for _ in range(count):
        desk.put(structured)
    desk.put("x" * (rest - len(desk.codec.encode(Tell(1, "m", ("",))).head)))
    desk.put(bytes(20_000))
    desk.turn()
    assert len(desk.wire.messages) > 1
    assert values(desk.received())[-1] == bytes(20_000)
