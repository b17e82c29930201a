"""Messages as nodes send them, and the ways to spoil them; shared by the fuzzers and their short forms."""

from __future__ import annotations

import datetime
import random
import struct
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from pulsing.exceptions import ActorNotFound
from pulsing.ids import ActorId
from pulsing.wire import Codec, FrameCodec, ProtocolError
from pulsing.wire.failures import to_failure
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
from pulsing.wire.session import Session

ACTOR = (0x11 << 64) | 7
VALUES: Sequence[Any] = (
    None,
    -1,
    1 << 200,
    0.5,
    "text",
    b"bytes",
    [1, [2, {"a": (3, {4})}]],
    {(1, 2): frozenset({"x"}), None: complex(1, 2)},
    datetime.datetime(2024, 1, 2, 3, 4, 5, 6, datetime.timezone.utc),
    Decimal("1.50"),
    uuid.UUID(int=5),
    range(1, 9, 2),
    bytes(70_000),
    ActorId(ACTOR),
)
_CODEC = Codec()
"""One for all links, as a node has it; most inputs are refused sooner than another could be made."""
ERROR = to_failure(ActorNotFound(actor_id=ActorId(ACTOR)))
FRAMES: Sequence[Frame] = (
    *(Ask(n + 1, ACTOR, "method", (value,), {"key": value}, 1000, sequence=n + 1) for n, value in enumerate(VALUES)),
    *(Tell(ACTOR, None, (value,), trace=bytes(25), sender=ACTOR, sequence=n + 50) for n, value in enumerate(VALUES)),
    Reply(1, [1, 2]),
    Reply(2, "message", "async"),
    Failure(3, ERROR),
    StreamItem(2, (1, "two", None)),
    End(2),
    End(2, ERROR),
    Cancel(1),
    Credit(0, 3),
    Credit(2, 8),
    Ping(5),
    Pong(5),
    Goodbye("bye"),
    Full(ACTOR),
    Room(ACTOR),
)


def messages() -> list[bytes]:
    """Each frame as it goes over the wire, large values with their chunks."""
    codec = FrameCodec(Codec())
    made = []
    for frame in FRAMES:
        encoded = codec.encode(frame)
        made.append(encoded.head + b"".join(b"".join(parts) for parts in encoded.chunks or ()))
    return made


def feed(data: bytes) -> bool:
    """Let a node's receiving side have some bytes; whether they were frames that may come.

    Anything but a `ProtocolError` is a bug, and is raised.
    """
    codec = FrameCodec(_CODEC)
    session: Session[Any] | None = None
    try:
        for frame in codec.decode(data):
            if session is None:
                session = _session()
            session.receive(frame)
    except ProtocolError:
        return False
    return True


def _session() -> Session[Any]:
    session = Session[Any]()
    for number in range(3):
        session.send(Ask(number + 1, ACTOR, "m"), "context")
    return session


class Spoiler:
    """Changes messages, knowing what they are made of.

    Args:
        seed: of the changes; the same seed spoils in the same way.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._good = messages()
        self._ways: Sequence[Callable[[bytearray], None]] = (
            self._flip,
            self._overwrite,
            self._cut,
            self._repeat,
            self._insert,
            self._lie_about_length,
            self._change_tag,
            self._splice,
        )

    def next(self) -> bytes:
        """One or a few messages, spoilt in one or a few ways."""
        chance = self._chance
        data = bytearray(b"".join(chance.choices(self._good, k=chance.randrange(1, 4))))
        for _ in range(chance.randrange(1, 5)):
            if data:
                chance.choice(self._ways)(data)
        return bytes(data)

    def _place(self, data: bytearray) -> int:
        # What decides lies in front; most of a large value is nothing but content.
        return self._chance.randrange(min(len(data), self._chance.choice((8, 64, 1 << 30))))

    def _flip(self, data: bytearray) -> None:
        data[self._place(data)] ^= 1 << self._chance.randrange(8)

    def _overwrite(self, data: bytearray) -> None:
        at = self._place(data)
        data[at : at + 4] = self._chance.choice((b"\xff" * 4, bytes(4), b"\x80\0\0\0", self._chance.randbytes(4)))

    def _cut(self, data: bytearray) -> None:
        del data[self._place(data) :]

    def _repeat(self, data: bytearray) -> None:
        at = self._place(data)
        piece = data[at : at + self._chance.randrange(1, 64)]
        data[at:at] = piece * self._chance.randrange(1, 20)

    def _insert(self, data: bytearray) -> None:
        at = self._place(data)
        opener = self._chance.choice((b"\x91", b"\x81", b"\xc7\x04", b"\xdd\xff\xff\xff\xff", b"\xdb\x7f\xff\xff\xff"))
        data[at:at] = opener * self._chance.randrange(1, 100)

    def _lie_about_length(self, data: bytearray) -> None:
        if len(data) >= 5:
            true = struct.unpack_from(">I", data, 1)[0]
            lie = self._chance.choice((0, true + 1, max(0, true - 1), 0xFFFFFFFF, self._chance.randrange(1 << 20)))
            struct.pack_into(">I", data, 1, lie & 0xFFFFFFFF)

    def _change_tag(self, data: bytearray) -> None:
        data[0] = self._chance.randrange(20)

    def _splice(self, data: bytearray) -> None:
        other = self._chance.choice(self._good)
        data[self._place(data) :] = other[self._chance.randrange(len(other)) :]
