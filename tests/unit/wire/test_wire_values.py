"""Values as bytes and back: every supported type exactly, everything else refused before it is sent."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import pickle
import random
import threading
import tracemalloc
import uuid
import zoneinfo
from typing import Any, NamedTuple

import attrs
import msgpack  # type: ignore[import-untyped]
import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsing.exceptions import LinkLost, NotSendable, PulsingBusinessError, PulsingError
from pulsing.ids import ActorId, NodeId
from pulsing.wire import Codec, DecodeError, Limits, ProtocolError, TypeRegistry, default_registry
from pulsing.wire.attachment import Attachment

REGISTRY = default_registry.child()


@REGISTRY.register
class Colour(enum.Enum):
    RED = "r"
    BLUE = ("b", 2)


@REGISTRY.register
class Access(enum.Flag):
    READ = 1
    WRITE = 2


@REGISTRY.register
class Level(enum.IntEnum):
    LOW = 1


@REGISTRY.register
class Point(NamedTuple):
    x: float
    y: float = 0.0


@REGISTRY.register
@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    name: str
    colour: Colour = Colour.RED
    after: Job | None = None
    attempts: int = dataclasses.field(default=0, init=False)


@REGISTRY.register
@attrs.define(frozen=True)
class Box:
    _width: int
    label: str = "x"
    area: int = attrs.field(init=False, default=0)


@REGISTRY.register
class Person(pydantic.BaseModel):
    name: str = pydantic.Field(alias="fullName")
    born: dt.date | None = None
    tags: list[str] = []


@REGISTRY.register(name="money", encode=lambda money: (money.amount, money.unit), decode=lambda parts: Money(*parts))
class Money:
    def __init__(self, amount: int, unit: str) -> None:
        self.amount = amount
        self.unit = unit

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and (self.amount, self.unit) == (other.amount, other.unit)

    def __hash__(self) -> int:
        return hash((self.amount, self.unit))


CODEC = Codec(REGISTRY)


def same(a: Any, b: Any) -> bool:
    """Equal and of the same type, all the way down; a NaN is the same as itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return repr(a) == repr(b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (list, tuple, collections.deque)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    if isinstance(a, (dt.datetime, dt.time, decimal.Decimal)):
        return repr(a) == repr(b)
    return bool(a == b)


def round_trip(value: Any, codec: Codec = CODEC) -> Any:
    return codec.decode(codec.encode(value))


offsets = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(dt.timezone)
zones = (
    st.none() | st.just(dt.timezone.utc) | offsets | st.sampled_from(["UTC", "Europe/Berlin"]).map(zoneinfo.ZoneInfo)
)
texts = st.text(st.characters())  # lone surrogates included
hashables: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=-(1 << 200), max_value=1 << 200),
        st.floats(allow_nan=False),
        texts,
        st.binary(),
        st.datetimes(timezones=zones).map(lambda moment: moment.replace(fold=moment.microsecond % 2)),
        st.dates(),
        st.times(timezones=st.none() | offsets),
        st.timedeltas(),
        st.decimals(allow_nan=False),
        st.uuids(),
        st.complex_numbers(allow_nan=False),
        st.builds(range, st.integers(), st.integers(), st.integers(min_value=1)),
        st.sampled_from(["/a/b", ".", "c:/x"]).map(pathlib.PurePosixPath),
        st.sampled_from(["/a/b", "relative"]).map(pathlib.Path),
        st.sampled_from(["c:\\a", "x/y"]).map(pathlib.PureWindowsPath),
        st.sampled_from([*Colour, *Access, Access.READ | Access.WRITE, *Level]),
        st.builds(Point, st.floats(allow_nan=False), st.floats(allow_nan=False)),
        st.builds(Box, st.integers()),
        st.builds(Money, st.integers(), st.text()),
        st.builds(ActorId, st.integers(0, (1 << 128) - 1)),
        st.builds(NodeId, st.integers(0, (1 << 64) - 1)),
    ),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3) | st.builds(Job, texts),
    max_leaves=5,
)
values: st.SearchStrategy[Any] = st.recursive(
    hashables
    | st.floats()
    | st.decimals()
    | st.binary().map(bytearray)
    | st.builds(Person, fullName=st.text(), born=st.none() | st.dates()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(hashables, inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.dictionaries(hashables, inner, max_size=3).map(collections.OrderedDict)
        | st.dictionaries(hashables, inner, max_size=3).map(collections.Counter)
        | st.dictionaries(hashables, inner, max_size=3).map(lambda items: collections.defaultdict(list, items))
        | st.sets(hashables, max_size=4)
        | st.lists(inner, max_size=3).map(lambda items: collections.deque(items, 9))
        | st.builds(Point, inner)
    ),
    max_leaves=12,
)


@settings(derandomize=True, max_examples=500, deadline=None)
@given(values)
def test_every_supported_value_comes_back_equal_and_of_the_same_type(value: Any) -> None:
    assert same(round_trip(value), value)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("-inf"),
        -0.0,
        1 << 63,
        (1 << 64) - 1,
        1 << 64,
        -(1 << 63),
        -(1 << 63) - 1,
        1 << 10_000,
        "\ud800",
        "",
        bytearray(),
        (),
        [(), [], {}, set()],
        {(1, 2): {frozenset({3}): None}},
        {1: "a", 1.5: "b", None: "c", b"k": "d"},
        decimal.Decimal("sNaN12"),
        decimal.Decimal("-0E+3"),
        dt.datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        dt.time(1, 2, 3, 4, tzinfo=dt.timezone(dt.timedelta(seconds=-1), "odd"), fold=1),
        dt.timezone.utc and dt.datetime.max.replace(tzinfo=dt.timezone.utc),
        range(1 << 70, 0, -3),
        np.float32(1.5),
        "é" * 100_000,
        "\ud800" * 100_000,
        b"z" * 100_000,
        bytearray(b"z" * 100_000),
        {"k": [b"z" * 100_000, "y" * 100_000]},
        [b"x" * 10_000] * 100,
    ],
    ids=lambda value: repr(value)[:40],
)
def test_values_at_the_edges_come_back_exactly(value: Any) -> None:
    assert same(round_trip(value), value)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(values, max_size=5))
