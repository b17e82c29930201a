"""Frames as bytes and back: any number of frames, back to back, make one WebSocket message.

    frame   = tag (1) | length (4) | rest                     length counts the bytes of rest; numbers are big-endian
    ask     = flags (1) | name length (1) | deadline ms (4) | request (8) | sequence (8) | target (16)
              | [trace (25)] | [sender (16)] | method | [transfer] | value      tell: the same, request and deadline 0
    reply, stream item, failure, end = flags (1) | request (8) | [transfer] | value
    cancel  = flags (1) | request (8)
    credit  = request (8) | count (4)
    chunk   = transfer (4) | bytes
    ping, pong = nonce (8)
    goodbye = reason          full, room = target (16)
    transfer = number (4) | count (4) | size (4) of each attachment

What may go wrong with a value is told apart from what may go wrong with a frame: the lengths let the decoder step
over a value that cannot be built here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pulsing.wire.assembler import Assembler, lane_of
from pulsing.wire.attachment import Attachment
from pulsing.wire.errors import DecodeError, NoRoom, ProtocolError
from pulsing.wire.failures import FailureRecord, failure_from_fields
from pulsing.wire.flat import FLAT_BYTES
from pulsing.wire.frames import (
    Ask,
    Cancel,
    Credit,
    End,
    Failure,
    Frame,
    FrameTag,
    Full,
    Goodbye,
    Ping,
    Pong,
    Reply,
    Room,
    StreamItem,
    StreamKind,
    Tell,
    Undecodable,
)
from pulsing.wire.limits import CHUNK, KIB, PORTION, PORTION_FRAMES, Limits
from pulsing.wire.tags import Buffer
from pulsing.wire.values import Codec
from pulsing.wire.weight import is_light, weighed

# The constructors of named tuples are written in Python, and take twice as long as this.
_new: Any = tuple.__new__

Call = TypeVar("Call", Ask, Tell)

REASON_LIMIT = KIB

# Looking a member up and packing it costs more than the packing of the rest; these are plain integers.
(
    _ASK,
    _TELL,
    _REPLY,
    _FAILURE,
    _CANCEL,
    _STREAM_ITEM,
    _CREDIT_TAG,
    _END,
    _CHUNK_TAG,
    _PING,
    _PONG,
    _GOODBYE,
    _,
    _FULL,
    _ROOM,
) = map(int, FrameTag)

_HEAD = struct.Struct(">BI")
_CALL = struct.Struct(">BIBBIQQ16s")
_REQUEST = struct.Struct(">BIBQ")
_CREDIT = struct.Struct(">BIQI")
_NONCE = struct.Struct(">BIQ")
_TARGET = struct.Struct(">BI16s")
_CHUNK = struct.Struct(">BII")
_TRANSFER = struct.Struct(">II")

_CALL_SIZE = _CALL.size - _HEAD.size
_REQUEST_SIZE = _REQUEST.size - _HEAD.size
_CREDIT_SIZE = _CREDIT.size - _HEAD.size
_NONCE_SIZE = _NONCE.size - _HEAD.size
_TARGET_SIZE = _TARGET.size - _HEAD.size

_NO_DEADLINE = 0xFFFFFFFF
_TRACE_SIZE = 25

# Flags of ask and tell.
_HAS_METHOD = 1
_HAS_KWARGS = 2
_WANTS_STREAM = 4
_HAS_TRACE = 8
_HAS_SENDER = 16
_UNKNOWN_FLAGS = 32 | 64

# Flags of reply; of end, the first says that a failure follows.
_KIND_OF_FLAG: tuple[StreamKind, ...] = (None, "sync", "async")
_FLAG_OF_KIND: dict[StreamKind, int] = {None: 0, "sync": 1, "async": 2}
_HAS_FAILURE = 1

_HAS_TRANSFER = 128

# The containers of the frame itself do not count among those of the user's value.
_IN_LIST = 1
_IN_CALL = 2

_NO_ATTACHMENTS: tuple[bytes, ...] = ()


@dataclass(slots=True)
class EncodedFrame:
    """One frame, ready to be joined with others into a WebSocket message."""

    head: bytes
    """To be sent in the order of the frames."""

    chunks: Iterator[tuple[Buffer, ...]] | None = None
    """What follows of a large value: for each chunk the buffers to be joined, to be sent in their order, between
    whatever other frames, and begun in the order of the heads with at most `ACTIVE_TRANSFERS` under way at a time.
    None for most frames."""

    attached: int = 0
    """Bytes in all chunks together, without their heads."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.head) + self.attached


