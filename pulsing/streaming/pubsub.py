"""Publish and subscribe: a writer hands messages to the topic's broker, a reader's callbacks get them one by one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pulsing.core import ActorRef
from pulsing.core.registry import check_name
from pulsing.core.spawning import spawn_any
from pulsing.core.system import System
from pulsing.core.ties import TOPIC
from pulsing.core.timers import check_seconds
from pulsing.exceptions import ActorNotFound, DeadlineExceeded, PulsingRuntimeError, SystemStopped
from pulsing.logs import logger_of
from pulsing.modules import found_in
from pulsing.streaming.finding import GONE, get_topic_broker
from pulsing.streaming.names import check_own, check_topic
from pulsing.streaming.topics.fanout import (
    BEST_EFFORT_TIMEOUT,
    DEFAULT_FANOUT_TIMEOUT,
    MODES,
    NOT_ACKNOWLEDGED,
    Outcome,
)

__getattr__ = found_in("pulsing.streaming", "read_topic", "write_topic")

logger = logger_of("pulsing.streaming")

DEFAULT_PUBLISH_TIMEOUT = 30.0
"""Seconds that a publisher waits for acknowledgements unless it says otherwise; best effort waits for 5."""

RENEW_EVERY_S = 1.0
"""How often a reader makes sure that the broker knows it: the bound on how long it can be unsubscribed unnoticed."""
_BROKER_GRACE_S = 0.5
"""How much longer than for acknowledgements a publisher waits for the broker to tell of them."""

MessageCallback = Callable[[Any], Any | Awaitable[Any]]


class PublishMode(Enum):
    """What a publisher waits for."""

    FIRE_AND_FORGET = "fire_and_forget"
    """each subscriber's mailbox, or the link to it, has taken the message"""
    WAIT_ALL_ACKS = "wait_all_acks"
    """every subscriber has handled it"""
    WAIT_ANY_ACK = "wait_any_ack"
    """the first subscriber has handled it"""
    BEST_EFFORT = "best_effort"
    """every subscriber has handled it, or the time is over"""


@dataclass
class PublishResult:
    """What became of a published message."""

    success: bool
    delivered: int
    failed: int
    subscriber_count: int
    """subscribers that the message was meant for"""
    failed_subscribers: list[str] | None = None


_TIMEOUTS = (TimeoutError,) if asyncio.TimeoutError is TimeoutError else (TimeoutError, asyncio.TimeoutError)


class PublishTimeout(*_TIMEOUTS):  # type: ignore[misc]
    """Not all subscribers acknowledged in time; `result` has the true counts."""

    def __init__(self, timeout: float, result: PublishResult) -> None:
        super().__init__(
            f"Publish timed out after {timeout:g}s ({result.delivered}/{result.subscriber_count} acks received)"
        )
        self.result = result


class _Broker:
    """Finds the broker of a topic, and finds it again when it has moved."""

    def __init__(self, system: Any, topic: str) -> None:
        self._system = system
        self._inner: System = getattr(system, "inner", system)
        self._topic = topic
        self._ref: ActorRef | None = None

    async def call(self, method: str, *args: Any, timeout: float = 30.0) -> Any:
        """Call the broker; a call that cannot have run there is made again where it has moved to.

        All of that takes `timeout` seconds at most: then it is DeadlineExceeded.
        """
        now = self._inner.now
        deadline = now() + timeout
        for last in (False, False, True):
            ref = self._ref or await self._find(method, timeout, deadline - now())
            try:
                return await ref.request(method, args, None, max(deadline - now(), 0.001))
            except GONE as error:
                self._ref = None
                if last or getattr(error, "maybe_executed", False):
                    raise
        raise AssertionError("unreachable")

    async def _find(self, method: str, timeout: float, left: float) -> ActorRef:
        try:
            proxy = await asyncio.wait_for(get_topic_broker(self._system, self._topic), left)
        except asyncio.TimeoutError:
            operation = f"{method} of topic {self._topic}"
            raise DeadlineExceeded(operation, timeout, maybe_executed=False) from None
        self._ref = proxy.ref
        return proxy.ref


