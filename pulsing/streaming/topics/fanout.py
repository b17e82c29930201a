"""A message on its way to the subscribers of a topic, with and without their acknowledgement.

No subscriber waits for another: to one that takes nothing nothing is sent, and it loses messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from pulsing.core import ActorId, ActorRef
from pulsing.core.mailbox import Mailbox
from pulsing.exceptions import PulsingRuntimeError
from pulsing.streaming.topics.acks import Acks
from pulsing.streaming.topics.audience import Audience
from pulsing.streaming.topics.subscriber import Subscriber

DEFAULT_FANOUT_TIMEOUT = 30.0
BEST_EFFORT_TIMEOUT = 5.0
LINK_PATIENCE_S = 1.0
"""How long a message that needs no answer may wait for a link to take it; while it goes on waiting, none is sent after
it to that subscriber."""
PROMPT_S = 0.05
"""A subscriber that takes a message within this time is not behind."""

FIRE_AND_FORGET = "fire_and_forget"
WAIT_ALL_ACKS = "wait_all_acks"
WAIT_ANY_ACK = "wait_any_ack"
BEST_EFFORT = "best_effort"
MODES = (FIRE_AND_FORGET, WAIT_ALL_ACKS, WAIT_ANY_ACK, BEST_EFFORT)

NOT_ACKNOWLEDGED = "pulsing:not-acknowledged"
"""The answer of a reader one of whose callbacks raised: alive, but no acknowledgement."""

Outcome = dict[str, Any]


Sending = tuple[Subscriber, asyncio.Future[None]]
"""A message on its way to a subscriber, and what is done when a link has taken it."""


class Fanout:
    """Sends messages to subscribers, and notes how each has done.

    Args:
        audience: the subscribers of the topic.
        loop: where acknowledgements arrive.
    """

    def __init__(self, audience: Audience, loop: asyncio.AbstractEventLoop) -> None:
        self._audience = audience
        self._loop = loop
        self._held: dict[ActorId, asyncio.Future[None]] = {}
        """of actors elsewhere: the message that the link to each has not taken in time"""

    def tell_all(self, message: Any, targets: list[Subscriber], size: int) -> Outcome | Coroutine[Any, Any, Outcome]:
        """Send without acknowledgement; answers in the same turn unless a link has to take it first.

        Args:
            message: what each of them gets.
            targets: who gets it.
            size: about what it takes in memory, in bytes.
        """
        accepted = 0
        slow: list[tuple[Subscriber, ActorRef | None, Any]] = []
        for subscriber in targets:
            taken = self._tell(subscriber, message, size)
            if taken is True:
                accepted += 1
            elif taken is not False:
                slow.append((subscriber, subscriber.ref, taken))
        if not slow:
            return outcome_of(True, accepted, len(targets) - accepted, len(targets), None)
        return self._finish_telling(slow, accepted, len(targets))

    def _tell(self, subscriber: Subscriber, message: Any, size: int) -> Any:
        """Send to one: True when taken, False when not, else an awaitable of the link that will take it."""
        ref = self._audience.ref_of(subscriber)
        if ref is None:
            self._audience.note_failure(subscriber, "its name leads to no live actor")
            return False
        here = ref._cell
        if self._is_held_up(subscriber, ref) if here is None else self._is_full(subscriber, here.mailbox, size):
            return False
        try:
            sent = ref.send(None, (message,), None)
        except PulsingRuntimeError as error:
            self._audience.note_error(subscriber, error)
            return False
        if here is None:
            return asyncio.ensure_future(_awaited(sent))
        self._audience.note_success(subscriber)
        return True

    async def _finish_telling(
        self, slow: list[tuple[Subscriber, ActorRef | None, Any]], accepted: int, count: int
    ) -> Outcome:
        await self._wait_for([(subscriber, sent) for subscriber, _, sent in slow])
        for subscriber, ref, sent in slow:
            if not sent.done():
                self._hold_up(subscriber, ref, sent)
            elif (error := sent.exception()) is not None:
                self._audience.note_error(subscriber, error)
            else:
                self._audience.note_success(subscriber)
                accepted += 1
        return outcome_of(True, accepted, count - accepted, count, None)

    async def _wait_for(self, sending: list[Sending]) -> None:
        """Wait until links have taken what is sent, unless a subscriber has kept everybody waiting for long."""
        await asyncio.sleep(0)  # a link that has room has taken it by now
        late = [(subscriber, sent) for subscriber, sent in self._late(sending) if self._audience.bears_with(subscriber)]
        if late:
            await asyncio.wait([sent for _, sent in late], timeout=PROMPT_S)
        if late := self._late(late):
            await asyncio.wait([sent for _, sent in late], timeout=LINK_PATIENCE_S - PROMPT_S)

    def _late(self, sending: list[Sending]) -> list[Sending]:
        """What has not been taken yet; the rest went to subscribers that are not behind."""
        for subscriber, sent in sending:
            if sent.done():
                self._audience.note_room(subscriber)
        return [(subscriber, sent) for subscriber, sent in sending if not sent.done()]

    def _is_full(self, subscriber: Subscriber, mailbox: Mailbox | None, size: int) -> bool:
        """Whether the mailbox has no room: then the message is dropped here, and others need not wait for it."""
        has_room = mailbox is None or (len(mailbox) < mailbox.capacity and not mailbox.in_line)
        if has_room and subscriber.backlog.admit(size, 0 if mailbox is None else len(mailbox)):
            self._audience.note_room(subscriber)
            return False
        self._audience.drop(subscriber)
        return True

    def _hold_up(self, subscriber: Subscriber, ref: ActorRef | None, sent: asyncio.Future[None]) -> None:
        """Leave a message in the line of its link: when that has taken it after all, there is room again."""
        if ref is not None and ref.actor_id not in self._held:
            self._held[ref.actor_id] = sent
            sent.add_done_callback(partial(self._release, ref.actor_id))
        else:
            sent.cancel()
        self._audience.note_slow(subscriber)
        self._audience.note_loss(subscriber)

    def _release(self, actor_id: ActorId, sent: asyncio.Future[None]) -> None:
        del self._held[actor_id]
        if not sent.cancelled():
            sent.exception()  # so that nothing complains of one that nobody waits for any more

    def _is_held_up(self, subscriber: Subscriber, ref: ActorRef) -> bool:
        """Whether a link still has not taken an earlier message: then this one is dropped here, and nobody waits."""
        if ref.actor_id not in self._held:
            subscriber.full_since = None
            return False
        self._audience.drop(subscriber)
        return True

    def ask_all(
        self, message: Any, targets: list[Subscriber], mode: str, timeout: float
    ) -> Coroutine[Any, Any, Outcome]:
        """Send, and wait for acknowledgements as the mode says, `timeout` seconds at most.

        It is sent in this turn already, so that messages leave in the order in which they were published.
        """
        acks = Acks(self._loop.create_future(), targets, first_is_enough=mode == WAIT_ANY_ACK)
        for subscriber in targets:
            self._ask(subscriber, message, timeout, acks)
        return self._gather(targets, acks, mode, timeout)

    def _ask(self, subscriber: Subscriber, message: Any, timeout: float, acks: Acks) -> None:
        ref = self._audience.ref_of(subscriber)
        if ref is None:
            self._audience.note_failure(subscriber, "its name leads to no live actor")
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
            self._audience.note_success(subscriber)
            acks.settle(subscriber.id, True)
        elif acks.settle(subscriber.id, False):
            if error is not None:
                self._audience.note_error(subscriber, error)
            else:
                self._audience.note_refusal(subscriber)

    async def _gather(self, targets: list[Subscriber], acks: Acks, mode: str, timeout: float) -> Outcome:
        """Wait until it is decided, or the time is over, and say how it went."""
        if not acks.decided.done() and timeout > 0:
            timer = self._loop.call_later(timeout, acks.decide)
            try:
                await acks.decided
            finally:
                timer.cancel()
        count = len(targets)
        if mode == WAIT_ANY_ACK and acks.acknowledged:
            return outcome_of(True, 1, len(acks.refused), count, acks.refused)
        late = [subscriber for subscriber in targets if acks.settle(subscriber.id, False)]
        for subscriber in late:
            self._audience.note_failure(subscriber, "did not answer in time")
        failed = [subscriber.id for subscriber in targets if not acks.answers[subscriber.id]]
        success = mode == BEST_EFFORT or not failed
        return outcome_of(success, count - len(failed), len(failed), count, failed, bool(late) and mode != BEST_EFFORT)


def outcome_of(
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
