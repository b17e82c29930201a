"""The vocabulary of a link: everything that two nodes say to each other once they trust each other.

Frames are named tuples rather than frozen dataclasses: two of them are made for each call on each side, and a frozen
dataclass of ten fields costs 1.8 µs to make where a named tuple costs 0.4.

Requests are numbered by the side that asks. `Ask`, `Cancel` and `Credit` speak of requests of their sender; `Reply`,
`Failure`, `StreamItem` and `End` speak of requests of their receiver.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, NamedTuple, TypeAlias

from pulsing.wire.errors import DecodeError
from pulsing.wire.failures import FailureRecord

StreamKind: TypeAlias = Literal["sync", "async"] | None


class FrameTag(IntEnum):
    """The first byte of a frame. Numbers are only ever added."""

    ASK = 1
    TELL = 2
    REPLY = 3
    FAILURE = 4
    CANCEL = 5
    STREAM_ITEM = 6
    CREDIT = 7
    END = 8
    CHUNK = 9
    """A piece of the attachments of an earlier frame. Seen only by the frame codec, which puts them together."""
    PING = 10
    PONG = 11
    GOODBYE = 12
    GOSSIP = 13
    """Reserved: membership has links of its own."""
    FULL = 14
    ROOM = 15


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands in a frame for a value that cannot be built here; the frame's other fields are as they were sent."""

    error: DecodeError


class Ask(NamedTuple):
    """A message to an actor, with the promise of one answer."""

    request_id: int
    target: int
    """Id of the actor, 128 bits."""

    method: str | None
    """None for a message to `receive`, which is then the only element of `args`."""

    args: tuple[Any, ...] | Undecodable = ()
    kwargs: dict[str, Any] = {}
    deadline_ms: int | None = None
    """What remains of the caller's time; None for no limit."""

    stream: bool = False
    """Whether the caller can read a stream."""

    trace: bytes | None = None
    """W3C trace context in 25 bytes."""

    sender: int | None = None
    """Id of the actor that asks."""

    sequence: int = 0
    """Place among all messages from this node to that one, over all links between them."""


class Tell(NamedTuple):
    """A message to an actor that is not answered."""

    target: int
    method: str | None
    args: tuple[Any, ...] | Undecodable = ()
    kwargs: dict[str, Any] = {}
    trace: bytes | None = None
    sender: int | None = None
    sequence: int = 0


class Reply(NamedTuple):
    """The answer to an ask; with a stream kind, the promise of a stream that waits for credit."""

    request_id: int
    value: Any | Undecodable = None
    stream_kind: StreamKind = None


class Failure(NamedTuple):
    """The answer to an ask that failed."""

    request_id: int
    failure: FailureRecord


class Cancel(NamedTuple):
    """The asker no longer wants the answer, or the rest of the stream."""

    request_id: int


class StreamItem(NamedTuple):
    """Items of a stream, in order; each uses up one credit."""

    request_id: int
    items: tuple[Any, ...] | Undecodable


class Credit(NamedTuple):
    """Room for `amount` more: items of a stream, or messages to actors (request 0)."""

    request_id: int
    amount: int


class End(NamedTuple):
    """A stream is over, by itself or because its producer failed."""

    request_id: int
    failure: FailureRecord | None = None


class Ping(NamedTuple):
    """Asks for a pong with the same nonce."""

    nonce: int


class Pong(NamedTuple):
    """Answers a ping."""

    nonce: int


class Goodbye(NamedTuple):
    """Nothing new follows from this side; what is open runs to its end."""

    reason: str = ""


class Full(NamedTuple):
    """Hold back what is meant for an actor of the sender's: its mailbox has no room."""

    target: int


class Room(NamedTuple):
    """Takes `full` back."""

    target: int


Frame: TypeAlias = (
    Ask | Tell | Reply | Failure | Cancel | StreamItem | Credit | End | Ping | Pong | Goodbye | Full | Room
)
