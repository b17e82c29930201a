"""The broker of a topic: an actor that knows the subscribers and hands every message to each of them, in order.

It keeps no history. A subscriber that fails three times in a row is removed; one that is slow loses messages, and no
other subscriber notices.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import Any

from pulsing.core import ActorId, remote
from pulsing.core.registry import lookup_path
from pulsing.core.statistics import LatencyCounters
from pulsing.core.system import System
from pulsing.core.timers import check_seconds
from pulsing.streaming.backends.memory import size_of
from pulsing.streaming.counters import StreamingCounters
from pulsing.streaming.topics.audience import REF_TTL_SECONDS as REF_TTL_SECONDS
from pulsing.streaming.topics.audience import Audience
from pulsing.streaming.topics.fanout import BEST_EFFORT, FIRE_AND_FORGET, MODES, Fanout, Outcome, outcome_of
from pulsing.streaming.topics.fanout import BEST_EFFORT_TIMEOUT as BEST_EFFORT_TIMEOUT
from pulsing.streaming.topics.fanout import DEFAULT_FANOUT_TIMEOUT as DEFAULT_FANOUT_TIMEOUT
from pulsing.streaming.topics.onlookers import Onlookers
from pulsing.streaming.topics.subscriber import MAX_CONSECUTIVE_FAILURES as MAX_CONSECUTIVE_FAILURES
from pulsing.streaming.topics.subscriber import Subscriber

PUBLISHING_AT_ONCE = 100_000
"""Publications that wait for acknowledgements must not hold up those that wait for none."""
WRITERS_KEPT = 64


@remote(max_concurrency=PUBLISHING_AT_ONCE)
class TopicBroker:
    """Knows the subscribers of one topic.

    Args:
        topic: name of the topic.
        system: the system of the node.
        counters: the node's figures, which get the times of this broker.
    """

    def __init__(self, topic: str, system: Any, counters: StreamingCounters | None = None) -> None:
        self.topic = topic
        self.published = 0
        self.bytes = 0
        """about what the published messages took in memory"""
        self.by_mode: dict[str, int] = {}
        self.publish_times = LatencyCounters()
        self._times = (counters or StreamingCounters()).publications
        self.writers: dict[str, tuple[float, str | None]] = {}
        """by id, when each has published last, by the wall clock, and its node where that is known"""
        self.last_published_at: float | None = None
        self._inner: System = getattr(system, "inner", system)
        self._wall = self._inner.clock.wall
        self._now = self._inner.now
        self._onlookers = Onlookers()
        self.audience = Audience(topic, self._inner)
        self._fanout = Fanout(self.audience, self._inner.loop)

    # --- subscribing -------------------------------------------------------------------------------------------------

    async def subscribe(
        self, subscriber_id: str, actor_name: str, node_id: int | None = None, actor_id: str | None = None
    ) -> dict[str, Any]:
        """Add a subscriber.

        Args:
            subscriber_id: its id; the same again replaces the actor.
            actor_name: name of the actor that gets the messages.
            node_id: node of that actor; None for whichever has the name.
            actor_id: id of the actor where it is known, in decimal.

        Returns:
            `{"success": True, "topic"}`, or `{"success": True, "already": True}`.

        Raises:
            ValueError: an id or a name is missing.
        """
        if not subscriber_id or not actor_name:
            raise ValueError("Missing subscriber_id or actor_name")
        lookup_path(actor_name)
        node = None if node_id is None else int(node_id)
        ref = None if actor_id is None else self._inner.bind(ActorId(int(actor_id)), actor_name)
        known = self.audience.subscribers.get(subscriber_id)
        if known is not None:
            known.actor_name, known.node_id, known.ref, known.resolved_at = actor_name, node, ref, self._now()
            return {"success": True, "already": True}
        added = Subscriber(subscriber_id, actor_name, node, ref, self._now(), self._wall())
        self.audience.subscribers[subscriber_id] = added
        self.audience.event("topic.subscriber_added", {"subscriber": subscriber_id, "actor": actor_name})
        return {"success": True, "topic": self.topic}

    async def unsubscribe(self, subscriber_id: str) -> dict[str, Any]:
        """Remove a subscriber.

        Returns:
            `{"success": whether there was one}`
        """
        removed = self.audience.subscribers.pop(subscriber_id, None) is not None
        if removed:
            self.audience.event("topic.subscriber_removed", {"subscriber": subscriber_id})
        return {"success": removed}

    async def evict(self, subscriber_id: str, by: str = "operator") -> bool:
        """Remove a subscriber for somebody else; False if there is none."""
        if self.audience.subscribers.pop(subscriber_id, None) is None:
            return False
        self.audience.event("topic.subscriber_evicted", {"subscriber": subscriber_id, "by": by})
        return True

    def subscriptions(self) -> list[dict[str, Any]]:
        """The subscribers, as `subscribe` takes them."""
        return [
            {
                "subscriber_id": one.id,
                "actor_name": one.actor_name,
                "node_id": one.node_id,
                "actor_id": None if one.ref is None else str(one.ref.actor_id.id),
            }
            for one in self.audience.subscribers.values()
        ]

    def is_subscribed(self, subscriber_id: str, actor_id: str) -> bool:
        """Whether the subscriber is known, as this actor."""
        known = self.audience.subscribers.get(subscriber_id)
        return known is not None and known.ref is not None and str(known.ref.actor_id.id) == actor_id

    def sends_to(self, actor_id: ActorId) -> bool:
        """Whether an actor is among those that messages would go to now, also one that is known by its name only."""
        refs = map(self.audience.ref_of, self.audience.subscribers.values())
        return any(ref is not None and ref.actor_id == actor_id for ref in refs)

    # --- publishing --------------------------------------------------------------------------------------------------

    async def publish(
        self,
        payload: Any,
        mode: str = FIRE_AND_FORGET,
        sender_id: str | None = None,
        timeout: float | None = DEFAULT_FANOUT_TIMEOUT,
    ) -> Outcome:
        """Hand a message to every subscriber but the sender.

        Args:
            payload: any value that can be sent.
            mode: a value of `PublishMode`.
            sender_id: a subscriber of this id is passed over.
            timeout: seconds to wait for acknowledgements.

        Returns:
            `{"success", "delivered", "failed", "subscriber_count", "failed_subscribers", "timed_out"}`

        Raises:
            ValueError: an unknown mode, or a timeout that is no number of seconds.
        """
        outcome = self.fan_out(payload, mode, sender_id, timeout)
        return outcome if isinstance(outcome, dict) else await outcome

    def fan_out(
        self, payload: Any, mode: str, sender_id: str | None, timeout: float | None, sender_node: str | None = None
    ) -> Outcome | Coroutine[Any, Any, Outcome]:
        """The same as `publish`; answers in the same turn where nothing has to be waited for."""
        start = self._now()
        outcome = self._fan_out(payload, mode, sender_id, timeout, sender_node)
        if isinstance(outcome, dict):
            self._note_time(mode, start)
            return outcome
        return self._timed(outcome, mode, start)

    async def _timed(self, outcome: Coroutine[Any, Any, Outcome], mode: str, start: float) -> Outcome:
        try:
            return await outcome
        finally:
            self._note_time(mode, start)

    def _note_time(self, mode: str, start: float) -> None:
        took = self._now() - start
        self.publish_times.observe(took)
        self._times[mode].observe(took)

    def _fan_out(
        self, payload: Any, mode: str, sender_id: str | None, timeout: float | None, sender_node: str | None
    ) -> Outcome | Coroutine[Any, Any, Outcome]:
        if mode not in MODES:
            raise ValueError(f"Unknown mode: {mode}")
        at = self._wall()
        self.published += 1
        self.last_published_at = at
        self.by_mode[mode] = self.by_mode.get(mode, 0) + 1
        if sender_id is not None:
            self._note_writer(sender_id, at, sender_node)
        if self._onlookers.here:
            self._onlookers.show(self.published, at, sender_id, payload)
        message = {"topic": self.topic, "payload": payload, "sender_id": sender_id, "timestamp": at}
        size = size_of(message)
        self.bytes += size
        targets = [s for s in self.audience.subscribers.values() if s.id != sender_id]
        if mode == FIRE_AND_FORGET or timeout == 0:
            return self._fanout.tell_all(message, targets, size)
        check_seconds(timeout, "timeout")
        if not targets:
            return outcome_of(True, 0, 0, 0, [])
        if timeout is None:
            timeout = BEST_EFFORT_TIMEOUT if mode == BEST_EFFORT else DEFAULT_FANOUT_TIMEOUT
        return self._fanout.ask_all(message, targets, mode, timeout)

    def get_stats(self) -> dict[str, Any]:
        """`{"topic", "subscriber_count", "total_published", "total_delivered", "total_failed"}`"""
        return {
            "topic": self.topic,
            "subscriber_count": len(self.audience.subscribers),
            "total_published": self.published,
            "total_delivered": self.audience.delivered,
            "total_failed": self.audience.failed,
        }

    def _note_writer(self, sender_id: str, at: float, node: str | None) -> None:
        self.writers[sender_id] = at, node
        if len(self.writers) > WRITERS_KEPT:
            del self.writers[min(self.writers, key=lambda writer: self.writers[writer][0])]

    # --- looking on --------------------------------------------------------------------------------------------------

    async def tail(self) -> AsyncIterator[dict[str, Any]]:
        """Messages as they are published: `{"n", "at", "sender", "value"}`, or `{"skipped": count}` for a slow reader.

        Whoever looks on is no subscriber, is not counted and never waited for.
        """
        async for message in self._onlookers.watch():
            yield message
