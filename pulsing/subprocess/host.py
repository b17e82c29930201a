"""A node's side of processes: whom it starts them for, what they take, and their end with the one who wanted them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pulsing.core.actor import current_actor
from pulsing.core.cell import Cell
from pulsing.core.messages import Message, StreamMessage
from pulsing.core.service import system_spec
from pulsing.core.spec import CellSpec
from pulsing.core.system import System
from pulsing.exceptions import Forbidden, NodeLeaving, PulsingError, SystemStopped
from pulsing.ids import ActorId, NodeId
from pulsing.logs import logger_of
from pulsing.subprocess.guard import Guard
from pulsing.subprocess.ledger import Ledger, Machine, Share
from pulsing.subprocess.order import Order
from pulsing.subprocess.policy import Policy

audit = logger_of("pulsing.audit")

HOST = "system/subprocess"
HOST_NUMBER = 4
"""The number of this actor on its node, so that its id follows from the node's."""


class Host:
    """Starts the processes of one node.

    Whoever starts one holds a stream. It says the id of the process's actor and the number of the process, then the
    return code; when its reader leaves, or cannot be reached any longer, the actor stops, and the process group ends.

    Args:
        system: the node.
        policy: what other nodes may start.
    """

    def __init__(self, system: System, policy: Policy) -> None:
        self.guard = Guard()
        self._system = system
        self._policy = policy
        self._ledger: Ledger | None = None
        system.closing.append(self._close)

    async def start(self, values: dict[str, Any]) -> Any:
        """Start a process for another node.

        Returns:
            The stream, or a dict that says why there is none: `{"later": whether it may fit later}`, or
            `{"errno", "strerror", "filename"}`.

        Raises:
            Forbidden: this node does not start such processes for others.
            NodeLeaving: it is about to end.
        """
        order = Order.of(values)
        try:
            if _calling_node() is None:
                raise Forbidden("starting a process for nobody", "only other nodes may ask for one")
            if self._system.draining:
                raise NodeLeaving(self._system.node_id)
            answer = _answer(lambda: self._begin(self._policy.approve(order)))
        except Forbidden as refusal:
            self.note(order, "refused", str(_calling_node()), reason=str(refusal))
            raise
        self.note(order, "started" if isinstance(answer, Message) else "failed", str(_calling_node()))
        return answer

    def check_secure(self) -> None:
        """Refuse where links do not prove who is there.

        Raises:
            Forbidden: they do not.
        """
        self._policy.check_secure()

    def start_here(self, order: Order) -> Any:
        """Start a process for whoever may do here what he likes; answers as `start` does."""
        return _answer(lambda: self._begin(order))

    def _begin(self, order: Order) -> Any:
        from pulsing.subprocess.process import ProcessActor

        ledger = self._ledger = self._ledger or Machine().ledger(self._policy.resources)
        share = ledger.take(order.needs or {})
        if share is None:
            return {"later": ledger.fits_ever(order.needs or {})}
        try:
            actor_class: Any = ProcessActor
            actor = actor_class(order.args, **{**order.options(), "env": _environment(order, share)})
            cell = self._start_actor(actor, actor_class._spec, order.name)
        except BaseException:
            ledger.give_back(share)
            raise
        cell.watch(lambda _: ledger.give_back(share))
        return _lifeline(cell, actor, order.detach)

    def _start_actor(self, actor: Any, spec: CellSpec, name: str | None) -> Cell:
        # One of the node's own: who administers it by REST must not write to what others have started.
        spec = replace(spec, kind="system")
        try:
            return self._system.start_actor(actor, spec, name=name, public=name is not None)
        except BaseException:
            self._system.tasks.start(actor.on_stop(), "end of a process without an actor")
            raise

    def note(self, order: Order, outcome: str, node: str, **more: str) -> None:
        """Tell operators what a node has asked for, without the arguments: they may hold secrets."""
        row = {
            "action": "subprocess.start",
            "outcome": outcome,
            "node": node,
            "program": os.fsdecode(order.program),
            "shell": order.shell,
            **more,
        }
        audit.info("%s", json.dumps(row))

    async def _close(self) -> None:
        self.guard.close()


def _answer(begin: Callable[[], Any]) -> Any:
    try:
        return begin()
    except PulsingError:
        raise
    except OSError as error:
        named = isinstance(error.filename, (str, bytes))
        return {
            "errno": error.errno,
            "strerror": error.strerror or str(error),
            "filename": error.filename if named else None,
        }


def _calling_node() -> NodeId | None:
    """The node whose order is carried out now, by the link that brought it."""
    context, task = current_actor(), asyncio.current_task()
    envelope = None if task is None else context._cell.message_of(task)
    return None if envelope is None else getattr(envelope.reply, "node_id", None)


def _environment(order: Order, share: Share) -> Any:
    """What was given stays as it is, but for the devices: those are this node's to share out."""
    told = {**share.threads, **share.devices}
    if not told:
        return order.env
    return {**os.environ, **told} if order.env is None else {**order.env, **share.devices}


def _lifeline(cell: Cell, actor: Any, detach: bool) -> Message:
    message, _ = StreamMessage.create("process")
    channel = message.channel
    assert channel is not None
    if detach:
        actor._detach()

    def let_go() -> None:
        if not detach or actor._child.ended.done():
            cell.begin_end("stopped", None, 0.0)

    def note_end(ended: asyncio.Future[int]) -> None:
        if not channel.put_nowait(ended.result()) and detach:
            let_go()

    channel.on_close = let_go
    channel.put_nowait((str(cell.actor_id), actor.pid()))
    actor._child.ended.add_done_callback(note_end)
    cell.watch(lambda _: channel.finish())
    return message


def host_of(system: Any) -> Host:
    """The host of a node, which every system has."""
    inner: System = getattr(system, "inner", system)
    cell = inner.registry.by_id(ActorId.of(inner.node_id.id, HOST_NUMBER))
    if cell is None:
        raise SystemStopped()
    host: Host = cell.actor
    return host


def start_host(system: System, policy: Policy) -> None:
    """Give a node its host."""
    system.start_actor(Host(system, policy), system_spec(Host), name=HOST, number=HOST_NUMBER)