class FrameCodec:
    """Encodes and decodes the frames of one link: the sending side numbers transfers, the receiving side joins them.

    Args:
        codec: for the values in the frames.
        room: how many bytes a frame may take without holding up others, asked before large bytes are put into one;
            what has no room becomes attachments.
        admits: whether there is room for a large value that begins to come in; one without arrives as `Undecodable`.
    """

    def __init__(
        self, codec: Codec, room: Callable[[], int] = lambda: 0, admits: Callable[[int], bool] = lambda size: True
    ) -> None:
        self.codec = codec
        self._room = room
        self._pack_plain = codec.pack_plain
        self._pack_arguments = codec.pack_arguments
        self._unpack = codec.unpack
        self.assembler = Assembler(codec.limits, admits)
        self.first_announced: int | None = None
        """Sequence number of the first message to an actor whose head came before its value."""
        self._transfers = 0

    def encode(self, frame: Frame) -> EncodedFrame:
        """Encode one frame.

        Raises:
            NotSendable: the value in the frame has no encoding, or a limit is exceeded.
            ValueError: another field is out of range.
        """
        try:
            encoded = _ENCODERS[type(frame)](self, frame)
        except (struct.error, OverflowError) as error:
            raise ValueError(f"a field of {type(frame).__name__} is out of range: {error}") from error
        return EncodedFrame(encoded) if type(encoded) is bytes else encoded  # type: ignore[return-value]

    def decode(self, message: bytes) -> list[Frame]:
        """Decode one WebSocket message.

        Returns:
            The frames that are complete by it, in the order in which they are to be handled. A value that cannot be
            built here is replaced by `Undecodable`.

        Raises:
            ProtocolError: the bytes are no frames; the link is to be closed.
        """
        frames: list[Frame] = []
        offset, size = 0, len(message)
        while offset < size:
            portion, offset = self.decode_portion(message, offset)
            frames += portion
        return frames

    def decode_portion(self, message: bytes, offset: int) -> tuple[list[Frame], int]:
        """Decode as much of a message as one turn of the loop should take.

        Args:
            message: the whole of it.
            offset: where the last portion ended; 0 for the first one.

        Returns:
            The frames, as `decode` returns them, and where the next portion begins.

        Raises:
            ProtocolError: the bytes are no frames; the link is to be closed.
        """
        frames: list[Frame] = []
        size, left = len(message), PORTION_FRAMES
        if size > PORTION and offset == 0:
            _check_heads(message, self.codec.limits)
        end = size if size - offset <= PORTION else offset + PORTION
        assembler, lanes, read_head = self.assembler, self.assembler.lanes, _HEAD.unpack_from
        try:
            while offset < end and left:
                tag, length = read_head(message, offset)
                start = offset + 5
                offset = start + length
                left -= 1
                if offset > size:
                    raise ProtocolError("a frame is longer than its message")
                if tag == _CHUNK_TAG:
                    frames += self._take_chunk(message, start, offset)
                    end = min(size, end + length)
                    continue
                decoder, least, most = _DECODERS[tag]
                if not least <= length <= most:
                    raise ProtocolError(f"a frame of tag {tag} has {length} bytes")
                frame = decoder(self, message, start, offset)
                if frame is not None and not (lanes and assembler.hold(frame, length)):
                    frames.append(frame)
        except (ProtocolError, MemoryError):
            raise
        except (struct.error, ValueError, LookupError) as error:
            raise ProtocolError(f"malformed frame: {type(error).__name__}: {error}") from error
        return frames, offset

    def _take_chunk(self, message: bytes, start: int, end: int) -> list[Frame]:
        (transfer_id,) = struct.unpack_from(">I", message, start)
        return self.assembler.add(transfer_id, memoryview(message)[start + 4 : end])

    # Values in frames.

    def _pack(self, value: Any, outer: int) -> tuple[bytes, int, tuple[bytes, ...]]:
        """A value with the table of its attachments in front, the flag that says so, and the attachments."""
        plain = self.codec.pack_plain(value)
        if plain is not None:
            return plain, 0, ()
        head, attachments, _ = self.codec.pack_lowered(value, outer)
        if not attachments:
            return head, 0, ()
        self._transfers = (self._transfers + 1) & 0xFFFFFFFF
        table = struct.pack(f">II{len(attachments)}I", self._transfers, len(attachments), *map(len, attachments))
        return table + head, _HAS_TRANSFER, attachments

    def _pack_flat(self, values: list[Any], *, single: bool = False) -> bytes | None:
        room = min(self._room(), FLAT_BYTES)
        return self.codec.pack_flat(values, room, single=single) if room else None

    def _encoded(self, head: bytes, attachments: tuple[bytes, ...]) -> EncodedFrame:
        if not attachments:
            return EncodedFrame(head)
        return EncodedFrame(head, _chunks(self._transfers, attachments), sum(map(len, attachments)))

    def _begin(
        self, frame: Frame, body: bytes, request_id: int | None, finish: Callable[[bytes, Sequence[Attachment]], Frame]
    ) -> None:
        """Await the attachments of a frame that is complete but for its value."""
        transfer_id, count = _TRANSFER.unpack_from(body)
        if not 0 < count <= self.codec.limits.entries:
            raise ProtocolError(f"a value has {count} attachments")
        sizes = struct.unpack_from(f">{count}I", body, _TRANSFER.size)
        head = body[_TRANSFER.size + 4 * count :]
        if len(head) > self.codec.limits.structured:
            raise ProtocolError("the structure of a value exceeds its limit")
        lane = lane_of(frame)
        assert lane is not None
        if self.first_announced is None and isinstance(frame, (Ask, Tell)):
            self.first_announced = frame.sequence
        size = len(body)

        def finish_it(attachments: Sequence[Attachment] | None) -> Frame:
            return _without_value(frame, sum(sizes)) if attachments is None else finish(head, attachments)

        self.assembler.begin(transfer_id, sizes, size, lane, request_id, finish_it)

    def _value(self, head: bytes, attachments: Sequence[Attachment], outer: int) -> Any:
        try:
            return self.codec.unpack(head, attachments, outer)
        except DecodeError as error:
            return Undecodable(error)

    # Ask and tell.

    def encode_ask(
        self,
        request_id: int,
        target: int,
        method: str | None,
        args: tuple[Any, ...] | Undecodable,
        kwargs: dict[str, Any] | None,
        deadline: int | None,
        wants_stream: bool,
        trace: bytes | None,
        sender: int | None,
        sequence: int,
    ) -> bytes | EncodedFrame:
        """As `encode` for an `Ask` of these fields, without making one; plain bytes where nothing follows them."""
        if deadline is None:
            deadline = _NO_DEADLINE
        elif deadline >= _NO_DEADLINE:
            deadline = _NO_DEADLINE - 1
        flags, attachments = 0, _NO_ATTACHMENTS
        body = None if kwargs or type(args) is not tuple else self._pack_arguments(args)
        if body is None:
            body, flags, attachments = self._pack_call(args, kwargs)
        if wants_stream:
            flags |= _WANTS_STREAM
        name = b""
        if method is not None:
            name = method.encode()
            flags |= _HAS_METHOD
        name_size = len(name)
        if sender is None and trace is not None and len(trace) == _TRACE_SIZE:
            # Most calls; what follows is what `_pack_options` does.
            flags |= _HAS_TRACE
            name = trace + name
        elif trace is not None or sender is not None:
            options, flags = _pack_options(trace, sender, flags)
            name = options + name
        size = _CALL_SIZE + len(name) + len(body)
        try:
            head = _CALL.pack(_ASK, size, flags, name_size, deadline, request_id, sequence, target.to_bytes(16, "big"))
        except (struct.error, OverflowError) as error:
            raise ValueError(f"a field of a call is out of range: {error}") from error
        # In this order the body, which may be large, is copied once.
        head = head + name + body
        return self._encoded(head, attachments) if attachments else head

    def _encode_ask(self, frame: Ask) -> bytes | EncodedFrame:
        return self.encode_ask(*frame)

    def _encode_tell(self, frame: Tell) -> EncodedFrame:
        target, method, args, kwargs, trace, sender, sequence = frame
        body, flags, attachments = self._pack_call(args, kwargs)
        name = b""
        if method is not None:
            name = method.encode()
            flags |= _HAS_METHOD
        options, flags = _pack_options(trace, sender, flags)
        size = _CALL_SIZE + len(options) + len(name) + len(body)
        head = _CALL.pack(_TELL, size, flags, len(name), 0, 0, sequence, target.to_bytes(16, "big"))
        return self._encoded(head + options + name + body, attachments)

    def _pack_call(
        self, args: tuple[Any, ...] | Undecodable, kwargs: dict[str, Any] | None
    ) -> tuple[bytes, int, tuple[bytes, ...]]:
        if isinstance(args, Undecodable):
            raise ValueError("a frame whose value could not be decoded cannot be sent on")
        if not kwargs:
            flat = self._pack_flat(list(args)) if bytes in map(type, args) else None
            return self._pack(list(args), _IN_LIST) if flat is None else (flat, 0, ())
        body, flag, attachments = self._pack([list(args), kwargs], _IN_CALL)
        return body, flag | _HAS_KWARGS, attachments

    def _decode_ask(self, message: bytes, start: int, end: int) -> Ask | None:
        _, _, flags, name_size, deadline, request_id, sequence, target = _CALL.unpack_from(message, start - 5)
        sender: int | None = None
        kwargs: dict[str, Any] = {}
        offset = start + _CALL_SIZE + _TRACE_SIZE + name_size
        if flags & ~_WANTS_STREAM == _HAS_METHOD | _HAS_TRACE and offset <= end:
            # Most calls; what follows is what `_call_options` and `_call_value` do.
            middle = offset - name_size
            trace: bytes | None = message[middle - _TRACE_SIZE : middle]
            method: str | None = message[middle:offset].decode()
            args = self._arguments(message[offset:end])
        else:
            method, trace, sender, offset = _call_options(message, start + _CALL_SIZE, end, flags, name_size)
            args = ()
            if not flags & _HAS_TRANSFER:
                args, kwargs = self._call_value(message[offset:end], flags)
        fields = (
            request_id,
            int.from_bytes(target, "big"),
            method,
            args,
            kwargs,
            None if deadline == _NO_DEADLINE else deadline,
            flags & _WANTS_STREAM != 0,
            trace,
            sender,
            sequence,
        )
        ask: Ask = _new(Ask, fields)
        if not flags & _HAS_TRANSFER:
            return ask
        self._begin_call(ask, flags, message[offset:end], request_id)
        return None

    def _arguments(self, head: bytes, attachments: Sequence[Attachment] = ()) -> tuple[Any, ...] | Undecodable:
        """The arguments of a call that has no named ones."""
        try:
            args = self._unpack(head, attachments, _IN_LIST)
        except DecodeError as error:
            return Undecodable(error)
        if type(args) is not list:
            raise ProtocolError("the value of a call is a list of arguments")
        return tuple(args) if not attachments and is_light(head) else weighed(args, head, attachments)

    def _decode_tell(self, message: bytes, start: int, end: int) -> Tell | None:
        _, _, flags, name_size, _, _, sequence, target = _CALL.unpack_from(message, start - 5)
        method, trace, sender, offset = _call_options(message, start + _CALL_SIZE, end, flags, name_size)
        tell = Tell(int.from_bytes(target, "big"), method, (), {}, trace, sender, sequence)
        if not flags & _HAS_TRANSFER:
            return self._completed(tell, flags, message[offset:end], ())
        self._begin_call(tell, flags, message[offset:end], None)
        return None

    def _begin_call(self, frame: Call, flags: int, body: bytes, request_id: int | None) -> None:
        # In the functions above a closure would make each of their variables slow, also where there is none to make.
        self._begin(frame, body, request_id, lambda head, attachments: self._completed(frame, flags, head, attachments))

    def _completed(self, frame: Call, flags: int, head: bytes, attachments: Sequence[Attachment]) -> Call:
        args, kwargs = self._call_value(head, flags, attachments)
        return frame._replace(args=args, kwargs=kwargs)

    def _call_value(
        self, head: bytes, flags: int, attachments: Sequence[Attachment] = ()
    ) -> tuple[tuple[Any, ...] | Undecodable, dict[str, Any]]:
        if not flags & _HAS_KWARGS:
            return self._arguments(head, attachments), {}
        try:
            both = self.codec.unpack(head, attachments, _IN_CALL)
        except DecodeError as error:
            return Undecodable(error), {}
        args: Any
        kwargs: Any
        args, kwargs = both if type(both) is list and len(both) == 2 else (None, None)
        if type(args) is not list or not _are_named(kwargs):
            raise ProtocolError("the value of a call is a list of arguments, and a map of named ones")
        return weighed(args, head, attachments), kwargs

    # Answers.

    def _encode_answer(self, tag: int, request_id: int, flags: int, value: Any, outer: int = 0) -> EncodedFrame:
        body, flag, attachments = self._pack(value, outer)
        return self._encoded(
            _REQUEST.pack(tag, _REQUEST_SIZE + len(body), flags | flag, request_id) + body, attachments
        )

    def encode_reply(self, request_id: int, value: Any, kind: StreamKind = None) -> bytes | EncodedFrame:
        """As `encode` for a `Reply` of these fields, without making one; plain bytes where nothing follows them."""
        if kind is None and (body := self._pack_plain(value)) is not None:
            return _REQUEST.pack(_REPLY, _REQUEST_SIZE + len(body), 0, request_id) + body
        if kind is None and type(value) is bytes and (body := self._pack_flat([value], single=True)) is not None:
            return _REQUEST.pack(_REPLY, _REQUEST_SIZE + len(body), 0, request_id) + body
        return self._encode_answer(_REPLY, request_id, _FLAG_OF_KIND[kind], value)

    def _encode_reply(self, frame: Reply) -> bytes | EncodedFrame:
        return self.encode_reply(*frame)

    def _decode_reply(self, message: bytes, start: int, end: int) -> Reply | None:
        _, _, flags, request_id = _REQUEST.unpack_from(message, start - 5)
        body = message[start + _REQUEST_SIZE : end]
        if not flags:
            # Most answers; what follows is what `_value` does.
            try:
                reply: Reply = _new(Reply, (request_id, self._unpack(body), None))
                return reply
            except DecodeError as error:
                return Reply(request_id, Undecodable(error))
        kind = _KIND_OF_FLAG[flags & ~_HAS_TRANSFER]
        if not flags & _HAS_TRANSFER:
            return Reply(request_id, self._value(body, (), 0), kind)
        self._begin_reply(Reply(request_id, None, kind), body)
        return None

    def _begin_reply(self, reply: Reply, body: bytes) -> None:
        def finish(head: bytes, attachments: Sequence[Attachment]) -> Reply:
            return reply._replace(value=self._value(head, attachments, 0))

        self._begin(reply, body, None, finish)

    def _encode_stream_item(self, frame: StreamItem) -> EncodedFrame:
        if isinstance(frame.items, Undecodable):
            raise ValueError("a frame whose value could not be decoded cannot be sent on")
        return self._encode_answer(_STREAM_ITEM, frame.request_id, 0, list(frame.items), _IN_LIST)

    def _decode_stream_item(self, message: bytes, start: int, end: int) -> StreamItem | None:
        _, _, flags, request_id = _REQUEST.unpack_from(message, start - 5)
        body = message[start + _REQUEST_SIZE : end]
        if not flags & _HAS_TRANSFER:
            return StreamItem(request_id, self._items(body, ()))
        announced = StreamItem(request_id, ())
        self._begin(
            announced, body, None, lambda head, attachments: StreamItem(request_id, self._items(head, attachments))
        )
        return None

    def _items(self, head: bytes, attachments: Sequence[Attachment]) -> tuple[Any, ...] | Undecodable:
        items = self._value(head, attachments, _IN_LIST)
        if type(items) is Undecodable:
            return items
        if type(items) is not list:
            raise ProtocolError("the value of a stream frame is a list of items")
        return tuple(items)

    def _encode_failure(self, frame: Failure) -> EncodedFrame:
        return self._encode_answer(_FAILURE, frame.request_id, 0, frame.failure.as_fields())

    def _decode_failure(self, message: bytes, start: int, end: int) -> Failure:
        _, _, _, request_id = _REQUEST.unpack_from(message, start - 5)
        return Failure(request_id, self._record(message[start + _REQUEST_SIZE : end]))

    def _encode_end(self, frame: End) -> EncodedFrame:
        if frame.failure is None:
            return EncodedFrame(_REQUEST.pack(_END, _REQUEST_SIZE, 0, frame.request_id))
        return self._encode_answer(_END, frame.request_id, _HAS_FAILURE, frame.failure.as_fields())

    def _decode_end(self, message: bytes, start: int, end: int) -> End:
        _, _, flags, request_id = _REQUEST.unpack_from(message, start - 5)
        if not flags & _HAS_FAILURE:
            return End(request_id)
        return End(request_id, self._record(message[start + _REQUEST_SIZE : end]))

    def _record(self, body: bytes) -> FailureRecord:
        try:
            return failure_from_fields(self.codec.unpack(body))
        except DecodeError as error:
            raise ProtocolError(f"a failure consists of plain values: {error}") from error

    # What carries no value.

    def _encode_cancel(self, frame: Cancel) -> EncodedFrame:
        return EncodedFrame(_REQUEST.pack(_CANCEL, _REQUEST_SIZE, 0, frame.request_id))

    def _decode_cancel(self, message: bytes, start: int, end: int) -> Cancel:
        return Cancel(_REQUEST.unpack_from(message, start - 5)[3])

    def _encode_credit(self, frame: Credit) -> EncodedFrame:
        return EncodedFrame(_CREDIT.pack(_CREDIT_TAG, _CREDIT_SIZE, *frame))

    def _decode_credit(self, message: bytes, start: int, end: int) -> Credit:
        return Credit(*_CREDIT.unpack_from(message, start - 5)[2:])

    def _encode_ping(self, frame: Ping) -> EncodedFrame:
        return EncodedFrame(_NONCE.pack(_PING, _NONCE_SIZE, frame.nonce))

    def _decode_ping(self, message: bytes, start: int, end: int) -> Ping:
        return Ping(_NONCE.unpack_from(message, start - 5)[2])

    def _encode_pong(self, frame: Pong) -> EncodedFrame:
        return EncodedFrame(_NONCE.pack(_PONG, _NONCE_SIZE, frame.nonce))

    def _decode_pong(self, message: bytes, start: int, end: int) -> Pong:
        return Pong(_NONCE.unpack_from(message, start - 5)[2])

    def _encode_goodbye(self, frame: Goodbye) -> EncodedFrame:
        reason = frame.reason.encode("utf-8", "replace")[:REASON_LIMIT].decode("utf-8", "ignore").encode()
        return EncodedFrame(_HEAD.pack(_GOODBYE, len(reason)) + reason)

    def _decode_goodbye(self, message: bytes, start: int, end: int) -> Goodbye:
        return Goodbye(str(message[start:end], "utf-8"))

    def _encode_full(self, frame: Full) -> EncodedFrame:
        return EncodedFrame(_TARGET.pack(_FULL, _TARGET_SIZE, frame.target.to_bytes(16, "big")))

    def _decode_full(self, message: bytes, start: int, end: int) -> Full:
        return Full(int.from_bytes(message[start:end], "big"))

    def _encode_room(self, frame: Room) -> EncodedFrame:
        return EncodedFrame(_TARGET.pack(_ROOM, _TARGET_SIZE, frame.target.to_bytes(16, "big")))

    def _decode_room(self, message: bytes, start: int, end: int) -> Room:
        return Room(int.from_bytes(message[start:end], "big"))


