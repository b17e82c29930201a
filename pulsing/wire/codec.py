"""Frames as bytes and back, in the layout of `pulsing.wire.layout`: calls and answers with their values.

What may go wrong with a value is told apart from what may go wrong with a frame: the lengths let the decoder step
over a value that cannot be built here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pulsing.wire import signals
from pulsing.wire.assembler import Assembler, lane_of
from pulsing.wire.attachment import Attachment
from pulsing.wire.encoded import EncodedFrame, chunks_of
from pulsing.wire.errors import DecodeError, NoRoom, ProtocolError
from pulsing.wire.failures import FailureRecord, failure_from_fields
from pulsing.wire.flat import FLAT_BYTES
from pulsing.wire.frames import Ask, End, Failure, Frame, Reply, StreamItem, StreamKind, Tell, Undecodable
from pulsing.wire.layout import (
    ASK_TAG,
    CALL,
    CALL_SIZE,
    CHUNK_TAG,
    END_TAG,
    FAILURE_TAG,
    FLAG_OF_KIND,
    HAS_FAILURE,
    HAS_KWARGS,
    HAS_METHOD,
    HAS_TRACE,
    HAS_TRANSFER,
    HEAD,
    IN_CALL,
    IN_LIST,
    KIND_OF_FLAG,
    NO_DEADLINE,
    REPLY_TAG,
    REQUEST,
    REQUEST_SIZE,
    STREAM_ITEM_TAG,
    TELL_TAG,
    TRACE_SIZE,
    TRANSFER,
    WANTS_STREAM,
)
from pulsing.wire.limits import PORTION, PORTION_FRAMES, Limits
from pulsing.wire.options import call_options, pack_options
from pulsing.wire.values import Codec
from pulsing.wire.weight import is_light, weighed

# The constructors of named tuples are written in Python, and take twice as long as this.
_new: Any = tuple.__new__

Call = TypeVar("Call", Ask, Tell)

_NO_ATTACHMENTS: tuple[bytes, ...] = ()


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
        assembler, lanes, read_head = self.assembler, self.assembler.lanes, HEAD.unpack_from
        try:
            while offset < end and left:
                tag, length = read_head(message, offset)
                start = offset + 5
                offset = start + length
                left -= 1
                if offset > size:
                    raise ProtocolError("a frame is longer than its message")
                if tag == CHUNK_TAG:
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
        return table + head, HAS_TRANSFER, attachments

    def _pack_flat(self, values: list[Any], *, single: bool = False) -> bytes | None:
        room = min(self._room(), FLAT_BYTES)
        return self.codec.pack_flat(values, room, single=single) if room else None

    def _encoded(self, head: bytes, attachments: tuple[bytes, ...]) -> EncodedFrame:
        if not attachments:
            return EncodedFrame(head)
        return EncodedFrame(head, chunks_of(self._transfers, attachments), sum(map(len, attachments)))

    def _begin(
        self, frame: Frame, body: bytes, request_id: int | None, finish: Callable[[bytes, Sequence[Attachment]], Frame]
    ) -> None:
        """Await the attachments of a frame that is complete but for its value."""
        transfer_id, count = TRANSFER.unpack_from(body)
        if not 0 < count <= self.codec.limits.entries:
            raise ProtocolError(f"a value has {count} attachments")
        sizes = struct.unpack_from(f">{count}I", body, TRANSFER.size)
        head = body[TRANSFER.size + 4 * count :]
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
            deadline = NO_DEADLINE
        elif deadline >= NO_DEADLINE:
            deadline = NO_DEADLINE - 1
        flags, attachments = 0, _NO_ATTACHMENTS
        body = None if kwargs or type(args) is not tuple else self._pack_arguments(args)
        if body is None:
            body, flags, attachments = self._pack_call(args, kwargs)
        if wants_stream:
            flags |= WANTS_STREAM
        name = b""
        if method is not None:
            name = method.encode()
            flags |= HAS_METHOD
        name_size = len(name)
        if sender is None and trace is not None and len(trace) == TRACE_SIZE:
            # Most calls; what follows is what `pack_options` does.
            flags |= HAS_TRACE
            name = trace + name
        elif trace is not None or sender is not None:
            options, flags = pack_options(trace, sender, flags)
            name = options + name
        size = CALL_SIZE + len(name) + len(body)
        try:
            head = CALL.pack(
                ASK_TAG, size, flags, name_size, deadline, request_id, sequence, target.to_bytes(16, "big")
            )
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
            flags |= HAS_METHOD
        options, flags = pack_options(trace, sender, flags)
        size = CALL_SIZE + len(options) + len(name) + len(body)
        head = CALL.pack(TELL_TAG, size, flags, len(name), 0, 0, sequence, target.to_bytes(16, "big"))
        return self._encoded(head + options + name + body, attachments)

    def _pack_call(
        self, args: tuple[Any, ...] | Undecodable, kwargs: dict[str, Any] | None
    ) -> tuple[bytes, int, tuple[bytes, ...]]:
        if isinstance(args, Undecodable):
            raise ValueError("a frame whose value could not be decoded cannot be sent on")
        if not kwargs:
            flat = self._pack_flat(list(args)) if bytes in map(type, args) else None
            return self._pack(list(args), IN_LIST) if flat is None else (flat, 0, ())
        body, flag, attachments = self._pack([list(args), kwargs], IN_CALL)
        return body, flag | HAS_KWARGS, attachments

    def _decode_ask(self, message: bytes, start: int, end: int) -> Ask | None:
        _, _, flags, name_size, deadline, request_id, sequence, target = CALL.unpack_from(message, start - 5)
        sender: int | None = None
        kwargs: dict[str, Any] = {}
        offset = start + CALL_SIZE + TRACE_SIZE + name_size
        if flags & ~WANTS_STREAM == HAS_METHOD | HAS_TRACE and offset <= end:
            # Most calls; what follows is what `call_options` and `_call_value` do.
            middle = offset - name_size
            trace: bytes | None = message[middle - TRACE_SIZE : middle]
            method: str | None = message[middle:offset].decode()
            args = self._arguments(message[offset:end])
        else:
            method, trace, sender, offset = call_options(message, start + CALL_SIZE, end, flags, name_size)
            args = ()
            if not flags & HAS_TRANSFER:
                args, kwargs = self._call_value(message[offset:end], flags)
        fields = (
            request_id,
            int.from_bytes(target, "big"),
            method,
            args,
            kwargs,
            None if deadline == NO_DEADLINE else deadline,
            flags & WANTS_STREAM != 0,
            trace,
            sender,
            sequence,
        )
        ask: Ask = _new(Ask, fields)
        if not flags & HAS_TRANSFER:
            return ask
        self._begin_call(ask, flags, message[offset:end], request_id)
        return None

    def _arguments(self, head: bytes, attachments: Sequence[Attachment] = ()) -> tuple[Any, ...] | Undecodable:
        """The arguments of a call that has no named ones."""
        try:
            args = self._unpack(head, attachments, IN_LIST)
        except DecodeError as error:
            return Undecodable(error)
        if type(args) is not list:
            raise ProtocolError("the value of a call is a list of arguments")
        return tuple(args) if not attachments and is_light(head) else weighed(args, head, attachments)

    def _decode_tell(self, message: bytes, start: int, end: int) -> Tell | None:
        _, _, flags, name_size, _, _, sequence, target = CALL.unpack_from(message, start - 5)
        method, trace, sender, offset = call_options(message, start + CALL_SIZE, end, flags, name_size)
        tell = Tell(int.from_bytes(target, "big"), method, (), {}, trace, sender, sequence)
        if not flags & HAS_TRANSFER:
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
        if not flags & HAS_KWARGS:
            return self._arguments(head, attachments), {}
        try:
            both = self.codec.unpack(head, attachments, IN_CALL)
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
        return self._encoded(REQUEST.pack(tag, REQUEST_SIZE + len(body), flags | flag, request_id) + body, attachments)

    def encode_reply(self, request_id: int, value: Any, kind: StreamKind = None) -> bytes | EncodedFrame:
        """As `encode` for a `Reply` of these fields, without making one; plain bytes where nothing follows them."""
        if kind is None and (body := self._pack_plain(value)) is not None:
            return REQUEST.pack(REPLY_TAG, REQUEST_SIZE + len(body), 0, request_id) + body
        if kind is None and type(value) is bytes and (body := self._pack_flat([value], single=True)) is not None:
            return REQUEST.pack(REPLY_TAG, REQUEST_SIZE + len(body), 0, request_id) + body
        return self._encode_answer(REPLY_TAG, request_id, FLAG_OF_KIND[kind], value)

    def _encode_reply(self, frame: Reply) -> bytes | EncodedFrame:
        return self.encode_reply(*frame)

    def _decode_reply(self, message: bytes, start: int, end: int) -> Reply | None:
        _, _, flags, request_id = REQUEST.unpack_from(message, start - 5)
        body = message[start + REQUEST_SIZE : end]
        if not flags:
            # Most answers; what follows is what `_value` does.
            try:
                reply: Reply = _new(Reply, (request_id, self._unpack(body), None))
                return reply
            except DecodeError as error:
                return Reply(request_id, Undecodable(error))
        kind = KIND_OF_FLAG[flags & ~HAS_TRANSFER]
        if not flags & HAS_TRANSFER:
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
        return self._encode_answer(STREAM_ITEM_TAG, frame.request_id, 0, list(frame.items), IN_LIST)

    def _decode_stream_item(self, message: bytes, start: int, end: int) -> StreamItem | None:
        _, _, flags, request_id = REQUEST.unpack_from(message, start - 5)
        body = message[start + REQUEST_SIZE : end]
        if not flags & HAS_TRANSFER:
            return StreamItem(request_id, self._items(body, ()))
        announced = StreamItem(request_id, ())
        self._begin(
            announced, body, None, lambda head, attachments: StreamItem(request_id, self._items(head, attachments))
        )
        return None

    def _items(self, head: bytes, attachments: Sequence[Attachment]) -> tuple[Any, ...] | Undecodable:
        items = self._value(head, attachments, IN_LIST)
        if type(items) is Undecodable:
            return items
        if type(items) is not list:
            raise ProtocolError("the value of a stream frame is a list of items")
        return tuple(items)

    def _encode_failure(self, frame: Failure) -> EncodedFrame:
        return self._encode_answer(FAILURE_TAG, frame.request_id, 0, frame.failure.as_fields())

    def _decode_failure(self, message: bytes, start: int, end: int) -> Failure:
        _, _, _, request_id = REQUEST.unpack_from(message, start - 5)
        return Failure(request_id, self._record(message[start + REQUEST_SIZE : end]))

    def _encode_end(self, frame: End) -> EncodedFrame:
        if frame.failure is None:
            return EncodedFrame(REQUEST.pack(END_TAG, REQUEST_SIZE, 0, frame.request_id))
        return self._encode_answer(END_TAG, frame.request_id, HAS_FAILURE, frame.failure.as_fields())

    def _decode_end(self, message: bytes, start: int, end: int) -> End:
        _, _, flags, request_id = REQUEST.unpack_from(message, start - 5)
        if not flags & HAS_FAILURE:
            return End(request_id)
        return End(request_id, self._record(message[start + REQUEST_SIZE : end]))

    def _record(self, body: bytes) -> FailureRecord:
        try:
            return failure_from_fields(self.codec.unpack(body))
        except DecodeError as error:
            raise ProtocolError(f"a failure consists of plain values: {error}") from error


def _check_heads(message: bytes, limits: Limits) -> None:
    """Refuse a message that would take too long to decode, before any of it is."""
    offset = heads = frames = 0
    while offset + HEAD.size <= len(message):
        tag, length = HEAD.unpack_from(message, offset)
        offset += HEAD.size + length
        frames += 1
        heads += 0 if tag == CHUNK_TAG else length
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


_ENCODERS: dict[type, Callable[[FrameCodec, Any], bytes | EncodedFrame]] = {
    Ask: FrameCodec._encode_ask,
    Tell: FrameCodec._encode_tell,
    Reply: FrameCodec._encode_reply,
    Failure: FrameCodec._encode_failure,
    StreamItem: FrameCodec._encode_stream_item,
    End: FrameCodec._encode_end,
    **signals.ENCODERS,
}

_ANY = 0xFFFFFFFF

# For each tag its decoder, and the least and the greatest length of the rest of its frame.
_DECODERS: dict[int, tuple[Callable[[FrameCodec, bytes, int, int], Frame | None], int, int]] = {
    ASK_TAG: (FrameCodec._decode_ask, CALL_SIZE, _ANY),
    TELL_TAG: (FrameCodec._decode_tell, CALL_SIZE, _ANY),
    REPLY_TAG: (FrameCodec._decode_reply, REQUEST_SIZE, _ANY),
    FAILURE_TAG: (FrameCodec._decode_failure, REQUEST_SIZE, _ANY),
    STREAM_ITEM_TAG: (FrameCodec._decode_stream_item, REQUEST_SIZE, _ANY),
    END_TAG: (FrameCodec._decode_end, REQUEST_SIZE, _ANY),
    **signals.DECODERS,
}
