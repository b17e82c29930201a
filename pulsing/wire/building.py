"""Values on their way out of msgpack: extension values become what they stand for.

Only what the registry knows is built, by its normal constructor; whatever such code raises harms this value alone.
"""

from __future__ import annotations

import datetime as dt
import decimal
import pathlib
import pickle
import re
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import msgpack  # type: ignore[import-untyped]

from pulsing.ids import ActorId, NodeId
from pulsing.wire import arrays
from pulsing.wire.attachment import Attachment
from pulsing.wire.errors import DecodeError, ProtocolError
from pulsing.wire.failures import failure_from_fields, from_failure
from pulsing.wire.limits import Limits
from pulsing.wire.registry import FIRST_EXTENSION, LAST_EXTENSION, TypeRegistry
from pulsing.wire.tags import (
    COMPLEX,
    CONTAINER_OPENERS,
    FACTORIES,
    MICROSECOND,
    PATHS,
    ZONE_KEY,
    Tag,
    extensions,
    openers,
)

TIMESTAMP_AS_INT = 2
"""msgpack builds its own timestamp type without asking the hook; as a number it can do no harm."""

_CONTAINERS = frozenset({list, dict})
_FEW_KEYS = 256
"""Keys up to which it does no harm that all have the same hash."""
_LARGE_MAP = re.compile(rb"\xde[\x01-\xff]|\xdf\x00")
"""How maps of more than `_FEW_KEYS` pairs begin, among other things."""


class Builder:
    """Builds what extension values stand for; keeps nothing of them, and so serves all shallow values of a codec.

    Args:
        registry: the classes that may be built.
        allow_pickle: whether pickled values are read.
        read_shallow: decodes bytes that are a value without depth or attachments.
    """

    def __init__(self, registry: TypeRegistry, allow_pickle: bool, read_shallow: Callable[[bytes], Any]) -> None:
        self._registry = registry
        self._allow_pickle = allow_pickle
        self._read_shallow = read_shallow
        self.pickled = 0
        """Values that came by pickle."""

    def read(self, data: bytes) -> Any:
        """Decode a payload that is itself a value."""
        return self._read_shallow(data)

    def read_list(self, data: bytes) -> list[Any]:
        """Decode a payload that is a list of elements, or of the parts of a value.

        Raises:
            ValueError: it is something else, such as a range, which is a few bytes and has elements without end.
        """
        parts = self.read(data)
        if type(parts) is not list:
            raise ValueError("a value consists of a list of parts")
        return parts

    def attachment(self, number: int) -> Attachment:
        """The attachment that a value refers to; it has no second owner."""
        raise ProtocolError("a value refers to an attachment that it does not have")

    def build(self, tag: int, payload: bytes) -> Any:
        """What msgpack calls for each extension value."""
        builder = _BUILDERS.get(tag)
        if builder is not None:
            return builder(self, payload)
        if FIRST_EXTENSION <= tag <= LAST_EXTENSION and (extension := self._registry.extension(tag)) is not None:
            return _constructed(f"extension {tag}", extension.decode, self.read(payload))
        raise DecodeError(f"a value has the unknown tag {tag}")

    def build_str(self, payload: bytes) -> str:
        return payload.decode("utf-8", "surrogatepass")

    def build_int(self, payload: bytes) -> int:
        return int.from_bytes(payload, "big", signed=True)

    def build_map(self, payload: bytes) -> dict[Any, Any]:
        keys, items = self.read(payload)
        return dict(zip(_scattered(keys), items, strict=True))

    def build_ordered_dict(self, payload: bytes) -> OrderedDict[Any, Any]:
        keys, items = self.read(payload)
        return OrderedDict(zip(_scattered(keys), items, strict=True))

    def build_counter(self, payload: bytes) -> Counter[Any]:
        return Counter(self.build_map(payload))

    def build_default_dict(self, payload: bytes) -> defaultdict[Any, Any]:
        keys, items, factory = self.read_list(payload)
        return defaultdict(FACTORIES[factory], zip(_scattered(keys), items, strict=True))

    def build_deque(self, payload: bytes) -> deque[Any]:
        elements, maximum = self.read_list(payload)
        if type(elements) is not list:
            raise ValueError("the elements of a deque are a list")
        return deque(elements, maximum)

    def build_datetime(self, payload: bytes) -> dt.datetime:
        year, month, day, hour, minute, second, microsecond, fold, *zone = self.read_list(payload)
        tzinfo = _built_zone(zone)
        return dt.datetime(year, month, day, hour, minute, second, microsecond, tzinfo, fold=fold)

    def build_time(self, payload: bytes) -> dt.time:
        hour, minute, second, microsecond, fold, *zone = self.read_list(payload)
        return dt.time(hour, minute, second, microsecond, _built_zone(zone), fold=fold)

    def build_date(self, payload: bytes) -> dt.date:
        return dt.date.fromordinal(int.from_bytes(payload, "big"))

    def build_timedelta(self, payload: bytes) -> dt.timedelta:
        days, seconds, microseconds = self.read(payload)
        return dt.timedelta(days, seconds, microseconds)

    def build_decimal(self, payload: bytes) -> decimal.Decimal:
        return decimal.Decimal(payload.decode("ascii"))

    def build_uuid(self, payload: bytes) -> uuid.UUID:
        return uuid.UUID(bytes=payload)

    def build_complex(self, payload: bytes) -> complex:
        return complex(*COMPLEX.unpack(payload))

    def build_range(self, payload: bytes) -> range:
        start, stop, step = self.read(payload)
        return range(start, stop, step)

    def build_path(self, payload: bytes) -> pathlib.PurePath:
        kind, text = self.read(payload)
        return _constructed("path", PATHS[kind], text)  # type: ignore[no-any-return]

    def build_actor_id(self, payload: bytes) -> ActorId:
        return ActorId(int.from_bytes(payload, "big"))

    def build_node_id(self, payload: bytes) -> NodeId:
        return NodeId(int.from_bytes(payload, "big"))

    def build_object(self, payload: bytes) -> Any:
        name, content = self.read(payload)
        entry = self._registry.entry(name) if type(name) is str else None
        if entry is None:
            raise DecodeError(f"the class {name!r:.256} is not registered here; see pulsing.register_type")
        return _constructed(entry.name, entry.decode, content)

    def build_array(self, payload: bytes) -> Any:
        return _constructed("array", lambda parts: arrays.build_array(*parts), self._array_parts(payload))

    def build_scalar(self, payload: bytes) -> Any:
        return _constructed("scalar", lambda parts: arrays.build_scalar(*parts), self._array_parts(payload))

    def _array_parts(self, payload: bytes) -> list[Any]:
        """What an array or scalar is made of; large bytes, which stand beside, are the memory that it will be over."""
        *description, data = self.read_list(payload)
        return [*description, self.attachment(data).take_buffer() if type(data) is int else data]

    def build_pickled(self, payload: bytes) -> Any:
        if not self._allow_pickle:
            raise DecodeError("a value was sent by pickle, which this node does not allow (allow_pickle)")
        stream, *buffers = self.read_list(payload)
        self.pickled += 1
        return _constructed("pickle", lambda data: pickle.loads(data, buffers=buffers), stream)  # noqa: S301

    def build_error(self, payload: bytes) -> Any:
        (fields,) = self.read(payload)
        return from_failure(failure_from_fields(fields))

    def attached_bytes(self, payload: bytes) -> bytes:
        return self.attachment(int.from_bytes(payload, "big")).take_bytes()

    def attached_bytearray(self, payload: bytes) -> bytearray:
        return bytearray(self.attached_bytes(payload))

    def attached_str(self, payload: bytes) -> str:
        return self.attached_bytes(payload).decode("utf-8", "surrogatepass")