def _check_heads(message: bytes, limits: Limits) -> None:
    """Refuse a message that would take too long to decode, before any of it is."""
    offset = heads = frames = 0
    while offset + _HEAD.size <= len(message):
        tag, length = _HEAD.unpack_from(message, offset)
        offset += _HEAD.size + length
        frames += 1
        heads += 0 if tag == _CHUNK_TAG else length
    if heads > limits.heads:
        raise ProtocolError(f"the frames of a message have {heads} bytes beside their chunks, more than {limits.heads}")
    if frames > limits.frames:
        raise ProtocolError(f"a message has too many frames: {frames}, more than {limits.frames}")


def _without_value(frame: Frame, size: int) -> Frame:
    """A frame whose value was not kept."""
    unread = Undecodable(NoRoom(size))
    if isinstance(frame, (Ask, Tell)):
        return frame._replace(args=unread)
    if isinstance(frame, Reply):
        return frame._replace(value=unread)
    assert isinstance(frame, StreamItem)
    return frame._replace(items=unread)


def _are_named(kwargs: object) -> bool:
    return type(kwargs) is dict and all(type(name) is str for name in kwargs)


def _pack_options(trace: bytes | None, sender: int | None, flags: int) -> tuple[bytes, int]:
    """The optional fields of a call as bytes, and the flags that tell of them."""
    options = b""
    if trace is not None:
        if len(trace) != _TRACE_SIZE:
            raise ValueError(f"a trace context has {_TRACE_SIZE} bytes, got {len(trace)}")
        flags |= _HAS_TRACE
        options = trace
    if sender is not None:
        flags |= _HAS_SENDER
        options += sender.to_bytes(16, "big")
    return options, flags


