"""What happened, for those who watch: a bounded ring of events and any number of subscribers.

Publishing never waits. A subscriber that reads too slowly loses the oldest events and is told how many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pulsing.clock import Clock
from pulsing.core.following import Following, Missed

__all__ = ["Event", "EventStream", "Missed", "Subscription"]

RING_CAPACITY = 5_000
SUBSCRIBER_CAPACITY = 1_000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a node."""

    seq: int
    """number of the event on its node, rising by one"""
    type: str
    """`actor.stopped`, `member.dead`, …"""
    at: float
    """wall clock, seconds since 1970; for display"""
    subject_kind: str
    """actor, member, queue, topic, link, …"""
    subject_id: str
    subject_name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    trace_id: str | None = None


Subscription: TypeAlias = Following[Event]
"""One reader's place in the stream of events."""


class EventStream:
    """The events of one node: `publish` them, look back with `recent`, follow with `subscribe`."""

    def __init__(self, clock: Clock, capacity: int = RING_CAPACITY) -> None:
        self._clock = clock
        self._ring: deque[Event] = deque(maxlen=capacity)
        self._subscriptions: list[Subscription] = []
        self._listeners: list[Callable[[Event], None]] = []
        self._next = 1

    def remember(self, capacity: int) -> None:
        """Keep so many events from here on."""
        self._ring = deque(self._ring, maxlen=capacity)

    def publish(
        self,
        type: str,
        *,
        kind: str,
        id: str = "",
        name: str = "",
        data: Mapping[str, Any] | None = None,
        trace_id: str | None = None,
    ) -> Event:
        """Record one event and hand it to every subscriber that wants its type."""
        event = Event(self._next, type, self._clock.wall(), kind, id, name, data or {}, trace_id)
        self._next += 1
        self._ring.append(event)
        for subscription in self._subscriptions:
            subscription.offer(event)
        for listener in self._listeners:
            listener(event)
        return event

    def recent(self, limit: int = 100) -> list[Event]:
        """The last `limit` events, newest first."""
        newest_first = reversed(self._ring)
        return [event for event, _ in zip(newest_first, range(limit), strict=False)]

    def since(self, seq: int) -> tuple[list[Event], int]:
        """The events after number `seq`, oldest first, and how many of them the ring no longer holds."""
        events = [event for event in self._ring if event.seq > seq]
        oldest = self._ring[0].seq if self._ring else self._next
        return events, max(0, oldest - seq - 1)

    def subscribe(self, types: Collection[str] | None = None, capacity: int = SUBSCRIBER_CAPACITY) -> Subscription:
        """Follow events from now on.

        Args:
            types: full names, or prefixes ending in `.*`; None for all.
            capacity: how many events may wait unread before the oldest are dropped.

        Returns:
            An async iterator of `Event`, with a `Missed` where events were dropped. Close it when done; it is also
            an async context manager.
        """
        subscription = Subscription(capacity, self._subscriptions.remove, None if types is None else _wants(types))
        self._subscriptions.append(subscription)
        return subscription

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event, in place; it must be quick and not raise.

        Returns:
            A function that ends this.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    @property
    def watched(self) -> bool:
        """Whether anybody follows at the moment."""
        return bool(self._subscriptions or self._listeners)

    @property
    def last_seq(self) -> int:
        """Number of the newest event, 0 before the first."""
        return self._next - 1

    def __iter__(self) -> Iterator[Event]:
        return iter(list(self._ring))

    def close(self) -> None:
        """End every subscription."""
        for subscription in list(self._subscriptions):
            subscription.close()


def _wants(types: Collection[str]) -> Callable[[Event], bool]:
    exact = frozenset(t for t in types if not t.endswith("*"))
    prefixes = tuple(t[:-1] for t in types if t.endswith("*"))
    return lambda event: event.type in exact or event.type.startswith(prefixes)
