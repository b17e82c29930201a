"""What is open between two nodes, and which frame may come next. Bytes, time and actors are somebody else's business.

Each side numbers its own requests from 1 upwards, and a request lives through a few stages, each seen from both ends:

                 asker                                answerer
                 WAITING ── ask ────────────────────▶ SERVING
        OVER ◀────────────────── reply, failure ───── SERVING
                 READING ◀───── reply: a stream ───── WRITING
                 READING ◀────────────── items ────── WRITING
                 READING ── credit ─────────────────▶ WRITING
        OVER ◀──────────────────────────── end ────── WRITING
     WAITING, READING ── cancel ────────────────────▶ OVER

What one end may send is exactly what the other may receive, so there is one table, `SENT`; `RECEIVED` is its mirror
image. Frames cross on their way: what comes for a request that is over here, but was not yet over there, is *stale*
and means nothing. What comes for a request that was never made breaks the protocol.

Beside the requests there is the link itself. Each side talks until it says goodbye; from then on it asks and tells
nothing new, and what is open runs to its end. Messages to actors, and the items of each stream, are counted: a side
sends no more of them than the other has granted, and none to an actor of which it has heard that its mailbox is full.

The same rules hold in both directions, and a frame that breaks one of them is a `ProtocolError`: out of `receive` it is
the other side's fault and ends the link, out of `send` it is a bug of this side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

from pulsing.wire.errors import ProtocolError
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
)

WINDOW_FRAMES = 1024
"""Messages to actors that may be under way in one direction of a link."""
WINDOW_BYTES = 8 * 1024 * 1024
"""Bytes of them; only the sender knows and counts these."""
SMALL = 16 * 1024
"""Messages of at most so many bytes go even where the window has no room for their bytes: nothing small waits behind
large values."""
STREAM_CREDIT = 32
"""Items of one stream that may be under way."""
PENDING_ASKS = 10_000
"""Requests of one side that may be open."""
FULL_ACTORS = 65_536
"""Actors of one side that may be without room at a time."""


@dataclass(frozen=True)
class Bounds:
    """How much of what the protocol grants this side uses; the other side need not know."""

    window_frames: int = WINDOW_FRAMES
    window_bytes: int = WINDOW_BYTES
    pending_asks: int = PENDING_ASKS
    stream_items: int = STREAM_CREDIT

    def __post_init__(self) -> None:
        # Room comes back for a quarter of the frames, or an eighth of the bytes, at once: less would not go on.
        for name, least, most in (
            ("window_frames", WINDOW_FRAMES // 4, WINDOW_FRAMES),
            ("window_bytes", WINDOW_BYTES // 8, WINDOW_BYTES),
            ("pending_asks", 1, PENDING_ASKS),
            ("stream_items", 1, STREAM_CREDIT),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} lies between {least} and {most}, got {getattr(self, name)}")


Context = TypeVar("Context")


class Stage(Enum):
    """Where a request stands, for one of its ends."""

    UNMADE = "not made yet"
    WAITING = "waiting"
    """we asked, nothing has come yet"""
    READING = "reading"
    """we asked and were promised a stream"""
    SERVING = "serving"
    """they asked, we owe an answer"""
    WRITING = "writing"
    """they asked and we promised a stream"""
    OVER = "over"

    __hash__ = object.__hash__
    """Stages are looked up for each frame, and the hash of an enumeration is written in Python."""


class Phase(Enum):
    """What is still to be expected of one side of the link."""

    TALKING = "talking"
    PARTING = "parting"
    """it has said goodbye"""


class Promise:
    """Stands in the tables for a reply that promises a stream; every other frame stands for itself."""


_UNMADE, _WAITING, _READING, _SERVING, _WRITING, _OVER = Stage
_TALKING = Phase.TALKING
_MIRROR = {_WAITING: _SERVING, _SERVING: _WAITING, _READING: _WRITING, _WRITING: _READING}

Stages: TypeAlias = Mapping[tuple[Stage, type], Stage]

SENT: Stages = {
    (_UNMADE, Ask): _WAITING,
    (_WAITING, Cancel): _OVER,
    (_READING, Credit): _READING,
    (_READING, Cancel): _OVER,
    (_SERVING, Reply): _OVER,
    (_SERVING, Promise): _WRITING,
    (_SERVING, Failure): _OVER,
    (_WRITING, StreamItem): _WRITING,
    (_WRITING, End): _OVER,
}
"""What may be sent for a request in each stage, and the stage that follows."""

RECEIVED: Stages = {
    (_MIRROR.get(stage, stage), kind): _MIRROR.get(following, following) for (stage, kind), following in SENT.items()
}
"""What may arrive for a request in each stage, and the stage that follows."""

NEWS: Mapping[tuple[Phase, type], Phase] = {
    (Phase.TALKING, Ask): Phase.TALKING,
    (Phase.TALKING, Tell): Phase.TALKING,
    (Phase.TALKING, Goodbye): Phase.PARTING,
}
"""What a side may say that belongs to no open request, and what is to be expected of it afterwards."""

ANYTIME = frozenset({Ping, Pong})
"""Frames to which no rule of this module applies."""

OF_ASKER = frozenset({Ask, Cancel, Credit})
"""Frames about a request of the side that sends them; those of the answerer are about the other side's."""
OF_ANSWERER = frozenset({Reply, Failure, StreamItem, End})


