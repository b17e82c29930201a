"""Frames as bytes and back: the format is pinned, bad values harm one frame, bad bytes end in one error."""

from __future__ import annotations

import itertools
import random
import struct
from pathlib import Path
from typing import Any, get_args

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsing.exceptions import ActorNotFound, NotSendable, error_for_caller
from pulsing.ids import NodeId
from pulsing.wire import (
    ACTIVE_TRANSFERS,
    CHUNK,
    Ask,
    Cancel,
    Codec,
    Credit,
    DecodeError,
    EncodedFrame,
    End,
    Failure,
    Frame,
    FrameCodec,
    FrameTag,
    Full,
    Goodbye,
    Limits,
    Ping,
    Pong,
    ProtocolError,
    Reply,
    Room,
    StreamItem,
    Tell,
    TypeRegistry,
    Undecodable,
    to_failure,
)

GOLDEN = Path(__file__).with_name("frames.golden")
ACTOR = (0x0123456789ABCDEF << 64) | 7
TRACE = bytes(range(25))
FAILURE = to_failure(ActorNotFound("actors/x"), node=NodeId(5))

EXAMPLES: dict[str, Frame] = {
    "ask": Ask(1, ACTOR, "add", (1, "a", (2,)), {"by": 1.5}, 30_000, True, TRACE, ACTOR + 1, 9),
    "ask, bare": Ask(2, ACTOR, None, ({"k": b"v"},)),
    "tell": Tell(ACTOR, "add", (1,), {}, TRACE, ACTOR + 1, 10),
    "reply": Reply(1, [None, True, -1]),
    "reply, stream": Reply(1, None, "async"),
    "failure": Failure(1, FAILURE),
    "cancel": Cancel(1),
    "stream item": StreamItem(1, (1, "b", None)),
    "credit": Credit(1, 32),
    "credit of the link": Credit(0, 256),
    "end": End(1),
    "end, failed": End(1, FAILURE),
    "ping": Ping(7),
    "pong": Pong(7),
    "goodbye": Goodbye("leaving, adé"),
    "full": Full(ACTOR),
    "room": Room(ACTOR),
}


def new() -> FrameCodec:
    return FrameCodec(Codec())


def everything(encoded: EncodedFrame) -> list[bytes]:
    """The messages in which a frame travels when each of its parts goes alone."""
    return [encoded.head, *(b"".join(chunk) for chunk in encoded.chunks or ())]


def lines_of_golden_file() -> dict[str, bytes]:
    lines = GOLDEN.read_text().splitlines()
    return {name: bytes.fromhex(digits) for name, _, digits in (line.partition(": ") for line in lines)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_frame_comes_back_as_it_was(name: str) -> None:
    frame = EXAMPLES[name]

    arrived = new().decode(new().encode(frame).head)

    assert arrived == [frame]
    assert type(arrived[0]) is type(frame)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_bytes_of_a_frame_are_those_of_the_golden_file(name: str) -> None:
    assert new().encode(EXAMPLES[name]).head.hex() == lines_of_golden_file()[name].hex()


def test_a_large_value_has_the_bytes_of_the_golden_file() -> None:
    codec = FrameCodec(Codec(limits=Limits(inline=4)))

    messages = everything(codec.encode(Tell(ACTOR, "put", (b"12345678",))))

    assert b"".join(messages).hex() == lines_of_golden_file()["tell with a chunk"].hex()


def test_the_golden_file_has_an_example_of_each_frame() -> None:
    tags = {data[0] for data in lines_of_golden_file().values()} | {FrameTag.CHUNK}

    assert tags == set(FrameTag)
    assert {type(frame) for frame in EXAMPLES.values()} == set(get_args(Frame))


def test_frames_of_one_message_keep_their_order() -> None:
    message = b"".join(new().encode(frame).head for frame in EXAMPLES.values())

    assert new().decode(message) == list(EXAMPLES.values())


def test_an_empty_message_has_no_frames() -> None:
    assert new().decode(b"") == []


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.builds(
        Ask,
        st.integers(0, (1 << 64) - 1),
        st.integers(0, (1 << 128) - 1),
        st.none() | st.text(max_size=20),
        st.lists(st.none() | st.integers() | st.text() | st.tuples(st.binary()), max_size=3).map(tuple),
        st.dictionaries(st.text(), st.integers(), max_size=2),
        st.none() | st.integers(0, 1 << 31),
        st.booleans(),
        st.none() | st.binary(min_size=25, max_size=25),
        st.none() | st.integers(0, (1 << 128) - 1),
        st.integers(0, (1 << 64) - 1),
    )
)
def test_any_ask_comes_back_as_it_was(ask: Ask) -> None:
    assert new().decode(new().encode(ask).head) == [ask]


