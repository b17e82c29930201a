"""Messages waiting for one actor: bounded, in order, with a lane for the system that overtakes the users'.

When the bound is reached the policy decides: `block` lets the sender wait in line, `reject` refuses the message,
`drop_oldest` gives up the message that has waited longest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from pulsing.core.envelope import Envelope

BLOCK = "block"
REJECT = "reject"
DROP_OLDEST = "drop_oldest"

DEFAULT_CAPACITY = 1_000


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
            return DEFAULT
        return mailbox if isinstance(mailbox, MailboxOptions) else cls(mailbox)


DEFAULT = MailboxOptions()


class Mailbox:
    """The lanes of one actor."""

    __slots__ = ("_line", "_system", "_users", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._users: deque[Envelope] = deque()
        self._system: deque[Envelope] | None = None
        self._line: deque[tuple[Envelope, asyncio.Future[None] | None]] | None = None

    def accept(self, envelope: Envelope) -> bool:
        """Take the message if there is room, and say so."""
        if self._line or len(self._users) >= self.capacity:
            return False
        self._users.append(envelope)
        return True

    def accept_system(self, envelope: Envelope) -> None:
        """Take a message of the system, which overtakes all others and has no bound."""
        if self._system is None:
            self._system = deque()
        self._system.append(envelope)

    def line_up(self, envelope: Envelope, accepted: asyncio.Future[None] | None) -> None:
        """Let the message wait outside until there is room; `accepted` is resolved then."""
        if self._line is None:
            self._line = deque()
        self._line.append((envelope, accepted))

    def drop_oldest(self) -> Envelope:
        """Give up the message that has waited longest."""
        return self._users.popleft()

    def take(self) -> Envelope | None:
        """The next message, or None. Whoever stands in line moves up."""
        if self._system:
            return self._system.popleft()
        if not self._users:
            return None
        envelope = self._users.popleft()
        if self._line:
            self._move_up()
        return envelope

    def drain(self) -> list[Envelope]:
        """Remove and return everything, those in line included."""
        waiting = [*(self._system or ()), *self._users, *(envelope for envelope, _ in self._line or ())]
        for _, accepted in self._line or ():
            if accepted is not None and not accepted.done():
                accepted.set_result(None)
        self._users.clear()
        self._system = self._line = None
        return waiting

    @property
    def oldest(self) -> Envelope | None:
        """The users' message that has waited longest, left where it is."""
        return self._users[0] if self._users else None

    def __len__(self) -> int:
        """Messages inside; those in line are not counted."""
        return len(self._users)

    @property
    def in_line(self) -> int:
        """Messages that wait outside for room."""
        return len(self._line or ())

    def _move_up(self) -> None:
        assert self._line is not None
        envelope, accepted = self._line.popleft()
        self._users.append(envelope)
        if accepted is not None and not accepted.done():
            accepted.set_result(None)