def test_what_a_store_has_kept_comes_back_together_as_each_alone(several: list[Any]) -> None:
    codec = Codec(REGISTRY)
    kept = [codec.encode(value) for value in several]
    assert same(codec.decode_kept_together(kept), several)


@pytest.mark.parametrize("odd", [{"k": b"z" * 100_000}, {"k": "z" * 300_000}])
def test_values_with_attachments_are_not_decoded_together(odd: Any) -> None:
    codec = Codec(REGISTRY)
    for several in ([1, odd], [odd, 1], [1, odd, {"a": 2}]):
        assert codec.decode_kept_together([codec.encode(value) for value in several]) is None


def test_bytes_that_are_no_values_are_not_decoded_together() -> None:
    codec = Codec(REGISTRY)
    assert codec.decode_kept_together([b"\x01", b"\x92\x01"]) is None
    assert codec.decode_kept_together([b"\x01\x02"]) is None
    assert codec.decode_kept_together([]) == []


maps = st.dictionaries(
    texts | st.integers(), st.none() | st.booleans() | st.integers() | st.floats() | texts, max_size=4
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(maps, max_size=5) | st.lists(maps | st.dictionaries(hashables, values, max_size=3), max_size=3))
def test_maps_that_are_encoded_together_are_encoded_as_each_alone(several: list[dict[Any, Any]]) -> None:
    codec = Codec(REGISTRY)
    assert codec.encode_maps(several) == [codec.encode(each) for each in several]


@pytest.mark.parametrize(
    "odd", [{"k": 1 << 70}, {"k": "x" * 300_000}, collections.OrderedDict(a=1), {"k": bytearray(b"x")}]
)
def test_one_map_that_is_not_plain_leaves_those_around_it_as_they_are(odd: dict[str, Any]) -> None:
    codec = Codec(REGISTRY)
    for several in ([{"a": 1}, odd], [odd, {"a": 1}]):
        assert codec.encode_maps(several) == [codec.encode(each) for each in several]


def test_keys_that_are_equal_and_of_several_types_are_encoded_as_each_alone() -> None:
    codec = Codec(REGISTRY)
    several: list[dict[Any, Any]] = [{level.value: 1} for level in Level] + [{level: 1} for level in Level]
    for order in (several, several[::-1]):
        assert codec.encode_maps(order) == [codec.encode(each) for each in order]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(values)
