"""What a value is said to take in memory is not far below what it takes."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import pytest

from pulsing.wire import Codec, FrameCodec, Tell
from pulsing.wire.encoded import EncodedFrame
from pulsing.wire.weight import LIGHT, LIGHT_WEIGHT, Weighed, is_light, weight_of

MANY = 65_000

VALUES: dict[str, Any] = {
    "empty maps": [{}] * MANY,
    "empty lists": [[]] * MANY,
    "lists of one": [[1]] * MANY,
    "maps of one": [{1: 1}] * 60_000,
    "maps in maps": [{"a": {"b": {}}}] * 20_000,
    "empty sets": [set()] * 40_000,
    "tuples": [(1, 2)] * 30_000,
    "large numbers": [10**9 + n for n in range(40_000)],
    "fractions": [n / 7 for n in range(28_000)],
    "words": [f"word {n}" for n in range(20_000)],
    "rows": [{"id": n, "name": f"row {n}", "tags": ["a", "b"], "score": n / 3} for n in range(4_000)],
}


def taken_by(head: bytes) -> int:
    """Bytes that a decoded value takes."""
    codec = Codec()
    gc.collect()
    tracemalloc.start()
    try:
        value = codec.unpack(head)
        taken = tracemalloc.get_traced_memory()[0]
        del value
        return taken
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", VALUES)
def test_a_value_takes_no_more_than_three_times_its_weight(name: str) -> None:
    head = Codec().pack(VALUES[name]).head
    assert taken_by(head) <= 3 * weight_of(head)


@pytest.mark.parametrize("element", [b"\x80", b"\x90", b"\x91\x90"])
def test_what_is_too_short_to_be_weighed_takes_no_more_than_is_said(element: bytes) -> None:
    count = (LIGHT - 3) // len(element)
    assert taken_by(b"\xdc\x00" + bytes([count]) + element * count) <= 2 * LIGHT_WEIGHT


def call(*args: Any, **kwargs: Any) -> Any:
    """The arguments of a call as they arrive."""
    encoded = FrameCodec(Codec()).encode(Tell(1, "m", args, kwargs))
    message = encoded.head + b"".join(b"".join(parts) for parts in encoded.chunks or ())
    (frame,) = FrameCodec(Codec()).decode(message)
    assert isinstance(frame, Tell)
    assert (frame.args, frame.kwargs) == (args, kwargs)
    return frame.args


def test_bytes_weigh_what_they_are_wherever_they_stand() -> None:
    for size in (1_000, 100_000, 5_000_000):
        assert size <= call(bytes(size)).weight <= size + 2_000


def test_named_arguments_are_weighed_with_the_others() -> None:
    assert call(1, rows=[{}] * 1_000).weight >= 64_000


def test_small_calls_are_plain_and_not_weighed() -> None:
    assert type(call(1, "two", 3.0)) is tuple
    assert type(call("x" * 100)) is tuple
    assert type(call("x" * 1_000)) is Weighed


def test_what_is_short_and_opens_many_containers_is_weighed() -> None:
    assert type(call([[]] * 100)) is Weighed


@pytest.mark.parametrize("value", [[{"a": 1}] * 20, ["ab"] * 140, [70_000] * 80, "x" * 490])
def test_what_is_not_weighed_takes_no_more_than_is_said(value: Any) -> None:
    head = Codec().pack([value]).head
    assert is_light(head)
    assert taken_by(head) <= 3 * LIGHT_WEIGHT


def test_a_frame_is_sent_on_as_it_came() -> None:
    args = call("x" * 1_000, [1, 2])
    encoded = FrameCodec(Codec()).encode(Tell(1, "m", args))
    assert isinstance(encoded, EncodedFrame)
    assert encoded.head == FrameCodec(Codec()).encode(Tell(1, "m", tuple(args))).head
