"""The broker of a topic: an actor that knows the subscribers and hands every message to each of them, in order.

It keeps no history. A subscriber that fails three times in a row is removed; one that is slow loses messages, and no
other subscriber notices.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from functools import partial
from typing import Any

from pulsing.core import ActorId, ActorRef, remote
from pulsing.core.registry import lookup_path
from pulsing.core.statistics import LatencyCounters
from pulsing.core.system import System
from pulsing.core.timers import check_seconds
from pulsing.exceptions import NotSendable, PulsingRuntimeError
from pulsing.streaming.acks import Acks
from pulsing.streaming.backends.memory import size_of
from pulsing.streaming.counters import StreamingCounters
from pulsing.streaming.onlookers import Onlookers
from pulsing.streaming.subscriber import MAX_CONSECUTIVE_FAILURES as MAX_CONSECUTIVE_FAILURES
from pulsing.streaming.subscriber import Subscriber

logger = logging.getLogger("pulsing.streaming")

DEFAULT_FANOUT_TIMEOUT = 30.0
BEST_EFFORT_TIMEOUT = 5.0
REF_TTL_SECONDS = 60.0
LINK_PATIENCE_S = 1.0
"""How long a message that needs no answer may wait for a link to take it; while it goes on waiting, none is sent after
it to that subscriber."""
SLOW_LIMIT_S = 10.0
"""A subscriber that has taken nothing for so long is removed."""
PUBLISHING_AT_ONCE = 100_000
"""Publications that wait for acknowledgements must not hold up those that wait for none."""
WRITERS_KEPT = 64

FIRE_AND_FORGET = "fire_and_forget"
WAIT_ALL_ACKS = "wait_all_acks"
WAIT_ANY_ACK = "wait_any_ack"
BEST_EFFORT = "best_effort"
MODES = (FIRE_AND_FORGET, WAIT_ALL_ACKS, WAIT_ANY_ACK, BEST_EFFORT)

NOT_ACKNOWLEDGED = "pulsing:not-acknowledged"
"""The answer of a reader one of whose callbacks raised: alive, but no acknowledgement."""

Outcome = dict[str, Any]


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
        self.subscribers: dict[str, Subscriber] = {}
        self.published = 0
        self.delivered = 0
        self.failed = 0
        self.dropped = 0
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
        self._held: dict[ActorId, asyncio.Future[None]] = {}
        """of actors elsewhere: the message that the link to each has not taken in time"""

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
        known = self.subscribers.get(subscriber_id)
        if known is not None:
            known.actor_name, known.node_id, known.ref, known.resolved_at = actor_name, node, ref, self._now()
            return {"success": True, "already": True}
        self.subscribers[subscriber_id] = Subscriber(subscriber_id, actor_name, node, ref, self._now(), self._wall())
        self._event("topic.subscriber_added", {"subscriber": subscriber_id, "actor": actor_name})
        return {"success": True, "topic": self.topic}

    async def unsubscribe(self, subscriber_id: str) -> dict[str, Any]:
        """Remove a subscriber.

        Returns:
            `{"success": whether there was one}`
        """
        removed = self.subscribers.pop(subscriber_id, None) is not None
        if removed:
            self._event("topic.subscriber_removed", {"subscriber": subscriber_id})
        return {"success": removed}

    async def evict(self, subscriber_id: str, by: str = "operator") -> bool:
        """Remove a subscriber for somebody else; False if there is none."""
        if self.subscribers.pop(subscriber_id, None) is None:
            return False
        self._event("topic.subscriber_evicted", {"subscriber": subscriber_id, "by": by})
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
            for one in self.subscribers.values()
        ]

    def is_subscribed(self, subscriber_id: str, actor_id: str) -> bool:
        """Whether the subscriber is known, as this actor."""
        known = self.subscribers.get(subscriber_id)
        return known is not None and known.ref is not None and str(known.ref.actor_id.id) == actor_id

    def sends_to(self, actor_id: ActorId) -> bool:
        """Whether an actor is among those that messages would go to now, also one that is known by its name only."""
        refs = map(self._ref_of, self.subscribers.values())
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
        targets = [s for s in self.subscribers.values() if s.id != sender_id]
        if mode == FIRE_AND_FORGET or timeout == 0:
            return self._tell_all(message, targets, size)
        check_seconds(timeout, "timeout")
        if not targets:
            return _outcome(True, 0, 0, 0, [])
        if timeout is None:
            timeout = BEST_EFFORT_TIMEOUT if mode == BEST_EFFORT else DEFAULT_FANOUT_TIMEOUT
        return self._ask_all(message, targets, mode, timeout)

    def get_stats(self) -> dict[str, Any]:
        """`{"topic", "subscriber_count", "total_published", "total_delivered", "total_failed"}`"""
        return {
            "topic": self.topic,
            "subscriber_count": len(self.subscribers),
            "total_published": self.published,
            "total_delivered": self.delivered,
            "total_failed": self.failed,
        }

    # --- without acknowledgement -------------------------------------------------------------------------------------

    def _tell_all(self, message: Any, targets: list[Subscriber], size: int) -> Outcome | Coroutine[Any, Any, Outcome]:
        accepted = 0
        slow: list[tuple[Subscriber, ActorRef | None, Any]] = []
        for subscriber in targets:
            taken = self._tell(subscriber, message, size)
            if taken is True:
                accepted += 1
            elif taken is not False:
                slow.append((subscriber, subscriber.ref, taken))
        if not slow:
            return _outcome(True, accepted, len(targets) - accepted, len(targets), None)
        return self._finish_telling(slow, accepted, len(targets))

    def _tell(self, subscriber: Subscriber, message: Any, size: int) -> Any:
        """Send to one: True when taken, False when not, else an awaitable of the link that will take it."""
        ref = self._ref_of(subscriber)
        if ref is None:
            self._note_failure(subscriber, "its name leads to no live actor")
            return False
        here = ref._cell is not None
        if self._is_full(subscriber, ref, size) if here else self._is_held_up(subscriber, ref):
            return False
        try:
            sent = ref.send(None, (message,), None)
        except PulsingRuntimeError as error:
            self._note_error(subscriber, error)
            return False
        if not here:
            return asyncio.ensure_future(_awaited(sent))
        self._note_success(subscriber)
        return True

    async def _finish_telling(
        self, slow: list[tuple[Subscriber, ActorRef | None, Any]], accepted: int, count: int
    ) -> Outcome:
        await asyncio.wait([sent for *_, sent in slow], timeout=LINK_PATIENCE_S)
        for subscriber, ref, sent in slow:
            if not sent.done():
                self._hold_up(subscriber, ref, sent)
            elif (error := sent.exception()) is not None:
                self._note_error(subscriber, error)
            else:
                self._note_success(subscriber)
                accepted += 1
        return _outcome(True, accepted, count - accepted, count, None)

    def _is_full(self, subscriber: Subscriber, ref: ActorRef, size: int) -> bool:
        """Whether the mailbox has no room: then the message is dropped here, and others need not wait for it."""
        mailbox = None if ref._cell is None else ref._cell.mailbox
        has_room = mailbox is None or (len(mailbox) < mailbox.capacity and not mailbox.in_line)
        if has_room and subscriber.backlog.admit(size, 0 if mailbox is None else len(mailbox)):
            subscriber.full_since = None
            return False
        self._drop(subscriber)
        return True

    def _hold_up(self, subscriber: Subscriber, ref: ActorRef | None, sent: asyncio.Future[None]) -> None:
        """Leave a message in the line of its link: when that has taken it after all, there is room again."""
        if ref is not None and ref.actor_id not in self._held:
            self._held[ref.actor_id] = sent
            sent.add_done_callback(partial(self._release, ref.actor_id))
        else:
            sent.cancel()
        self._note_slow(subscriber)
        subscriber.failed += 1
        self.failed += 1

    def _release(self, actor_id: ActorId, sent: asyncio.Future[None]) -> None:
        del self._held[actor_id]
        if not sent.cancelled():
            sent.exception()  # so that nothing complains of one that nobody waits for any more

    def _is_held_up(self, subscriber: Subscriber, ref: ActorRef) -> bool:
        """Whether a link still has not taken an earlier message: then this one is dropped here, and nobody waits."""
        if ref.actor_id not in self._held:
            subscriber.full_since = None
            return False
        self._drop(subscriber)
        return True

    def _drop(self, subscriber: Subscriber) -> None:
        """Count a message that a slow subscriber does not get; one that stays slow is removed."""
        since = self._note_slow(subscriber)
        subscriber.dropped += 1
        subscriber.failed += 1
        self.dropped += 1
        self.failed += 1
        if self._now() - since >= SLOW_LIMIT_S:
            self._remove(subscriber, "slow")

    def _note_slow(self, subscriber: Subscriber) -> float:
        """Note that a subscriber takes nothing; returns since when."""
        if subscriber.full_since is None:
            subscriber.full_since = self._now()
            self._event("topic.gap", {"subscriber": subscriber.id, "reason": "slow"})
        return subscriber.full_since

    # --- with acknowledgement ----------------------------------------------------------------------------------------

    def _ask_all(
        self, message: Any, targets: list[Subscriber], mode: str, timeout: float
    ) -> Coroutine[Any, Any, Outcome]:
        # Sent in this turn already, so that messages leave in the order in which they were published.
        acks = Acks(self._inner.loop.create_future(), targets, first_is_enough=mode == WAIT_ANY_ACK)
        for subscriber in targets:
            self._ask(subscriber, message, timeout, acks)
        return self._gather(targets, acks, mode, timeout)

    def _ask(self, subscriber: Subscriber, message: Any, timeout: float, acks: Acks) -> None:
        ref = self._ref_of(subscriber)
        if ref is None:
            self._note_failure(subscriber, "its name leads to no live actor")
            acks.settle(subscriber.id, False)
            return
        subscriber.pending += 1
        # The ask outlives the wait of the publisher: late acknowledgements count.
        answer = ref.request(None, (message,), None, max(timeout, DEFAULT_FANOUT_TIMEOUT))
        answer.add_done_callback(lambda answer: self._answered(subscriber, answer, acks))

    def _answered(self, subscriber: Subscriber, answer: asyncio.Future[Any], acks: Acks) -> None:
        subscriber.pending -= 1
        if answer.cancelled():
            return
        error = answer.exception()
        if error is None and answer.result() != NOT_ACKNOWLEDGED:
            self._note_success(subscriber)
            acks.settle(subscriber.id, True)
        elif acks.settle(subscriber.id, False):
            if error is not None:
                self._note_error(subscriber, error)
            else:
                self._note_refusal(subscriber)

    async def _gather(self, targets: list[Subscriber], acks: Acks, mode: str, timeout: float) -> Outcome:
        """Wait until it is decided, or the time is over, and say how it went."""
        if not acks.decided.done() and timeout > 0:
            timer = self._inner.loop.call_later(timeout, acks.decide)
            try:
                await acks.decided
            finally:
                timer.cancel()
        count = len(targets)
        if mode == WAIT_ANY_ACK and acks.acknowledged:
            return _outcome(True, 1, len(acks.refused), count, acks.refused)
        late = [subscriber for subscriber in targets if acks.settle(subscriber.id, False)]
        for subscriber in late:
            self._note_failure(subscriber, "did not answer in time")
        failed = [subscriber.id for subscriber in targets if not acks.answers[subscriber.id]]
        success = mode == BEST_EFFORT or not failed
        return _outcome(success, count - len(failed), len(failed), count, failed, bool(late) and mode != BEST_EFFORT)

    # --- the account of subscribers ----------------------------------------------------------------------------------

    def _ref_of(self, subscriber: Subscriber) -> ActorRef | None:
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
        inner = self._inner
        path = lookup_path(subscriber.actor_name)
        here = inner.registry.by_path(path)
        if here is not None and not here.closed and subscriber.node_id in (None, inner.node_id.id):
            return here.ref
        found = (one for one in inner.names.instances(path) if subscriber.node_id in (None, one.node_id.id))
        return next(map(inner.ref_of, found), None)

    def _note_success(self, subscriber: Subscriber) -> None:
        subscriber.delivered += 1
        subscriber.failures_in_a_row = subscriber.refusals_in_a_row = 0
        subscriber.last_delivered_at = self.last_published_at
        self.delivered += 1

    def _note_refusal(self, subscriber: Subscriber) -> None:
        """A reader is alive, but a callback of it raised."""
        subscriber.failures_in_a_row = 0
        subscriber.refusals_in_a_row += 1
        subscriber.last_error = "a callback of it raised"
        subscriber.failed += 1
        self.failed += 1

    def _note_error(self, subscriber: Subscriber, error: BaseException) -> None:
        if isinstance(error, NotSendable) and not error.maybe_executed:
            # The message itself cannot travel, whoever it is for: no fault of the subscriber's.
            subscriber.failed += 1
            subscriber.last_error = str(error)
            self.failed += 1
        else:
            self._note_failure(subscriber, str(error))

    def _note_failure(self, subscriber: Subscriber, error: str) -> None:
        subscriber.failed += 1
        subscriber.failures_in_a_row += 1
        subscriber.last_error = error
        self.failed += 1
        if subscriber.failures_in_a_row >= MAX_CONSECUTIVE_FAILURES:
            self._remove(subscriber, "failures")

    def _remove(self, subscriber: Subscriber, by: str) -> None:
        if self.subscribers.get(subscriber.id) is subscriber:
            del self.subscribers[subscriber.id]
            logger.warning(
                "topic %s: subscriber %s removed (%s): %s", self.topic, subscriber.id, by, subscriber.last_error
            )
            self._event("topic.subscriber_evicted", {"subscriber": subscriber.id, "by": by})

    def _note_writer(self, sender_id: str, at: float, node: str | None) -> None:
        self.writers[sender_id] = at, node
        if len(self.writers) > WRITERS_KEPT:
            del self.writers[min(self.writers, key=lambda writer: self.writers[writer][0])]

    def _event(self, type: str, data: dict[str, Any]) -> None:
        self._inner.events.publish(type, kind="topic", id=self.topic, name=self.topic, data=data)

    # --- looking on --------------------------------------------------------------------------------------------------

    async def tail(self) -> AsyncIterator[dict[str, Any]]:
        """Messages as they are published: `{"n", "at", "sender", "value"}`, or `{"skipped": count}` for a slow reader.

        Whoever looks on is no subscriber, is not counted and never waited for.
        """
        async for message in self._onlookers.watch():
            yield message


def _outcome(
    success: bool, delivered: int, failed: int, count: int, failed_ids: list[str] | None, timed_out: bool = False
) -> Outcome:
    return {
        "success": success,
        "delivered": delivered,
        "failed": failed,
        "subscriber_count": count,
        "failed_subscribers": failed_ids,
        "timed_out": timed_out,
    }


async def _awaited(sent: Any) -> None:
    await sent