_LEAVES = frozenset(
    {Tag.DATETIME, Tag.TIME, Tag.TIMEDELTA, Tag.RANGE, Tag.PATH, Tag.ARRAY, Tag.SCALAR, Tag.PICKLE, Tag.ERROR},
)
"""Payloads that are lists of parts, and count as no container."""

_WRAPPED = frozenset({Tag.OBJECT, Tag.MAP, Tag.ORDERED_DICT, Tag.COUNTER, Tag.DEFAULT_DICT, Tag.DEQUE})
"""Payloads in which the container lies within a list of parts."""


class DeepBuilder(Builder):
    """Builds one value that has attachments, or may be deep: knows how high each extension value is."""

    def __init__(
        self,
        registry: TypeRegistry,
        allow_pickle: bool,
        read_shallow: Callable[[bytes], Any],
        limits: Limits,
        depth: int,
        attachments: Sequence[Attachment],
    ) -> None:
        super().__init__(registry, allow_pickle, read_shallow)
        self._limits = limits
        self._depth = depth
        self._attachments: list[Attachment | None] = list(attachments)
        self._heights: dict[int, int] = {}
        self._read_height = 0
        self._level = 0

    def read(self, data: bytes) -> Any:
        if self._level and data and data[0] in CONTAINER_OPENERS and openers(data) == 1:
            self._read_height = 1
            return self._read_shallow(data)
        limits = self._limits
        outer, self._heights = self._heights, {}
        self._level += 1
        # An object may be a level beside the container of its fields.
        self._check(self._level, 2 * self._depth + 2)
        value = msgpack.unpackb(
            data,
            ext_hook=self.build,
            object_pairs_hook=map_hook(data),
            strict_map_key=False,
            max_array_len=limits.entries,
            max_map_len=limits.entries,
            timestamp=TIMESTAMP_AS_INT,
        )
        # The list around a wrapped container is one level more.
        self._read_height = _height(value, self._heights, self._depth + 1)
        self._heights = outer
        self._level -= 1
        if self._level == 0:
            self._check(self._read_height, self._depth)
        return value

    def _check(self, height: int, limit: int) -> None:
        if height > limit:
            raise ProtocolError(f"a value is deeper than {self._depth} levels")

    def build(self, tag: int, payload: bytes) -> Any:
        self._read_height = 0
        value = super().build(tag, payload)
        height = 0 if tag in _LEAVES else self._read_height - (tag in _WRAPPED)
        if height > 0:
            self._check(height, self._depth)
            self._heights[id(value)] = height
        return value

    def attachment(self, number: int) -> Attachment:
        attachment = self._attachments[number] if 0 <= number < len(self._attachments) else None
        if attachment is None:
            raise ProtocolError("a value refers to an attachment that it does not have, or twice to one")
        self._attachments[number] = None
        return attachment


