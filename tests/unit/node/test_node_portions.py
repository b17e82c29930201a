"""No turn of the loop takes in more than a portion of what has come, and the order stays."""

from __future__ import annotations

from typing import Any

from pulsing.node.portions import Portions
from pulsing.wire import CHUNK, Codec, FrameCodec, Ping, Tell
from pulsing.wire.limits import PORTION, PORTION_FRAMES

SIZE = 10


class Desk:
    """A connection, a loop that is turned by hand, and a reader that takes ten bytes at a time."""

    def __init__(self) -> None:
        self.reads = True
        self.calls: list[Any] = []
        self.taken: list[tuple[bytes, int]] = []
        self.broken = False
        desk: Any = self
        self.portions = Portions(desk, desk, self.read)

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def call_soon(self, call: Any) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()

    def read(self, message: bytes, offset: int) -> int:
        self.taken.append((message[:1], offset))
        if self.broken:
            self.portions.clear()
        return min(len(message), offset + SIZE)


def test_the_rest_of_a_message_comes_a_portion_a_turn_and_later_messages_wait_for_it() -> None:
    desk = Desk()
    desk.portions.add(b"a" * 25, SIZE)
    assert (desk.taken, desk.reads) == ([], False)
    desk.turn()
    desk.portions.add(b"b" * 5, 0)
    assert desk.taken == [(b"a", 10)]
    desk.turn()
    assert desk.taken == [(b"a", 10), (b"a", 20)]
    assert not desk.reads
    desk.turn()
    assert desk.taken == [(b"a", 10), (b"a", 20), (b"b", 0)]
    assert desk.reads
    assert not desk.calls
    assert not desk.portions.waiting


def test_a_message_that_breaks_the_protocol_half_way_is_the_last() -> None:
    desk = Desk()
    desk.portions.add(b"a" * 25, SIZE)
    desk.portions.add(b"b", 0)
    desk.broken = True
    for _ in range(5):
        desk.turn()
    assert desk.taken == [(b"a", 10)]
    assert desk.reads


def portions_of(message: bytes) -> list[int]:
    """Where the portions of a message end."""
    codec, ends = FrameCodec(Codec()), [0]
    while ends[-1] < len(message):
        ends.append(codec.decode_portion(message, ends[-1])[1])
    return ends[1:]


def test_a_portion_ends_with_the_frame_in_which_it_is_full() -> None:
    codec = FrameCodec(Codec())
    frame = codec.encode(Tell(1, "m", ([{}] * 10_000,))).head
    ends = portions_of(frame * 40)
    assert ends[-1] == 40 * len(frame)
    begins = [0, *ends[:-1]]
    assert max(end - begin for begin, end in zip(begins, ends, strict=True)) < PORTION + len(frame)
    assert len(ends) < 10


def test_a_portion_has_so_many_frames_at_most() -> None:
    ping = FrameCodec(Codec()).encode(Ping(1)).head
    assert portions_of(ping * (2 * PORTION_FRAMES + 1)) == [
        PORTION_FRAMES * len(ping),
        2 * PORTION_FRAMES * len(ping),
        (2 * PORTION_FRAMES + 1) * len(ping),
    ]


def test_chunks_of_large_values_are_taken_in_at_once() -> None:
    sender = FrameCodec(Codec())
    encoded = sender.encode(Tell(1, "m", (bytes(3 * CHUNK),)))
    assert encoded.chunks is not None
    message = encoded.head + b"".join(b"".join(parts) for parts in encoded.chunks)
    assert portions_of(message) == [len(message)]
