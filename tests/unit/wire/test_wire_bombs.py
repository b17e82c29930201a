"""Messages that are small on the wire and large, or slow, once they are decoded."""

from __future__ import annotations

import struct

import pytest

from pulsing.node.outbox import MESSAGE_TARGET
from pulsing.wire import Codec, FrameCodec, Limits, ProtocolError, Tell
from pulsing.wire.frames import FrameTag
from pulsing.wire.limits import CHUNK

MAPS = b"\xdc\xff\xff" + b"\x80" * 0xFFFF
"""A list of empty maps: sixty times as large in memory as on the wire."""


def tell(value: bytes) -> bytes:
    body = struct.pack(">BBIQQ16s", 1, 4, 0, 0, 1, bytes(16)) + b"echo" + value
    return struct.pack(">BI", FrameTag.TELL, len(body)) + body


def test_many_bombs_in_one_message_are_refused_before_any_is_decoded() -> None:
    limit = Limits().heads
    few = tell(MAPS) * (limit // len(tell(MAPS)))
    assert len(FrameCodec(Codec()).decode(few)) > 10
    with pytest.raises(ProtocolError, match="beside their chunks"):
        FrameCodec(Codec()).decode(few + tell(MAPS))


def test_chunks_do_not_count() -> None:
    sender, receiver = FrameCodec(Codec()), FrameCodec(Codec())
    encoded = sender.encode(Tell(1, "m", (bytes(8 * CHUNK),)))
    assert encoded.chunks is not None
    message = encoded.head + b"".join(b"".join(parts) for parts in encoded.chunks)
    assert len(message) > Limits().heads
    assert receiver.decode(message) == [Tell(1, "m", (bytes(8 * CHUNK),))]


def test_what_nodes_send_is_within_the_limit() -> None:
    longest_table = 4 * Limits().entries
    assert Limits().heads >= MESSAGE_TARGET
    assert Limits().structured + longest_table + 1024 <= Limits().heads


def test_a_limit_that_no_two_values_fit_into_is_refused() -> None:
    with pytest.raises(ValueError, match="two values"):
        Limits(structured=1024 * 1024)
    assert Limits(structured=1024 * 1024, heads=2 * 1024 * 1024).structured == 1024 * 1024


@pytest.mark.parametrize("value", [b"\x05", b"\xc0", b"\x90", b"\x93\x90\x80\x80", b"\x92\x80\x80", b"\x92\x90\x90"])
def test_a_call_whose_value_is_no_pair_of_arguments_ends_the_link(value: bytes) -> None:
    body = struct.pack(">BBIQQ16s", 3, 4, 0, 0, 1, bytes(16)) + b"echo" + value
    with pytest.raises(ProtocolError):
        FrameCodec(Codec()).decode(struct.pack(">BI", FrameTag.TELL, len(body)) + body)