class Request(Generic[Context]):
    """One request, as one of its ends sees it.

    Attributes:
        id: its number.
        stage: where it stands.
        context: whatever its owner needs to go on with it; the session only keeps it.
        credit: items that may still go, or come, before more credit is given.
    """

    __slots__ = ("context", "credit", "id", "stage")

    def __init__(self, id: int, stage: Stage, context: Context) -> None:
        self.id = id
        self.stage = stage
        self.context = context
        self.credit = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be sent for it."""
        return self.stage is _OVER


class Window:
    """The messages of one direction that are under way.

    Room comes back in numbers of messages; their sizes count as given back in the order of sending.
    """

    __slots__ = ("bytes", "limit", "sizes")

    def __init__(self, limit: int = WINDOW_BYTES) -> None:
        self.limit = limit
        self.sizes: deque[int] = deque()
        """Of the messages under way, in the order of sending."""
        self.bytes = 0
        """Their sum."""

    def takes(self, size: int) -> bool:
        """Whether a message of so many bytes may go; one that is larger than the whole window goes alone."""
        return size <= SMALL or self.bytes < self.limit

    def take(self, size: int) -> None:
        """Note a message of `size` bytes."""
        if len(self.sizes) >= WINDOW_FRAMES:
            raise ProtocolError(f"more than {WINDOW_FRAMES} messages are under way")
        self.sizes.append(size)
        self.bytes += size

    def give_back(self, messages: int) -> None:
        """Note that so many messages have found their place at the other end."""
        if not 0 < messages <= len(self.sizes):
            raise ProtocolError(f"room for {messages} messages is given back, {len(self.sizes)} are under way")
        for _ in range(messages):
            self.bytes -= self.sizes.popleft()

    @property
    def messages(self) -> int:
        """Messages under way."""
        return len(self.sizes)


class _Numbers:
    """Which request numbers a side has used: each once, and nearly in order.

    A message whose large value is still on its way is overtaken by messages to other actors, by no more of them than
    the window holds.
    """

    __slots__ = ("last", "skipped")

    def __init__(self) -> None:
        self.last = 0
        self.skipped: set[int] = set()

    def use_out_of_order(self, number: int) -> None:
        if number in self.skipped:
            self.skipped.discard(number)
            return
        if not self.last < number <= self.last + WINDOW_FRAMES or len(self.skipped) >= WINDOW_FRAMES:
            raise ProtocolError(f"request {number} comes after request {self.last}")
        self.skipped.update(range(self.last + 1, number))
        self.last = number

    def __contains__(self, number: int) -> bool:
        return 0 < number <= self.last and number not in self.skipped


class _Side(Generic[Context]):
    """What one side has said and made: whether it still talks, its requests, and its messages under way."""

    __slots__ = ("full", "made", "phase", "requests", "window")

    def __init__(self) -> None:
        self.phase = Phase.TALKING
        self.requests: dict[int, Request[Context]] = {}
        self.made = _Numbers()
        self.window = Window()
        self.full: set[bytes] = set()


class Session(Generic[Context]):
    """One node's book of a link."""

    __slots__ = ("_frames", "_ours", "_pending", "_theirs")

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._frames = WINDOW_FRAMES if bounds is None else bounds.window_frames
        self._pending = PENDING_ASKS if bounds is None else bounds.pending_asks
        self._ours: _Side[Context | None] = _Side()
        self._theirs: _Side[Context | None] = _Side()
        if bounds is not None:
            self._ours.window.limit = bounds.window_bytes

    # --- what may be sent ------------------------------------------------------------------------------------------

    @property
    def may_send_message(self) -> bool:
        """Whether a small ask or tell may go out now."""
        ours = self._ours
        return len(ours.window.sizes) < self._frames and len(ours.requests) < self._pending and ours.phase is _TALKING

    def has_room_for(self, size: int) -> bool:
        """Whether a message of `size` bytes may go out now."""
        return self._ours.window.takes(size)

    @property
    def next_request(self) -> int:
        """The number for the next ask."""
        return self._ours.made.last + 1

    def waiting(self, request_id: int) -> Context | None:
        """The context of a request of ours that has had no answer yet; None for all others."""
        request = self._ours.requests.get(request_id)
        return request.context if request is not None and request.stage is _WAITING else None

    # --- frames go and come ----------------------------------------------------------------------------------------

    def send(self, frame: Frame, context: Context | None = None, size: int = 0) -> bool:
        """Take note of a frame that is about to be sent.

        Args:
            frame: the frame.
            context: of the request that an ask opens.
            size: bytes of a message to an actor.

        Returns:
            Whether to send it: False when its request has ended meanwhile, so that it would be stale.

        Raises:
            ProtocolError: this side is about to break the protocol.
        """
        kind = type(frame)
        if kind is Ask:
            self.ask(frame.request_id, context, size)  # type: ignore[union-attr]
        elif kind in OF_ANSWERER:
            return self._follow(self._theirs, frame, SENT) is not None
        elif kind in OF_ASKER and frame.request_id:  # type: ignore[union-attr]
            return self._follow(self._ours, frame, SENT) is not None
        else:
            self._say(self._ours, self._theirs, frame, size)
        return True

    def ask(self, number: int, context: Context | None, size: int) -> None:
        """As `send` for an `Ask` with this number, which nobody has to make for it."""
        self._open_request(self._ours, number, _WAITING, context, size)

    def reply(self, request: Request[Any]) -> bool:
        """As `send` for a `Reply` to a request of the other side that is no stream."""
        if SENT.get((request.stage, Reply)) is not _OVER:
            if request.stage is _OVER:
                return False
            raise ProtocolError(f"Reply may not come while request {request.id} is {request.stage.value}")
        request.stage = _OVER
        del self._theirs.requests[request.id]
        return True

    def receive(self, frame: Frame) -> Request[Context | None] | None:
        """Take note of a frame from the other side.

        Returns:
            The request that it is about, in the stage that follows; None for frames that are about none, and for stale
            ones.

        Raises:
            ProtocolError: the frame may not come now; the link is to be closed.
        """
        kind = type(frame)
        if kind is Ask:
            return self._open_request(self._theirs, frame.request_id, _SERVING, None, 0)  # type: ignore[union-attr]
        if kind in OF_ANSWERER:
            return self._follow(self._ours, frame, RECEIVED)
        if kind in OF_ASKER and frame.request_id:  # type: ignore[union-attr]
            return self._follow(self._theirs, frame, RECEIVED)
        self._say(self._theirs, self._ours, frame, 0)
        return None

    def _open_request(
        self, side: _Side[Context | None], number: int, stage: Stage, context: Context | None, size: int
    ) -> Request[Context | None]:
        if side.phase is not _TALKING:
            raise _unexpected(Ask(number, 0, None), side.phase)
        requests, made = side.requests, side.made
        if len(requests) >= PENDING_ASKS:
            raise ProtocolError(f"more than {PENDING_ASKS} requests are open")
        # As `Window.take`; every call comes through here, at both ends.
        window = side.window
        if len(window.sizes) >= WINDOW_FRAMES:
            raise ProtocolError(f"more than {WINDOW_FRAMES} messages are under way")
        window.sizes.append(size)
        window.bytes += size
        if number == made.last + 1:
            made.last = number
        else:
            made.use_out_of_order(number)
        request = requests[number] = Request(number, stage, context)
        return request

    def _say(self, speaker: _Side[Any], listener: _Side[Any], frame: Frame, size: int) -> None:
        """A frame that is about no request."""
        kind = type(frame)
        if kind is Credit:
            listener.window.give_back(frame.amount)  # type: ignore[union-attr]
        elif kind is Full or kind is Room:
            _mark(speaker.full, frame)  # type: ignore[arg-type]
        elif kind not in ANYTIME:
            following = NEWS.get((speaker.phase, kind))
            if following is None:
                raise _unexpected(frame, speaker.phase)
            if kind is Tell:
                speaker.window.take(size)
            speaker.phase = following

    def _follow(self, side: _Side[Context | None], frame: Any, table: Stages) -> Request[Context | None] | None:
        """Move the request of a frame on; None where it has ended."""
        request = side.requests.get(frame.request_id)
        if request is None:
            if frame.request_id not in side.made:
                raise _unexpected(frame, _UNMADE)
            return None
        kind = type(frame)
        if kind is Reply and frame.stream_kind is not None:
            kind = Promise
        following = table.get((request.stage, kind))
        if following is None:
            raise _unexpected(frame, request.stage)
        if following is _OVER:
            del side.requests[request.id]
        elif kind is Promise:
            request.credit = STREAM_CREDIT
        else:
            _count_items(request, frame)
        request.stage = following
        return request

    # --- the whole -------------------------------------------------------------------------------------------------

    @property
    def said_goodbye(self) -> bool:
        """Whether this side has said goodbye."""
        return self._ours.phase is Phase.PARTING

    @property
    def heard_goodbye(self) -> bool:
        """Whether the other side has said goodbye."""
        return self._theirs.phase is Phase.PARTING

    @property
    def idle(self) -> bool:
        """Whether no request is open in either direction."""
        return not self._ours.requests and not self._theirs.requests

    @property
    def asked(self) -> int:
        """Our requests that are open."""
        return len(self._ours.requests)

    @property
    def window(self) -> Window:
        """Our messages that are under way."""
        return self._ours.window

    @property
    def streams(self) -> int:
        """Open streams, in both directions."""
        return sum(request.stage in (_READING, _WRITING) for request in self._open())

    def end(self) -> list[Request[Context | None]]:
        """The link is lost: every open request is over by that. Returns them."""
        requests = list(self._open())
        self._ours.requests.clear()
        self._theirs.requests.clear()
        for request in requests:
            request.stage = _OVER
        return requests

    def _open(self) -> Iterator[Request[Context | None]]:
        yield from self._ours.requests.values()
        yield from self._theirs.requests.values()