def test_what_a_store_has_kept_comes_back_as_it_was(value: Any) -> None:
    codec = Codec(REGISTRY)
    assert same(codec.decode_kept(codec.encode(value)), value)


@pytest.mark.parametrize("value", ["é" * 100_000, {"k": [b"z" * 100_000]}, [[]] * 10_000])
def test_what_a_store_has_kept_comes_back_however_large_it_is(value: Any) -> None:
    codec = Codec()
    assert same(codec.decode_kept(codec.encode(value)), value)


@pytest.mark.parametrize("damaged", [b"", b"\xc1", b"\x81", b"\x91" * 2_000, b"\x01\x02", b"\xdf\xff\xff\xff\xff"])
def test_what_a_store_has_kept_and_is_no_value_is_an_error_of_ours(damaged: bytes) -> None:
    with pytest.raises(ProtocolError):
        Codec().decode_kept(damaged)


def test_keys_that_differ_only_by_identity_all_arrive() -> None:
    @dataclasses.dataclass(eq=False)
    class Token:
        pass

    registry = TypeRegistry()
    registry.register(Token)

    assert len(round_trip({Token(): 1, Token(): 2}, Codec(registry))) == 2


def test_a_computed_field_arrives_with_the_value_it_had() -> None:
    job = Job("a")
    object.__setattr__(job, "attempts", 3)

    assert round_trip(job).attempts == 3


def test_a_pydantic_model_knows_afterwards_which_fields_were_set() -> None:
    assert round_trip(Person(fullName="Ada")).model_fields_set == {"name"}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="<i4").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(20)[::3],
        np.array(7, dtype=">u2"),
        np.zeros((0, 3)),
        np.array(["a", "bcd"]),
        np.array([b"x"]),
        np.array(["2024-01-01"], dtype="M8[D]"),
        np.zeros(3, dtype=[("a", "<f4"), ("b", "S3", (2,)), ("c", [("d", "?")])]),
        np.arange(100_000),
        np.broadcast_to(np.arange(3), (2, 3)),
        np.array([True, False]),
        np.array([1j], dtype="complex64"),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_an_array_arrives_with_its_type_shape_order_and_elements_and_can_be_written(array: Any) -> None:
    arrived = round_trip(array)

    assert arrived.dtype == array.dtype
    assert arrived.shape == array.shape
    assert np.array_equal(arrived, array)
    assert arrived.flags.f_contiguous == array.flags.f_contiguous or not array.flags.c_contiguous
    assert arrived.flags.writeable


@pytest.mark.parametrize(
    "scalar",
    [
        np.float32(1.5),
        np.int64(-1),
        np.bool_(True),
        np.str_("abc"),
        np.bytes_(b"x"),
        np.datetime64(3, "ms"),
        np.str_(""),
    ],
)
def test_a_numpy_scalar_keeps_its_type(scalar: Any) -> None:
    assert same(round_trip(scalar), scalar)


def test_an_array_that_changes_after_encoding_arrives_as_it_was() -> None:
    array = np.zeros(100_000)
    encoded = CODEC.encode(array)
    array[:] = 1

    assert not CODEC.decode(encoded).any()


def test_an_array_is_copied_once_when_it_is_taken_apart_and_built_over_what_has_arrived() -> None:
    array = np.ones(1_000_000)

    tracemalloc.start()
    packed = CODEC.pack(array)
    sender_peak = tracemalloc.get_traced_memory()[1]
    attachments = [Attachment.whole(memoryview(attachment)) for attachment in packed.attachments]
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    arrived = CODEC.unpack(packed.head, attachments)
    arrived += 1
    receiver_peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()

    assert np.array_equal(arrived, array + 1)
    assert sender_peak < 1.1 * array.nbytes
    assert receiver_peak < 0.1 * array.nbytes


@pytest.mark.parametrize(
    "error", [LinkLost(NodeId(5), maybe_executed=False), PulsingBusinessError(404, "no", "really")]
)
def test_an_error_of_our_own_is_a_value_with_its_fields(error: PulsingError) -> None:
    arrived = round_trip(error)

    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert {name: vars(arrived)[name] for name in vars(error)} == vars(error)


