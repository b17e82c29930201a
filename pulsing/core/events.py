"""What happened, for those who watch: a bounded ring of events and any number of subscribers.

Publishing never waits. A subscriber that reads too slowly loses the oldest events and is told how many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulsing.clock import Clock

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


@dataclass(frozen=True, slots=True)
class Missed:
    """Stands in a subscription where `count` events were dropped because the reader was slow."""

    count: int


class EventStream:
    """The events of one node: `publish` them, look back with `recent`, follow with `subscribe`."""

    def __init__(self, clock: Clock, capacity: int = RING_CAPACITY) -> None:
        self._clock = clock
        self._ring: deque[Event] = deque(maxlen=capacity)
        self._subscriptions: list[Subscription] = []
        self._listeners: list[Callable[[Event], None]] = []
        self._next = 1

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
        subscription = Subscription(self, types, capacity)
        self._subscriptions.append(subscription)
        return subscription

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event, in place; it must be quick and not raise. Returns the way to end it."""
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

    def _forget(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)


class Subscription(AsyncIterator["Event | Missed"]):
    """One reader's place in the stream of events."""

    def __init__(self, stream: EventStream, types: Collection[str] | None, capacity: int) -> None:
        self._stream = stream
        self._exact = None if types is None else frozenset(t for t in types if not t.endswith("*"))
        self._prefixes = () if types is None else tuple(t[:-1] for t in types if t.endswith("*"))
        self._waiting: deque[Event] = deque()
        self._capacity = capacity
        self._missed = 0
        self._arrival: asyncio.Future[None] | None = None
        self._closed = False

    def offer(self, event: Event) -> None:
        """Take the event if its type is wanted; never waits."""
        if not self._wants(event.type):
            return
        if len(self._waiting) >= self._capacity:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(event)
        self._wake()

    async def __anext__(self) -> Event | Missed:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        if self._missed:
            missed, self._missed = self._missed, 0
            return Missed(missed)
        return self._waiting.popleft()

    def close(self) -> None:
        """Stop following; a reader that waits sees the end."""
        self._closed = True
        self._stream._forget(self)
        self._wake()

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()

    def _wants(self, type: str) -> bool:
        return self._exact is None or type in self._exact or type.startswith(self._prefixes)

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
