"""Python values as bytes and back, every supported type exactly.

The common types are packed by msgpack in C. Whatever msgpack would flatten or refuse is first *lowered*: replaced by
an extension value, whose payload is again a value in this encoding. Texts and bytes-like values above a limit
become attachments, which stand beside the msgpack part and are never copied through it.

A receiver builds only what its registry knows; the encoder keeps the same limits as the decoder, so that what would
be refused there is refused here, before anything is sent.
"""

from __future__ import annotations

import datetime as dt
import decimal
import pathlib
import pickle
import re
import struct
import uuid
import zoneinfo
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import msgpack  # type: ignore[import-untyped]

from pulsing.exceptions import NotSendable, PulsingError
from pulsing.ids import ActorId, NodeId
from pulsing.wire import arrays
from pulsing.wire.errors import DecodeError, ProtocolError
from pulsing.wire.failures import failure_from_fields, from_failure, is_rebuilt_exactly, to_failure
from pulsing.wire.limits import Limits
from pulsing.wire.registry import FIRST_EXTENSION, LAST_EXTENSION, TypeRegistry, default_registry

Buffer: TypeAlias = bytes | bytearray | memoryview
Attachment: TypeAlias = Sequence[Buffer]
"""The pieces of one attachment in the order in which they arrived; joined only when their final type is known."""


class Tag(IntEnum):
    """What an extension value stands for. Numbers are only ever added; 64 to 127 belong to `TypeRegistry`."""

    INT = 1
    STR = 2
    BYTEARRAY = 3
    TUPLE = 4
    SET = 5
    FROZENSET = 6
    MAP = 7
    DATETIME = 8
    DATE = 9
    TIME = 10
    TIMEDELTA = 11
    DECIMAL = 12
    UUID = 13
    COMPLEX = 14
    RANGE = 15
    PATH = 16
    ACTOR_ID = 17
    NODE_ID = 18
    OBJECT = 19
    ARRAY = 20
    SCALAR = 21
    PICKLE = 22
    ERROR = 23
    ORDERED_DICT = 24
    DEQUE = 25
    ATTACHED_BYTES = 32
    ATTACHED_BYTEARRAY = 33
    ATTACHED_STR = 34


class Packed(NamedTuple):
    """One encoded value."""

    head: bytes
    """The msgpack part."""

    attachments: tuple[bytes, ...] = ()


_PLAIN = frozenset({type(None), bool, int, float, str})
"""Types that msgpack packs exactly; integers beyond 64 bits and lone surrogates make it raise."""

_CONTAINERS = frozenset({list, dict})

_PLAIN_KEYS = _PLAIN | {bytes}

# Below this size the overhead of an attachment exceeds what it saves.
_SMALLEST_ATTACHMENT = 512

# Every byte that can open a container or an extension. A text in another script contains some of them as well: a
# small count proves that a value is shallow, a large one proves nothing.
_CONTAINER_OPENERS = bytes([*range(0x80, 0xA0), *range(0xDC, 0xE0)])
_OPENERS = bytes([*_CONTAINER_OPENERS, *range(0xC7, 0xCA), *range(0xD4, 0xD9)])

_FEW_KEYS = 256

# Never begins a msgpack value, and so marks the form with attachments.
_WITH_ATTACHMENTS = 0xC1
_COUNTS = struct.Struct(">BII")

_COMPLEX = struct.Struct(">dd")
_MICROSECOND = dt.timedelta(microseconds=1)
_ZONE_KEY = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*")
_PATHS: tuple[type[pathlib.PurePath], ...] = (
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.PosixPath,
    pathlib.WindowsPath,
)