class Stubborn(dict[str, int]):
    pass


class Text(str):
    pass


class Samples(np.ndarray):
    pass


class Plain:
    pass


@pytest.mark.parametrize(
    "value",
    [
        Plain(),
        Stubborn(a=1),
        Text("a"),
        collections.defaultdict(lambda: 0),
        memoryview(b"x"),
        np.array([object()]),
        np.ma.masked_array([1], [True]),
        msgpack.Timestamp(1),
        lambda: None,
        Plain,
        dt.datetime(2024, 1, 1, tzinfo=type("Zone", (dt.tzinfo,), {"utcoffset": lambda *_: dt.timedelta()})()),
        ValueError("x"),
        True.__class__.__mro__,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_exact_encoding_is_refused_wherever_it_lies(value: Any) -> None:
    for carrier in (value, [value], {"k": (value,)}, Point(value)):
        with pytest.raises(NotSendable):
            CODEC.encode(carrier)


@pytest.mark.parametrize("factory", [None, int, float, str, list, dict, set])
def test_a_map_with_a_default_keeps_what_makes_it(factory: Any) -> None:
    arrived = round_trip(collections.defaultdict(factory, {"k": 1}))

    assert (arrived, arrived.default_factory) == ({"k": 1}, factory)


@pytest.mark.parametrize("factory", [99, "list", None])
def test_a_peer_cannot_name_another_factory(factory: Any) -> None:
    with pytest.raises((DecodeError, ProtocolError)):
        CODEC.decode(msgpack.packb(msgpack.ExtType(27, msgpack.packb([[], [], factory]))))


def test_the_refusal_names_the_type_and_both_ways_out() -> None:
    with pytest.raises(NotSendable, match=r"Plain.*register_type.*allow_pickle=True") as refusal:
        CODEC.encode(Plain())
    assert refusal.value.type_name == f"{__name__}.Plain"


def test_a_codec_still_works_after_a_refusal() -> None:
    with pytest.raises(NotSendable):
        CODEC.encode([1, 2, Plain()])

    assert round_trip([1, "a"]) == [1, "a"]


def test_a_class_that_is_not_registered_here_fails_its_own_value_only() -> None:
    encoded = CODEC.encode([Money(1, "eur")])
    elsewhere = Codec(TypeRegistry())

    with pytest.raises(DecodeError, match="money"):
        elsewhere.decode(encoded)
    assert elsewhere.decode(CODEC.encode([1])) == [1]


def test_a_field_that_the_class_lacks_is_an_error() -> None:
    registry = TypeRegistry()
    registry.register(dataclasses.make_dataclass("Other", ["name", "surplus"]), name=f"{__name__}:Job")

    with pytest.raises(DecodeError, match="surplus"):
        CODEC.decode(Codec(registry).encode(registry.entry(f"{__name__}:Job").cls("a", 1)))  # type: ignore[union-attr]


def test_what_a_constructor_raises_fails_its_own_value_only() -> None:
    @dataclasses.dataclass
    class Picky:
        size: int

        def __post_init__(self) -> None:
            if self.size > 1:
                raise KeyError("too big")

    registry = TypeRegistry()
    registry.register(Picky)
    picky = Picky(1)
    picky.size = 2

    with pytest.raises(DecodeError, match="too big"):
        Codec(registry).decode(Codec(registry).encode(picky))


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_sixty_four_levels_pass_and_one_more_is_refused_at_the_sender() -> None:
    assert round_trip(nested(64)) == nested(64)
    with pytest.raises(NotSendable, match=r"64 levels, or it contains itself$"):
        CODEC.encode(nested(65))


@pytest.mark.parametrize(
    "wrap", [lambda v: (v,), lambda v: {"k": v}, lambda v: {decimal.Decimal(1): v}, Point, lambda v: [v, "é" * 99]]
)
def test_each_kind_of_container_counts_as_one_level(wrap: Any) -> None:
    value: Any = 1
    for _ in range(64):
        value = wrap(value)

    assert same(round_trip(value), value)
    with pytest.raises(NotSendable):
        CODEC.encode(wrap(value))


def test_leaves_of_the_deepest_level_may_be_of_any_type() -> None:
    value: Any = [dt.datetime(2024, 1, 1), range(3), np.arange(3).tobytes(), pathlib.Path("x"), 1 << 70, np.float64(1)]
    for _ in range(63):
        value = [value]

    assert same(round_trip(value), value)


def test_a_value_that_contains_itself_is_refused_at_the_sender() -> None:
    loop: list[Any] = []
    loop.append(loop)

    with pytest.raises(NotSendable, match="contains itself"):
        CODEC.encode(loop)


def test_a_shared_part_that_would_be_sent_too_often_is_refused_early() -> None:
    value: Any = [1, 2]
    for _ in range(60):
        value = [value, value]

    with pytest.raises(NotSendable):
        CODEC.encode(value)


@pytest.mark.parametrize("bomb", [b"\x91" * 65 + b"\x01", b"\x91" * 1000 + b"\x01", b"\x91" * 5000, b"\x81\x01" * 70])
def test_a_value_deeper_than_the_limit_is_refused_at_the_receiver(bomb: bytes) -> None:
    with pytest.raises(ProtocolError):
        CODEC.decode(bomb)


def test_depth_hidden_in_extensions_is_found() -> None:
    payload = b"\x90"
    for _ in range(70):
        payload = msgpack.packb([msgpack.ExtType(4, payload)])

    with pytest.raises(ProtocolError):
        CODEC.decode(payload)


def test_depth_hidden_in_objects_without_containers_is_found() -> None:
    payload = msgpack.packb("x")
    for _ in range(400):
        payload = msgpack.packb(["money", msgpack.ExtType(19, payload)])

    with pytest.raises((ProtocolError, DecodeError)):
        CODEC.decode(msgpack.packb(msgpack.ExtType(19, payload)))


@pytest.mark.parametrize(
    ("value", "way_out"),
    [
        ([1] * 65_537, "65537 entries, 65536 at most; send it in parts, as the items of a stream, or as an array"),
        ([{"id": n, "price": 1.5} for n in range(30_000)], "262144 at most; send it in parts, as the items"),
        ([1.5] * 40_000, "262144 at most; send it in parts, as the items"),
        (b"x" * (17 << 20), "16777216 at most; send it in parts, or set link.max_message_bytes on all nodes"),
    ],
)
def test_a_value_that_is_too_large_is_refused_with_what_to_do(value: Any, way_out: str) -> None:
    with pytest.raises(NotSendable, match=way_out):
        CODEC.encode(value)


def test_limits_on_size_hold_in_both_directions() -> None:
    small = Codec(REGISTRY, limits=Limits(entries=10, structured=1000, inline=600, message=5000))

    for value in (list(range(11)), dict.fromkeys(range(11)), tuple(range(11)), [1.0] * 200, b"x" * 5000):
        with pytest.raises(NotSendable):
            small.encode([value])
        with pytest.raises(ProtocolError):
            small.decode(CODEC.encode([value, b"y" * 70_000]))
    assert round_trip([b"x" * 700] * 6, small) == [b"x" * 700] * 6


def test_a_map_bomb_is_refused_by_its_size() -> None:
    with pytest.raises(ProtocolError, match="structure"):
        CODEC.decode(b"\xdd\x00\x0f\xff\xff" + b"\x80" * 0xFFFFF)


def numbers_of_one_hash(count: int) -> list[msgpack.ExtType]:
    modulus = (1 << 61) - 1
    return [msgpack.ExtType(1, ((number << 4) * modulus).to_bytes(11, "big")) for number in range(1, count + 1)]


@pytest.mark.parametrize("among", [0, 8_000])
@pytest.mark.parametrize("tag", [5, 6, 7, 24])
def test_keys_made_to_collide_are_refused_before_they_are_compared(tag: int, among: int) -> None:
    keys = [*numbers_of_one_hash(7_000), *range(among)]
    payload = msgpack.packb(keys if tag in (5, 6) else [keys, [None] * len(keys)])

    with pytest.raises(ProtocolError, match="same hash"):
        CODEC.decode(msgpack.packb(msgpack.ExtType(tag, payload)))


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [[value]], lambda value: {"a": value}])
def test_keys_made_to_collide_are_refused_in_maps_that_msgpack_itself_makes(wrap: Any) -> None:
    bomb = dict.fromkeys(numbers_of_one_hash(7_000))

    for value in (bomb, msgpack.ExtType(4, msgpack.packb([bomb]))):
        with pytest.raises(ProtocolError, match="same hash"):
            CODEC.decode(msgpack.packb(wrap(value)))
        with pytest.raises(ProtocolError, match="same hash"):
            CODEC.unpack(msgpack.packb(wrap(value)), [Attachment.whole(memoryview(b"x"))])


