"""Large values are put together where they will stay, and no sender makes the receiver set aside more than it may."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from pulsing.wire import Ask, Codec, FrameCodec, Limits, Reply, StreamItem, Tell, Undecodable
from pulsing.wire.assembler import Assembler
from pulsing.wire.errors import NoRoom

MIB = 1024 * 1024


@pytest.mark.parametrize("value", [bytes(8 * MIB), np.zeros(MIB)], ids=["bytes", "array"])
def test_a_large_value_takes_its_own_size_of_memory_and_no_second_copy_at_its_end(value: Any) -> None:
    encoded = FrameCodec(Codec()).encode(Reply(1, value))
    receiver = FrameCodec(Codec())
    assert encoded.chunks is not None
    receiver.decode(encoded.head)
    tracemalloc.start()
    try:
        frames: list[Any] = [frame for parts in encoded.chunks for frame in receiver.decode(b"".join(parts))]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (reply,) = frames
    assert type(reply.value) is type(value)
    assert bytes(reply.value) == bytes(value)
    assert peak < 10 * MIB


def test_memory_is_set_aside_for_as_many_values_as_may_be_under_way_and_for_no_more() -> None:
    limits = Limits()
    assembler = Assembler(limits)
    for number in range(1, 101):
        assembler.begin(number, [limits.message], 10, ("request", number), None, lambda _: Reply(1, None))
    tracemalloc.start()
    try:
        for number in range(1, 101):
            assert assembler.add(number, memoryview(b"x")) == []
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held <= limits.assembling + MIB


def test_a_value_without_room_is_not_kept_and_its_frame_comes_at_its_place_without_it() -> None:
    room = [True, False, True]
    receiver = FrameCodec(Codec(), admits=lambda size: room.pop(0))
    sender = FrameCodec(Codec())
    sent = [sender.encode(Tell(7, "m", (bytes([n]) * MIB,))) for n in range(3)]
    frames: list[Any] = receiver.decode(b"".join(encoded.head for encoded in sent))
    frames += receiver.decode(sender.encode(Tell(7, "m", ("behind",))).head)
    assert frames == []
    for number, encoded in enumerate(sent):
        assert encoded.chunks is not None
        for parts in encoded.chunks:
            assert receiver.assembler.begun_bytes in (0, MIB)
            frames += receiver.decode(b"".join(parts))
        assert len(frames) == number + 1 + (number == 2)
    assert receiver.assembler.begun_bytes == receiver.assembler.held_bytes == 0
    first, second, third, last = frames
    assert (first.args, third.args, last.args) == ((bytes(MIB),), (bytes([2]) * MIB,), ("behind",))
    assert isinstance(second.args, Undecodable)
    assert isinstance(second.args.error, NoRoom)


@pytest.mark.parametrize("frame", [Reply(3, bytes(MIB)), StreamItem(3, (bytes(MIB),)), Ask(3, 7, "m", (bytes(MIB),))])
def test_every_frame_with_a_value_can_come_without_it(frame: Any) -> None:
    encoded = FrameCodec(Codec()).encode(frame)
    receiver = FrameCodec(Codec(), admits=lambda size: False)
    assert encoded.chunks is not None
    receiver.decode(encoded.head)
    received: Any
    (received,) = [got for parts in encoded.chunks for got in receiver.decode(b"".join(parts))]
    assert type(received) is type(frame)
    assert received.request_id == 3
    assert sum(isinstance(part, Undecodable) for part in received) == 1