def _count_items(request: Request[Any], frame: StreamItem | Credit) -> None:
    """Items use up credit; credit never stands for more items than a stream may have under way."""
    if isinstance(frame, Credit):
        credit = request.credit + frame.amount
    else:
        # Items that cannot be read are not counted; whoever reads the stream ends it with that error.
        credit = request.credit - (len(frame.items) if isinstance(frame.items, tuple) else 0)
    if not 0 <= credit <= STREAM_CREDIT:
        raise ProtocolError(f"{type(frame).__name__} leaves request {request.id} with credit for {credit} items")
    request.credit = credit


def _mark(full: set[bytes], frame: Full | Room) -> None:
    """An actor is said to be full once, and then to have room once."""
    # Numbers of 128 bits can be chosen so that all have the same hash, those of bytes cannot.
    target = frame.target.to_bytes(16, "big")
    if (target in full) == isinstance(frame, Full) or len(full) > FULL_ACTORS:
        raise ProtocolError(f"{frame} comes a second time, or for too many actors")
    full ^= {target}


def _unexpected(frame: Frame, state: Stage | Phase) -> ProtocolError:
    number = getattr(frame, "request_id", None)
    subject = "the link" if number is None else f"request {number}"
    return ProtocolError(f"{type(frame).__name__} may not come while {subject} is {state.value}")