ENDLESS = msgpack.ExtType(15, msgpack.packb([0, 1 << 62, 1]))
"""A range, which is a few bytes and has more elements than any memory."""


@pytest.mark.parametrize("tag", [4, 5, 6, 7, 8, 10, 11, 15, 16, 19, 20, 21, 22, 23, 24, 25])
def test_nothing_is_made_of_a_range_without_end(tag: int) -> None:
    contents = {19: [f"{__name__}:Person", [{"name": "x"}, ENDLESS]], 25: [ENDLESS, None]}
    payload = msgpack.packb(contents.get(tag, ENDLESS))

    with pytest.raises((DecodeError, ProtocolError)):
        Codec(REGISTRY, allow_pickle=True).decode(msgpack.packb(msgpack.ExtType(tag, payload)))


def test_large_sets_and_maps_of_any_keys_arrive() -> None:
    days = {f"day {number}": dt.date.fromordinal(number + 1) for number in range(3000)}
    for value in ({(number,) for number in range(3000)}, {(number,): None for number in range(3000)}, days):
        assert same(round_trip(value), value)


def test_a_large_value_may_lie_in_an_object_that_is_nothing_else() -> None:
    registry = TypeRegistry()
    registry.register(Plain, encode=lambda _: b"z" * 100_000, decode=lambda data: data)
    registry.add_extension(64, Text, lambda _: b"y" * 100_000, lambda data: data)
    codec = Codec(registry)

    assert round_trip([Plain(), Text()], codec) == [b"z" * 100_000, b"y" * 100_000]


