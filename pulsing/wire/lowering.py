"""Values on their way into msgpack: everything that it would flatten or refuse becomes an extension value.

Refuses, with the name of the type, what has no exact encoding, and what the decoder would refuse for its size.
"""

from __future__ import annotations

import datetime as dt
import decimal
import pathlib
import pickle
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgpack  # type: ignore[import-untyped]

from pulsing.exceptions import NotSendable, PulsingError
from pulsing.ids import ActorId, NodeId
from pulsing.wire import arrays
from pulsing.wire.failures import is_rebuilt_exactly, to_failure
from pulsing.wire.limits import Limits
from pulsing.wire.registry import TypeRegistry
from pulsing.wire.tags import COMPLEX, FACTORIES, MICROSECOND, PATHS, ZONE_KEY, Packed, Tag

PLAIN = frozenset({type(None), bool, int, float, str})
"""Types that msgpack packs exactly; integers beyond 64 bits and lone surrogates make it raise."""

_PLAIN_KEYS = PLAIN | {bytes}


def is_plain(value: Any) -> bool:
    """Whether msgpack packs `value` exactly, looking two levels into lists and maps."""
    kind = type(value)
    if kind is list:
        return PLAIN.issuperset(map(type, value)) or (len(value) <= 64 and all(map(_is_plain_leaf, value)))
    return kind in PLAIN or _is_plain_leaf(value)


def _is_plain_leaf(value: Any) -> bool:
    kind = type(value)
    if kind is list:
        return PLAIN.issuperset(map(type, value))
    if kind is dict:
        return PLAIN.issuperset(map(type, value)) and PLAIN.issuperset(map(type, value.values()))
    return kind in PLAIN


IN_PARTS = "send it in parts, as the items of a stream, or as an array or bytes"
"""What to do about a value of too many parts; texts, bytes and arrays may be larger, for nothing is scanned in them."""


def too_much(value: Any, detail: str) -> NotSendable:
    """The refusal of a value that is too large in some way."""
    return NotSendable(type(value).__qualname__, detail=detail)


def _too_deep(value: Any, limits: Limits) -> NotSendable:
    return too_much(value, f"nested deeper than {limits.depth} levels, or it contains itself")


Lowerer: TypeAlias = "Callable[[Lowering, Any, int], Any]"

# The constructor of the extension type checks what is known here, at twice the cost of making it.
_extension = msgpack.ExtType._make