class Codec:
    """Encodes and decodes values for one system. May be used from several threads.

    Args:
        registry: the classes that may be built.
        allow_pickle: send by pickle what is not sendable otherwise, and read what was sent so. Both ends of a link
            must have agreed to it, and the link must be authenticated.
        limits: bounds kept by both directions.
    """

    def __init__(
        self,
        registry: TypeRegistry = default_registry,
        *,
        allow_pickle: bool = False,
        limits: Limits = Limits(),
    ) -> None:
        self.registry = registry
        self.allow_pickle = allow_pickle
        self.limits = limits
        # So short that neither a text nor the number of entries can exceed its limit.
        self._plain_size = min(limits.inline, limits.entries)
        self._packer = msgpack.Packer(strict_types=True)
        self._shallow = _Raising(self)
        self._unpackers: list[msgpack.Unpacker] = []

    def encode(self, value: Any) -> bytes:
        """Encode a value with its attachments into one byte string.

        Raises:
            NotSendable: a part of the value has no encoding, or a limit is exceeded.
        """
        plain = self.pack_plain(value)
        if plain is not None:
            return plain
        head, attachments = self.pack_lowered(value)
        if not attachments:
            return head
        sizes = struct.pack(f">{len(attachments)}I", *map(len, attachments))
        return b"".join(
            (_COUNTS.pack(_WITH_ATTACHMENTS, len(head), len(attachments)), sizes, head, *attachments),
        )

    def decode(self, buffer: Buffer) -> Any:
        """Decode what `encode` made.

        Raises:
            DecodeError: the value is well-formed and cannot be built here.
            ProtocolError: the bytes are no value.
        """
        if not buffer or buffer[0] != _WITH_ATTACHMENTS:
            return self.unpack(bytes(buffer))
        if len(buffer) > self.limits.message + 4 * self.limits.entries + _COUNTS.size:
            raise ProtocolError(f"a value of {len(buffer)} bytes exceeds the limit of {self.limits.message}")
        head, attachments = self._split(memoryview(buffer))
        return self.unpack(head, attachments)

    def _split(self, buffer: memoryview) -> tuple[bytes, list[Attachment]]:
        if len(buffer) < _COUNTS.size:
            raise ProtocolError("a value ends within its first bytes")
        _, head_size, count = _COUNTS.unpack_from(buffer)
        offset = _COUNTS.size + 4 * count
        if count > self.limits.entries or offset + head_size > len(buffer):
            raise ProtocolError("a value is shorter than it says")
        sizes = struct.unpack_from(f">{count}I", buffer, _COUNTS.size)
        head = bytes(buffer[offset : offset + head_size])
        offset += head_size
        if offset + sum(sizes) != len(buffer):
            raise ProtocolError("the attachments of a value have other sizes than it says")
        attachments: list[Attachment] = []
        for size in sizes:
            attachments.append((buffer[offset : offset + size],))
            offset += size
        return head, attachments

    def pack(self, value: Any, outer: int = 0) -> Packed:
        """Encode a value, with what is large beside the msgpack part.

        Args:
            value: what to encode.
            outer: how many of its outermost containers are not the user's, and do not count as depth.

        Raises:
            NotSendable: a part of the value has no encoding, or a limit is exceeded.
        """
        plain = self.pack_plain(value)
        return self.pack_lowered(value, outer) if plain is None else Packed(plain)

    def pack_plain(self, value: Any) -> bytes | None:
        """The encoding of a small value of msgpack's own types, fast; None for others."""
        if not _is_plain(value):
            return None
        try:
            head: bytes = self._packer.pack(value)
        except (OverflowError, UnicodeEncodeError):
            return None
        return head if len(head) <= self._plain_size else None

    def pack_lowered(self, value: Any, outer: int = 0) -> Packed:
        """Encode any sendable value; as `pack`, for what `pack_plain` has declined."""
        packed = self._lowered_quickly(value, outer)
        if packed is None:
            packed = _Lowering(self, self.limits.inline, _LOWERERS).run(value, outer)
        if len(packed.head) > self.limits.structured:
            packed = _Lowering(self, _SMALLEST_ATTACHMENT, _LOWERERS).run(value, outer)
        self._check_size(value, packed)
        return packed

    def _lowered_quickly(self, value: Any, outer: int) -> Packed | None:
        try:
            packed = _Lowering(self, self.limits.inline, _QUICK_LOWERERS).run(value, outer)
        except (OverflowError, UnicodeEncodeError):
            return None
        return packed if len(packed.head) <= self._plain_size else None

    def _check_size(self, value: Any, packed: Packed) -> None:
        if len(packed.head) > self.limits.structured:
            raise _too_much(value, f"its structure takes {len(packed.head)} bytes, {self.limits.structured} at most")
        total = len(packed.head) + sum(map(len, packed.attachments))
        if total > self.limits.message:
            raise _too_much(value, f"it takes {total} bytes, {self.limits.message} at most")

    def unpack(self, head: bytes, attachments: Sequence[Attachment] = (), outer: int = 0) -> Any:
        """Decode what `pack` made, given the same `outer`.

        Raises:
            DecodeError: the value is well-formed and cannot be built here.
            ProtocolError: the bytes are no value.
        """
        if len(head) > self.limits.structured:
            raise ProtocolError(f"the structure of a value takes {len(head)} bytes, over {self.limits.structured}")
        try:
            if attachments or (len(head) > self.limits.depth and _openers(head) > self.limits.depth):
                return _DeepRaising(self, attachments, self.limits.depth + outer).read(head)
            return self._read_shallow(head)
        except (DecodeError, ProtocolError, MemoryError):
            raise
        except TypeError as error:
            raise DecodeError(f"a value cannot be built: {error}") from error
        except Exception as error:
            # Whatever a malformed payload makes the standard library raise, it is the sender's fault.
            raise ProtocolError(f"malformed value: {type(error).__name__}: {error}") from error

    def _read_shallow(self, data: bytes) -> Any:
        # An unpacker that failed, or that is busy further up the stack, is simply not in the list.
        unpackers = self._unpackers
        unpacker = unpackers.pop() if unpackers else self._new_unpacker()
        end = unpacker.tell() + len(data)
        unpacker.feed(data)
        value = unpacker.unpack()
        if unpacker.tell() != end:
            raise ProtocolError("bytes follow the end of a value")
        unpackers.append(unpacker)
        return value

    def _new_unpacker(self) -> msgpack.Unpacker:
        return msgpack.Unpacker(
            ext_hook=self._shallow.build,
            strict_map_key=False,
            max_array_len=self.limits.entries,
            max_map_len=self.limits.entries,
            max_buffer_size=self.limits.structured,
            read_size=4096,
            timestamp=_TIMESTAMP_AS_INT,
        )


