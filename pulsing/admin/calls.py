"""Calls an actor for somebody outside: arguments from JSON, the answer as JSON, an actor's own error as a result."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any

from pulsing.admin.classes import checked_call, registered_type
from pulsing.admin.payloads import Payloads
from pulsing.admin.problems import ProblemError, problem_of
from pulsing.admin.replies import encode
from pulsing.admin.subjects import actor_id_of, did_you_mean
from pulsing.admin.values import from_json
from pulsing.core import ActorRef, Message
from pulsing.core.actor import TRACE
from pulsing.exceptions import (
    DeadlineExceeded,
    NotSendable,
    PulsingActorError,
    PulsingBusinessError,
    PulsingRuntimeError,
    PulsingSystemError,
    PulsingTimeoutError,
    PulsingUnsupportedError,
)

Row = dict[str, Any]

MAX_GATHERED = 1_000


@dataclass(frozen=True)
class Order:
    """A call that is ready to be made."""

    ref: ActorRef
    actor: Row
    method: str | None
    """None: one message for `receive`"""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    timeout: float | None
    streams: bool
    trace: bytes
    """what the message carries, so that the trace of the request goes on"""
    reply_bytes: int
    payloads: Payloads

    def about(self, began: float) -> Row:
        """What every answer says beside its result."""
        return {
            "took_s": round(time.perf_counter() - began, 6),
            "actor": self.actor["id"],
            "node": self.actor["node"],
            "trace_id": self.trace[:16].hex(),
        }


def read_values(value: Any, system: Any, *at: str) -> Any:
    """Python values of a JSON view that stands `at` a place of the body; see `from_json`."""

    def make_ref(text: str) -> ActorRef:
        actor_id = actor_id_of(text)
        if actor_id is None:
            raise ValueError(f"no actor id: {text[:80]!r}")
        ref: ActorRef = system.bind(actor_id)
        return ref

    return from_json(value, resolve=registered_type, make_ref=make_ref, at=at)


def receives(actor: Row) -> bool:
    """Whether an actor takes messages through `receive`, and no method calls."""
    return [m["name"] for m in actor.get("methods") or ()] == ["receive"]


def method_kind(actor: Row, method: str) -> str:
    """What kind of method an actor has under a name.

    Raises:
        ProblemError: `method-not-found`, the same for hidden and absent ones.
    """
    kinds = {m["name"]: m["kind"] for m in actor.get("methods") or ()}
    if receives(actor) or method not in kinds:
        hint = did_you_mean(method, kinds) or f"methods: {', '.join(sorted(kinds))}"[:500]
        raise ProblemError("method-not-found", f"{actor['class']} has no method {method[:100]!r}", hint=hint)
    return str(kinds[method])


def checked_arguments(actor: Row, method: str, args: list[Any], kwargs: Row, system: Any) -> tuple[list[Any], Row]:
    """Arguments from JSON, fitted to the signature where this process knows it."""
    given = read_values(args, system, "args"), read_values(kwargs, system, "kwargs")
    return checked_call(str(actor["class"]), method, *given)


def read_message(message: Any, message_type: str | None, system: Any) -> Any:
    """The message for a `receive` actor."""
    return read_values(message, system, "message") if message_type is None else Message.from_json(message_type, message)


async def answer(order: Order) -> Row:
    """Make a call and describe how it went.

    Raises:
        ProblemError: the message did not reach the actor, or its fate is unknown.
    """
    began = time.perf_counter()
    try:
        if order.streams:
            return {**await _gathered(order), **order.about(began)}
        value = await _value(order)
    except (PulsingActorError, DeadlineExceeded) as error:
        return {"ok": False, "error": described(error), **order.about(began)}
    except NotSendable as error:
        if not error.maybe_executed:
            raise problem_of(error) from error
        # The method has run; what it gave is what cannot travel.
        return {"ok": False, "error": described(error), **order.about(began)}
    except PulsingRuntimeError as error:
        raise problem_of(error) from error
    view, truncated = shown(value, order)
    result = {"ok": True, "result": view, "type": type(value).__name__, "truncated": truncated}
    return {**result, **order.about(began)}


def shown(value: Any, order: Order) -> tuple[Any, bool]:
    """The JSON view of a result, small enough to be sent."""
    if isinstance(value, Message) and not value.is_stream:
        value = {"msg_type": value.msg_type, "payload": _payload(value)}
    view, truncated = order.payloads.view(value)
    if len(encode(view)) > order.reply_bytes:
        return {"$repr": repr(value)[:512], "type": type(value).__name__}, True
    return view, truncated


def _payload(message: Message) -> Any:
    try:
        return message.to_json()
    except ValueError:
        return message.payload


async def _value(order: Order) -> Any:
    with carrying(order.trace):
        if order.method is None:
            answer = order.ref.ask(order.args[0], timeout=order.timeout)
        else:
            answer = order.ref.request(order.method, order.args, order.kwargs, order.timeout)
    return await answer


@contextlib.contextmanager
def carrying(trace: bytes) -> Iterator[None]:
    """Let the messages that are sent here belong to a trace."""
    token = TRACE.set(trace)
    try:
        yield
    finally:
        TRACE.reset(token)


async def _gathered(order: Order) -> Row:
    items: list[Any] = []
    size, cut = 0, False
    async with contextlib.aclosing(_items(order)) as stream:
        async for item in stream:
            view, truncated = order.payloads.view(item)
            size += len(encode(view))
            if len(items) == MAX_GATHERED or size > order.reply_bytes:
                cut = True
                break
            items.append(view)
            cut = cut or truncated
    return {"ok": True, "items": items, "truncated": cut}


async def _items(order: Order) -> AsyncGenerator[Any, None]:
    with carrying(order.trace):
        answer = order.ref.request(order.method, order.args, order.kwargs, order.timeout, True)
    stream = await answer
    try:
        async for item in stream:
            yield item
    finally:
        await stream.aclose()


async def frames(order: Order) -> AsyncGenerator[bytes, None]:
    """A streaming call as SSE: `item` frames, then `end` or `error`."""
    began = time.perf_counter()
    count = 0
    async with contextlib.aclosing(_items(order)) as stream:
        try:
            async for item in stream:
                view, truncated = shown(item, order)
                body = {"n": count, "value": view, **({"truncated": True} if truncated else {})}
                count += 1
                yield _frame("item", body)
            yield _frame("end", {"items": count, **order.about(began)})
        except (PulsingActorError, PulsingRuntimeError) as error:
            yield _frame("error", {**described(error), "items": count})


def _frame(event: str, body: Row) -> bytes:
    return f"event: {event}\ndata: ".encode() + encode(body) + b"\n\n"


_CATEGORIES: tuple[tuple[type, str], ...] = (
    (PulsingBusinessError, "business"),
    (PulsingSystemError, "system"),
    (PulsingTimeoutError, "timeout"),
    (PulsingUnsupportedError, "unsupported"),
    (DeadlineExceeded, "timeout"),
    (NotSendable, "unsupported"),
)


def described(error: PulsingActorError | PulsingRuntimeError) -> Row:
    """An error as a result shows it."""
    category = next((name for kind, name in _CATEGORIES if isinstance(error, kind)), "system")
    return {
        "category": category,
        "type": type(error).__name__,
        "code": getattr(error, "code", None),
        "message": str(getattr(error, "message", None) or error),
        "details": getattr(error, "details", None),
        "remote_type": error.remote_type,
        "recoverable": getattr(error, "recoverable", None),
        "maybe_executed": getattr(error, "maybe_executed", True),
        "actor_name": getattr(error, "actor_name", None),
        "traceback": error.remote_traceback,
    }