class Lowering:
    """One value on its way into msgpack: replaces all that msgpack has no word for.

    Args:
        registry: how objects of classes travel.
        limits: what must not be exceeded.
        pack: msgpack's own encoding.
        allow_pickle: whether what has no other encoding is pickled.
        inline: bytes-like values and texts above this become attachments.
        lowerers: what to do with each type. The quick ones leave texts and integers as they are: either what they
            make is so short that no text can be too long, or msgpack raises, or the others have to be asked.
    """

    def __init__(
        self,
        registry: TypeRegistry,
        limits: Limits,
        pack: Callable[[Any], bytes],
        allow_pickle: bool,
        inline: int,
        lowerers: Mapping[type, Lowerer],
    ) -> None:
        self._registry = registry
        self._limits = limits
        self._pack = pack
        self._allow_pickle = allow_pickle
        self._inline = inline
        self._lowerers = lowerers
        self._attachments: list[bytes] = []
        self._nodes = 0
        self._pickled = 0

    def run(self, value: Any, outer: int) -> Packed:
        """Encode the value, whose `outer` outermost containers do not count as depth."""
        try:
            head = self._pack(self.lower(value, -outer))
        except RecursionError as error:
            raise too_much(value, "it is taken apart without end") from error
        return Packed(head, tuple(self._attachments), self._pickled)

    def lower(self, value: Any, depth: int) -> Any:
        """A value that msgpack packs exactly, inside of `depth` containers."""
        lowerer = self._lowerers.get(type(value))
        return lowerer(self, value, depth) if lowerer is not None else self._lower_other(value, depth)

    def lower_content(self, content: Any, depth: int) -> Any:
        """What an object at `depth` consists of: a container of its fields counts as the object itself."""
        if type(content) in (dict, list, tuple):
            return self.lower(content, depth)
        if depth > self._limits.depth:
            raise _too_deep(content, self._limits)
        return self.lower(content, depth + 1)

    def parts(self, tag: Tag, *parts: Any) -> msgpack.ExtType:
        """An extension made of parts that are no containers."""
        return _extension((tag, self._pack([self.lower(part, 0) for part in parts])))

    def pairs(self, tag: Tag, value: dict[Any, Any], depth: int, *more: int) -> msgpack.ExtType:
        """An extension for a map: its keys and its values, each in order, and what is to be known beside."""
        self.entering(value, depth)
        keys = [self.lower(key, depth + 1) for key in value]
        return _extension((tag, self._pack([keys, [self.lower(item, depth + 1) for item in value.values()], *more])))

    def entering(self, value: Any, depth: int) -> None:
        """Refuse containers that are too deep or too large, and those that contain themselves."""
        if depth >= self._limits.depth:
            raise _too_deep(value, self._limits)
        if len(value) > self._limits.entries:
            raise too_much(value, f"it has {len(value)} entries, {self._limits.entries} at most; {IN_PARTS}")
        # Shared parts are sent once for each place, which can grow without bound; every entry takes a byte.
        self._nodes += len(value)
        if self._nodes > self._limits.structured:
            raise too_much(value, f"its structure takes more than {self._limits.structured} bytes; {IN_PARTS}")

    def data(self, value: bytes, inline_tag: Tag | None, attached_tag: Tag) -> Any:
        """Bytes, beside the structure where they are large."""
        if len(value) <= self._inline:
            return value if inline_tag is None else _extension((inline_tag, value))
        return _extension((attached_tag, self.attach(value).to_bytes(4, "big")))

    def attach(self, value: bytes) -> int:
        """Let bytes stand beside the structure; returns the number by which it refers to them."""
        if len(self._attachments) >= self._limits.entries:
            raise NotSendable("value", detail=f"it has more than {self._limits.entries} attachments")
        self._attachments.append(value)
        return len(self._attachments) - 1

    def lower_int(self, value: int, depth: int) -> Any:
        if -(1 << 63) <= value < 1 << 64:
            return value
        payload = value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
        if len(payload) > self._limits.structured:
            raise NotSendable("int", detail=f"it takes {len(payload)} bytes")
        return _extension((Tag.INT, payload))

    def lower_str(self, value: str, depth: int) -> Any:
        if len(value) <= self._inline // 4 and value.isascii():
            return value
        encoded = value.encode("utf-8", "surrogatepass")
        if len(encoded) > self._inline:
            return self.data(encoded, None, Tag.ATTACHED_STR)
        try:
            encoded.decode()
        except UnicodeDecodeError:
            return _extension((Tag.STR, encoded))
        return value

    def lower_bytes(self, value: bytes, depth: int) -> Any:
        return self.data(value, None, Tag.ATTACHED_BYTES)

    def lower_bytearray(self, value: bytearray, depth: int) -> Any:
        return self.data(bytes(value), Tag.BYTEARRAY, Tag.ATTACHED_BYTEARRAY)

    def lower_list(self, value: list[Any], depth: int) -> list[Any]:
        self.entering(value, depth)
        return [self.lower(element, depth + 1) for element in value]

    def lower_dict(self, value: dict[Any, Any], depth: int) -> Any:
        if _PLAIN_KEYS.issuperset(map(type, value)):
            keys = [self.lower(key, depth + 1) for key in value]
            if _PLAIN_KEYS.issuperset(map(type, keys)):
                self.entering(value, depth)
                return dict(zip(keys, [self.lower(item, depth + 1) for item in value.values()], strict=True))
        # Two keys that differ may lower to equal extensions, so a map of them could lose entries.
        return self.pairs(Tag.MAP, value, depth)

    def quick_list(self, value: list[Any], depth: int) -> list[Any]:
        self.entering(value, depth)
        if PLAIN.issuperset(map(type, value)):
            return value
        return [self.lower(element, depth + 1) for element in value]

    def quick_dict(self, value: dict[Any, Any], depth: int) -> Any:
        if not _PLAIN_KEYS.issuperset(map(type, value)):
            return self.pairs(Tag.MAP, value, depth)
        self.entering(value, depth)
        if PLAIN.issuperset(map(type, value.values())):
            return value
        return {key: self.lower(item, depth + 1) for key, item in value.items()}

    def lower_tuple(self, value: tuple[Any, ...], depth: int) -> Any:
        return _extension((Tag.TUPLE, self._pack(self.lower(list(value), depth))))

    def lower_set(self, value: set[Any], depth: int) -> Any:
        return _extension((Tag.SET, self._pack(self.lower(list(value), depth))))

    def lower_frozenset(self, value: frozenset[Any], depth: int) -> Any:
        return _extension((Tag.FROZENSET, self._pack(self.lower(list(value), depth))))

    def lower_ordered_dict(self, value: OrderedDict[Any, Any], depth: int) -> Any:
        return self.pairs(Tag.ORDERED_DICT, value, depth)

    def lower_counter(self, value: Counter[Any], depth: int) -> Any:
        return self.pairs(Tag.COUNTER, value, depth)

    def lower_default_dict(self, value: defaultdict[Any, Any], depth: int) -> Any:
        if value.default_factory not in FACTORIES:
            return self._lower_other(value, depth)
        return self.pairs(Tag.DEFAULT_DICT, value, depth, FACTORIES.index(value.default_factory))

    def lower_deque(self, value: deque[Any], depth: int) -> Any:
        return _extension((Tag.DEQUE, self._pack([self.lower(list(value), depth), value.maxlen])))

    def lower_datetime(self, value: dt.datetime, depth: int) -> Any:
        fields = [value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]
        return self.parts(Tag.DATETIME, *fields, value.fold, *_zone(value.tzinfo))

    def lower_date(self, value: dt.date, depth: int) -> Any:
        return _extension((Tag.DATE, value.toordinal().to_bytes(4, "big")))

    def lower_time(self, value: dt.time, depth: int) -> Any:
        fields = [value.hour, value.minute, value.second, value.microsecond, value.fold]
        return self.parts(Tag.TIME, *fields, *_zone(value.tzinfo))

    def lower_timedelta(self, value: dt.timedelta, depth: int) -> Any:
        return self.parts(Tag.TIMEDELTA, value.days, value.seconds, value.microseconds)

    def lower_decimal(self, value: decimal.Decimal, depth: int) -> Any:
        return _extension((Tag.DECIMAL, str(value).encode()))

    def lower_uuid(self, value: uuid.UUID, depth: int) -> Any:
        return _extension((Tag.UUID, value.bytes))

    def lower_complex(self, value: complex, depth: int) -> Any:
        return _extension((Tag.COMPLEX, COMPLEX.pack(value.real, value.imag)))

    def lower_range(self, value: range, depth: int) -> Any:
        return self.parts(Tag.RANGE, value.start, value.stop, value.step)

    def lower_path(self, value: pathlib.PurePath, depth: int) -> Any:
        return self.parts(Tag.PATH, PATHS.index(type(value)), str(value))

    def lower_actor_id(self, value: ActorId, depth: int) -> Any:
        return _extension((Tag.ACTOR_ID, value.id.to_bytes(16, "big")))

    def lower_node_id(self, value: NodeId, depth: int) -> Any:
        return _extension((Tag.NODE_ID, value.id.to_bytes(8, "big")))

    def _lower_other(self, value: Any, depth: int) -> Any:
        cls = type(value)
        registry = self._registry
        if (extension := registry.extension_for(cls)) is not None:
            return _extension((extension.tag, self._pack(self.lower_content(extension.encode(value), depth))))
        if (entry := registry.entry_for(cls)) is not None:
            return _extension((Tag.OBJECT, self._pack([entry.name, self.lower_content(entry.encode(value), depth)])))
        if arrays.is_array(cls) or arrays.is_scalar(cls):
            return self._lower_array(value, depth)
        if isinstance(value, PulsingError) and is_rebuilt_exactly(value):
            return self.parts(Tag.ERROR, to_failure(value).as_fields())
        return self._lower_pickled(value, depth)

    def _lower_array(self, value: Any, depth: int) -> Any:
        try:
            parts = arrays.take_apart(value)
        except NotSendable:
            return self._lower_pickled(value, depth)
        large = len(parts.data) > self._inline
        data = self.attach(parts.data) if large else _extension((Tag.BYTEARRAY, parts.data))
        descr = self.lower(parts.descr, depth + 1)
        if arrays.is_scalar(type(value)):
            return _extension((Tag.SCALAR, self._pack([descr, data])))
        return _extension((Tag.ARRAY, self._pack([descr, parts.shape, parts.order, data])))

    def _lower_pickled(self, value: Any, depth: int) -> Any:
        if not self._allow_pickle:
            raise NotSendable(_type_name(value))
        buffers: list[pickle.PickleBuffer] = []
        try:
            stream = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
            data = [bytearray(buffer.raw()) for buffer in buffers]
        except Exception as error:
            # Any class may have its own way of refusing to be pickled.
            raise NotSendable(_type_name(value), detail=f"not registered, and pickle refuses it: {error}") from error
        self._pickled += 1
        return self.parts(Tag.PICKLE, stream, *data)


