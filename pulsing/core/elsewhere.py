"""Messages to actors that are not, or no longer, among those of this node: the router takes them, or they fail here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from pulsing.core.actor import CURRENT, TRACE
from pulsing.core.envelope import Envelope
from pulsing.core.timers import DEFAULT_ASK_TIMEOUT
from pulsing.core.trace import current_trace, new_trace
from pulsing.exceptions import (
    ActorNotFound,
    ActorStopped,
    NodeLeaving,
    NodeNotFound,
    PulsingRuntimeError,
    SystemStopped,
)
from pulsing.ids import ActorId

if TYPE_CHECKING:
    from pulsing.core.cell import Cell
    from pulsing.core.system import System


def ask(
    system: System,
    target: ActorId,
    method: str | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    timeout: float | None,
    stream: bool,
) -> asyncio.Future[Any]:
    """Send an ask; what keeps it from going is its answer."""
    return post(system, Envelope(target, method, args, kwargs, None, timeout, stream=stream))


def post(system: System, envelope: Envelope) -> asyncio.Future[Any]:
    """Stamp an ask and send it; what keeps it from going is its answer."""
    reply: asyncio.Future[Any] = system.loop.create_future()
    envelope.reply = reply
    _stamp(system, envelope)
    target = envelope.target
    if system.stopped:
        envelope.fail(SystemStopped())
    elif target.id >> 64 == system.node_id.id:
        fail_unknown(system, envelope)
    elif system.router is None:
        envelope.fail(NodeNotFound(target.node_id))
    elif envelope.timeout is None:
        envelope.fail(ValueError("timeout=None is for actors of this node; a call to another node needs a deadline"))
    else:
        system.deadlines.add(envelope)
        system.router.ask(envelope)
    return reply


def tell(
    system: System, target: ActorId, method: str | None, args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Awaitable[None]:
    """Send a tell.

    Raises:
        ActorNotFound, ActorStopped, NodeNotFound
    """
    envelope = Envelope(target, method, args, kwargs)
    _stamp(system, envelope)
    if target.node_id != system.node_id:
        if system.router is None:
            raise NodeNotFound(target.node_id)
        return system.router.tell(envelope)
    raise fail_unknown(system, envelope)


def is_new_work(envelope: Envelope, cell: Cell | None) -> bool:
    """Whether a node that is about to end refuses a message of another node.

    What serves the node itself goes on until its end. Tells are taken as long as there is somebody to take them, since
    their senders could not learn that they should send them elsewhere.
    """
    return envelope.is_ask and (cell is None or cell.closed or not cell.spec.internal)


def refuse_new_work(system: System, envelope: Envelope) -> None:
    """Tell the caller to turn to another node."""
    system.dead_letters.record(envelope, "stopped")
    envelope.fail(NodeLeaving(system.node_id))


def fail_unknown(system: System, envelope: Envelope) -> PulsingRuntimeError:
    """Fail a message to an actor that should be here and is not; returns the reason."""
    error = _gone(system, envelope.target)
    system.dead_letters.record(envelope, "no_actor" if isinstance(error, ActorNotFound) else "stopped")
    if envelope.is_ask and not envelope.size:
        system.asks.error_here.observe(0.0)
    envelope.fail(error)
    return error


def _gone(system: System, actor_id: ActorId) -> PulsingRuntimeError:
    ended = system.ended_actor(actor_id)
    if ended is None:
        return ActorNotFound(actor_id=actor_id)
    return ActorStopped(actor_id, ended.name, ended.reason, cause=ended.failure)


def _stamp(system: System, envelope: Envelope) -> None:
    now = envelope.accepted_at = system.now()
    timeout = envelope.timeout
    if timeout is DEFAULT_ASK_TIMEOUT:
        timeout = envelope.timeout = system.deadlines.usual
    envelope.deadline = None if timeout is None else now + timeout
    sender = CURRENT.get()
    envelope.sender = None if sender is None else sender.actor_id
    envelope.trace = TRACE.get() or current_trace() or new_trace(system.random)
