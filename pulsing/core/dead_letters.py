"""Messages that reached nobody: counted by reason, and the last of them kept for people to look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulsing.clock import Clock
from pulsing.core.envelope import ATTRIBUTE, Envelope
from pulsing.core.following import Following
from pulsing.core.keeping import KeptMessages
from pulsing.core.preview import Preview
from pulsing.core.seldom import Seldom
from pulsing.logs import logger_of

if TYPE_CHECKING:
    from pulsing.core.life import Life

logger = logger_of("pulsing.dead_letters")

CAPACITY = 1_000
PREVIEW_LIMIT = 256


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One undeliverable message: who it was for, why it failed, and a short look at it."""

    seq: int
    at: float
    """wall clock, seconds since 1970"""
    reason: str
    """no_actor, stopped, mailbox_full, expired, node_dead, decode or unauth"""
    kind: str
    """ask or tell"""
    recipient_id: str
    recipient_name: str | None
    recipient_class: str | None
    sender: str | None
    method: str | None
    preview: str
    trace_id: str | None = None
    """32 hex digits"""
    size: int | None = None
    """bytes of the message as it is kept; None where it is not kept"""


class DeadLetters:
    """The ring of one node."""

    def __init__(self, clock: Clock, on_letter: Callable[[DeadLetter], None] | None = None) -> None:
        self._clock = clock
        self._ring: deque[DeadLetter] = deque(maxlen=CAPACITY)
        self._counts: dict[str, int] = {}
        self._seldom = Seldom(clock)
        self._on_letter = on_letter
        self._subscriptions: list[Following[DeadLetter]] = []
        self._next = 1
        self.preview = Preview(PREVIEW_LIMIT)
        """What is shown of a message."""
        self.kept: KeptMessages | None = None
        """The messages themselves; None where nobody knows how to keep them."""

    def remember(self, capacity: int) -> None:
        """Keep so many letters from here on."""
        self._ring = deque(self._ring, maxlen=capacity)

    @property
    def counts(self) -> Mapping[str, int]:
        """Letters by reason since the process started."""
        return dict(self._counts)

    def recent(self, limit: int = 100) -> list[DeadLetter]:
        """The last `limit` letters, newest first."""
        return list(self._ring)[::-1][:limit]

    def find(self, seq: int) -> DeadLetter | None:
        """The letter with a number, if it is still there."""
        return next((letter for letter in self._ring if letter.seq == seq), None)

    def clear(self) -> int:
        """Forget the kept letters, not their counts; returns how many there were."""
        cleared = len(self._ring)
        self._ring.clear()
        if self.kept is not None:
            self.kept.clear()
        return cleared

    def subscribe(self, capacity: int = CAPACITY) -> Following[DeadLetter]:
        """Follow the letters from now on.

        Args:
            capacity: how many may wait unread before the oldest are dropped.

        Returns:
            An async iterator of `DeadLetter`. Close it when done; it is also an async context manager.
        """
        subscription = Following[DeadLetter](capacity, self._subscriptions.remove)
        self._subscriptions.append(subscription)
        return subscription

    def close(self) -> None:
        """End every subscription."""
        for subscription in list(self._subscriptions):
            subscription.close()

    def record(self, envelope: Envelope, reason: str, cell: Life | None = None) -> None:
        """Note that `envelope` could not be delivered."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        letter = DeadLetter(
            seq=self._next,
            at=self._clock.wall(),
            reason=reason,
            kind="ask" if envelope.is_ask else "tell",
            recipient_id=str(envelope.target),
            recipient_name=None if cell is None else cell.path,
            recipient_class=None if cell is None else cell.spec.class_name,
            sender=None if envelope.sender is None else str(envelope.sender),
            method=envelope.method,
            preview=self.preview.call(envelope.args, envelope.kwargs),
            trace_id=None if envelope.trace is None else envelope.trace[:16].hex(),
            # What could not be read here has no arguments, and must not be sent again without them.
            size=None if reason == "decode" else self._keep(envelope),
        )
        self._next += 1
        self._ring.append(letter)
        for subscription in self._subscriptions:
            subscription.offer(letter)
        self._log(letter)
        if self._on_letter is not None:
            self._on_letter(letter)

    def _keep(self, envelope: Envelope) -> int | None:
        if self.kept is None or (envelope.method or "").startswith(ATTRIBUTE):
            return None
        if len(self._ring) == self._ring.maxlen:
            self.kept.forget(self._ring[0].seq)
        return self.kept.keep(self._next, envelope)

    def _log(self, letter: DeadLetter) -> None:
        if self._seldom.due(letter.reason):
            logger.info(
                "a message to %s was not delivered: %s (%d so far)",
                letter.recipient_name or letter.recipient_id,
                letter.reason,
                self._counts[letter.reason],
            )