def test_a_deadline_beyond_what_fits_is_the_longest_that_fits() -> None:
    (ask,) = new().decode(new().encode(Ask(1, ACTOR, "m", deadline_ms=1 << 60)).head)

    assert isinstance(ask, Ask) and ask.deadline_ms == 0xFFFFFFFE


@pytest.mark.parametrize(
    "frame",
    [
        Ask(-1, ACTOR, "m"),
        Ask(1, 1 << 128, "m"),
        Ask(1, ACTOR, "m" * 256),
        Ask(1, ACTOR, "m", trace=b"short"),
        Tell(ACTOR, "m", sequence=1 << 64),
        Credit(1, 1 << 32),
        Tell(ACTOR, "m", Undecodable(DecodeError("x"))),
    ],
)
def test_a_field_that_does_not_fit_is_a_value_error_at_the_sender(frame: Frame) -> None:
    with pytest.raises(ValueError):
        new().encode(frame)


def test_a_value_that_cannot_be_sent_is_refused_at_the_sender() -> None:
    with pytest.raises(NotSendable):
        new().encode(Reply(1, object()))


def test_the_containers_of_the_frame_do_not_count_as_depth_of_the_value() -> None:
    value: Any = []
    for _ in range(63):
        value = [value]
    for frame in (Ask(1, ACTOR, "m", (value,), {"k": value}), Tell(ACTOR, "m", (value,)), StreamItem(1, (value,))):
        assert new().decode(new().encode(frame).head) == [frame]


class Unknown:
    pass


def sender_of_unknown() -> FrameCodec:
    registry = TypeRegistry()
    registry.register(Unknown, encode=lambda _: None, decode=lambda _: Unknown())
    return FrameCodec(Codec(registry))


def test_a_value_that_cannot_be_built_here_is_marked_in_its_frame_and_harms_no_other() -> None:
    sender = sender_of_unknown()
    message = b"".join(
        sender.encode(frame).head
        for frame in (Ask(1, ACTOR, "m", (Unknown(),)), Reply(2, Unknown()), StreamItem(3, (Unknown(),)), Ping(4))
    )

    ask, reply, item, ping = new().decode(message)

    assert isinstance(ask, Ask) and (ask.request_id, ask.method) == (1, "m")
    assert isinstance(ask.args, Undecodable) and "Unknown" in str(ask.args.error)
    assert isinstance(reply, Reply) and isinstance(reply.value, Undecodable)
    assert isinstance(item, StreamItem) and isinstance(item.items, Undecodable)
    assert ping == Ping(4)


# Large values.


def test_a_large_value_travels_in_chunks_and_small_frames_pass_between_them() -> None:
    sender, receiver = new(), new()
    value = bytes(range(256)) * 4096
    encoded = sender.encode(Reply(1, value))
    head, *chunks = everything(encoded)
    assert len(head) < 100 and encoded.attached == len(value)
    assert len(chunks) == 4 and all(len(chunk) <= CHUNK + 9 for chunk in chunks)

    assert receiver.decode(head + chunks[0]) == []
    assert receiver.decode(sender.encode(Ping(1)).head + chunks[1]) == [Ping(1)]
    assert receiver.decode(chunks[2]) == []
    assert receiver.decode(sender.encode(Ping(2)).head + chunks[3]) == [Ping(2), Reply(1, value)]
    assert receiver.assembler.held_bytes == 0


def test_parts_of_any_size_and_type_are_divided_where_they_were_joined() -> None:
    value = [b"a" * 70_000, bytearray(b"b" * 300_000), "é" * 50_000, b"small", {"k": b"c" * 262_144}]
    receiver = new()

    frames = [receiver.decode(message) for message in everything(new().encode(Ask(1, ACTOR, "m", (value,))))]

    assert frames[-1] == [Ask(1, ACTOR, "m", (value,))]


def test_chunks_of_several_values_may_alternate() -> None:
    sender, receiver = new(), new()
    first, second = bytes(600_000), b"x" * 600_000
    one = everything(sender.encode(Reply(1, first)))
    two = everything(sender.encode(Reply(2, second)))

    arrived = list(itertools.chain.from_iterable(receiver.decode(a + b) for a, b in zip(one, two, strict=True)))

    assert arrived == [Reply(1, first), Reply(2, second)]