def _call_options(
    message: bytes, offset: int, end: int, flags: int, name_size: int
) -> tuple[str | None, bytes | None, int | None, int]:
    """Method, trace, sender, and where the value begins."""
    trace = sender = method = None
    if flags & _UNKNOWN_FLAGS:
        raise ProtocolError(f"a call has unknown flags {flags:#x}")
    if flags & _HAS_TRACE:
        trace = message[offset : offset + _TRACE_SIZE]
        offset += _TRACE_SIZE
    if flags & _HAS_SENDER:
        sender = int.from_bytes(message[offset : offset + 16], "big")
        offset += 16
    if flags & _HAS_METHOD:
        method = str(message[offset : offset + name_size], "utf-8")
        offset += name_size
    if offset > end:
        raise ProtocolError("a call ends within its options")
    return method, trace, sender, offset


def _chunks(transfer_id: int, attachments: Sequence[bytes]) -> Iterator[tuple[Buffer, ...]]:
    """Cut the attachments, as if they were one, into chunk frames; the buffers are views of them."""
    room = CHUNK
    views: list[Buffer] = []
    for attachment in attachments:
        view = memoryview(attachment)
        while view:
            piece, view = view[:room], view[room:]
            views.append(piece)
            room -= len(piece)
            if room == 0:
                yield _chunk(transfer_id, views)
                room, views = CHUNK, []
    if views:
        yield _chunk(transfer_id, views)


