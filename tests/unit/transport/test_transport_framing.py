"""The short way through a WebSocket stream sees exactly what the core of the library would see."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol
from websockets.server import ServerProtocol

from pulsing.transport import Buffer
from pulsing.transport.framing import FrameReader, frame_parts

MAX_FRAME = 70_000

Seen = list[tuple[str, bytes]]

payloads = st.one_of(st.binary(max_size=300), st.sampled_from([125, 126, 65535, 65536]).map(bytes))
frames = st.builds(
    lambda opcode, data, fin: Frame(opcode, data[:125] if opcode >= 8 else data, fin or opcode >= 8),
    st.sampled_from([Opcode.BINARY, Opcode.BINARY, Opcode.CONT, Opcode.TEXT, Opcode.PING, Opcode.PONG]),
    payloads,
    st.booleans(),
)


def read(stream: bytes, cuts: list[int], masked: bool = True) -> Seen:
    seen: Seen = []
    reader = FrameReader(
        masked=masked,
        max_frame=MAX_FRAME,
        on_message=lambda data: seen.append(("message", data)),
        on_other=lambda data: seen.append(("other", bytes(data))),
    )
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in itertools.pairwise(edges):
        if start < end:
            reader.feed(stream[start:end])
    return seen


def by_core(stream: bytes) -> tuple[Protocol, list[tuple[int, bytes]]]:
    core = ServerProtocol(state=OPEN, max_size=(MAX_FRAME, MAX_FRAME))
    core.receive_data(stream)
    return core, [(frame.opcode, bytes(frame.data)) for frame in core.events_received() if isinstance(frame, Frame)]


@given(st.lists(frames, max_size=8), st.lists(st.integers(min_value=0), max_size=6))
def test_messages_and_other_frames_come_whole_however_the_stream_is_cut(sent: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(frame.serialize(mask=True) for frame in sent)
    assert read(stream, cuts) == read(stream, [])
    assert b"".join(data for kind, data in read(stream, cuts) if kind == "other") in _others(sent, stream)


@pytest.mark.parametrize("masked", [True, False])
def test_a_message_comes_as_bytes_that_need_no_copy_in_one_piece_or_many(masked: bool) -> None:
    stream = Frame(Opcode.BINARY, bytes(70_000)).serialize(mask=masked)
    for cuts in ([], [10, 65_536]):
        ((kind, data),) = read(stream, cuts, masked)
        assert (kind, type(data), data) == ("message", bytes, bytes(70_000))


def _others(sent: list[Frame], stream: bytes) -> bytes:
    """The frames of the stream without those that may take the short way, which the caller's are a part of."""
    others, offset, fragmented = b"", 0, False
    for frame in sent:
        size = len(Frame(frame.opcode, frame.data, frame.fin).serialize(mask=True))
        raw, offset = stream[offset : offset + size], offset + size
        if fragmented or frame.opcode is not Opcode.BINARY or not frame.fin:
            others += raw
        if frame.opcode is Opcode.BINARY and not frame.fin:
            fragmented = True
        if frame.opcode is Opcode.CONT and frame.fin:
            fragmented = False
    return others


@given(st.lists(payloads, max_size=5), st.lists(st.integers(min_value=0), max_size=6), st.booleans())
def test_what_is_framed_here_is_read_by_the_reader_and_by_the_core(
    sent: list[bytes], cuts: list[int], masked: bool
) -> None:
    stream = b"".join(b"".join(frame_parts([data], len(data), masked=masked)) for data in sent)
    assert read(stream, cuts, masked) == [("message", data) for data in sent]
    if masked:
        assert by_core(stream)[1] == [(Opcode.BINARY, data) for data in sent]


@given(st.binary(max_size=400), st.lists(st.integers(min_value=0), max_size=6))
def test_any_bytes_are_cut_the_same_way_and_none_is_made_up(stream: bytes, cuts: list[int]) -> None:
    seen = read(stream, cuts)
    assert sum(len(data) for _, data in seen) <= len(stream)
    assert [item for item in seen if item[0] == "message"] == [
        item for item in read(stream, []) if item[0] == "message"
    ]


def test_a_message_in_parts_is_one_frame() -> None:
    parts: list[Buffer] = [b"ab", bytearray(b"cd"), memoryview(b"ef")]
    for masked in (True, False):
        assert read(b"".join(frame_parts(parts, 6, masked=masked)), [], masked) == [("message", b"abcdef")]


def test_two_masked_frames_of_one_message_look_different() -> None:
    assert b"".join(frame_parts([bytes(64)], 64, masked=True)) != b"".join(frame_parts([bytes(64)], 64, masked=True))


@pytest.mark.parametrize("size", [MAX_FRAME + 1, 2**40, 2**63])
def test_a_frame_that_is_too_long_goes_to_the_core_by_its_header_alone(size: int) -> None:
    header = bytes([0x82, 0xFF]) + size.to_bytes(8, "big") + bytes(4)
    seen = read(header + b"the rest", [len(header)])
    assert seen == [("other", header), ("other", b"the rest")]
    core, _ = by_core(header)
    assert core.close_sent is not None and core.close_sent.code == 1009


def test_an_unmasked_frame_of_a_client_goes_to_the_core_which_refuses_it() -> None:
    raw = Frame(Opcode.BINARY, b"x").serialize(mask=False)
    assert read(raw, []) == [("other", raw)]
    assert by_core(raw)[0].parser_exc is not None


def test_a_whole_frame_between_fragments_goes_to_the_core_which_refuses_it() -> None:
    first = Frame(Opcode.BINARY, b"a", fin=False).serialize(mask=True)
    whole = Frame(Opcode.BINARY, b"b").serialize(mask=True)
    assert read(first + whole, []) == [("other", first), ("other", whole)]
    assert by_core(first + whole)[0].parser_exc is not None