def _openers(head: bytes) -> int:
    return len(head) - len(head.translate(None, _OPENERS))


# msgpack builds its own timestamp type without asking the hook; as a number it can do no harm.
_TIMESTAMP_AS_INT = 2


def _is_plain(value: Any) -> bool:
    """Whether msgpack packs `value` exactly, looking two levels into lists and maps."""
    kind = type(value)
    if kind is list:
        return _PLAIN.issuperset(map(type, value)) or (len(value) <= 64 and all(map(_is_plain_leaf, value)))
    return _is_plain_leaf(value)


def _is_plain_leaf(value: Any) -> bool:
    kind = type(value)
    if kind is list:
        return _PLAIN.issuperset(map(type, value))
    if kind is dict:
        return _PLAIN.issuperset(map(type, value)) and _PLAIN.issuperset(map(type, value.values()))
    return kind in _PLAIN


def _too_much(value: Any, detail: str) -> NotSendable:
    return NotSendable(type(value).__qualname__, detail=detail)


def _too_deep(value: Any, limits: Limits) -> NotSendable:
    return _too_much(value, f"nested deeper than {limits.depth} levels, or it contains itself")


Lowerer: TypeAlias = "Callable[[_Lowering, Any, int], Any]"

# The constructor of the extension type checks what is known here, at twice the cost of making it.
_extension = msgpack.ExtType._make