def test_a_later_message_to_the_same_actor_waits_and_one_to_another_passes() -> None:
    sender, receiver = new(), new()
    large = Ask(1, ACTOR, "m", (bytes(100_000),))
    head, chunk = everything(sender.encode(large))
    later = [Tell(ACTOR, "n"), Cancel(1), Ask(2, ACTOR, "o"), Cancel(2)]
    passing = [Tell(ACTOR + 1, "n"), Cancel(3), Reply(1, None), Credit(0, 1)]

    assert receiver.decode(head + b"".join(sender.encode(frame).head for frame in later + passing)) == passing
    assert receiver.decode(chunk) == [large, *later]
    assert receiver.decode(sender.encode(Cancel(1)).head) == [Cancel(1)]


def test_the_items_of_a_stream_keep_their_order_around_a_large_one() -> None:
    sender, receiver = new(), new()
    large = StreamItem(1, (bytes(100_000),))
    head, chunk = everything(sender.encode(large))
    later: list[Frame] = [StreamItem(1, (2,)), End(1)]

    assert receiver.decode(head + b"".join(sender.encode(frame).head for frame in later)) == []
    assert receiver.decode(chunk) == [large, *later]


def test_a_large_value_that_cannot_be_built_is_marked_when_it_is_complete() -> None:
    receiver = new()
    *first, last = everything(sender_of_unknown().encode(Ask(1, ACTOR, "m", (Unknown(), bytes(100_000)))))

    assert [receiver.decode(message) for message in first] == [[]]
    (ask,) = receiver.decode(last)
    assert isinstance(ask, Ask) and isinstance(ask.args, Undecodable)


def test_incomplete_values_are_bounded_in_bytes() -> None:
    limits = Limits(message=1 << 20)
    sender, receiver = FrameCodec(Codec(limits=limits)), FrameCodec(Codec(limits=limits))

    with pytest.raises(ProtocolError, match="incomplete"):
        for number in range(20):
            head, *chunks = everything(sender.encode(Reply(number, bytes(1_000_000))))
            receiver.decode(head + b"".join(chunks[:-1]))


def test_as_many_large_answers_as_there_may_be_requests_can_be_announced_at_once() -> None:
    sender, receiver = new(), new()
    value = bytes(65_537)
    encoded = [sender.encode(Reply(number, value)) for number in range(10_000)]
    assert receiver.decode(b"".join(frame.head for frame in encoded)) == []

    for number, frame in enumerate(encoded):
        assert receiver.decode(b"".join(b"".join(chunk) for chunk in frame.chunks or ())) == [Reply(number, value)]
    assert receiver.assembler.held_bytes == 0


def test_the_heads_of_incomplete_values_count_as_well() -> None:
    limits = Limits(message=100_000, structured=50_000, inline=40_000)
    sender, receiver = FrameCodec(Codec(limits=limits)), FrameCodec(Codec(limits=limits))

    with pytest.raises(ProtocolError, match="incomplete"):
        for number in range(100):
            receiver.decode(sender.encode(Reply(number, [b"x" * 50_000, "y" * 30_000])).head)


def transfer(number: int, sizes: list[int]) -> bytes:
    table: bytes = struct.pack(f">II{len(sizes)}I", number, len(sizes), *sizes)
    value: bytes = msgpack.packb(msgpack.ExtType(32, b"\0\0\0\0"))
    return struct.pack(">BIBQ", FrameTag.REPLY, 9 + len(table + value), 128, 1) + table + value


def chunk(number: int, data: bytes) -> bytes:
    return struct.pack(">BII", FrameTag.CHUNK, 4 + len(data), number) + data


