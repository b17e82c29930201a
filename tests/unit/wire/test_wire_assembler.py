"""Large values are put together where they will stay, and no sender makes the receiver set aside more than it may."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from pulsing.wire import Codec, FrameCodec, Limits, Reply
from pulsing.wire.assembler import Assembler

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
