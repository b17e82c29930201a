"""Python values as bytes and back, every supported type exactly.

The common types are packed by msgpack in C. Whatever msgpack would flatten or refuse is first *lowered*: replaced by
an extension value, whose payload is again a value in this encoding. Texts and bytes-like values above a limit
become attachments, which stand beside the msgpack part and are never copied through it.

A receiver builds only what its registry knows; the encoder keeps the same limits as the decoder, so that what would
be refused there is refused here, before anything is sent.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import msgpack  # type: ignore[import-untyped]

from pulsing.wire.attachment import Attachment
from pulsing.wire.building import TIMESTAMP_AS_INT, Builder, DeepBuilder, map_hook
from pulsing.wire.errors import DecodeError, ProtocolError
from pulsing.wire.flat import ELEMENTS, are_scalars, is_flat
from pulsing.wire.limits import Limits
from pulsing.wire.lowering import IN_PARTS, LOWERERS, PLAIN, QUICK_LOWERERS, Lowerer, Lowering, is_plain, too_much
from pulsing.wire.registry import TypeRegistry, default_registry
from pulsing.wire.tags import Buffer, Packed, openers

# Up to this size it is quicker to count what could open a container than to look at each element.
_SHORT = 4096
# Below this size the overhead of an attachment exceeds what it saves.
_SMALLEST_ATTACHMENT = 512

# Never begins a msgpack value, and so marks the form with attachments.
_WITH_ATTACHMENTS = 0xC1
_unpackb = msgpack.unpackb
_COUNTS = struct.Struct(">BII")
_MAP = frozenset({dict})


def _size(value: Any) -> int:
    return len(value) if type(value) is bytes or type(value) is str else 0


def _entries(values: Sequence[dict[Any, Any]]) -> Iterator[Any]:
    """All values of some maps, and each key of theirs once: of equal ones of several types, whichever comes first."""
    return chain(set().union(*values), chain.from_iterable(map(dict.values, values)))


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
        # So short that the number of entries cannot exceed its limit.
        self._plain_size = min(limits.structured, limits.entries)
        # So short that no containers in it can be too deep.
        self._shallow_size = min(limits.structured, limits.depth)
        self._short_size = min(limits.structured, _SHORT)
        self._packer = msgpack.Packer(strict_types=True)
        self._pack = self._packer.pack
        self._builder = Builder(registry, allow_pickle, self._read_shallow)
        self._build = self._builder.build
        self._entries = limits.entries
        self.pickled_out = 0
        """Values that were sent by pickle."""
        self._pickled_deep = 0

    def encode(self, value: Any) -> bytes:
        """Encode a value with its attachments into one byte string.

        Raises:
            NotSendable: a part of the value has no encoding, or a limit is exceeded.
        """
        plain = self.pack_plain(value)
        if plain is not None:
            return plain
        head, attachments, _ = self.pack_lowered(value)
        if not attachments:
            return head
        sizes = struct.pack(f">{len(attachments)}I", *map(len, attachments))
        return b"".join(
            (_COUNTS.pack(_WITH_ATTACHMENTS, len(head), len(attachments)), sizes, head, *attachments),
        )

    def encode_maps(self, values: Sequence[dict[Any, Any]]) -> list[bytes]:
        """Encode each of some maps, as `encode` does; looking at all of their entries at once takes half the time."""
        if _MAP.issuperset(map(type, values)) and PLAIN.issuperset(map(type, _entries(values))):
            try:
                heads = list(map(self._pack, values))
            except (OverflowError, UnicodeEncodeError, TypeError):  # the last by a key that equals a plain one
                heads = []
            if heads and len(max(heads, key=len)) <= self._plain_size:
                return heads
        return list(map(self.encode, values))

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
            attachments.append(Attachment.whole(buffer[offset : offset + size]))
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
        if not (type(value) in PLAIN or is_plain(value)):
            return None
        try:
            head: bytes = self._pack(value)
        except (OverflowError, UnicodeEncodeError):
            return None
        return head if len(head) <= self._plain_size else None

    def pack_arguments(self, args: tuple[Any, ...]) -> bytes | None:
        """The encoding of a list of these, fast, if all are plain and it is small; None for others."""
        for value in args:
            # For the one or two of most calls this takes half as long as looking at the list.
            if type(value) not in PLAIN:
                return self.pack_plain(list(args))
        try:
            head: bytes = self._pack(list(args))
        except (OverflowError, UnicodeEncodeError):
            return None
        return head if len(head) <= self._plain_size else None

    def pack_flat(self, values: list[Any], bytes_at_most: int, *, single: bool = False) -> bytes | None:
        """The encoding of a list of scalars, among them large bytes, without attachments; None for others.

        Args:
            values: the elements of the list.
            bytes_at_most: how large its encoding may be.
            single: there is one element, and no list around it.
        """
        if len(values) > ELEMENTS or not are_scalars(values) or sum(map(_size, values)) > bytes_at_most:
            return None
        try:
            head: bytes = self._pack(values[0] if single else values)
        except (OverflowError, UnicodeEncodeError):
            return None
        return head if len(head) <= self.limits.structured else None

    def pack_lowered(self, value: Any, outer: int = 0) -> Packed:
        """Encode any sendable value; as `pack`, for what `pack_plain` has declined."""
        packed = self._lowered_quickly(value, outer)
        if packed is None:
            packed = self._lowering(self.limits.inline, LOWERERS).run(value, outer)
        if len(packed.head) > self.limits.structured:
            packed = self._lowering(_SMALLEST_ATTACHMENT, LOWERERS).run(value, outer)
        self._check_size(value, packed)
        self.pickled_out += packed.pickled
        return packed

    def _lowered_quickly(self, value: Any, outer: int) -> Packed | None:
        try:
            packed = self._lowering(self.limits.inline, QUICK_LOWERERS).run(value, outer)
        except (OverflowError, UnicodeEncodeError):
            return None
        return packed if len(packed.head) <= self._plain_size else None

    def _lowering(self, inline: int, lowerers: Mapping[type, Lowerer]) -> Lowering:
        return Lowering(self.registry, self.limits, self._packer.pack, self.allow_pickle, inline, lowerers)

    def _check_size(self, value: Any, packed: Packed) -> None:
        if len(packed.head) > self.limits.structured:
            size = f"its structure takes {len(packed.head)} bytes, {self.limits.structured} at most"
            raise too_much(value, f"{size}; {IN_PARTS}")
        total = len(packed.head) + sum(map(len, packed.attachments))
        if total > self.limits.message:
            ways_out = "send it in parts, or set link.max_message_bytes on all nodes"
            raise too_much(value, f"it takes {total} bytes, {self.limits.message} at most; {ways_out}")

    @property
    def pickled_in(self) -> int:
        """Values that came by pickle."""
        return self._builder.pickled + self._pickled_deep

    def unpack(self, head: bytes, attachments: Sequence[Attachment] = (), outer: int = 0) -> Any:
        """Decode what `pack` made, given the same `outer`.

        Raises:
            DecodeError: the value is well-formed and cannot be built here.
            ProtocolError: the bytes are no value.
        """
        try:
            if not attachments and (len(head) <= self._shallow_size or self._is_shallow(head)):
                # What `_read_shallow` does; lengths above that of the data are refused by msgpack itself.
                return _unpackb(head, ext_hook=self._build, strict_map_key=False, timestamp=TIMESTAMP_AS_INT)
            return self._unpack_other(head, attachments, outer)
        except (DecodeError, ProtocolError, MemoryError):
            raise
        except TypeError as error:
            raise DecodeError(f"a value cannot be built: {error}") from error
        except Exception as error:
            # Whatever a malformed payload makes the standard library raise, it is the sender's fault.
            raise ProtocolError(f"malformed value: {type(error).__name__}: {error}") from error

    def decode_kept(self, buffer: bytes) -> Any:
        """Decode what `encode` made and a store has kept, whole by its checksum: it was not too deep when it was made.

        Looking for depth takes longer than reading a short value.

        Raises:
            DecodeError: the value cannot be built here.
            ProtocolError: the bytes are no value.
        """
        if not buffer or buffer[0] == _WITH_ATTACHMENTS or len(buffer) > self.limits.structured:
            return self.decode(buffer)
        try:
            return _unpackb(buffer, ext_hook=self._build, strict_map_key=False, timestamp=TIMESTAMP_AS_INT)
        except (DecodeError, ProtocolError, MemoryError):
            raise
        except Exception:
            return self.decode(buffer)  # which says what is wrong

    def decode_kept_together(self, buffers: Sequence[bytes]) -> list[Any] | None:
        """Decode several as `decode_kept`, in half the time; None if one of them has to be looked at by itself."""
        whole = b"".join(buffers)
        unpacker = msgpack.Unpacker(
            ext_hook=self._build, strict_map_key=False, timestamp=TIMESTAMP_AS_INT, max_buffer_size=len(whole) or 1
        )
        try:
            unpacker.feed(whole)
            values = list(unpacker)
        except MemoryError:
            raise
        except Exception:
            return None  # attachments, which msgpack refuses by their first byte, or what cannot be built
        return values if len(values) == len(buffers) else None

    def _is_shallow(self, head: bytes) -> bool:
        if len(head) <= self._short_size and openers(head) <= self.limits.depth:
            return True
        return len(head) <= self.limits.structured and is_flat(head)

    def _unpack_other(self, head: bytes, attachments: Sequence[Attachment], outer: int) -> Any:
        if len(head) > self.limits.structured:
            raise ProtocolError(f"the structure of a value takes {len(head)} bytes, over {self.limits.structured}")
        if attachments or openers(head) > self.limits.depth:
            builder = self._deep_builder(attachments, self.limits.depth + outer)
            try:
                return builder.read(head)
            finally:
                self._pickled_deep += builder.pickled
        return self._read_shallow(head)

    def _deep_builder(self, attachments: Sequence[Attachment], depth: int) -> DeepBuilder:
        return DeepBuilder(self.registry, self.allow_pickle, self._read_shallow, self.limits, depth, attachments)

    def _read_shallow(self, data: bytes) -> Any:
        # Lengths above that of the data are refused by msgpack itself.
        return _unpackb(
            data,
            ext_hook=self._build,
            object_pairs_hook=map_hook(data),
            strict_map_key=False,
            max_array_len=self._entries,
            max_map_len=self._entries,
            timestamp=TIMESTAMP_AS_INT,
        )
