from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsing.cluster.member import GRAVITY, Member
from pulsing.cluster.messages import (
    MAX_PAYLOAD,
    Ack,
    BadMessage,
    Delta,
    Gossip,
    Message,
    Nack,
    Ping,
    PingReq,
    Pull,
    Rumour,
    Sync,
    Versions,
    checked_entry,
    decode,
    encode,
)
from pulsing.cluster.names import Change, Entry

IDS = st.integers(1, (1 << 64) - 1)
COUNTS = st.integers(0, (1 << 62) - 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
MEMBERS = st.builds(
    Member,
    IDS,
    st.sampled_from(["", "10.0.0.1:7000", "[::1]:80", "host:1"]),
    st.sampled_from(sorted(GRAVITY)),
    COUNTS,
    TEXTS,
    TEXTS,
    st.integers(0, 65535),
    TEXTS,
    st.dictionaries(TEXTS, TEXTS, max_size=3),
)
RUMOURS = st.builds(Rumour, MEMBERS, IDS, st.booleans())
ENTRIES = st.builds(
    Entry,
    st.integers(0, (1 << 128) - 1),
    TEXTS,
    TEXTS,
    TEXTS,
    st.just(True),
    st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(-5, 5), st.lists(TEXTS, max_size=3)), max_size=3),
)
CHANGES = st.builds(Change, COUNTS, TEXTS, st.one_of(st.none(), ENTRIES))
VIEWS = st.integers(0, (1 << 32) - 1)


def several(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=4).map(tuple)


MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Ping, COUNTS, VIEWS, st.one_of(st.none(), RUMOURS)),
    st.builds(Ack, COUNTS, VIEWS),
    st.builds(PingReq, COUNTS, IDS),
    st.builds(Nack, COUNTS),
    st.builds(Gossip, several(RUMOURS)),
    st.builds(Sync, several(RUMOURS), st.booleans()),
    st.builds(Versions, several(st.tuples(IDS, COUNTS))),
    st.builds(Pull, IDS, COUNTS),
    st.builds(Delta, IDS, COUNTS, COUNTS, st.booleans(), st.booleans(), several(CHANGES)),
)
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), st.floats(), TEXTS, st.binary()),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=30,
)


@given(MESSAGES)
@settings(max_examples=200, deadline=None)
def test_every_message_survives_the_way(message: Message) -> None:
    assert decode(encode(message)) == message


@given(st.one_of(st.binary(max_size=200), PLAIN.map(msgpack.packb)))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_message_or_the_one_error(payload: bytes) -> None:
    try:
        decode(payload)
    except BadMessage:
        pass


@given(MESSAGES, st.data())
@settings(max_examples=300, deadline=None)
def test_a_message_with_one_value_replaced_gives_a_message_or_the_one_error(message: Message, data: Any) -> None:
    raw = msgpack.unpackb(encode(message))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(PLAIN)
    try:
        decode(msgpack.packb(raw))
    except BadMessage:
        pass


@pytest.mark.parametrize(
    "raw",
    [
        [],
        {},
        "p",
        ["?"],
        ["p"],
        ["p", -1, 0, None],
        ["p", True, 0, None],
        ["p", 1 << 63, 0, None],
        ["q", 1, 0],
        ["g", [[[1, "no address", 0, 0, "", "", 0, "", {}], 1, False]]],
        ["g", [[[1, "dns://a:1", 0, 0, "", "", 0, "", {}], 1, False]]],
        ["g", [[[1, "a:1", 9, 0, "", "", 0, "", {}], 1, False]]],
        ["g", [[[1, "a:1", 0, 0, "n" * 257, "", 0, "", {}], 1, False]]],
        ["v", [[0, 1]]],
    ],
)
def test_values_out_of_their_bounds_are_refused(raw: object) -> None:
    with pytest.raises(BadMessage):
        decode(msgpack.packb(raw))


def test_a_payload_over_the_limit_is_not_even_read() -> None:
    with pytest.raises(BadMessage, match="65537 bytes"):
        decode(b"\xc0" * (MAX_PAYLOAD + 1))


def test_an_entry_that_others_would_refuse_is_refused_at_home() -> None:
    with pytest.raises(ValueError, match="metadata"):
        checked_entry(Entry(1, metadata={"card": "x" * 5000}))
    with pytest.raises(ValueError, match="metadata"):
        checked_entry(Entry(1, metadata={"card": object()}))
    assert checked_entry(Entry(1, "C", "m", metadata={"role": "analyst", "tags": ["a"]})).class_name == "C"