class TopicWriter:
    """Publishes to a topic. Nothing is sent before the first message.

    Args:
        system: the system to publish from.
        topic: name of the topic.
        writer_id: a reader of the same id does not get the messages; by default one that nobody else has.

    Raises:
        ValueError: a name breaks the grammar of names.
    """

    def __init__(self, system: Any, topic: str, writer_id: str | None = None) -> None:
        inner: System = getattr(system, "inner", system)
        self._topic = check_topic(topic)
        self._writer_id = f"writer_{_random_hex(inner)}" if writer_id is None else check_own(writer_id, "writer id")
        self._node = str(inner.node_id)
        self._broker = _Broker(system, self._topic)

    @property
    def topic(self) -> str:
        """Name of the topic."""
        return self._topic

    @property
    def writer_id(self) -> str:
        """Id of this writer."""
        return self._writer_id

    async def publish(
        self, message: Any, mode: PublishMode | str = PublishMode.FIRE_AND_FORGET, timeout: float | None = None
    ) -> PublishResult:
        """Publish a message to those who are subscribed now.

        Args:
            message: any value that can be sent.
            mode: what to wait for.
            timeout: seconds to wait for acknowledgements; None for 30, and for 5 with best effort; 0 or less waits for
                none. A broker that is gone or silent holds nobody up for longer, but for half a second.

        Returns:
            Who got it. Without subscribers it is a success with zeros.

        Raises:
            TimeoutError: with WAIT_ALL_ACKS, not all acknowledged in time; `result` has the counts.
            ValueError: an unknown mode, or a timeout that is no number of seconds.
            PulsingRuntimeError: the broker cannot be reached; DeadlineExceeded if it is silent.
        """
        name = mode.value if isinstance(mode, PublishMode) else mode
        if name not in MODES:
            raise ValueError(f"Unknown mode: {name}")
        check_seconds(timeout, "timeout")
        usual = BEST_EFFORT_TIMEOUT if name == "best_effort" else DEFAULT_FANOUT_TIMEOUT
        limit = usual if timeout is None else max(0.0, timeout)
        # With 0 nothing is waited for, but the broker still has to be reached.
        patience = (limit or DEFAULT_PUBLISH_TIMEOUT) + _BROKER_GRACE_S
        outcome = await self._broker.call(
            "fan_out", message, name, self._writer_id, limit, self._node, timeout=patience
        )
        result = result_of(outcome)
        if outcome["timed_out"] and name == "wait_all_acks":
            raise PublishTimeout(limit, result)
        return result

    async def stats(self) -> dict[str, Any]:
        """The broker's figures."""
        figures: dict[str, Any] = await self._broker.call("get_stats")
        return figures


def result_of(outcome: Outcome) -> PublishResult:
    """The result in what a broker answers."""
    return PublishResult(
        outcome["success"],
        outcome["delivered"],
        outcome["failed"],
        outcome["subscriber_count"],
        outcome["failed_subscribers"],
    )


class _Subscriber:
    """The actor behind a reader: runs the callbacks for one message after the other."""

    def __init__(self, topic: str, callbacks: list[MessageCallback]) -> None:
        self._topic = topic
        self._callbacks = callbacks

    def receive(self, msg: dict[str, Any]) -> str | Awaitable[str | None] | None:
        """Give the payload to every callback; one that raises does not stop the next.

        Where no callback has to be awaited it is done in the same turn, without a task.
        """
        payload = msg["payload"]
        outcome = None
        callbacks = tuple(self._callbacks)
        for place, callback in enumerate(callbacks):
            try:
                result = callback(payload)
            except Exception:
                outcome = self._failed(callback)
            else:
                if result is not None and inspect.isawaitable(result):
                    return self._await(result, payload, callbacks[place:], outcome)
        return outcome

    async def _await(
        self, result: Awaitable[Any], payload: Any, callbacks: tuple[MessageCallback, ...], outcome: str | None
    ) -> str | None:
        """Wait for the first of these callbacks, whose result that is, and go on with the others."""
        for place, callback in enumerate(callbacks):
            try:
                if place:
                    result = callback(payload)
                if inspect.isawaitable(result):
                    await result
            except Exception:
                outcome = self._failed(callback)
        return outcome

    def _failed(self, callback: MessageCallback) -> str:
        logger.exception("topic %s: callback %r failed", self._topic, callback)
        return NOT_ACKNOWLEDGED