class _Lowering:
    """One value on its way into msgpack: replaces all that msgpack has no word for.

    Args:
        codec: whose registry and limits hold.
        inline: bytes-like values and texts above this become attachments.
        lowerers: what to do with each type. The quick ones leave texts and integers as they are: either what they
            make is so short that no text can be too long, or msgpack raises, or the others have to be asked.
    """

    def __init__(self, codec: Codec, inline: int, lowerers: Mapping[type, Lowerer]) -> None:
        self._codec = codec
        self._limits = codec.limits
        self._pack = codec._packer.pack
        self._inline = inline
        self._lowerers = lowerers
        self._attachments: list[bytes] = []
        self._nodes = 0

    def run(self, value: Any, outer: int) -> Packed:
        try:
            head = self._pack(self.lower(value, -outer))
        except RecursionError as error:
            raise _too_much(value, "it is taken apart without end") from error
        return Packed(head, tuple(self._attachments))

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

    def pairs(self, tag: Tag, value: dict[Any, Any], depth: int) -> msgpack.ExtType:
        """An extension for a map: its keys and its values, each in order."""
        self.entering(value, depth)
        keys = [self.lower(key, depth + 1) for key in value]
        return _extension((tag, self._pack([keys, [self.lower(item, depth + 1) for item in value.values()]])))

    def entering(self, value: Any, depth: int) -> None:
        """Refuse containers that are too deep or too large, and those that contain themselves."""
        if depth >= self._limits.depth:
            raise _too_deep(value, self._limits)
        if len(value) > self._limits.entries:
            raise _too_much(value, f"it has {len(value)} entries, {self._limits.entries} at most")
        # Shared parts are sent once for each place, which can grow without bound; every entry takes a byte.
        self._nodes += len(value)
        if self._nodes > self._limits.structured:
            raise _too_much(value, f"its structure takes more than {self._limits.structured} bytes")

    def data(self, value: bytes, inline_tag: Tag | None, attached_tag: Tag) -> Any:
        """Bytes, beside the structure where they are large."""
        if len(value) <= self._inline:
            return value if inline_tag is None else _extension((inline_tag, value))
        if len(self._attachments) >= self._limits.entries:
            raise NotSendable("value", detail=f"it has more than {self._limits.entries} attachments")
        self._attachments.append(value)
        return _extension((attached_tag, (len(self._attachments) - 1).to_bytes(4, "big")))

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
        if _PLAIN.issuperset(map(type, value)):
            return value
        return [self.lower(element, depth + 1) for element in value]

    def quick_dict(self, value: dict[Any, Any], depth: int) -> Any:
        if not _PLAIN_KEYS.issuperset(map(type, value)):
            return self.pairs(Tag.MAP, value, depth)
        self.entering(value, depth)
        if _PLAIN.issuperset(map(type, value.values())):
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
        return _extension((Tag.COMPLEX, _COMPLEX.pack(value.real, value.imag)))

    def lower_range(self, value: range, depth: int) -> Any:
        return self.parts(Tag.RANGE, value.start, value.stop, value.step)

    def lower_path(self, value: pathlib.PurePath, depth: int) -> Any:
        return self.parts(Tag.PATH, _PATHS.index(type(value)), str(value))

    def lower_actor_id(self, value: ActorId, depth: int) -> Any:
        return _extension((Tag.ACTOR_ID, value.id.to_bytes(16, "big")))

    def lower_node_id(self, value: NodeId, depth: int) -> Any:
        return _extension((Tag.NODE_ID, value.id.to_bytes(8, "big")))

    def _lower_other(self, value: Any, depth: int) -> Any:
        cls = type(value)
        registry = self._codec.registry
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
        data = self.data(parts.data, Tag.BYTEARRAY, Tag.ATTACHED_BYTEARRAY)
        descr = self.lower(parts.descr, depth + 1)
        if arrays.is_scalar(type(value)):
            return _extension((Tag.SCALAR, self._pack([descr, data])))
        return _extension((Tag.ARRAY, self._pack([descr, parts.shape, parts.order, data])))

    def _lower_pickled(self, value: Any, depth: int) -> Any:
        if not self._codec.allow_pickle:
            raise NotSendable(_type_name(value))
        buffers: list[pickle.PickleBuffer] = []
        try:
            stream = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
            data = [bytearray(buffer.raw()) for buffer in buffers]
        except Exception as error:
            # Any class may have its own way of refusing to be pickled.
            raise NotSendable(_type_name(value), detail=f"pickle: {error}") from error
        return self.parts(Tag.PICKLE, stream, *data)


