"""The life of one actor: its state, its tasks, and who watches it. How it begins and ends is told in `starting` and
`ending`, and what it does in between in `cell`."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from pulsing.core.actor import CURRENT, ActorContext
from pulsing.core.lifecycle import CLOSED, ENDED, RUNNING, STARTING, Terminated, advance
from pulsing.core.ref import ActorRef
from pulsing.core.spec import CellSpec
from pulsing.core.statistics import ClassCounters
from pulsing.core.supervision import Supervisor
from pulsing.exceptions import ActorStopped
from pulsing.ids import ActorId
from pulsing.tasks import TaskScope

if TYPE_CHECKING:
    from pulsing.core.system import System


class Life:
    """What an actor is, and the states it goes through."""

    __slots__ = (
        "_context",
        "_ended",
        "_exit_error",
        "_exit_reason",
        "_lifecycle",
        "_own_end",
        "_scope",
        "_supervisor",
        "_watchers",
        "actor",
        "actor_id",
        "counters",
        "created_at",
        "deadlines",
        "errors",
        "factory",
        "handle_max_s",
        "handle_s",
        "last_errors",
        "last_message_at",
        "loop",
        "messages",
        "metadata",
        "now",
        "path",
        "public",
        "ref",
        "restarts",
        "spec",
        "state",
        "system",
        "tags",
        "thread",
        "wait_max_s",
        "wait_s",
    )

    def __init__(
        self,
        system: System,
        actor_id: ActorId,
        actor: Any,
        spec: CellSpec,
        *,
        path: str | None,
        public: bool,
        factory: Callable[[], Any] | None,
        counters: ClassCounters,
        created_at: float,
    ) -> None:
        self.system = system
        self.loop = system.loop
        self.thread = system.thread
        self.now = system.now
        self.deadlines = system.deadlines
        self.actor_id = actor_id
        self.actor = actor
        self.spec = spec
        self.path = path
        self.public = public
        self.factory = factory
        self.counters = counters
        self.created_at = created_at
        self.state = STARTING
        counters.states[STARTING] += 1
        self.ref = ActorRef(actor_id, path, system, self)  # type: ignore[arg-type]
        self.messages = 0
        self.errors = 0
        self.restarts = 0
        self.handle_s = 0.0
        self.handle_max_s = 0.0
        self.wait_s = 0.0
        self.wait_max_s = 0.0
        self.last_message_at: float | None = None
        self.last_errors: list[tuple[float, str, str, str]] | None = None
        self.tags: dict[str, str] | None = None
        self.metadata: dict[str, str] | None = None
        """What the `metadata` hook gave when it was last asked; None before that."""
        self._context: contextvars.Context | None = None
        self._scope: TaskScope | None = None
        self._supervisor: Supervisor | None = None
        self._lifecycle: asyncio.Task[None] | None = None
        self._watchers: list[Callable[[Terminated], None]] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._own_end = False
        self._exit_reason: str | None = None
        self._exit_error: Exception | None = None

    @property
    def label(self) -> str:
        """The name, else the id: how people are told of this actor."""
        return self.path or str(self.actor_id)

    @property
    def running(self) -> bool:
        """Whether messages are run."""
        return self.state is RUNNING

    @property
    def closed(self) -> bool:
        """Whether no message is taken any more."""
        return self.state in CLOSED

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.state in ENDED

    @property
    def is_current(self) -> bool:
        """Whether the caller runs inside this actor, in one of its hooks, methods or tasks."""
        context = CURRENT.get()
        return context is not None and context._cell is self

    @property
    def tasks(self) -> TaskScope:
        """Tasks that end with this instance of the actor."""
        if self._scope is None:
            self._scope = TaskScope(f"actor {self.label}")
        return self._scope

    # --- what the messages' side does at the turns of life -----------------------------------------------------------

    def wake(self) -> None:
        """See to the messages that wait, now that they can be run."""
        raise NotImplementedError

    def close_mailbox(self, refusal: ActorStopped) -> None:
        """Refuse what waits and take nothing more."""
        raise NotImplementedError

    def end_streams(self) -> None:
        """Let the open streams end at their next item."""
        raise NotImplementedError

    def running_tasks(self) -> list[asyncio.Task[None]]:
        """The tasks that run messages now."""
        raise NotImplementedError

    def cancel_running(self) -> None:
        """Cancel those tasks, except the one that asks for it."""
        raise NotImplementedError

    def close_worker(self) -> None:
        """Let go of the thread, if there is one."""
        raise NotImplementedError

    # --- who is told -------------------------------------------------------------------------------------------------

    def watch(self, told: Callable[[Terminated], None]) -> None:
        """Call `told` once when the actor has ended; at once if it has."""
        if self.state in ENDED:
            told(self._terminated())
            return
        if self._watchers is None:
            self._watchers = []
        self._watchers.append(told)

    def unwatch(self, told: Callable[[Terminated], None]) -> None:
        """Take a `watch` back."""
        if self._watchers is not None and told in self._watchers:
            self._watchers.remove(told)

    def stopped_error(self, *, maybe_executed: bool) -> ActorStopped:
        """What callers get whose message is not, or no longer, handled."""
        return ActorStopped(self.actor_id, self.path, self._exit_reason or "stopped", maybe_executed, self._exit_error)

    def _terminated(self) -> Terminated:
        return Terminated(
            self.actor_id, self.path, self.system.node_id, self._exit_reason or "stopped", self._exit_error
        )

    # --- small print -------------------------------------------------------------------------------------------------

    def own_context(self) -> contextvars.Context:
        """The context in which everything of this actor runs."""
        if self._context is None:
            self._context = contextvars.Context()
            self._context.run(CURRENT.set, ActorContext(self))  # type: ignore[arg-type]
        return self._context

    def _task(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        # In a copy: the context itself may be the one in which this is called.
        context = self.own_context().copy()
        return context.run(self.system.tasks.start, work, f"{what} {self.label}")

    def _enter(self, state: str) -> None:
        states = self.counters.states
        states[self.state] -= 1
        self.state = advance(self.state, state)
        states[state] += 1


def current_task() -> asyncio.Task[Any] | None:
    """The task that runs now, if one does."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None  # called before the loop runs, or after it