def _type_name(value: Any) -> str:
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _zone(zone: dt.tzinfo | None) -> tuple[Any, ...]:
    """A time zone as plain parts: none, a key, or an offset in microseconds with its name if it has one."""
    if zone is None:
        return ()
    if type(zone) is zoneinfo.ZoneInfo and zone.key is not None and ZONE_KEY.fullmatch(zone.key):
        return (zone.key,)
    if type(zone) is dt.timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return (offset // MICROSECOND, *name)
    raise NotSendable(_type_name(zone))


def _as_is(lowering: Lowering, value: Any, depth: int) -> Any:
    return value


LOWERERS: dict[type, Lowerer] = {
    type(None): _as_is,
    bool: _as_is,
    float: _as_is,
    int: Lowering.lower_int,
    str: Lowering.lower_str,
    bytes: Lowering.lower_bytes,
    bytearray: Lowering.lower_bytearray,
    list: Lowering.lower_list,
    dict: Lowering.lower_dict,
    tuple: Lowering.lower_tuple,
    set: Lowering.lower_set,
    frozenset: Lowering.lower_frozenset,
    OrderedDict: Lowering.lower_ordered_dict,
    Counter: Lowering.lower_counter,
    defaultdict: Lowering.lower_default_dict,
    deque: Lowering.lower_deque,
    dt.datetime: Lowering.lower_datetime,
    dt.date: Lowering.lower_date,
    dt.time: Lowering.lower_time,
    dt.timedelta: Lowering.lower_timedelta,
    decimal.Decimal: Lowering.lower_decimal,
    uuid.UUID: Lowering.lower_uuid,
    complex: Lowering.lower_complex,
    range: Lowering.lower_range,
    ActorId: Lowering.lower_actor_id,
    NodeId: Lowering.lower_node_id,
    **dict.fromkeys(PATHS, Lowering.lower_path),
}


QUICK_LOWERERS: dict[type, Lowerer] = {
    **LOWERERS,
    int: _as_is,
    str: _as_is,
    list: Lowering.quick_list,
    dict: Lowering.quick_dict,
}
