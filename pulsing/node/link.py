"""One connection to another node at work: requests go out and are answered, and come in and are served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from pulsing.core.envelope import Envelope
from pulsing.core.messages import Message
from pulsing.core.streams import StreamReader
from pulsing.exceptions import LinkLost, NodeDead, NodeLeaving
from pulsing.logs import logger_of
from pulsing.node.answer import failure_of_message
from pulsing.node.arrivals import Arrivals
from pulsing.node.outbox import Outbox
from pulsing.node.portions import Portions
from pulsing.node.replies import Replies
from pulsing.node.stopwatch import Stopwatch
from pulsing.node.streaming import IncomingStream
from pulsing.node.totals import GOODBYES, Ending, Goodbyes
from pulsing.tasks import TaskScope
from pulsing.transport.base import Connection, ConnectionFault
from pulsing.wire.codec import FrameCodec
from pulsing.wire.errors import ProtocolError
from pulsing.wire.failures import from_failure
from pulsing.wire.frames import (
    Ask,
    Cancel,
    Credit,
    End,
    Failure,
    Frame,
    Full,
    Goodbye,
    Ping,
    Pong,
    Reply,
    Room,
    StreamItem,
    Tell,
    Undecodable,
)
from pulsing.wire.session import SMALL, Request, Session
from pulsing.wire.values import Codec

if TYPE_CHECKING:
    from pulsing.core.system import System
    from pulsing.node.peer import Peer

logger = logger_of(__name__)

PROTOCOL_ERROR = 1002

WATCH_AFTER_S = 0.01
"""Seconds after which a caller who still waits is watched: if it leaves, the other side is told."""

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
        self.totals = peer.node.totals
        self._busy_poll = peer.node.busy_poll
        self.number = self.totals.next_link()
        self.session: Session[Any] = Session(peer.node.bounds)
        self.frames_in = self.bytes_in = 0
        self.opened_at = self.system.clock.wall()
        self.backpressure = Stopwatch()
        """Time for which messages have waited although the link was there."""
        self.lost = False
        self.ended: asyncio.Future[None] = self.system.loop.create_future()
        """Done when the connection is gone."""
        self.closing = False
        """Whether nothing new goes over this link any more."""
        self.ending: Ending = "closed"
        """Why it ended, or will."""
        self._watching: asyncio.TimerHandle | None = None
        self._watched = 0
        """Number of the last request whose caller is watched, or was answered before that."""
        self.outbox = Outbox(connection, self.system.loop, self._close_if_done)
        self.arrivals = Arrivals(self)
        self.values = codec
        self._codec = FrameCodec(codec, self.outbox.room, self._admits)
        self._portions = Portions(connection, self.system.loop, self._read)
        self.tasks = TaskScope(f"link {peer.node_id}")
        self.replies = Replies(self, self._codec)
        self._handlers: dict[type, Callable[[Any, Request[Any] | None], None]] = {
            Ask: self.arrivals.take,
            Tell: self.arrivals.take,
            Reply: self._on_reply,
            Failure: self._on_failure,
            Cancel: self._on_cancel,
            StreamItem: self._on_items,
            Credit: self._on_credit,
            End: self._on_end,
            Ping: self._on_ping,
            Pong: _only_heard,
            Goodbye: self._on_goodbye,
            Full: self._on_full,
            Room: self._on_room,
        }

    # --- sending ---------------------------------------------------------------------------------------------------

    def send_message(self, envelope: Envelope, sequence: int) -> bool:
        """Send an envelope; False where it is too large for the room that there is now.

        Raises:
            NotSendable: a value in it has no encoding; nothing was sent.
        """
        if envelope.reply is None:
            return self._send_tell(envelope, sequence)
        session, sender, deadline = self.session, envelope.sender, envelope.deadline
        number = session.next_request
        encoded = self._codec.encode_ask(
            number,
            envelope.target.id,
            envelope.method,
            envelope.args,
            envelope.kwargs,
            None if deadline is None else max(1, int((deadline - self.system.now()) * 1000)),
            envelope.stream,
            envelope.trace,
            None if sender is None else sender.id,
            sequence,
        )
        size = len(encoded) if type(encoded) is bytes else encoded.size  # type: ignore[union-attr]
        if size > SMALL and not session.has_room_for(size):
            return False
        session.ask(number, envelope, size)
        self.outbox.put(encoded)
        if self._watching is None:
            self._watching = self.system.loop.call_later(WATCH_AFTER_S, self._watch_callers)
        return True

    def _send_tell(self, envelope: Envelope, sequence: int) -> bool:
        sender = envelope.sender
        sender_id = None if sender is None else sender.id
        args, kwargs = envelope.args, envelope.kwargs or _NO_KWARGS
        frame = Tell(envelope.target.id, envelope.method, args, kwargs, envelope.trace, sender_id, sequence)
        encoded = self._codec.encode(frame)
        if not self.session.has_room_for(encoded.size):
            return False
        self.session.send(frame, envelope, encoded.size)
        self.outbox.put(encoded)
        return True

    def _watch_callers(self) -> None:
        """Notice from now on when callers leave who wait for longer than most.

        A callback on each answer would take as long as a tenth of the whole call.
        """
        self._watching = None
        session = self.session
        first, self._watched = self._watched + 1, session.next_request - 1
        for number in range(first, self._watched + 1):
            envelope = session.waiting(number)
            if envelope is not None:
                envelope.reply.add_done_callback(partial(self._settled, number))

    def _settled(self, request_id: int, _: Any) -> None:
        """The caller has its answer, or it has left or timed out before one came."""
        envelope = self.session.waiting(request_id)
        if envelope is not None:
            self.system.deadlines.done(envelope)
            if envelope.reply.cancelled():
                self.system.asks.cancelled.observe(self.system.now() - envelope.accepted_at)
            self.send(Cancel(request_id))
            self.peer.room_again()

    def send(self, frame: Frame) -> None:
        """Queue a frame, unless the request that it is about has ended meanwhile.

        Raises:
            NotSendable: a value in it has no encoding; nothing was sent.
        """
        encoded = self._codec.encode(frame)
        if self.session.send(frame) and not self.lost:
            self.outbox.put(encoded)

    def on_blocked(self) -> None:
        self.outbox.block()

    def on_writable(self) -> None:
        self.outbox.unblock()

    def _admits(self, size: int) -> bool:
        """Whether there is room for a large value that begins to come in."""
        node = self.peer.node
        return node.budget.takes_values(size + sum(link._codec.assembler.begun_bytes for link in node.links()))

    # --- receiving -------------------------------------------------------------------------------------------------

    @property
    def first_message(self) -> int | None:
        """Number of the first message that came over this link."""
        announced, complete = self._codec.first_announced, self.arrivals.first_message
        if complete is None or announced is None:
            return complete or announced
        return min(complete, announced)

    @property
    def has_parted(self) -> bool:
        """Whether the other side says nothing new over this link any more."""
        return self.session.heard_goodbye

    @property
    def is_drained(self) -> bool:
        """Whether no message waits for the rest of a large value, or to be taken in."""
        return not (self._codec.assembler.holds_messages or self._portions.waiting or self.arrivals.in_hand)

    def on_message(self, data: bytes) -> None:
        self.bytes_in += len(data)
        self.peer.heard()
        self._busy_poll.heard()
        if self._portions.waiting:
            self._portions.add(data, 0)
            return
        end = self._read(data, 0)
        if end < len(data):
            self._portions.add(data, end)

    def _read(self, data: bytes, offset: int) -> int:
        """Take in the next portion of a message; returns where it ends."""
        try:
            frames, offset = self._codec.decode_portion(data, offset)
            self.frames_in += len(frames)
            handlers, session = self._handlers, self.session
            for frame in frames:
                handlers[type(frame)](frame, session.receive(frame))
        except ProtocolError as error:
            if self.system.log_seldom.due("protocol"):
                logger.warning("node %s broke the protocol: %s", self.peer.node_id, error)
            self._portions.clear()
            self.totals.errors["protocol"] += 1
            self.ending = "protocol"
            self.connection.close(PROTOCOL_ERROR, "protocol error")
            offset = len(data)
        self.look_around()
        return offset

    def look_around(self) -> None:
        """See what can go on, now that frames were taken in."""
        if self.peer.waiting:
            self.peer.room_again()
        if self.peer.holds_back:
            self.peer.release()
        if self.closing:
            self._close_if_done()

    def _on_reply(self, frame: Reply, request: Request[Any] | None) -> None:
        if request is None:
            return
        envelope: Envelope = request.context
        value = frame.value
        if frame.stream_kind is not None:
            value = self._begin_reading(request, value, envelope.abandoned)
        system = self.system
        system.deadlines.done(envelope)
        if type(value) is Undecodable:
            self.totals.errors["decode"] += 1
            unread = f"the answer cannot be read by this node: {value.error}"
            envelope.fail(failure_of_message(unread, maybe_executed=True))
            return
        reply = envelope.reply
        if reply is not None and not reply.done():
            system.asks.ok.observe(system.now() - envelope.accepted_at)
            reply.set_result(value)
        elif reply is not None and reply.cancelled():
            system.asks.cancelled.observe(system.now() - envelope.accepted_at)

    def _begin_reading(self, request: Request[Any], msg_type: Any, abandoned: bool) -> StreamReader | Message:
        stream = request.context = IncomingStream(self, request)
        if abandoned:
            stream.channel.close()
        return StreamReader(stream.channel) if msg_type is None else Message.streaming(str(msg_type), stream.channel)

    def _on_failure(self, frame: Failure, request: Request[Any] | None) -> None:
        if request is not None:
            envelope: Envelope = request.context
            self.system.deadlines.done(envelope)
            if not envelope.abandoned:
                self.system.asks.error.observe(self.system.now() - envelope.accepted_at)
            envelope.fail(from_failure(frame.failure))

    def _on_cancel(self, frame: Cancel, request: Request[Any] | None) -> None:
        if request is not None and request.context is not None:
            request.context.cancel()

    def _on_items(self, frame: StreamItem, request: Request[Any] | None) -> None:
        if request is None:
            return
        stream: IncomingStream = request.context
        if isinstance(frame.items, Undecodable):
            self.totals.errors["decode"] += 1
            unread = f"an item cannot be read by this node: {frame.items.error}"
            stream.finish(failure_of_message(unread, maybe_executed=True))
            self.send(Cancel(request.id))
        else:
            stream.take(frame.items)

    def _on_credit(self, frame: Credit, request: Request[Any] | None) -> None:
        if request is not None:
            request.context.more_credit()

    def _on_full(self, frame: Full, _: Any) -> None:
        if self.peer.link is self:
            self.peer.actor_full(frame.target)

    def _on_room(self, frame: Room, _: Any) -> None:
        if self.peer.link is self:
            self.peer.actor_has_room(frame.target)

    def _on_end(self, frame: End, request: Request[Any] | None) -> None:
        if request is not None:
            request.context.finish(None if frame.failure is None else from_failure(frame.failure))

    def _on_ping(self, frame: Ping, _: Any) -> None:
        self.send(Pong(frame.nonce))

    def _on_goodbye(self, frame: Goodbye, _: Any) -> None:
        if frame.reason in GOODBYES and not self.session.said_goodbye:
            self.ending = cast(Ending, frame.reason)
        self.retire()
        self.peer.link_closing()

    # --- the end ---------------------------------------------------------------------------------------------------

    def retire(self, reason: Goodbyes = "replaced") -> None:
        """Carry nothing new; the link ends when all that is open has ended."""
        if not self.session.said_goodbye:
            self.closing = True
            if self.ending == "closed":
                self.ending = reason
            self.send(Goodbye(reason))
        self._close_if_done()

    @property
    def _is_done(self) -> bool:
        session = self.session
        quiet = session.idle and self.is_drained and self.outbox.is_empty
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
        if self._watching is not None:
            self._watching.cancel()
        self.backpressure.stop(self.system.now())
        self.ended.set_result(None)
        detail = "" if error is None else str(error)
        self._judge(error)
        for request in self.session.end():
            if isinstance(request.context, Envelope):
                self.system.deadlines.done(request.context)
                self.system.asks.lost.observe(self.system.now() - request.context.accepted_at)
                request.context.fail(LinkLost(self.peer.node_id, True, detail))
            elif isinstance(request.context, IncomingStream):
                request.context.finish(LinkLost(self.peer.node_id, True, detail))
            elif request.context is not None:
                request.context.cancel()
        self._portions.clear()
        self.arrivals.clear()
        self.outbox.clear()
        self.peer.link_lost(self, detail)

    def _judge(self, error: Exception | None) -> None:
        """Count the end of the link, and what was wrong with it."""
        if isinstance(error, ConnectionFault):
            self.totals.errors[error.kind] += 1
            self.ending = "protocol" if error.kind == "protocol" else "lost"
        elif isinstance(error, NodeDead):
            self.ending = "dead"
        elif isinstance(error, NodeLeaving):
            self.ending = "leaving"
        elif error is not None:
            self.ending = "lost"
        self.totals.ended(self)

    async def close(self) -> None:
        """Say goodbye, send what is queued, and wait for the streams' tasks."""
        if not self.lost:
            self.retire("shutdown")
            self.outbox.flush()
            self.connection.close(1001, "shutdown")
        await self.tasks.close()


def _only_heard(frame: Pong, _: Any) -> None:
    """Being heard is all that a pong is for."""
