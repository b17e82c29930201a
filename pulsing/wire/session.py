"""What is open between two nodes, and which frame may come next. Bytes, time and actors are somebody else's business.

Each side numbers its own requests from 1 upwards. A request lives through these states, on both sides the same:

    our request     waiting ──reply──▶ over            their request   serving ──our reply──▶ over
                       │  └──reply with a stream──▶ reading    │  └──our reply with a stream──▶ writing
                       └──failure──▶ over                      └──our failure──▶ over
                    reading ──items──▶ reading                 writing ──their credit──▶ writing
                       └──end──▶ over                          └──our end──▶ over

Whoever asked may cancel at any time; for it the request is over at once, and what still comes for it is stale and
means nothing. The link itself is open until a side says goodbye; from then on that side asks and tells nothing new,
and what is open runs to its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Generic, TypeVar

from pulsing.wire.errors import ProtocolError
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
)

STREAM_CREDIT = 32
"""Items that may be under way when a stream opens; the reader grants more as it reads."""
WINDOW_FRAMES = 256
WINDOW_BYTES = 8 * 1024 * 1024

Context = TypeVar("Context")


class State(Enum):
    """Where a request stands."""

    WAITING = "waiting"
    """we asked, nothing has come yet"""
    READING = "reading"
    """we asked and were promised a stream"""
    SERVING = "serving"
    """they asked, we owe an answer"""
    WRITING = "writing"
    """they asked and we promised a stream"""
    OVER = "over"


_W, _R, _S, _X, _O = State.WAITING, State.READING, State.SERVING, State.WRITING, State.OVER

RECEIVED: Mapping[tuple[State, type], State] = {
    (_W, Reply): _O,  # a reply that promises a stream leads to READING instead
    (_W, Failure): _O,
    (_R, StreamItem): _R,
    (_R, End): _O,
    (_S, Cancel): _O,
    (_X, Cancel): _O,
    (_X, Credit): _X,
}
"""What may arrive for a request in each state, and the state that follows."""

SENT: Mapping[tuple[State, type], State] = {
    (_W, Cancel): _O,
    (_R, Cancel): _O,
    (_R, Credit): _R,
    (_S, Reply): _O,  # a reply that promises a stream leads to WRITING instead
    (_S, Failure): _O,
    (_X, StreamItem): _X,
    (_X, End): _O,
}
"""What may be sent for a request in each state, and the state that follows."""

ABOUT_OURS = frozenset({Reply, Failure, StreamItem, End})
"""Frames that speak, when they arrive, of requests that we made."""
ABOUT_THEIRS = frozenset({Cancel, Credit})
"""Frames that speak, when they arrive, of requests that they made."""
FREE = frozenset({Ping, Pong, Gossip})
"""Frames that belong to no request and may come at any time."""


class Request(Generic[Context]):
    """One open request.

    Attributes:
        state: where it stands.
        context: what its owner needs to go on with it; the session only keeps it.
        credit: items that may still come (reading) or go (writing) before more credit is given.
    """

    __slots__ = ("context", "credit", "state")

    def __init__(self, state: State, context: Context) -> None:
        self.state = state
        self.context = context
        self.credit = 0


class SendWindow:
    """How many messages, and how many bytes of them, may be under way before the other side gives room back.

    Room comes back in numbers of messages. Their sizes are known to the sender, and count as given back in the order
    of sending.
    """

    __slots__ = ("_bytes", "_sizes")

    def __init__(self) -> None:
        self._sizes: deque[int] = deque()
        self._bytes = 0

    @property
    def open(self) -> bool:
        """Whether one more message may go; a message larger than the whole window goes alone."""
        return len(self._sizes) < WINDOW_FRAMES and self._bytes < WINDOW_BYTES

    def take(self, size: int) -> None:
        """Note a message of `size` bytes that goes out."""
        self._sizes.append(size)
        self._bytes += size

    def give_back(self, messages: int) -> None:
        """Note that the other side has taken in so many messages.

        Raises:
            ProtocolError: more than were under way.
        """
        if messages > len(self._sizes):
            raise ProtocolError(f"room for {messages} messages was given back, {len(self._sizes)} were under way")
        for _ in range(messages):
            self._bytes -= self._sizes.popleft()

    @property
    def frames(self) -> int:
        """Messages under way."""
        return len(self._sizes)

    @property
    def bytes(self) -> int:
        """Bytes of the messages under way."""
        return self._bytes


class Session(Generic[Context]):
    """One side's book of a link: the requests of both sides, their credit, and the window for new messages."""

    __slots__ = ("_last_asked", "_last_served", "_ours", "_theirs", "said_goodbye", "they_said_goodbye", "window")

    def __init__(self) -> None:
        self.window = SendWindow()
        self.said_goodbye = False
        self.they_said_goodbye = False
        self._ours: dict[int, Request[Context]] = {}
        self._theirs: dict[int, Request[Context]] = {}
        self._last_asked = 0
        self._last_served = 0

    # --- what we ask -----------------------------------------------------------------------------------------------

    @property
    def may_ask(self) -> bool:
        """Whether a new message may go out now."""
        return not self.said_goodbye and not self.they_said_goodbye and self.window.open

    def ask(self, context: Context) -> int:
        """Open a request and return its number."""
        self._last_asked += 1
        self._ours[self._last_asked] = Request(State.WAITING, context)
        return self._last_asked

    def is_waiting(self, request_id: int) -> bool:
        """Whether a request of ours has had no answer yet."""
        request = self._ours.get(request_id)
        return request is not None and request.state is State.WAITING

    def take_back(self, request_id: int) -> None:
        """Forget a request that could not be sent after all."""
        self._ours.pop(request_id, None)
        if request_id == self._last_asked:
            self._last_asked -= 1

    def send(self, frame: Frame) -> bool:
        """Note a frame that is about to be sent for a request.

        Returns:
            Whether to send it: False when the request has ended meanwhile, so that it would be stale.

        Raises:
            ProtocolError: this side is about to break the protocol.
        """
        kind = type(frame)
        book = self._ours if kind in ABOUT_THEIRS else self._theirs
        request = book.get(frame.request_id)  # type: ignore[union-attr]
        if request is None:
            return False
        self._follow(book, request, frame, SENT)
        return True

    # --- what comes in ---------------------------------------------------------------------------------------------

    def serve(self, request_id: int, context: Context) -> None:
        """Keep the context of a request that has just been received."""
        self._theirs[request_id] = Request(State.SERVING, context)

    def promise_stream(self, request_id: int) -> Request[Context] | None:
        """Note that the answer to a request is a stream; None when the request has ended meanwhile."""
        request = self._theirs.get(request_id)
        if request is not None:
            self._follow(self._theirs, request, Reply(request_id, None, "async"), SENT)
        return request

    def receive(self, frame: Frame) -> Request[Context] | None:
        """Take note of a frame from the other side.

        Returns:
            The request that the frame is about, already in the state that follows; None where there is none: frames
            that belong to no request, new requests, and stale frames about requests that have ended.

        Raises:
            ProtocolError: the frame may not come now; the link is to be closed.
        """
        kind = type(frame)
        if kind is Reply or kind in ABOUT_OURS:
            return self._about(self._ours, self._last_asked, frame)
        if kind is Ask:
            self._new_request(frame)  # type: ignore[arg-type]
        elif kind is Tell:
            self._refuse_after_goodbye()
        elif kind is Credit and frame.request_id == 0:  # type: ignore[union-attr]
            self.window.give_back(frame.amount)  # type: ignore[union-attr]
        elif kind in ABOUT_THEIRS:
            return self._about(self._theirs, self._last_served, frame)
        elif kind is Goodbye:
            self.they_said_goodbye = True
        elif kind not in FREE:
            raise ProtocolError(f"{kind.__name__} is no frame of this protocol")
        return None

    def _new_request(self, frame: Ask) -> None:
        self._refuse_after_goodbye()
        if frame.request_id <= self._last_served:
            raise ProtocolError(f"request {frame.request_id} came after request {self._last_served}")
        self._last_served = frame.request_id

    def _refuse_after_goodbye(self) -> None:
        if self.they_said_goodbye:
            raise ProtocolError("a new message came after goodbye")

    def _about(self, book: dict[int, Request[Context]], last: int, frame: Any) -> Request[Context] | None:
        request = book.get(frame.request_id)
        if request is None:
            if not 0 < frame.request_id <= last:
                raise ProtocolError(f"{type(frame).__name__} is about request {frame.request_id}, which was never made")
            return None
        self._follow(book, request, frame, RECEIVED)
        return request

    def _follow(
        self,
        book: dict[int, Request[Context]],
        request: Request[Context],
        frame: Any,
        table: Mapping[tuple[State, type], State],
    ) -> None:
        kind = type(frame)
        following = table.get((request.state, kind))
        if following is None:
            raise ProtocolError(f"{kind.__name__} may not come for a request that is {request.state.value}")
        if kind is Reply and frame.stream_kind is not None:
            following = State.READING if request.state is State.WAITING else State.WRITING
            request.credit = STREAM_CREDIT
        elif kind is StreamItem:
            self._use_credit(request, frame)
        elif kind is Credit:
            request.credit += frame.amount
        request.state = following
        if following is State.OVER:
            del book[frame.request_id]

    def _use_credit(self, request: Request[Context], frame: StreamItem) -> None:
        count = len(frame.items) if isinstance(frame.items, tuple) else 1
        if count > request.credit:
            raise ProtocolError(f"{count} items came for a stream with credit for {request.credit}")
        request.credit -= count

    # --- the whole -------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether nothing is open in either direction."""
        return not self._ours and not self._theirs

    @property
    def asked(self) -> int:
        """Our requests that have not ended."""
        return len(self._ours)

    @property
    def streams(self) -> int:
        """Open streams, in both directions."""
        requests = [*self._ours.values(), *self._theirs.values()]
        return sum(request.state in (State.READING, State.WRITING) for request in requests)

    def goodbye(self) -> None:
        """This side asks and tells nothing new from now on."""
        self.said_goodbye = True

    def end(self) -> Iterator[Request[Context]]:
        """The link is lost: every open request, which ends now."""
        requests = [*self._ours.values(), *self._theirs.values()]
        self._ours.clear()
        self._theirs.clear()
        return iter(requests)