def _height(value: Any, heights: dict[int, int], limit: int) -> int:
    """Levels of containers in `value`, given those of the extension values in it.

    Goes level by level, so that its cost is one pass over the elements whatever the shape.
    """
    level = [value]
    depth = highest = 0
    while level:
        if heights:
            highest = max(highest, depth + max(heights.get(id(element), 0) for element in level))
        if _CONTAINERS.isdisjoint(map(type, level)):
            break
        depth += 1
        if max(depth, highest) > limit:
            raise ProtocolError(f"a value is deeper than {limit} levels")
        level = list(chain.from_iterable(map(_elements, level)))
    if highest > limit:
        raise ProtocolError(f"a value is deeper than {limit} levels")
    return max(depth, highest)


def _elements(value: Any) -> Iterable[Any]:
    if type(value) is list:
        return value
    return chain(value, value.values()) if type(value) is dict else ()


def _scattered(keys: Any) -> list[Any]:
    """Let keys pass unless they were made to meet in one slot of a hash table, where each is compared to all."""
    if type(keys) is not list:
        raise ValueError("keys are a list")
    if len(keys) > _FEW_KEYS and max(Counter(map(hash, keys)).values()) > _FEW_KEYS:
        raise ProtocolError(f"more than {_FEW_KEYS} keys of a set or map have the same hash")
    return keys


def map_hook(data: bytes) -> Callable[[list[tuple[Any, Any]]], dict[Any, Any]] | None:
    """What makes a map of its pairs, where a plain map in `data` may have many keys that are extensions; else None.

    The encoder gives it none, but msgpack takes them. Other keys need no look: texts and bytes have secret hashes,
    numbers of 64 bits too few that collide.
    """
    few = len(data) <= 4 * _FEW_KEYS or extensions(data) <= _FEW_KEYS
    return None if few or _LARGE_MAP.search(data) is None else _map_of


def _map_of(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    if len(pairs) > _FEW_KEYS:
        _scattered([key for key, _ in pairs])
    return dict(pairs)


def _constructed(what: str, build: Callable[[Any], Any], content: Any) -> Any:
    """Run code that is not ours on content that came from elsewhere."""
    try:
        return build(content)
    except MemoryError:
        raise
    except Exception as error:
        # A constructor may refuse its fields with any exception it likes.
        raise DecodeError(f"{what} cannot be built: {type(error).__name__}: {error}") from error


def _built_zone(parts: list[Any]) -> dt.tzinfo | None:
    if not parts:
        return None
    first, *name = parts
    if isinstance(first, str):
        if not ZONE_KEY.fullmatch(first):
            raise ValueError("not the key of a time zone")
        return _constructed("time zone", zoneinfo.ZoneInfo, first)  # type: ignore[no-any-return]
    offset = first * MICROSECOND
    return dt.timezone(offset, *name) if offset or name else dt.timezone.utc


_BUILDERS: dict[int, Callable[[Any, bytes], Any]] = {
    Tag.INT: Builder.build_int,
    Tag.STR: Builder.build_str,
    Tag.BYTEARRAY: lambda _, payload: bytearray(payload),
    Tag.TUPLE: lambda builder, payload: tuple(builder.read_list(payload)),
    Tag.SET: lambda builder, payload: set(_scattered(builder.read(payload))),
    Tag.FROZENSET: lambda builder, payload: frozenset(_scattered(builder.read(payload))),
    Tag.MAP: Builder.build_map,
    Tag.DATETIME: Builder.build_datetime,
    Tag.DATE: Builder.build_date,
    Tag.TIME: Builder.build_time,
    Tag.TIMEDELTA: Builder.build_timedelta,
    Tag.DECIMAL: Builder.build_decimal,
    Tag.UUID: Builder.build_uuid,
    Tag.COMPLEX: Builder.build_complex,
    Tag.RANGE: Builder.build_range,
    Tag.PATH: Builder.build_path,
    Tag.ACTOR_ID: Builder.build_actor_id,
    Tag.NODE_ID: Builder.build_node_id,
    Tag.OBJECT: Builder.build_object,
    Tag.ARRAY: Builder.build_array,
    Tag.SCALAR: Builder.build_scalar,
    Tag.PICKLE: Builder.build_pickled,
    Tag.ERROR: Builder.build_error,
    Tag.ORDERED_DICT: Builder.build_ordered_dict,
    Tag.DEQUE: Builder.build_deque,
    Tag.COUNTER: Builder.build_counter,
    Tag.DEFAULT_DICT: Builder.build_default_dict,
    Tag.ATTACHED_BYTES: Builder.attached_bytes,
    Tag.ATTACHED_BYTEARRAY: Builder.attached_bytearray,
    Tag.ATTACHED_STR: Builder.attached_str,
}
