"""Puts spans around what happens to messages, by taking the place of a few functions while tracing is on.

Asks and tells are caught where they are sent, methods where the way to call them is made, which is once for each. So
the way of a message has no line for tracing, and costs the same as if this module did not exist.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import ContextVar
from inspect import isawaitable
from operator import attrgetter
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span

from pulsing.core import elsewhere
from pulsing.core.actor import CURRENT, TRACE
from pulsing.core.cell import Cell
from pulsing.core.spec import CellSpec
from pulsing.core.system import System
from pulsing.core.turns import Turn
from pulsing.streaming.groups.reader import GroupReader
from pulsing.streaming.line import Line
from pulsing.streaming.pubsub import TopicWriter, _Subscriber
from pulsing.streaming.queue import Queue
from pulsing.streaming.reader import QueueReader
from pulsing.streaming.writing import QueueWriting
from pulsing.tracing import queues
from pulsing.tracing.spans import (
    CLIENT,
    CONSUMER,
    INTERNAL,
    PRODUCER,
    SERVER,
    begin,
    context_of,
    end,
    ensure_provider,
    messaging,
    rpc,
)

_MESSAGE: ContextVar[tuple[bool, float]] = ContextVar("pulsing_traced_message", default=(True, 0.0))
"""Of the message that is run: whether somebody waits for its answer, and how many seconds it had waited itself."""

_places: dict[tuple[Any, str], Any] = {}
"""What stood where hooks stand now."""


def install(ratio: float | None = None) -> None:
    """Begin to make spans."""
    if _places:
        return
    ensure_provider(ratio)
    _replace(Cell, "post", _traced_post)
    _replace(Cell, "tell", _traced_tell)
    _replace(Cell, "turn_for", _traced_turn_for)
    _replace(Cell, "_run", _noting_run)
    _replace(elsewhere, "post", _traced_post_elsewhere)
    _replace(elsewhere, "tell", _traced_tell_elsewhere)
    _replace(System, "start_actor", _traced_start_actor)
    _replace(Queue, "put", lambda put: _around(put, PRODUCER, "send", attrgetter("topic")))
    _replace(Queue, "append", lambda append: _around(append, PRODUCER, "send", attrgetter("topic")))
    _replace(QueueWriting, "_send", queues.traced_send)
    _replace(Line, "enter", queues.traced_enter)
    _replace(Line, "_write_together", queues.traced_together)
    _replace(Queue, "fetch", queues.noting_fetch)
    _replace(Queue, "get", lambda get: _reading(get, queues.read, lambda queue: queue))
    _replace(QueueReader, "get", lambda get: _reading(get, queues.read, attrgetter("queue")))
    _replace(GroupReader, "receive", lambda get: _reading(get, queues.receive, attrgetter("queue")))
    _replace(TopicWriter, "publish", lambda publish: _around(publish, PRODUCER, "send", attrgetter("_topic")))
    _replace(
        _Subscriber, "receive", lambda receive: _around(receive, CONSUMER, "process", attrgetter("_topic"), linked=True)
    )


def remove() -> None:
    """Put everything back. Methods that were called meanwhile stay wrapped, and begin no spans any more."""
    for (owner, name), original in _places.items():
        setattr(owner, name, original)
    _places.clear()


def _replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    _places[owner, name] = getattr(owner, name)
    setattr(owner, name, make(_places[owner, name]))


# --- the caller's side -----------------------------------------------------------------------------------------------


def _traced_post(post: Callable[..., Any]) -> Callable[..., Any]:
    def traced(cell: Cell, envelope: Any) -> Any:
        if cell.spec.internal:
            return post(cell, envelope)
        method = f"{cell.spec.class_name}/{envelope.method or 'receive'}"
        return _asked(method, str(cell.actor_id), lambda: post(cell, envelope))

    return traced


def _traced_post_elsewhere(post: Callable[..., Any]) -> Callable[..., Any]:
    def traced(system: Any, envelope: Any) -> Any:
        method = f"actor/{envelope.method or 'receive'}"
        return _asked(method, str(envelope.target), lambda: post(system, envelope))

    return traced


def _asked(method: str, actor: str, send: Callable[[], Any]) -> Any:
    span = begin(method, CLIENT, {**rpc(method), "pulsing.actor.id": actor})
    if span is None:
        return send()
    reply = _carrying(span, send)
    reply.add_done_callback(lambda done: _end_with(span, done))
    return reply


def _end_with(span: Span, reply: Any) -> None:
    if reply.cancelled():
        span.set_attribute("error.type", "cancelled")
        span.end()
    else:
        end(span, reply.exception())


def _traced_tell(tell: Callable[..., Any]) -> Callable[..., Any]:
    def traced(cell: Cell, *call: Any) -> Any:
        if cell.spec.internal:
            return tell(cell, *call)
        return _told(cell.spec.class_name, str(cell.actor_id), lambda: tell(cell, *call))

    return traced


def _traced_tell_elsewhere(tell: Callable[..., Any]) -> Callable[..., Any]:
    def traced(system: Any, target: Any, *call: Any) -> Any:
        return _told("actor", str(target), lambda: tell(system, target, *call))

    return traced


def _told(destination: str, actor: str, send: Callable[[], Any]) -> Any:
    attributes = {**messaging("send", destination), "pulsing.actor.id": actor}
    span = begin(f"send {destination}", PRODUCER, attributes)
    if span is None:
        return send()
    try:
        sent = _carrying(span, send)
    except BaseException as error:
        end(span, error)
        raise
    end(span)
    return sent


def _traced_start_actor(start_actor: Callable[..., Cell]) -> Callable[..., Cell]:
    def traced(system: System, actor: Any, spec: CellSpec, **options: Any) -> Cell:
        span = (
            None if spec.internal else begin(f"spawn {spec.class_name}", INTERNAL, {"pulsing.class": spec.class_name})
        )
        if span is None:
            return start_actor(system, actor, spec, **options)
        span.set_attribute("pulsing.node.id", str(system.node_id))
        try:
            cell: Cell = _carrying(span, lambda: start_actor(system, actor, spec, **options))
        except BaseException as error:
            end(span, error)
            raise
        span.set_attribute("pulsing.actor.id", str(cell.actor_id))
        if cell.path is not None:
            span.set_attribute("pulsing.actor.name", cell.path)
        end(span)
        return cell

    return traced


def _carrying(span: Span, send: Callable[[], Any]) -> Any:
    """Send a message that carries the context of a span."""
    token = TRACE.set(context_of(span))
    try:
        return send()
    finally:
        TRACE.reset(token)


def _around(
    original: Callable[..., Any], kind: Any, operation: str, name_of: Callable[[Any], str], *, linked: bool = False
) -> Callable[..., Any]:
    """A span around a method of a queue or topic; it may answer at once, or be awaited."""

    async def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        destination = name_of(self)
        span = begin(f"{operation} {destination}", kind, messaging(operation, destination), linked=linked)
        work = _run_out(original, self, *args, **kwargs)
        return await (work if span is None else _awaited(work, span))

    return traced


def _reading(original: Callable[..., Any], located: Callable[..., Any], queue_of: Callable[[Any], Queue]) -> Any:
    """A span around a read of a queue, which is linked to the puts of what it has read."""

    async def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        queue = queue_of(self)
        span = begin(f"receive {queue.topic}", CONSUMER, messaging("receive", queue.topic))
        if span is None:
            return await original(self, *args, **kwargs)
        found, places = await _within(span, located(original(self, *args, **kwargs)))
        queues.end_linked(span, queue, places)
        return found

    return traced


async def _run_out(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    result = function(*args, **kwargs)
    return await result if isawaitable(result) else result


# --- the actor's side ------------------------------------------------------------------------------------------------


def _noting_run(run: Callable[..., float]) -> Callable[..., float]:
    def noting(cell: Cell, envelope: Any, turn: Turn, start: float) -> float:
        _MESSAGE.set((envelope.is_ask, start - envelope.accepted_at))
        return run(cell, envelope, turn, start)

    return noting


def _traced_turn_for(turn_for: Callable[[Cell, Any], Turn]) -> Callable[[Cell, Any], Turn]:
    def traced(cell: Cell, envelope: Any) -> Turn:
        turn = turn_for(cell, envelope)
        if turn.function is not None and not cell.spec.internal and not hasattr(turn.function, "__traced__"):
            turn.function = _traced_method(turn.function, cell.spec.class_name, envelope.method or "receive")
        return turn

    return traced


def _traced_method(function: Callable[..., Any], class_name: str, method: str) -> Callable[..., Any]:
    """The function of a turn, in a span for each message."""

    def traced(actor: Any, *args: Any, **kwargs: Any) -> Any:
        span = _begin_turn(class_name, method) if _places else None
        if span is None:
            return function(actor, *args, **kwargs)
        try:
            result = _inside(span, lambda: function(actor, *args, **kwargs))
        except BaseException as error:
            end(span, error)
            raise
        follow = _FOLLOWED.get(type(result))
        if follow is not None:
            return follow(result, span)
        end(span)
        return result

    traced.__traced__ = function  # type: ignore[attr-defined]
    return traced


def _begin_turn(class_name: str, method: str) -> Span | None:
    is_ask, waited_s = _MESSAGE.get()
    name = f"{class_name}/{method}" if is_ask else f"process {class_name}"
    said = rpc(name) if is_ask else messaging("process", class_name)
    attributes: dict[str, Any] = {**said, "pulsing.class": class_name, "pulsing.mailbox.wait_s": waited_s}
    context = CURRENT.get()
    if context is not None:
        attributes["pulsing.actor.id"] = str(context.actor_id)
        attributes["pulsing.node.id"] = str(context.actor_id.node_id)
        if context.name is not None:
            attributes["pulsing.actor.name"] = context.name
    return begin(name, SERVER if is_ask else CONSUMER, attributes)


def _inside(span: Span, work: Callable[[], Any]) -> Any:
    """Do something as part of a span: what it sends, and spans that it begins, belong to it."""
    carried = TRACE.set(context_of(span))
    attached = otel_context.attach(trace.set_span_in_context(span))
    try:
        return work()
    finally:
        otel_context.detach(attached)
        TRACE.reset(carried)


async def _awaited(work: Coroutine[Any, Any, Any], span: Span) -> Any:
    result = await _within(span, work)
    end(span)
    return result


async def _within(span: Span, work: Coroutine[Any, Any, Any]) -> Any:
    """Await something as part of a span, which ends only if that fails."""
    # A message that waits has a task of its own, and so a context of its own.
    carried = TRACE.set(context_of(span))
    attached = otel_context.attach(trace.set_span_in_context(span))
    try:
        return await work
    except BaseException as error:
        end(span, error)
        raise
    finally:
        otel_context.detach(attached)
        TRACE.reset(carried)


async def _streamed(items: AsyncGenerator[Any, None], span: Span) -> AsyncGenerator[Any, None]:
    count, failed = 0, None
    try:
        async for item in items:
            count += 1
            yield item
    except Exception as error:
        failed = error
        raise
    finally:
        span.set_attribute("pulsing.stream.items", count)
        end(span, failed)
        await items.aclose()


def _streamed_sync(items: Generator[Any, Any, Any], span: Span) -> Generator[Any, Any, Any]:
    count, failed = 0, None
    try:
        for item in items:
            count += 1
            yield item
    except Exception as error:
        failed = error
        raise
    finally:
        span.set_attribute("pulsing.stream.items", count)
        end(span, failed)
        items.close()


_FOLLOWED: dict[type, Callable[[Any, Span], Any]] = {
    CoroutineType: _awaited,
    AsyncGeneratorType: _streamed,
    GeneratorType: _streamed_sync,
}
