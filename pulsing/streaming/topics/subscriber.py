"""A subscriber as its broker knows it: where it is, how much waits for it, how it has done."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pulsing.core import ActorRef

SUBSCRIBER_BYTES = 8 << 20
"""Most that may wait for one subscriber, beside the number that its mailbox holds."""
MAX_CONSECUTIVE_FAILURES = 3
"""After so many a subscriber is removed, or is held for failing if it is there and its callbacks raise."""


class Backlog:
    """How many bytes wait in the mailbox of a subscriber of this node, which takes its messages in order."""

    __slots__ = ("_sizes", "_total")

    def __init__(self) -> None:
        self._sizes: deque[int] = deque()
        self._total = 0

    def admit(self, size: int, waiting: int) -> bool:
        """Count one more message, if there is room for it beside the last `waiting` ones."""
        while len(self._sizes) > waiting:
            self._total -= self._sizes.popleft()
        if self._sizes and self._total + size > SUBSCRIBER_BYTES:
            return False
        self._sizes.append(size)
        self._total += size
        return True


@dataclass(slots=True)
class Subscriber:
    """An actor that gets the messages."""

    id: str
    actor_name: str
    node_id: int | None
    ref: ActorRef | None
    resolved_at: float
    subscribed_at: float
    """wall clock, as all that ends in `_at` and is shown"""
    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    failures_in_a_row: int = 0
    refusals_in_a_row: int = 0
    """messages that reached it and at which a callback raised, since the last one that all took"""
    pending: int = 0
    full_since: float | None = None
    """since when it has taken nothing"""
    behind_since: float | None = None
    """since when each message has had to wait for it"""
    gap_told: bool = False
    last_delivered_at: float | None = None
    last_error: str | None = None
    backlog: Backlog = field(default_factory=Backlog)

    @property
    def state(self) -> str:
        """ok, slow or failing."""
        if self.failures_in_a_row or self.refusals_in_a_row >= MAX_CONSECUTIVE_FAILURES:
            return "failing"
        return "slow" if self.full_since is not None else "ok"
