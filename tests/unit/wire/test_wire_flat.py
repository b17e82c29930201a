"""A value that is taken for flat is flat, whatever bytes come."""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsing.wire import Codec, FrameCodec, Reply, Tell
from pulsing.wire.flat import ELEMENTS, FLAT_BYTES, is_flat
from pulsing.wire.frames import Ask

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(),
    st.text(),
    st.binary(),
    st.sampled_from([31, 32, 255, 256, 65535, 65536]).flatmap(lambda n: st.sampled_from(["x" * n, b"x" * n])),
)


@given(st.lists(scalars, max_size=ELEMENTS))
def test_short_lists_of_scalars_are_flat(values: list[Any]) -> None:
    assert is_flat(msgpack.packb(values))
    assert all(is_flat(msgpack.packb(value)) for value in values)


@given(st.one_of(st.lists(st.lists(scalars, max_size=3), min_size=1, max_size=3), st.dictionaries(scalars, scalars)))
def test_what_holds_containers_is_not_flat(value: Any) -> None:
    assert not is_flat(msgpack.packb(value))


@given(
    st.one_of(
        st.binary(max_size=40),
        st.builds(lambda head, cut: head[:cut], st.lists(scalars, max_size=4).map(msgpack.packb), st.integers(0, 40)),
    )
)
def test_flat_bytes_hold_no_containers_and_no_extensions(head: bytes) -> None:
    if is_flat(head):
        # Whether its texts are UTF-8 is no matter of depth: that is looked at when they are read.
        value = msgpack.unpackb(head, ext_hook=pytest.fail, strict_map_key=False, unicode_errors="replace")
        elements = value if isinstance(value, list) else [value]
        assert not any(isinstance(element, (list, dict)) for element in elements)


@given(st.integers(0, 64))
def test_a_nested_value_in_front_of_large_bytes_is_still_measured(levels: int) -> None:
    value: Any = b"x" * 100
    for _ in range(levels):
        value = [value]
    assert Codec().unpack(msgpack.packb(value)) == value


@pytest.mark.parametrize("size", [10_000, 65_536, FLAT_BYTES])
def test_large_bytes_stand_in_their_frame_where_there_is_room(size: int) -> None:
    data = bytes(range(256)) * (size // 256)
    near, far = FrameCodec(Codec(), lambda: 2 * FLAT_BYTES), FrameCodec(Codec())
    frames = (Reply(1, data), Ask(1, 1 << 64, "m", (data, 3)), Tell(1 << 64, "m", (data,)))
    for frame in frames:
        encoded = near.encode(frame)
        assert encoded.chunks is None
        assert far.decode(encoded.head) == [frame]


def test_large_bytes_become_attachments_where_there_is_no_room_and_where_they_are_too_large() -> None:
    near = FrameCodec(Codec(), lambda: 50_000)
    assert near.encode(Reply(1, bytes(50_000))).chunks is None
    assert near.encode(Reply(1, bytes(50_001))).chunks is not None
    assert FrameCodec(Codec(), lambda: 1 << 30).encode(Reply(1, bytes(FLAT_BYTES + 1))).chunks is not None