def _chunk(transfer_id: int, views: Sequence[Buffer]) -> tuple[Buffer, ...]:
    return _CHUNK.pack(_CHUNK_TAG, 4 + sum(map(len, views)), transfer_id), *views


_ENCODERS: dict[type, Callable[[FrameCodec, Any], bytes | EncodedFrame]] = {
    Ask: FrameCodec._encode_ask,
    Tell: FrameCodec._encode_tell,
    Reply: FrameCodec._encode_reply,
    Failure: FrameCodec._encode_failure,
    Cancel: FrameCodec._encode_cancel,
    StreamItem: FrameCodec._encode_stream_item,
    Credit: FrameCodec._encode_credit,
    End: FrameCodec._encode_end,
    Ping: FrameCodec._encode_ping,
    Pong: FrameCodec._encode_pong,
    Goodbye: FrameCodec._encode_goodbye,
    Full: FrameCodec._encode_full,
    Room: FrameCodec._encode_room,
}

_ANY = 0xFFFFFFFF

# For each tag its decoder, and the least and the greatest length of the rest of its frame.
_DECODERS: dict[int, tuple[Callable[[FrameCodec, bytes, int, int], Frame | None], int, int]] = {
    _ASK: (FrameCodec._decode_ask, _CALL_SIZE, _ANY),
    _TELL: (FrameCodec._decode_tell, _CALL_SIZE, _ANY),
    _REPLY: (FrameCodec._decode_reply, _REQUEST_SIZE, _ANY),
    _FAILURE: (FrameCodec._decode_failure, _REQUEST_SIZE, _ANY),
    _CANCEL: (FrameCodec._decode_cancel, _REQUEST_SIZE, _REQUEST_SIZE),
    _STREAM_ITEM: (FrameCodec._decode_stream_item, _REQUEST_SIZE, _ANY),
    _CREDIT_TAG: (FrameCodec._decode_credit, _CREDIT_SIZE, _CREDIT_SIZE),
    _END: (FrameCodec._decode_end, _REQUEST_SIZE, _ANY),
    _PING: (FrameCodec._decode_ping, _NONCE_SIZE, _NONCE_SIZE),
    _PONG: (FrameCodec._decode_pong, _NONCE_SIZE, _NONCE_SIZE),
    _GOODBYE: (FrameCodec._decode_goodbye, 0, REASON_LIMIT),
    _FULL: (FrameCodec._decode_full, _TARGET_SIZE, _TARGET_SIZE),
    _ROOM: (FrameCodec._decode_room, _TARGET_SIZE, _TARGET_SIZE),
}