@pytest.mark.parametrize("numbers", [[1], [-1], [1 << 40], [0, 0]])
def test_an_array_is_built_over_an_attachment_that_is_there_and_nobody_elses(numbers: list[int]) -> None:
    parts = [msgpack.packb(["<f8", [1], "C", number]) for number in numbers]
    head = msgpack.packb([msgpack.ExtType(20, part) for part in parts])

    with pytest.raises(ProtocolError, match="does not have, or twice"):
        CODEC.unpack(head, [Attachment.whole(memoryview(bytes(8)))])
    with pytest.raises(ProtocolError, match="does not have"):
        CODEC.unpack(head)


def test_an_array_over_too_few_bytes_cannot_be_built() -> None:
    head = msgpack.packb(msgpack.ExtType(20, msgpack.packb(["<f8", [2], "C", 0])))

    with pytest.raises(DecodeError, match="do not fit"):
        CODEC.unpack(head, [Attachment.whole(memoryview(bytes(8)))])


def test_an_attachment_is_used_once() -> None:
    head = msgpack.packb([msgpack.ExtType(32, b"\0\0\0\0")] * 2)

    with pytest.raises(ProtocolError, match="twice"):
        CODEC.unpack(head, [Attachment.whole(memoryview(b"x"))])


def test_a_peer_cannot_smuggle_in_types_that_the_codec_does_not_send() -> None:
    assert type(CODEC.decode(msgpack.packb(msgpack.Timestamp(1, 2)))) is int
    for tag in (0, 28, 63, 64, 127, 254):
        with pytest.raises(DecodeError, match="tag"):
            CODEC.decode(bytes([0xD4, tag, 0]))


@pytest.mark.parametrize("descr", ["O", "|O8", "T", "f4,f4", "<f4)", "<U99999999999", [["a", "O"]], [], 1, None])
def test_an_array_of_a_type_that_does_not_travel_is_refused(descr: Any) -> None:
    payload = msgpack.packb([descr, [1], "C", msgpack.ExtType(3, b"12345678")])

    with pytest.raises((DecodeError, ProtocolError)):
        CODEC.decode(msgpack.packb(msgpack.ExtType(20, payload)))


