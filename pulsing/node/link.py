"""One connection to another node at work: requests go out and are answered, and come in and are served.

All frames that are queued within one turn of the loop leave as one message. Large values follow in chunks between
later messages, so that nothing small waits behind them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pulsing.core.envelope import Envelope
from pulsing.core.messages import Message
from pulsing.core.streams import StreamReader
from pulsing.exceptions import LinkLost, NotSendable, PulsingError, PulsingRuntimeError
from pulsing.ids import ActorId
from pulsing.node.answer import Answer
from pulsing.node.streaming import IncomingStream, OutgoingStream
from pulsing.tasks import TaskScope
from pulsing.transport.base import Connection
from pulsing.wire.codec import EncodedFrame, FrameCodec
from pulsing.wire.errors import ProtocolError
from pulsing.wire.failures import FailureRecord, from_failure, to_failure
from pulsing.wire.frames import (
    Ask,
    Cancel,
    Credit,
    End,
    Failure,
    Frame,
    Goodbye,
    Gossip,
    Ping,
    Pong,
    Reply,
    StreamItem,
    Tell,
    Undecodable,
)
from pulsing.wire.limits import ACTIVE_TRANSFERS
from pulsing.wire.session import WINDOW_BYTES, WINDOW_FRAMES, Request, Session
from pulsing.wire.values import Codec

if TYPE_CHECKING:
    from pulsing.core.system import System
    from pulsing.node.peer import Peer

logger = logging.getLogger(__name__)

MESSAGE_TARGET = 1024 * 1024
"""A WebSocket message is closed when it has grown to so many bytes; the other end takes 16 MiB at most."""

CREDIT_EVERY = WINDOW_FRAMES // 4
"""Room is given back to the other side for so many messages at once,"""
CREDIT_EVERY_BYTES = WINDOW_BYTES // 8
"""or as soon as so many bytes have come since the last time: two large values fill the window."""

PROTOCOL_ERROR = 1002
_NO_KWARGS: dict[str, Any] = {}


class Link:
    """A connection with a peer, from its handshake to its loss.

    Args:
        peer: whose link it is.
        connection: open and proven.
        codec: encodes the values; knows whether both ends agreed to pickle.
        dialled: whether this node dialled it.
    """

    def __init__(self, peer: Peer, connection: Connection, codec: Codec, dialled: bool) -> None:
        self.peer = peer
        self.connection = connection
        self.dialled = dialled
        self.system: System = peer.system
        self.session: Session[Any] = Session()
        self.frames_in = self.frames_out = self.bytes_in = self.bytes_out = 0
        self.opened_at = self.system.clock.wall()
        self.lost = False
        self._codec = FrameCodec(codec)
        self._tasks = TaskScope(f"link {peer.node_id}")
        self._outbox: list[bytes] = []
        self._bulk: deque[Iterator[tuple[Any, ...]]] = deque()
        self._flushing = False
        self._blocked = False
        self._taken = 0
        self._credited_bytes = 0
        self._first_message: int | None = None
        self.in_turn = False
        self.held: deque[tuple[Ask | Tell, Request[Any] | None]] = deque()
        self._handlers: dict[type, Callable[[Any, Request[Any] | None], None]] = {
            Ask: self._on_message_frame,
            Tell: self._on_message_frame,
            Reply: self._on_reply,
            Failure: self._on_failure,
            Cancel: self._on_cancel,
            StreamItem: self._on_items,
            Credit: self._on_credit,
            End: self._on_end,
            Ping: self._on_ping,
            Pong: _only_heard,
            Goodbye: self._on_goodbye,
            Gossip: self._on_gossip,
        }

    # --- sending ---------------------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether one more message to an actor may go out now."""
        return self.session.may_send_message

    @property
    def closing(self) -> bool:
        """Whether nothing new goes over this link any more."""
        return self.session.said_goodbye or self.session.heard_goodbye

    def send_message(self, envelope: Envelope, sequence: int) -> None:
        """Send an envelope.

        Raises:
            NotSendable: a value in it has no encoding; nothing was sent.
        """
        if envelope.reply is None:
            self._send_tell(envelope, sequence)
        else:
            self._send_ask(envelope, envelope.reply, sequence)

    def _send_ask(self, envelope: Envelope, reply: Any, sequence: int) -> None:
        session, sender, deadline = self.session, envelope.sender, envelope.deadline
        request_id = session.next_request
        frame = Ask(
            request_id,
            envelope.target.id,
            envelope.method,
            envelope.args,
            envelope.kwargs or _NO_KWARGS,
            None if deadline is None else max(1, round((deadline - self.system.now()) * 1000)),
            envelope.stream,
            envelope.trace,
            None if sender is None else sender.id,
            sequence,
        )
        encoded = self._codec.encode(frame)
        session.send(frame, envelope, len(encoded.head) + encoded.attached)
        self._queue(encoded)
        reply.add_done_callback(partial(self._settled, request_id))

    def _send_tell(self, envelope: Envelope, sequence: int) -> None:
        sender = envelope.sender
        frame = Tell(
            envelope.target.id,
            envelope.method,
            envelope.args,
            envelope.kwargs or _NO_KWARGS,
            envelope.trace,
            None if sender is None else sender.id,
            sequence,
        )
        encoded = self._codec.encode(frame)
        self.session.send(frame, None, len(encoded.head) + encoded.attached)
        self._queue(encoded)

    def _settled(self, request_id: int, _: Any) -> None:
        """The caller has its answer, or it has left or timed out before one came."""
        envelope = self.session.waiting(request_id)
        if envelope is not None:
            self.system.deadlines.done(envelope)
            self.send(Cancel(request_id))
            self.peer.room_again()

    def send(self, frame: Frame) -> None:
        """Queue a frame, unless the request that it is about has ended meanwhile.

        Raises:
            NotSendable: a value in it has no encoding; nothing was sent.
        """
        encoded = self._codec.encode(frame)
        if self.session.send(frame):
            self._queue(encoded)

    def _queue(self, encoded: EncodedFrame) -> None:
        """What is queued in one turn of the loop goes out together."""
        if self.lost:
            return
        self.frames_out += 1
        self._outbox.append(encoded.head)
        if encoded.chunks is not None:
            self._bulk.append(encoded.chunks)
        if not self._flushing and not self._blocked:
            self._flushing = True
            self.system.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self.lost:
            return
        outbox, self._outbox = self._outbox, []
        for parts in _portions(outbox):
            self._send_parts(parts)
        if self._bulk and not self._blocked:
            self._send_chunk()
            self._flushing = True
            self.system.loop.call_soon(self._flush)
        self._close_if_done()

    def _send_chunk(self) -> None:
        """One chunk of the large value whose turn it is."""
        chunks = self._bulk.popleft()
        parts = next(chunks, None)
        if parts is not None:
            self._send_parts(parts)
            # The first few take turns; had all begun, the receiver would hold a part of each.
            self._bulk.insert(ACTIVE_TRANSFERS - 1, chunks)

    def _send_parts(self, parts: Sequence[Any]) -> None:
        if parts:
            self.bytes_out += sum(map(len, parts))
            self.connection.send(parts)

    def on_blocked(self) -> None:
        self._blocked = True

    def on_writable(self) -> None:
        self._blocked = False
        if (self._outbox or self._bulk) and not self._flushing:
            self._flushing = True
            self.system.loop.call_soon(self._flush)

    # --- answering the other side ----------------------------------------------------------------------------------

    def answer(self, request: Request[Any], value: Any) -> None:
        """Send the result of a request, or open the stream that it stands for."""
        if isinstance(value, StreamReader):
            self._open_stream(request, value, None)
        elif isinstance(value, Message) and value.is_stream:
            self._open_stream(request, value.stream_reader(), value.msg_type)
        else:
            self._answer_value(request, value)

    def _answer_value(self, request: Request[Any], value: Any) -> None:
        try:
            self.send(Reply(request.id, value))
        except (NotSendable, ValueError) as error:
            refusal = error if isinstance(error, NotSendable) else NotSendable(type(value).__name__, detail=str(error))
            refusal.maybe_executed = True
            self.answer_error(request, refusal)
        else:
            self._close_if_done()

    def answer_error(self, request: Request[Any], error: BaseException) -> None:
        """Send the error of a request."""
        self.send(Failure(request.id, self._failure(error)))
        self._close_if_done()

    def _failure(self, error: BaseException) -> FailureRecord:
        return to_failure(error, node=self.system.node_id)

    def _open_stream(self, request: Request[Any], reader: StreamReader, msg_type: str | None) -> None:
        channel = reader.detach()
        if request.is_over:
            channel.close()
            return
        self.send(Reply(request.id, msg_type, "async"))
        stream = request.context = OutgoingStream(self, request, channel)
        self._tasks.start(stream.run(), f"stream {request.id}")

    def end_stream(self, request: Request[Any], error: BaseException | None) -> None:
        """Tell the reader that a stream is over."""
        self.send(End(request.id, None if error is None else self._failure(error)))
        self._close_if_done()

    # --- receiving -------------------------------------------------------------------------------------------------

    @property
    def first_message(self) -> int | None:
        """Number of the first message that came over this link."""
        announced = self._codec.first_announced
        if self._first_message is None or announced is None:
            return self._first_message or announced
        return min(self._first_message, announced)

    @property
    def has_parted(self) -> bool:
        """Whether the other side says nothing new over this link any more."""
        return self.session.heard_goodbye

    @property
    def is_drained(self) -> bool:
        """Whether no message waits for the rest of a large value."""
        return not self._codec.assembler.holds_messages

    def on_message(self, data: bytes | bytearray) -> None:
        self.bytes_in += len(data)
        self.peer.heard()
        try:
            frames = self._codec.decode(data)  # type: ignore[arg-type]
            self.frames_in += len(frames)
            handlers, session = self._handlers, self.session
            for frame in frames:
                handlers[type(frame)](frame, session.receive(frame))
        except ProtocolError as error:
            logger.warning("node %s broke the protocol: %s", self.peer.node_id, error)
            self.connection.close(PROTOCOL_ERROR, "protocol error")
        if self.peer.holds_back:
            self.peer.release()
        if self.closing:
            self._close_if_done()

    def _on_message_frame(self, frame: Ask | Tell, request: Request[Any] | None) -> None:
        if self._first_message is None:
            self._first_message = frame.sequence
        if self.in_turn:
            self.deliver(frame, request)
        else:
            self.held.append((frame, request))
            self.peer.holds_back = True

    def take_turn(self) -> None:
        """Deliver what was held back; what comes from now on need not wait."""
        self.in_turn = True
        while self.held:
            self.deliver(*self.held.popleft())

    def deliver(self, frame: Ask | Tell, request: Request[Any] | None) -> None:
        """Hand a message that has its turn to its actor."""
        if frame.sequence > self.peer.delivered:
            self.peer.delivered = frame.sequence
        if request is not None and request.is_over:
            self._give_room()  # its caller left while it was held back
            return
        envelope = self._envelope(frame, request)
        if isinstance(frame.args, Undecodable):
            self._refuse(envelope, frame.args)
        elif frame.target >> 64 != self.system.node_id.id:
            self._refuse(envelope, None)
        else:
            self._hand_over(envelope)

    def _envelope(self, frame: Ask | Tell, request: Request[Any] | None) -> Envelope:
        now = self.system.now()
        args: tuple[Any, ...] = () if isinstance(frame.args, Undecodable) else frame.args
        sender = None if frame.sender is None else ActorId(frame.sender)
        if request is None:
            return Envelope(
                ActorId(frame.target), frame.method, args, frame.kwargs, None, None, None, now, sender, frame.trace
            )
        assert isinstance(frame, Ask)
        timeout = None if frame.deadline_ms is None else frame.deadline_ms / 1000
        answer = request.context = Answer(self, request)
        return Envelope(
            ActorId(frame.target),
            frame.method,
            args,
            frame.kwargs,
            answer,
            timeout,
            None if timeout is None else now + timeout,
            now,
            sender,
            frame.trace,
            frame.stream,
        )

    def _hand_over(self, envelope: Envelope) -> None:
        try:
            accepted = self.system.deliver(envelope)
        except PulsingRuntimeError:
            accepted = None  # a tell that was refused; the dead letters have it
        if accepted is None:
            self._give_room()
        else:
            accepted.add_done_callback(lambda _: self._give_room())

    def _refuse(self, envelope: Envelope, undecodable: Undecodable | None) -> None:
        if undecodable is None:
            self.system.dead_letters.record(envelope, "no_actor")
            envelope.fail(PulsingRuntimeError(f"{envelope.target} is not an actor of node {self.system.node_id}"))
        else:
            self.system.dead_letters.record(envelope, "decode")
            envelope.fail(PulsingRuntimeError(f"arguments cannot be read by the other node: {undecodable.error}"))
        self._give_room()

    def _give_room(self) -> None:
        self._taken += 1
        if self._taken >= CREDIT_EVERY or self.bytes_in - self._credited_bytes >= CREDIT_EVERY_BYTES:
            self.send(Credit(0, self._taken))
            self._taken = 0
            self._credited_bytes = self.bytes_in

    def _on_reply(self, frame: Reply, request: Request[Any] | None) -> None:
        if request is None:
            return
        envelope: Envelope = request.context
        value = frame.value
        if frame.stream_kind is not None:
            value = self._begin_reading(request, value, envelope.abandoned)
        if isinstance(value, Undecodable):
            error = PulsingRuntimeError(f"the answer cannot be read by this node: {value.error}")
            self._finish(envelope, error=error)
        else:
            self._finish(envelope, value)

    def _begin_reading(self, request: Request[Any], msg_type: Any, abandoned: bool) -> StreamReader | Message:
        stream = request.context = IncomingStream(self, request)
        if abandoned:
            stream.channel.close()
        return StreamReader(stream.channel) if msg_type is None else Message.streaming(str(msg_type), stream.channel)

    def _on_failure(self, frame: Failure, request: Request[Any] | None) -> None:
        if request is not None:
            self._finish(request.context, error=from_failure(frame.failure))

    def _finish(self, envelope: Envelope, value: Any = None, error: PulsingError | None = None) -> None:
        self.system.deadlines.done(envelope)
        reply = envelope.reply
        if reply is not None and not reply.done():
            if error is None:
                reply.set_result(value)
            else:
                reply.set_exception(error)
        self.peer.room_again()

    def _on_cancel(self, frame: Cancel, request: Request[Any] | None) -> None:
        if request is not None and request.context is not None:
            request.context.cancel()

    def _on_items(self, frame: StreamItem, request: Request[Any] | None) -> None:
        if request is None:
            return
        stream: IncomingStream = request.context
        if isinstance(frame.items, Undecodable):
            stream.finish(PulsingRuntimeError(f"an item cannot be read by this node: {frame.items.error}"))
            self.send(Cancel(request.id))
        else:
            stream.take(frame.items)

    def _on_credit(self, frame: Credit, request: Request[Any] | None) -> None:
        if request is not None:
            request.context.more_credit()
        else:
            self.peer.room_again()

    def _on_end(self, frame: End, request: Request[Any] | None) -> None:
        if request is not None:
            request.context.finish(None if frame.failure is None else from_failure(frame.failure))

    def _on_ping(self, frame: Ping, _: Any) -> None:
        self.send(Pong(frame.nonce))

    def _on_goodbye(self, frame: Goodbye, _: Any) -> None:
        self.retire()
        self.peer.link_closing(self)

    def _on_gossip(self, frame: Gossip, _: Any) -> None:
        self.peer.node.membership.gossip_received(self.peer.node_id, frame.payload)

    # --- the end ---------------------------------------------------------------------------------------------------

    def retire(self, reason: str = "replaced") -> None:
        """Carry nothing new; the link ends when all that is open has ended."""
        if not self.session.said_goodbye:
            self.send(Goodbye(reason))
        self._close_if_done()

    @property
    def _is_done(self) -> bool:
        session = self.session
        quiet = session.idle and self.is_drained and not self._outbox and not self._bulk
        return quiet and session.said_goodbye and session.heard_goodbye

    def _close_if_done(self) -> None:
        """Only the end that dialled closes, so that the link does not vanish under an answer on its way."""
        if self.closing and self.dialled and self._is_done:
            self.connection.close(1000, "replaced")

    def on_lost(self, error: Exception | None) -> None:
        """The connection is gone: whoever waits on it learns of it now."""
        if self.lost:
            return
        self.lost = True
        detail = "" if error is None else str(error)
        for request in self.session.end():
            if isinstance(request.context, Envelope):
                self.system.deadlines.done(request.context)
                request.context.fail(LinkLost(self.peer.node_id, True, detail))
            elif isinstance(request.context, IncomingStream):
                request.context.finish(LinkLost(self.peer.node_id, True, detail))
            elif request.context is not None:
                request.context.cancel()
        self.held.clear()
        self.peer.link_lost(self, detail)

    async def close(self) -> None:
        """Say goodbye, send what is queued, and wait for the streams' tasks."""
        if not self.lost:
            self.retire("shutdown")
            self._flush()
            self.connection.close(1001, "shutdown")
        await self._tasks.close()


def _only_heard(frame: Pong, _: Any) -> None:
    """Being heard is all that a pong is for."""


def _portions(outbox: list[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut what is to be sent into messages of about a megabyte."""
    if len(outbox) == 1 or sum(map(len, outbox)) <= MESSAGE_TARGET:
        yield outbox
        return
    portion: list[bytes] = []
    size = 0
    for part in outbox:
        if portion and size + len(part) > MESSAGE_TARGET:
            yield portion
            portion, size = [], 0
        portion.append(part)
        size += len(part)
    yield portion
