"""The subscribers of a topic: which actor each of them is now, and the account of what it got.

A subscriber that fails three times in a row is removed, as is one that takes nothing for ten seconds.
"""

from __future__ import annotations

from typing import Any

from pulsing.core import ActorRef
from pulsing.core.registry import lookup_path
from pulsing.core.system import System
from pulsing.exceptions import NotSendable
from pulsing.logs import logger_of
from pulsing.streaming.topics.subscriber import MAX_CONSECUTIVE_FAILURES, Subscriber

logger = logger_of("pulsing.streaming")

REF_TTL_SECONDS = 60.0
SLOW_LIMIT_S = 10.0
"""A subscriber that has taken nothing for so long is removed; one that has only been behind is waited for no longer."""


class Audience:
    """The subscribers of one topic.

    Args:
        topic: name of the topic.
        system: the system of the node.
    """

    def __init__(self, topic: str, system: System) -> None:
        self._topic = topic
        self._system = system
        self._now = system.now
        self._wall = system.clock.wall
        self.subscribers: dict[str, Subscriber] = {}
        self.delivered = 0
        self.failed = 0
        self.dropped = 0

    def ref_of(self, subscriber: Subscriber) -> ActorRef | None:
        """The subscriber's actor: looked up again when it has ended here, and now and then when it is elsewhere."""
        ref = subscriber.ref
        cell = None if ref is None else ref._cell
        if cell is not None and not cell.closed:
            return ref
        now = self._now()
        if ref is not None and cell is None and now - subscriber.resolved_at < REF_TTL_SECONDS:
            return ref
        found = self._resolve(subscriber)
        if found is not None or cell is not None:
            subscriber.ref, subscriber.resolved_at = found, now
        return subscriber.ref

    def _resolve(self, subscriber: Subscriber) -> ActorRef | None:
        system = self._system
        path = lookup_path(subscriber.actor_name)
        here = system.registry.by_path(path)
        if here is not None and not here.closed and subscriber.node_id in (None, system.node_id.id):
            return here.ref
        found = (one for one in system.names.instances(path) if subscriber.node_id in (None, one.node_id.id))
        return next(map(system.ref_of, found), None)

    def note_success(self, subscriber: Subscriber) -> None:
        """Note that a subscriber has a message."""
        subscriber.delivered += 1
        subscriber.failures_in_a_row = subscriber.refusals_in_a_row = 0
        subscriber.last_delivered_at = self._wall()
        self.delivered += 1

    def note_refusal(self, subscriber: Subscriber) -> None:
        """Note that a reader is alive, but a callback of it raised."""
        subscriber.failures_in_a_row = 0
        subscriber.refusals_in_a_row += 1
        subscriber.last_error = "a callback of it raised"
        self.note_loss(subscriber)

    def note_error(self, subscriber: Subscriber, error: BaseException) -> None:
        """Note why a message did not arrive; no fault of the subscriber's if it could not travel, whoever it is for."""
        if isinstance(error, NotSendable) and not error.maybe_executed:
            subscriber.last_error = str(error)
            self.note_loss(subscriber)
        else:
            self.note_failure(subscriber, str(error))

    def note_failure(self, subscriber: Subscriber, error: str) -> None:
        """Note a failure that is the subscriber's; after three in a row it is removed."""
        subscriber.failures_in_a_row += 1
        subscriber.last_error = error
        self.note_loss(subscriber)
        if subscriber.failures_in_a_row >= MAX_CONSECUTIVE_FAILURES:
            self._remove(subscriber, "failures")

    def note_loss(self, subscriber: Subscriber) -> None:
        """Count a message that a subscriber does not have."""
        subscriber.failed += 1
        self.failed += 1

    def note_slow(self, subscriber: Subscriber) -> float:
        """Note that a subscriber takes nothing; returns since when."""
        if subscriber.full_since is None:
            subscriber.full_since = self._now()
        if not subscriber.gap_told:
            subscriber.gap_told = True
            self.event("topic.gap", {"subscriber": subscriber.id, "reason": "slow"})
        return subscriber.full_since

    def note_room(self, subscriber: Subscriber) -> None:
        """Note that a subscriber takes messages as they come."""
        subscriber.full_since = subscriber.behind_since = None
        subscriber.gap_told = False

    def bears_with(self, subscriber: Subscriber) -> bool:
        """Whether publishers wait for a subscriber that does not take a message at once: for ten seconds they do."""
        now = self._now()
        if subscriber.behind_since is None:
            subscriber.behind_since = now
        return now - subscriber.behind_since < SLOW_LIMIT_S

    def drop(self, subscriber: Subscriber) -> None:
        """Count a message that a slow subscriber does not get; one that stays slow is removed."""
        since = self.note_slow(subscriber)
        subscriber.dropped += 1
        self.dropped += 1
        self.note_loss(subscriber)
        if self._now() - since >= SLOW_LIMIT_S:
            self._remove(subscriber, "slow")

    def _remove(self, subscriber: Subscriber, by: str) -> None:
        if self.subscribers.get(subscriber.id) is subscriber:
            del self.subscribers[subscriber.id]
            logger.warning(
                "topic %s: subscriber %s removed (%s): %s", self._topic, subscriber.id, by, subscriber.last_error
            )
            self.event("topic.subscriber_evicted", {"subscriber": subscriber.id, "by": by})

    def event(self, type: str, data: dict[str, Any]) -> None:
        """Publish an event of the topic."""
        self._system.events.publish(type, kind="topic", id=self._topic, name=self._topic, data=data)
