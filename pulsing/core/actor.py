"""What a user's actor can be and can reach: the `Actor` base class and the context of the actor that runs now."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from concurrent.futures import Future
from contextvars import ContextVar
from threading import get_ident
from typing import TYPE_CHECKING, Any

from pulsing.core.timers import check_seconds
from pulsing.ids import ActorId

if TYPE_CHECKING:
    from pulsing.core.cell import Cell
    from pulsing.core.ref import ActorRef
    from pulsing.core.system import System

CURRENT: ContextVar[ActorContext | None] = ContextVar("pulsing_current_actor", default=None)
TRACE: ContextVar[bytes | None] = ContextVar("pulsing_trace", default=None)
"""W3C trace context, in 25 bytes, of the message that is being handled."""


class Actor(ABC):
    """Base of actors that take every message through one method.

    `receive` handles one message at a time. It may return a value, None, a `Message`, a `StreamMessage`, or a
    generator of either kind, whose items then reach the caller as a stream.

    Three hooks are optional, sync or async: `on_start(actor_id)` before the first message and after each restart,
    `on_stop()` once for each instance, `metadata()` for a dict of texts to show in listings.
    """

    @abstractmethod
    async def receive(self, msg: Any) -> Any:
        """Handle one message and return the answer."""

    def on_start(self, actor_id: ActorId) -> Any:
        """Called before the first message; by default nothing happens."""
        return None

    def on_stop(self) -> Any:
        """Called once when this instance ends; by default nothing happens."""
        return None

    def metadata(self) -> Any:
        """Texts to show beside the actor in listings; none by default."""
        return {}


class ActorContext:
    """The actor that runs now, as `current_actor()` gives it."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def actor_id(self) -> ActorId:
        """Id of the actor."""
        return self._cell.actor_id

    @property
    def name(self) -> str | None:
        """Path of the name, None for an anonymous actor."""
        return self._cell.path

    @property
    def ref(self) -> ActorRef:
        """A reference to the actor, to be given to others."""
        return self._cell.ref

    @property
    def system(self) -> Any:
        """The `ActorSystem` that the actor lives in."""
        return self._cell.system.facade

    def delayed(self, sec: float = 0.0) -> Delayed:
        """Call a method of this actor after `sec` seconds: `current_actor().delayed(2).method(…)`.

        Raises:
            ValueError: `sec` is no number of seconds.
        """
        check_seconds(sec, "sec")
        return Delayed(self._cell, sec)

    def stop(self) -> None:
        """End this actor after the message in progress; under the policy "always" it is started again."""
        self._cell.end_by_itself()


def current_actor() -> ActorContext:
    """The actor whose hook or method runs now, also in tasks that it started.

    Raises:
        RuntimeError: "not inside an actor".
    """
    context = CURRENT.get()
    if context is None:
        raise RuntimeError("not inside an actor")
    return context


def system_of_current() -> System | None:
    """The system of the actor that runs now, also in its worker thread; None outside of actors."""
    context = CURRENT.get()
    return None if context is None else context._cell.system


class Delayed:
    """Sends a call to the actor's own mailbox after a delay; the result is dropped.

    A call returns the task that waits, which may be cancelled; in the worker thread of a threaded actor, a future of
    `concurrent.futures` by which the task can be cancelled.
    """

    __slots__ = ("_cell", "_delay")

    def __init__(self, cell: Cell, delay: float) -> None:
        self._cell = cell
        self._delay = max(0.0, delay)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"Cannot access private attribute: {name}")
        cell, delay = self._cell, self._delay
        table = cell.spec.table
        if table is not None and name not in table.methods:
            raise AttributeError(f"No method {name!r}")

        method = None if table is None and name == "receive" else name

        def call(*args: Any, **kwargs: Any) -> asyncio.Task[None]:
            return cell.tasks.start(_send_later(cell, delay, method, args, kwargs), f"delayed {name}")

        async def called_there(*args: Any, **kwargs: Any) -> None:
            await call(*args, **kwargs)

        def call_from_thread(*args: Any, **kwargs: Any) -> Future[None]:
            return asyncio.run_coroutine_threadsafe(called_there(*args, **kwargs), cell.loop)

        return call if cell.thread == get_ident() else call_from_thread


async def _send_later(cell: Cell, delay: float, method: str | None, args: tuple[Any, ...], kwargs: Any) -> None:
    await asyncio.sleep(delay)
    if not cell.closed:
        cell.tell(method, args, kwargs)
