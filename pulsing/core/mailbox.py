"""Messages waiting for one actor: bounded, and in the order in which they came.

Messages of other nodes are bounded by their bytes as well; those of this process only refer to objects that are there
anyway, and are counted by number alone. When a bound is reached the policy decides: `block` lets the sender wait in
line, `reject` refuses the message, `drop_oldest` gives up the messages that have waited longest. Orders of the system
(to stop, to restart, to give up a call) do not wait here: they reach the cell by a way of their own, and so overtake
every message.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter

from pulsing.core.envelope import Envelope

BLOCK = "block"
REJECT = "reject"
DROP_OLDEST = "drop_oldest"

DEFAULT_CAPACITY = 1_000
MAILBOX_BYTES = 64 << 20
"""With so many bytes inside, a mailbox takes no more; the last message may go beyond."""


@dataclass(frozen=True, slots=True)
class MailboxOptions:
    """Bound of a mailbox and what happens when it is reached.

    Args:
        capacity: messages that may wait, at least 1.
        policy: "block" (the sender waits), "reject" (the sender gets MailboxFull), or "drop_oldest" (the ask that
            waited longest fails with MailboxFull).

    Raises:
        ValueError: the capacity is below 1, or the policy is unknown.
    """

    capacity: int = DEFAULT_CAPACITY
    policy: str = BLOCK

    def __post_init__(self) -> None:
        if isinstance(self.capacity, bool) or not isinstance(self.capacity, int) or self.capacity < 1:
            raise ValueError(f"a mailbox holds at least 1 message, got {self.capacity!r}")
        if self.policy not in (BLOCK, REJECT, DROP_OLDEST):
            raise ValueError(f"a mailbox policy is 'block', 'reject' or 'drop_oldest', not {self.policy!r}")

    @classmethod
    def of(cls, mailbox: MailboxOptions | int | None) -> MailboxOptions:
        """Read the `mailbox=` argument: options, a capacity, or None for the default."""
        if mailbox is None:
            return DEFAULT_OPTIONS
        return mailbox if isinstance(mailbox, MailboxOptions) else cls(mailbox)


DEFAULT_OPTIONS = MailboxOptions()


class Mailbox(deque[Envelope]):
    """The waiting messages of one actor, and the senders who stand in line because it is full.

    It is a deque, and its length is the number of messages inside.
    """

    __slots__ = ("attended", "bytes", "capacity", "dropped", "line", "max_bytes")

    def __init__(self, capacity: int, max_bytes: int = MAILBOX_BYTES) -> None:
        super().__init__()
        self.capacity = capacity
        self.max_bytes = max_bytes
        """There is no room while the messages inside take so many bytes or more."""
        self.bytes = 0
        """Bytes that the messages inside take together."""
        self.dropped = 0
        """Messages that were refused, or given up, because there was no room."""
        self.line: deque[tuple[Envelope, asyncio.Future[None] | None]] | None = None
        self.attended = False
        """Whether `taken_out` is to be called for what is taken out: bytes are counted, or somebody is in line."""

    @property
    def has_room(self) -> bool:
        """Whether one more message fits inside."""
        return len(self) < self.capacity and self.bytes < self.max_bytes

    def accept(self, envelope: Envelope) -> bool:
        """Take the message if there is room, and say so."""
        if self.line or len(self) >= self.capacity or self.bytes >= self.max_bytes:
            return False
        self.append(envelope)
        if envelope.size:
            self.bytes += envelope.size
            self.attended = True
        return True

    def _put(self, envelope: Envelope) -> None:
        self.append(envelope)
        self._weigh(envelope)

    def _weigh(self, envelope: Envelope) -> None:
        """As `accept` does for the common case, where it is written out."""
        if envelope.size:
            self.bytes += envelope.size
            self.attended = True

    def line_up(self, envelope: Envelope, accepted: asyncio.Future[None] | None) -> None:
        """Let the message wait outside until there is room; `accepted` is resolved then."""
        if self.line is None:
            self.line = deque()
        self.line.append((envelope, accepted))
        self.attended = True

    def take(self) -> Envelope | None:
        """The next message, or None. Whoever stands in line moves up."""
        if not self:
            return None
        envelope = self.popleft()
        if self.attended:
            self.taken_out(envelope)
        return envelope

    def taken_out(self, envelope: Envelope) -> None:
        """Account for a message that was taken out: those in line come in as far as there is room."""
        self.bytes -= envelope.size
        while self.line and self.has_room:
            newcomer, accepted = self.line.popleft()
            # Else the sender has given up waiting for its tell to be taken.
            if accepted is None or not accepted.done():
                self._put(newcomer)
                if accepted is not None:
                    accepted.set_result(None)
        self.attended = bool(self.line or self.bytes)

    def put_back(self, envelope: Envelope) -> None:
        """Return a message that was taken too early."""
        self.appendleft(envelope)
        self._weigh(envelope)

    def bring_back(self, envelope: Envelope) -> None:
        """Return a message that could not be passed on: before all that came later, also where there is no room."""
        self.insert(bisect_right(self, envelope.accepted_at, key=attrgetter("accepted_at")), envelope)
        self._weigh(envelope)

    def drain(self, error: Exception) -> list[Envelope]:
        """Remove and return everything; senders who stand in line with a tell get the error."""
        waiting = list(self)
        for envelope, accepted in self.line or ():
            if accepted is None:
                waiting.append(envelope)
            elif not accepted.done():
                accepted.set_exception(error)
                waiting.append(envelope)
        self.clear()
        self.bytes = 0
        self.line = None
        self.attended = False
        return waiting

    def holds(self, envelope: Envelope) -> bool:
        """Whether a message waits here still, inside or in line."""
        return still_waits(envelope, chain(self, (one for one, _ in self.line or ())))

    @property
    def oldest(self) -> Envelope | None:
        """The message that has waited longest, left where it is."""
        return self[0] if self else None

    @property
    def in_line(self) -> int:
        """Messages that wait outside for room."""
        return len(self.line or ())


def still_waits(envelope: Envelope, waiting: Iterable[Envelope]) -> bool:
    """Whether a message is among those that wait, given in the order in which they came.

    Only the first ones are looked at, since thousands may expire at once of which each looks for itself: what came
    later than the first waits behind it.
    """
    for one in waiting:
        if one is envelope or one.accepted_at < envelope.accepted_at:
            return True
        if one.accepted_at > envelope.accepted_at:
            return False
    return False