def _type_name(value: Any) -> str:
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _zone(zone: dt.tzinfo | None) -> tuple[Any, ...]:
    """A time zone as plain parts: none, a key, or an offset in microseconds with its name if it has one."""
    if zone is None:
        return ()
    if type(zone) is zoneinfo.ZoneInfo and zone.key is not None and _ZONE_KEY.fullmatch(zone.key):
        return (zone.key,)
    if type(zone) is dt.timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return (offset // _MICROSECOND, *name)
    raise NotSendable(_type_name(zone))


def _as_is(lowering: _Lowering, value: Any, depth: int) -> Any:
    return value


_LOWERERS: dict[type, Lowerer] = {
    type(None): _as_is,
    bool: _as_is,
    float: _as_is,
    int: _Lowering.lower_int,
    str: _Lowering.lower_str,
    bytes: _Lowering.lower_bytes,
    bytearray: _Lowering.lower_bytearray,
    list: _Lowering.lower_list,
    dict: _Lowering.lower_dict,
    tuple: _Lowering.lower_tuple,
    set: _Lowering.lower_set,
    frozenset: _Lowering.lower_frozenset,
    OrderedDict: _Lowering.lower_ordered_dict,
    deque: _Lowering.lower_deque,
    dt.datetime: _Lowering.lower_datetime,
    dt.date: _Lowering.lower_date,
    dt.time: _Lowering.lower_time,
    dt.timedelta: _Lowering.lower_timedelta,
    decimal.Decimal: _Lowering.lower_decimal,
    uuid.UUID: _Lowering.lower_uuid,
    complex: _Lowering.lower_complex,
    range: _Lowering.lower_range,
    ActorId: _Lowering.lower_actor_id,
    NodeId: _Lowering.lower_node_id,
    **dict.fromkeys(_PATHS, _Lowering.lower_path),
}


_QUICK_LOWERERS: dict[type, Lowerer] = {
    **_LOWERERS,
    int: _as_is,
    str: _as_is,
    list: _Lowering.quick_list,
    dict: _Lowering.quick_dict,
}


class _Raising:
    """Builds what extension values stand for; keeps nothing, and so serves all shallow values of a codec."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def read(self, data: bytes) -> Any:
        """Decode a payload that is itself a value."""
        return self._codec._read_shallow(data)

    def attachment(self, payload: bytes) -> Attachment:
        """The attachment that an extension refers to; it has no second owner."""
        raise ProtocolError("a value refers to an attachment that it does not have")

    def build(self, tag: int, payload: bytes) -> Any:
        """What msgpack calls for each extension value."""
        raiser = _RAISERS.get(tag)
        if raiser is not None:
            return raiser(self, payload)
        if FIRST_EXTENSION <= tag <= LAST_EXTENSION and (extension := self._codec.registry.extension(tag)) is not None:
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

    def build_deque(self, payload: bytes) -> deque[Any]:
        elements, maximum = self.read(payload)
        return deque(elements, maximum)

    def build_datetime(self, payload: bytes) -> dt.datetime:
        year, month, day, hour, minute, second, microsecond, fold, *zone = self.read(payload)
        tzinfo = _built_zone(zone)
        return dt.datetime(year, month, day, hour, minute, second, microsecond, tzinfo, fold=fold)

    def build_time(self, payload: bytes) -> dt.time:
        hour, minute, second, microsecond, fold, *zone = self.read(payload)
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
        return complex(*_COMPLEX.unpack(payload))

    def build_range(self, payload: bytes) -> range:
        start, stop, step = self.read(payload)
        return range(start, stop, step)

    def build_path(self, payload: bytes) -> pathlib.PurePath:
        kind, text = self.read(payload)
        return _constructed("path", _PATHS[kind], text)  # type: ignore[no-any-return]

    def build_actor_id(self, payload: bytes) -> ActorId:
        return ActorId(int.from_bytes(payload, "big"))

    def build_node_id(self, payload: bytes) -> NodeId:
        return NodeId(int.from_bytes(payload, "big"))

    def build_object(self, payload: bytes) -> Any:
        name, content = self.read(payload)
        entry = self._codec.registry.entry(name) if type(name) is str else None
        if entry is None:
            raise DecodeError(f"the class {name!r:.256} is not registered here; see pulsing.register_type")
        return _constructed(entry.name, entry.decode, content)

    def build_array(self, payload: bytes) -> Any:
        return _constructed("array", lambda parts: arrays.build_array(*parts), self.read(payload))

    def build_scalar(self, payload: bytes) -> Any:
        return _constructed("scalar", lambda parts: arrays.build_scalar(*parts), self.read(payload))

    def build_pickled(self, payload: bytes) -> Any:
        if not self._codec.allow_pickle:
            raise DecodeError("a value was sent by pickle, which this node does not allow (allow_pickle)")
        stream, *buffers = self.read(payload)
        return _constructed("pickle", lambda data: pickle.loads(data, buffers=buffers), stream)  # noqa: S301

    def build_error(self, payload: bytes) -> Any:
        (fields,) = self.read(payload)
        return from_failure(failure_from_fields(fields))

    def attached_bytes(self, payload: bytes) -> bytes:
        pieces = self.attachment(payload)
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def attached_bytearray(self, payload: bytes) -> bytearray:
        return bytearray().join(self.attachment(payload))

    def attached_str(self, payload: bytes) -> str:
        return self.attached_bytes(payload).decode("utf-8", "surrogatepass")


_LEAVES = frozenset(
    {Tag.DATETIME, Tag.TIME, Tag.TIMEDELTA, Tag.RANGE, Tag.PATH, Tag.ARRAY, Tag.SCALAR, Tag.PICKLE, Tag.ERROR},
)
"""Payloads that are lists of parts, and count as no container."""

_WRAPPED = frozenset({Tag.OBJECT, Tag.MAP, Tag.ORDERED_DICT, Tag.DEQUE})
"""Payloads in which the container lies within a list of parts."""


class _DeepRaising(_Raising):
    """Builds one value that has attachments, or may be deep: knows how high each extension value is."""

    def __init__(self, codec: Codec, attachments: Sequence[Attachment], depth: int) -> None:
        super().__init__(codec)
        self._depth = depth
        self._attachments: list[Attachment | None] = list(attachments)
        self._heights: dict[int, int] = {}
        self._read_height = 0
        self._level = 0

    def read(self, data: bytes) -> Any:
        if self._level and data and data[0] in _CONTAINER_OPENERS and _openers(data) == 1:
            self._read_height = 1
            return self._codec._read_shallow(data)
        limits = self._codec.limits
        outer, self._heights = self._heights, {}
        self._level += 1
        # An object may be a level beside the container of its fields.
        self._check(self._level, 2 * self._depth + 2)
        value = msgpack.unpackb(
            data,
            ext_hook=self.build,
            strict_map_key=False,
            max_array_len=limits.entries,
            max_map_len=limits.entries,
            timestamp=_TIMESTAMP_AS_INT,
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

    def attachment(self, payload: bytes) -> Attachment:
        index = int.from_bytes(payload, "big")
        pieces = self._attachments[index] if index < len(self._attachments) else None
        if pieces is None:
            raise ProtocolError("a value refers to an attachment that it does not have, or twice to one")
        self._attachments[index] = None
        return pieces


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
    """Let keys pass unless they were made to meet in one slot of a hash table, where each costs a look at all others.

    The keys of plain maps need no look: texts and bytes have secret hashes, numbers of 64 bits too few that collide.
    """
    if type(keys) is not list:
        raise ValueError("keys are a list")
    if len(keys) > _FEW_KEYS and 2 * len(set(map(hash, keys))) < len(keys):
        raise ProtocolError("most keys of a set or map have the same hash")
    return keys


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
        if not _ZONE_KEY.fullmatch(first):
            raise ValueError("not the key of a time zone")
        return _constructed("time zone", zoneinfo.ZoneInfo, first)  # type: ignore[no-any-return]
    offset = first * _MICROSECOND
    return dt.timezone(offset, *name) if offset or name else dt.timezone.utc


_RAISERS: dict[int, Callable[[Any, bytes], Any]] = {
    Tag.INT: _Raising.build_int,
    Tag.STR: _Raising.build_str,
    Tag.BYTEARRAY: lambda _, payload: bytearray(payload),
    Tag.TUPLE: lambda raising, payload: tuple(raising.read(payload)),
    Tag.SET: lambda raising, payload: set(_scattered(raising.read(payload))),
    Tag.FROZENSET: lambda raising, payload: frozenset(_scattered(raising.read(payload))),
    Tag.MAP: _Raising.build_map,
    Tag.DATETIME: _Raising.build_datetime,
    Tag.DATE: _Raising.build_date,
    Tag.TIME: _Raising.build_time,
    Tag.TIMEDELTA: _Raising.build_timedelta,
    Tag.DECIMAL: _Raising.build_decimal,
    Tag.UUID: _Raising.build_uuid,
    Tag.COMPLEX: _Raising.build_complex,
    Tag.RANGE: _Raising.build_range,
    Tag.PATH: _Raising.build_path,
    Tag.ACTOR_ID: _Raising.build_actor_id,
    Tag.NODE_ID: _Raising.build_node_id,
    Tag.OBJECT: _Raising.build_object,
    Tag.ARRAY: _Raising.build_array,
    Tag.SCALAR: _Raising.build_scalar,
    Tag.PICKLE: _Raising.build_pickled,
    Tag.ERROR: _Raising.build_error,
    Tag.ORDERED_DICT: _Raising.build_ordered_dict,
    Tag.DEQUE: _Raising.build_deque,
    Tag.ATTACHED_BYTES: _Raising.attached_bytes,
    Tag.ATTACHED_BYTEARRAY: _Raising.attached_bytearray,
    Tag.ATTACHED_STR: _Raising.attached_str,
}