class TopicReader:
    """Gives the messages of a topic to callbacks, once started.

    Args:
        system: the system to subscribe from.
        topic: name of the topic.
        reader_id: id of the subscription; by default one that nobody else has.

    Raises:
        ValueError: a name breaks the grammar of names.
    """

    def __init__(self, system: Any, topic: str, reader_id: str | None = None) -> None:
        self._inner: System = getattr(system, "inner", system)
        self._topic = check_topic(topic)
        self._reader_id = (
            f"reader_{_random_hex(self._inner)}" if reader_id is None else check_own(reader_id, "reader id")
        )
        self._actor_name = check_name(f"_topic_sub_{self._topic}_{self._reader_id}", "actor name")
        self._callbacks: list[MessageCallback] = []
        self._broker = _Broker(system, self._topic)
        self._subscriber: ActorRef | None = None
        self._renewal: asyncio.Task[None] | None = None

    @property
    def topic(self) -> str:
        """Name of the topic."""
        return self._topic

    @property
    def reader_id(self) -> str:
        """Id of the subscription."""
        return self._reader_id

    @property
    def is_started(self) -> bool:
        """Whether messages are received."""
        return self._renewal is not None

    def on_message(self, callback: MessageCallback) -> MessageCallback:
        """Add a callback; a decorator."""
        self.add_callback(callback)
        return callback

    def add_callback(self, callback: MessageCallback) -> None:
        """Add a callback, sync or async; it gets the payload of every message from now on.

        Raises:
            TypeError: it cannot be called.
        """
        if not callable(callback):
            raise TypeError(f"a callback is a function of one message, not {callback!r}")
        self._callbacks.append(callback)

    def remove_callback(self, callback: MessageCallback) -> bool:
        """Take a callback away; False if it was not there."""
        try:
            self._callbacks.remove(callback)
        except ValueError:
            return False
        return True

    async def start(self) -> None:
        """Subscribe; nothing to do if that is done, or under way. A failure leaves nothing behind, nor does a `stop`
        meanwhile.

        Raises:
            ValueError: there is no callback.
            NameTaken: a reader of this id is started on this node.
            PulsingRuntimeError: the broker cannot be reached.
        """
        if self._subscriber is not None:
            return
        require_callback(self._callbacks)
        subscriber = self._subscriber = spawn_any(
            self._inner,
            _Subscriber(self._topic, self._callbacks),
            name=self._actor_name,
            public=True,
            options={},
        )
        try:
            await self._subscribe(subscriber)
        except BaseException:
            if self._subscriber is subscriber:
                self._subscriber = None
            await self._inner.stop(subscriber)
            raise
        if self._subscriber is not subscriber:
            # Stopped meanwhile, perhaps before the broker had heard of the subscription.
            if self._subscriber is None:
                await self._unsubscribe()
            return
        self._inner.ties.reads(self, TOPIC, self._topic)
        self._renewal = self._inner.tasks.start(self._stay_subscribed(), f"subscription {self._reader_id}")

    async def stop(self) -> None:
        """Unsubscribe; the reader may be started again. Errors are only logged."""
        renewal, self._renewal = self._renewal, None
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is None:
            return
        self._inner.ties.forget(self)
        if renewal is not None:
            renewal.cancel()
        await self._unsubscribe()
        try:
            await self._inner.stop(subscriber)
        except (PulsingRuntimeError, OSError) as error:
            logger.warning("topic %s: reader %s could not stop its actor: %s", self._topic, self._reader_id, error)

    async def stats(self) -> dict[str, Any]:
        """The broker's figures."""
        figures: dict[str, Any] = await self._broker.call("get_stats")
        return figures

    async def __aenter__(self) -> TopicReader:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def _subscribe(self, subscriber: ActorRef) -> None:
        node_id, actor_id = self._inner.node_id.id, str(subscriber.actor_id.id)
        await self._broker.call("subscribe", self._reader_id, self._actor_name, node_id, actor_id)

    async def _unsubscribe(self) -> None:
        try:
            await self._broker.call("unsubscribe", self._reader_id)
        except (PulsingRuntimeError, OSError) as error:
            logger.warning("topic %s: reader %s could not unsubscribe: %s", self._topic, self._reader_id, error)

    async def _stay_subscribed(self) -> None:
        """Subscribe again when the broker has moved, or has removed this reader though it is alive."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self._renew()
            except SystemStopped:
                return
            except (PulsingRuntimeError, OSError) as error:
                logger.info("topic %s: reader %s looks for the broker: %s", self._topic, self._reader_id, error)

    async def _renew(self) -> None:
        subscriber = self._subscriber
        if subscriber is None:
            return
        if await self._broker.call("is_subscribed", self._reader_id, str(subscriber.actor_id.id)):
            return
        await self._subscribe(subscriber)
        gap = {"subscriber": self._reader_id, "reason": "resubscribed"}
        self._inner.events.publish("topic.gap", kind="topic", id=self._topic, name=self._topic, data=gap)


async def subscribe_to_topic(
    system: Any, topic: str, subscriber_id: str, actor_name: str, node_id: Any = None
) -> dict[str, Any]:
    """Subscribe any named actor: its `receive` gets `{"topic", "payload", "sender_id", "timestamp"}`.

    Args:
        system: the system to look from.
        topic: name of the topic.
        subscriber_id: id of the subscription.
        actor_name: name of the actor; it need not exist yet.
        node_id: its node; None for this one if the name is here, else for wherever it resolves.

    Returns:
        `{"success": True, "topic"}`, or `{"success": True, "already": True}`.

    Raises:
        ValueError: an id or a name is missing, or breaks the grammar of names.
        PulsingRuntimeError: the broker cannot be reached.
    """
    if not subscriber_id or not actor_name:
        raise ValueError("Missing subscriber_id or actor_name")
    topic = check_topic(topic)
    subscriber_id = check_own(subscriber_id, "subscriber id")
    check_name(actor_name, "actor name")
    inner: System = getattr(system, "inner", system)
    wanted = None if node_id is None else int(getattr(node_id, "id", node_id))
    try:
        ref = await inner.resolve(actor_name, node_id=wanted)
    except (ActorNotFound, LookupError):
        ref = None
    if wanted is None and ref is not None and ref.is_local():
        wanted = inner.node_id.id
    actor_id = None if ref is None else str(ref.actor_id.id)
    answer: dict[str, Any] = await _Broker(system, topic).call("subscribe", subscriber_id, actor_name, wanted, actor_id)
    return answer


def require_callback(callbacks: list[MessageCallback]) -> None:
    """Raise ValueError unless there is a callback."""
    if not callbacks:
        raise ValueError("at least one callback required")


def _random_hex(inner: System) -> str:
    return f"{inner.random.getrandbits(32):08x}"