@pytest.mark.parametrize(
    "message",
    [
        chunk(1, b"x"),
        transfer(1, [5]) + chunk(2, b"x"),
        transfer(1, [5]) + chunk(1, b""),
        transfer(1, [5]) + chunk(1, b"123456"),
        transfer(1, [5]) + transfer(1, [5]),
        transfer(1, [0]),
        transfer(1, []),
        transfer(1, [1 << 31]),
        transfer(1, [1] * 70_000),
        transfer(1, [5])[:20],
    ],
    ids=range(10),
)
def test_a_transfer_that_does_not_add_up_ends_the_link(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        new().decode(message)


# Bad input.


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\x00\x00\x00\x00",
        b"\x0e\x00\x00\x00\x00",
        b"\xff" * 20,
        b"\x01",
        b"\x0a\x00\x00\x00\x04abcd",
        b"\x0a\xff\xff\xff\xffabcd",
        b"\x0c\x00\x00\x00\x01\xff",
        struct.pack(">BI", FrameTag.GOODBYE, 2000) + b"x" * 2000,
        struct.pack(">BIBQ", FrameTag.REPLY, 10, 3, 1) + b"\xc0",
        struct.pack(">BIBQ", FrameTag.REPLY, 10, 0, 1) + b"\xc1",
        struct.pack(">BIBQ", FrameTag.FAILURE, 10, 0, 1) + b"\x80",
        struct.pack(">BIBQ", FrameTag.STREAM_ITEM, 10, 0, 1) + b"\x01",
        struct.pack(">BIBBIQQ16s", FrameTag.TELL, 39, 0, 0, 0, 0, 0, b"") + b"\x01",
        struct.pack(">BIBBIQQ16s", FrameTag.TELL, 41, 2, 0, 0, 0, 0, b"") + b"\x92\x90\x90",
        struct.pack(">BIBBIQQ16s", FrameTag.TELL, 42, 2, 0, 0, 0, 0, b"") + b"\x92\x90\x81\x01",
        struct.pack(">BIBBIQQ16s", FrameTag.ASK, 38, 1, 200, 0, 0, 0, b""),
        struct.pack(">BIBBIQQ16s", FrameTag.ASK, 43, 31, 3, 0, 0, 0, b"") + bytes(5),
        struct.pack(">BIBBIQQ16s", FrameTag.TELL, 39, 32, 0, 0, 0, 0, b"") + b"\x90",
        struct.pack(">BIBBIQQ16s", FrameTag.TELL, 39, 64, 0, 0, 0, 0, b"") + b"\x90",
    ],
    ids=range(19),
)
def test_a_malformed_frame_ends_the_link(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        new().decode(message)


def test_too_many_frames_in_one_message_end_the_link() -> None:
    with pytest.raises(ProtocolError, match="too many"):
        new().decode(new().encode(Ping(1)).head * 16_385)


def test_a_frame_does_not_read_beyond_its_own_end() -> None:
    for tag in FrameTag:
        with pytest.raises(ProtocolError):
            new().decode(struct.pack(">BIB", tag, 1, 255) + new().encode(Ping(1)).head)


@settings(derandomize=True, max_examples=1000, deadline=None)
@given(st.binary(max_size=100))
def test_random_bytes_give_frames_or_a_protocol_error(data: bytes) -> None:
    try:
        new().decode(data)
    except ProtocolError:
        pass


def test_mutated_frames_give_frames_or_a_protocol_error() -> None:
    chance = random.Random(11)
    sender = FrameCodec(Codec(limits=Limits(inline=100)))
    messages = [sender.encode(frame).head for frame in EXAMPLES.values()]
    messages += everything(sender.encode(Reply(1, [b"x" * 1000, "y" * 200, {"z": b"w" * 400}])))
    for _ in range(5000):
        receiver = new()
        data = bytearray(b"".join(chance.choices(messages, k=3)) + b"".join(messages[-2:]))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        try:
            receiver.decode(bytes(data))
        except ProtocolError:
            pass


def test_a_failure_arrives_with_what_its_actor_raised() -> None:
    error = error_for_caller(KeyError("k"), operation="A.m", actor_name="actors/a")

    (failure,) = new().decode(new().encode(Failure(1, to_failure(error))).head)

    assert failure == Failure(1, to_failure(error))


def test_messages_of_any_size_keep_their_order_for_each_actor_however_their_chunks_are_mixed() -> None:
    chance = random.Random(1)
    sender, receiver = new(), new()
    waiting = [
        Tell(chance.randrange(5), "m", (bytes(chance.choice([3, 80_000, 300_000, 600_000])),), sequence=number)
        for number in range(150)
    ]
    sent = list(waiting)
    under_way: list[Any] = []
    arrived: list[Any] = []
    while waiting or under_way:
        parts: list[Any] = []
        for _ in range(min(chance.randrange(3), len(waiting))):
            encoded = sender.encode(waiting.pop(0))
            parts.append(encoded.head)
            under_way += [encoded.chunks] if encoded.chunks is not None else []
        if under_way:
            chunks = under_way.pop(0)
            piece = next(chunks, None)
            if piece is not None:
                parts += piece
                under_way.insert(ACTIVE_TRANSFERS - 1, chunks)
        arrived += receiver.decode(b"".join(parts))

    assert sorted(arrived, key=lambda tell: tell.sequence) == sent
    for actor in range(5):
        order = [tell.sequence for tell in arrived if tell.target == actor]
        assert order == sorted(order)
    assert receiver.assembler.held_bytes == 0
