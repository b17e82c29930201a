"""A handle on one actor, wherever it lives: sends messages to it and watches for its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from dataclasses import replace
from threading import get_ident
from typing import TYPE_CHECKING, Any

import pulsing.core.elsewhere as elsewhere
from pulsing.core.actor import system_of_current
from pulsing.core.home import at_home, send_home
from pulsing.core.lifecycle import Terminated
from pulsing.core.messages import StreamMessage
from pulsing.core.timers import DEFAULT_ASK_TIMEOUT, check_seconds
from pulsing.exceptions import DeadlineExceeded, NotInitialized
from pulsing.ids import ActorId, NodeId

if TYPE_CHECKING:
    from pulsing.core.cell import Cell
    from pulsing.core.proxy import ActorProxy
    from pulsing.core.system import System

_running_loop = asyncio.get_running_loop


class ActorRef:
    """Reference to an actor; equal and hashed by id, and can be sent in messages and pickled.

    A ref that was unpickled belongs to the system of the actor that runs then, else to the process-wide one.
    Dropping a ref stops nothing.
    """

    __slots__ = ("_cell", "_system", "actor_id", "name")

    def __init__(self, actor_id: ActorId, name: str | None, system: System | None, cell: Cell | None = None) -> None:
        self.actor_id = actor_id
        self.name = name
        self._system = system
        self._cell = cell

    @property
    def node_id(self) -> NodeId:
        """The node that the actor lives on."""
        return self.actor_id.node_id

    def is_local(self) -> bool:
        """Whether the actor lives in this process."""
        return self._bound().node_id == self.actor_id.node_id

    def ask(self, msg: Any, *, timeout: float | None = DEFAULT_ASK_TIMEOUT) -> asyncio.Future[Any]:
        """Send a message to the actor's `receive` at once and return the future of its answer.

        Args:
            msg: any value; encoded only if the actor lives on another node.
            timeout: seconds to wait for the answer; None for no limit, only for an actor of this node.

        Raises:
            TypeError: a StreamMessage was given.
            ValueError: the timeout is no number of seconds, or None for an actor of another node.
        """
        check_seconds(timeout, "timeout")
        if isinstance(msg, StreamMessage):
            raise TypeError("a StreamMessage is an answer of receive, not a message to ask with")
        return self.request(None, (msg,), None, timeout)

    def tell(self, msg: Any) -> Awaitable[None]:
        """Send a message to the actor's `receive` without an answer.

        Returns:
            An awaitable that is done when the mailbox here, or the link to the other node, has taken the message.
        """
        return self.send(None, (msg,), None)

    def watch(self) -> asyncio.Future[Terminated]:
        """A future that is resolved once, when the actor has ended, with how it ended."""
        system = self._bound()
        if not at_home(system):
            return send_home(system, self.watch)
        told: asyncio.Future[Terminated] = system.loop.create_future()

        def settle(end: Terminated) -> None:
            if not told.done():
                # Of an actor whose node is dead nobody but this ref knows the name.
                told.set_result(replace(end, name=self.name) if end.name is None else end)

        system.watch(self, settle)
        untie = system.ties.watched(self.actor_id)
        told.add_done_callback(lambda _: system.unwatch(self, settle))
        told.add_done_callback(lambda _: untie())
        return told

    def as_any(self) -> ActorProxy:
        """A proxy that forwards any public method name."""
        from pulsing.core.proxy import ActorProxy

        return ActorProxy(self)

    def as_type(self, cls: Any) -> ActorProxy:
        """A proxy that knows the methods of `cls`, a class or what `@remote` made of it."""
        from pulsing.core.proxy import typed_proxy

        return typed_proxy(self, cls)

    def request(
        self,
        method: str | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        timeout: float | None,
        stream: bool = False,
    ) -> asyncio.Future[Any]:
        """Send a call and return the future of its answer; what proxies and `ask` are made of."""
        if timeout is not None and timeout <= 0:
            return _failed(DeadlineExceeded(method or "receive", timeout, maybe_executed=False))
        cell = self._cell
        if cell is not None and cell.thread == get_ident() and cell.loop.is_running():
            return cell.ask(method, args, kwargs, timeout, stream)
        system = self._bound()
        if not at_home(system):
            return send_home(system, lambda: self.request(method, args, kwargs, timeout, stream))
        cell = self._find_cell(system)
        if cell is not None:
            return cell.ask(method, args, kwargs, timeout, stream)
        return elsewhere.ask(system, self.actor_id, method, args, kwargs, timeout, stream)

    def send(self, method: str | None, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Awaitable[None]:
        """Send a call without an answer; the awaitable is done when the message was taken."""
        cell = self._cell
        if cell is None or cell.thread != get_ident() or not cell.loop.is_running():
            system = self._bound()
            if not at_home(system):
                return send_home(system, lambda: self.send(method, args, kwargs))
            cell = self._find_cell(system)
        if cell is not None:
            return cell.tell(method, args, kwargs) or _DONE
        return elsewhere.tell(system, self.actor_id, method, args, kwargs)

    def _find_cell(self, system: System) -> Cell | None:
        if self._cell is None and self.actor_id.id >> 64 == system.node_id.id:
            self._cell = system.registry.by_id(self.actor_id)
        return self._cell

    def home_if_elsewhere(self) -> System | None:
        """The system that this reference belongs to, if it is known and the actor lives on another node."""
        system = self._system
        if system is None or self._cell is not None or self.actor_id.id >> 64 == system.node_id.id:
            return None
        return system

    def _bound(self) -> System:
        if self._system is None:
            self._system = system_of_current()
            if self._system is None:
                from pulsing.core import get_system

                try:
                    self._system = get_system().inner
                except NotInitialized as error:
                    raise NotInitialized(
                        "this reference belongs to no system yet: call 'await init()' before using it"
                    ) from error
        return self._system

    def __eq__(self, other: object) -> bool:
        return self.actor_id == other.actor_id if isinstance(other, ActorRef) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.actor_id)

    def __reduce__(self) -> tuple[Any, ...]:
        return ActorRef, (self.actor_id, self.name, None)

    def __repr__(self) -> str:
        local = str(self._cell is not None or (self._system is not None and self.is_local())).lower()
        return f"ActorRef(id={self.actor_id}, local={local})"


class _Done:
    """An awaitable that is done."""

    def __await__(self) -> Generator[None, None, None]:
        # A generator, because tasks take the steps of a call by `send`.
        return
        yield


_DONE = _Done()


def _failed(error: BaseException) -> asyncio.Future[Any]:
    future = _running_loop().create_future()
    future.set_exception(error)
    return future
