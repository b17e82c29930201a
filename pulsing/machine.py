"""The shape of everything that decides: an event and `now` go in, effects come out.

A machine owns no socket, clock or random source of its own. One driver performs what it asks for, so that
the same machine runs in production and, many at a time, in virtual time under a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

Event = TypeVar("Event", contravariant=True)
Effect = TypeVar("Effect", covariant=True)


class Machine(Protocol[Event, Effect]):
    """A pure decision maker."""

    def handle(self, event: Event, now: float) -> Sequence[Effect]:
        """Take one event at monotonic time `now` and return what is to be done about it, in order."""
        ...

    def next_deadline(self) -> float | None:
        """The monotonic time at which the machine wants a tick, or None while it waits for events only."""
        ...