@pytest.mark.parametrize("shape", [[3], [-1], [1 << 62], [1.5], "x", [0, 1 << 70], [1] * 100])
def test_an_array_whose_shape_does_not_fit_its_bytes_is_refused(shape: Any) -> None:
    payload = msgpack.packb(["<f8", shape, "C", msgpack.ExtType(3, b"1234567890123456")], default=str)

    with pytest.raises((DecodeError, ProtocolError)):
        CODEC.decode(msgpack.packb(msgpack.ExtType(20, payload)))


@pytest.mark.parametrize("descr", ["|S0", "<U0"])
def test_an_array_of_texts_of_no_letters_takes_no_room_that_nobody_sent(descr: str) -> None:
    payload = msgpack.packb([descr, [1 << 40], "C", msgpack.ExtType(3, b"")])

    with pytest.raises(DecodeError, match="do not fit"):
        CODEC.decode(msgpack.packb(msgpack.ExtType(20, payload)))


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "tzdata.evil", "No/Such_Zone"])
def test_a_time_zone_is_found_by_a_plain_key_only(key: str) -> None:
    payload = msgpack.packb([2024, 1, 1, 0, 0, 0, 0, 0, key])

    with pytest.raises((DecodeError, ProtocolError)):
        CODEC.decode(msgpack.packb(msgpack.ExtType(8, payload)))


class Canary:
    sung: list[bool] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return Canary.sung.append, (True,)


def test_pickle_is_refused_without_being_read() -> None:
    encoded = Codec(REGISTRY, allow_pickle=True).encode(Canary())

    with pytest.raises(DecodeError, match="allow_pickle"):
        CODEC.decode(encoded)
    assert Canary.sung == []


def test_with_pickle_on_both_ends_anything_that_can_be_pickled_travels() -> None:
    codec = Codec(REGISTRY, allow_pickle=True)
    value = [Stubborn(a=1), Text("x"), {1, 2}, np.array([1, "a", None], dtype=object), np.zeros(20_000).view(Samples)]

    arrived = round_trip(value, codec)

    assert type(arrived[0]) is Stubborn and type(arrived[1]) is Text and type(arrived[4]) is Samples
    assert arrived[:3] == value[:3]
    assert list(arrived[3]) == [1, "a", None]
    assert (arrived[4] == value[4]).all()


def test_pickle_is_used_only_where_nothing_else_serves() -> None:
    assert Codec(REGISTRY, allow_pickle=True).encode([Job("a"), (1,)]) == CODEC.encode([Job("a"), (1,)])


def test_what_cannot_be_pickled_either_is_refused_at_the_sender() -> None:
    with pytest.raises(NotSendable):
        Codec(allow_pickle=True).encode(threading.Lock())


def test_a_broken_pickle_fails_its_own_value_only() -> None:
    with pytest.raises(DecodeError):
        Codec(allow_pickle=True).decode(msgpack.packb(msgpack.ExtType(22, msgpack.packb([pickle.dumps(1)[:-2]]))))


@settings(derandomize=True, max_examples=1000, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_the_two_errors(data: bytes) -> None:
    try:
        CODEC.decode(data)
    except (ProtocolError, DecodeError):
        pass


def test_mutated_values_raise_nothing_but_the_two_errors() -> None:
    chance = random.Random(7)
    seed: list[Any] = [
        {"a": 1, (2, 3): {4}},
        Job("x", after=Job("y")),
        Point(1.0),
        Person(fullName="Ada"),
        np.arange(3),
        np.zeros(2, [("a", "<f4"), ("b", "S3", (2,))]),
        dt.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
        decimal.Decimal("1.5"),
        LinkLost(5),
        pathlib.Path("x"),
        uuid.UUID(int=1),
        b"z" * 600,
    ]
    small = Codec(REGISTRY, limits=Limits(inline=500))
    whole = small.encode(seed)
    for _ in range(5000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        try:
            small.decode(bytes(data))
        except (ProtocolError, DecodeError):
            pass


def test_values_can_be_encoded_and_decoded_by_several_threads() -> None:
    failed: list[int] = []

    def work(number: int) -> None:
        for step in range(300):
            value = {"n": (number, step), "l": [str(number)] * 20}
            if round_trip(value) != value:
                failed.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
