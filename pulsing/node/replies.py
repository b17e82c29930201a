"""What goes back over one link for the requests of the other node: results, errors and streams, within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pulsing.core.messages import Message, StreamMessage
from pulsing.core.streams import StreamReader
from pulsing.exceptions import NotSendable, Overloaded
from pulsing.logs import logger_of
from pulsing.node.answer import not_sendable
from pulsing.node.outbox import PILE
from pulsing.node.streaming import OutgoingStream
from pulsing.wire.codec import FrameCodec
from pulsing.wire.encoded import EncodedFrame
from pulsing.wire.failures import FailureRecord, to_failure
from pulsing.wire.frames import End, Failure, Reply
from pulsing.wire.session import Request

if TYPE_CHECKING:
    from pulsing.node.link import Link

logger = logger_of(__name__)

_MAY_STREAM = frozenset({StreamReader, Message, StreamMessage})


class Replies:
    """The answering side of a link.

    Args:
        link: over which they go.
        codec: of its frames.
    """

    __slots__ = ("_codec", "_link", "_outbox", "_session")

    def __init__(self, link: Link, codec: FrameCodec) -> None:
        self._link = link
        self._codec = codec
        self._session = link.session
        self._outbox = link.outbox

    def result(self, request: Request[Any], value: Any) -> None:
        """Send the result of a request, or open the stream that it stands for."""
        if type(value) in _MAY_STREAM:
            if isinstance(value, StreamReader):
                self._open_stream(request, value, None)
                return
            if value.is_stream:
                self._open_stream(request, value.stream_reader(), value.msg_type)
                return
        try:
            encoded = self._codec.encode_reply(request.id, value)
        except (NotSendable, ValueError) as error:
            self.error(request, not_sendable(value, error))
            return
        if self._outbox.waiting > PILE and not self._may_wait(encoded):
            self._refuse(request)
        elif self._session.reply(request) and not self._link.lost:
            self._outbox.put(encoded)

    def error(self, request: Request[Any], error: BaseException) -> None:
        """Send the error of a request."""
        failure = Failure(request.id, self._failure(error))
        if self._outbox.waiting > PILE and not self._may_wait(self._codec.encode(failure)):
            self._refuse(request)
        else:
            self._link.send(failure)

    def end_stream(self, request: Request[Any], error: BaseException | None) -> None:
        """Tell the reader that a stream is over."""
        self._link.send(End(request.id, None if error is None else self._failure(error)))

    def _open_stream(self, request: Request[Any], reader: StreamReader, msg_type: str | None) -> None:
        channel = reader.detach()
        if request.is_over:
            channel.close()
            return
        self._link.send(Reply(request.id, msg_type, "async"))
        stream = request.context = OutgoingStream(self._link, request, channel)
        self._link.tasks.start(stream.run(), f"stream {request.id}")

    def _may_wait(self, answer: bytes | EncodedFrame) -> bool:
        """Answers have piled up: nothing more is begun for the other side, and there is an end to what is kept."""
        self._link.arrivals.pause()
        size = len(answer) if isinstance(answer, bytes) else answer.size
        node = self._link.peer.node
        in_all = sum(link.outbox.waiting for link in node.links())
        return node.budget.takes_answer(self._outbox.waiting + size, in_all + size)

    def _refuse(self, request: Request[Any]) -> None:
        peer = self._link.peer
        if self._link.system.log_seldom.due("answers"):
            logger.warning("node %s does not take its answers: some are replaced by errors", peer.node_id)
        error = Overloaded("memory for answers that other nodes have not taken, in bytes,", peer.node.budget.limit)
        error.maybe_executed = True
        self._link.send(Failure(request.id, self._failure(error)))

    def _failure(self, error: BaseException) -> FailureRecord:
        return to_failure(error, node=self._link.system.node_id)
