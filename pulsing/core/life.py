"""The life of one actor: it starts, may fail and start again, and ends; whoever watches is told how."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from pulsing.core.actor import CURRENT, ActorContext
from pulsing.core.lifecycle import (
    CLOSED,
    ENDED,
    FAILED,
    RESTARTING,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    Ended,
    Terminated,
    advance,
    has_hook,
    run_hook,
)
from pulsing.core.ref import ActorRef
from pulsing.core.spec import CellSpec
from pulsing.core.statistics import ClassCounters
from pulsing.core.supervision import Supervisor
from pulsing.exceptions import ActorStopped, PulsingUnsupportedError, describe, error_for_caller, traceback_text
from pulsing.ids import ActorId
from pulsing.tasks import TaskScope

if TYPE_CHECKING:
    from pulsing.core.system import System

logger = logging.getLogger("pulsing.actor")

STOP_TIMEOUT_S = 30.0
"""How long the running message, and after it `on_stop`, may take."""
CANCEL_GRACE_S = 1.0
"""How long a task that was cancelled may take to end before it is left to itself."""


class Life:
    """What an actor is, and the states it goes through. Its messages are the business of `Cell`."""

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
        "loop",
        "messages",
        "now",
        "path",
        "public",
        "ref",
        "restarts",
        "said",
        "spec",
        "state",
        "system",
        "tags",
        "thread",
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
        self.tags: dict[str, str] | None = None
        self.said: dict[str, str] | None = None
        """what the `metadata` hook said when the actor had started"""
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

    @property
    def restarts_left(self) -> int:
        """How many restarts the policy still grants."""
        return self._supervise().restarts_left(self.now())

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

    # --- the beginning -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Make the actor ready for its first message; hooks run as a task where the class has them."""
        self._inject()
        if has_hook(self.actor, "on_start") or has_hook(self.actor, "metadata"):
            self._lifecycle = self._task(self._start(), "start")
        else:
            self._enter(RUNNING)

    async def _start(self) -> None:
        try:
            if has_hook(self.actor, "on_start"):
                await run_hook(self.actor, "on_start", self.actor_id)
        except Exception as raised:
            logger.warning("actor %s: on_start failed", self.label, exc_info=raised)
            self.fail(self._translated(raised, "on_start"))
            return
        if self.state is STARTING:
            self._enter(RUNNING)
            self.wake()
            await self.read_metadata()

    async def read_metadata(self) -> dict[str, str]:
        """Ask the actor what it says of itself."""
        try:
            said = await run_hook(self.actor, "metadata")
            self.said = {str(key): str(value) for key, value in (said or {}).items()}
        except Exception as raised:
            logger.warning("actor %s: metadata failed", self.label, exc_info=raised)
        return self.said or {}

    def _inject(self) -> None:
        for name in self.spec.injected:
            # Names that the instance has by now are its own.
            if not hasattr(self.actor, name):
                try:
                    setattr(self.actor, name, self._accessor(name))
                except Exception:
                    # A class with __slots__ or one that refuses new fields reaches them through current_actor().
                    return

    def _accessor(self, name: str) -> Any:
        if name == "ref":
            return self.ref
        return self.system.facade if name == "system" else ActorContext(self).delayed  # type: ignore[arg-type]

    def _take_back(self, actor: Any) -> None:
        """Remove what was injected: the instance may be mounted or spawned again."""
        fields = getattr(actor, "__dict__", {})
        for name in self.spec.injected:
            value = fields.get(name)
            owner = getattr(getattr(value, "__self__", None), "_cell", None) if name == "delayed" else None
            if owner is self or (name != "delayed" and value is not None and value is self._accessor(name)):
                fields.pop(name)

    # --- failure and restart -----------------------------------------------------------------------------------------

    def fail(self, error: Exception) -> None:
        """The actor can no longer be trusted: restart it where its policy grants that, else end it."""
        if self.state in CLOSED or self.state is RESTARTING:
            return
        delay = self._supervise().after_failure(self.now()) if self.factory is not None else None
        if delay is not None:
            self._begin_restart(delay, "failure", error)
            return
        gave_up = self.spec.policy.restarts and self.factory is not None
        self.begin_end("restart_limit" if gave_up else "failed", error, timeout=0.0)

    def restart_by_operator(self) -> None:
        """Start the actor afresh because somebody asked for it; not counted against its budget.

        Raises:
            PulsingUnsupportedError: its constructor arguments are not known (mounted, or a plain instance).
        """
        if self.factory is None:
            raise PulsingUnsupportedError(f"restart of {self.label}")
        if self.state is RUNNING:
            self._begin_restart(0.0, "operator", None)

    def end_by_itself(self) -> None:
        """The actor's own wish to end after the message in progress."""
        self._own_end = True
        # The wish may come from the actor's worker thread.
        self.loop.call_soon_threadsafe(self.own_end_if_idle)

    def own_end_if_idle(self) -> None:
        """Carry out that wish once nothing is in progress."""
        if not self._own_end or self.state is not RUNNING or self.running_tasks():
            return
        delay = self._supervise().after_own_end(self.now()) if self.factory is not None else None
        if delay is None:
            self.begin_end("stopped", None, STOP_TIMEOUT_S)
        else:
            self._begin_restart(delay, "always", None)

    def _supervise(self) -> Supervisor:
        if self._supervisor is None:
            self._supervisor = Supervisor(self.spec.policy, self.system.random)
        return self._supervisor

    def _begin_restart(self, delay: float, cause: str, error: Exception | None) -> None:
        self._enter(RESTARTING)
        self.restarts += 1
        self.counters.restarts[cause] = self.counters.restarts.get(cause, 0) + 1
        self.system.report(
            self, "actor.restarting", attempt=self.restarts, backoff_s=delay, error=str(error) if error else None
        )
        self.cancel_running()
        self.end_streams()
        self._lifecycle = self._task(self._restart(delay), "restart")

    async def _restart(self, delay: float) -> None:
        await self._end_instance(STOP_TIMEOUT_S)
        await asyncio.sleep(delay)
        assert self.factory is not None
        try:
            self.actor = self.factory()
        except Exception as raised:
            logger.warning("actor %s: its constructor failed at a restart", self.label, exc_info=raised)
            self._enter(STARTING)
            self.fail(self._translated(raised, "__init__"))
            return
        self._own_end = False
        self._inject()
        self._enter(STARTING)
        self.system.report(self, "actor.restarted", attempt=self.restarts)
        await self._start()

    # --- the end -----------------------------------------------------------------------------------------------------

    async def stop(self, reason: str = "stopped", timeout: float | None = STOP_TIMEOUT_S) -> None:
        """End the actor and wait for that: the running message finishes, queued asks fail, `on_stop` runs.

        Args:
            reason: told to watchers and callers.
            timeout: seconds that the running message may take; None for ever.
        """
        self.begin_end(reason, None, timeout)
        if self.state not in ENDED:
            if self._ended is None:
                self._ended = self.loop.create_future()
            await asyncio.shield(self._ended)

    def begin_end(self, reason: str, error: Exception | None, timeout: float | None) -> None:
        """Close the door now, and end as soon as what runs has finished; nothing if the end has begun already."""
        if self.state in CLOSED:
            if timeout is not None and self.state is STOPPING:
                self.loop.call_later(timeout, self._hurry)
            return
        self._enter(STOPPING)
        self._exit_reason, self._exit_error = reason, error
        self.close_mailbox(self.stopped_error(maybe_executed=False))
        self.end_streams()
        if self._nothing_to_wait_for():
            self.close_worker()
            self._leave()
        else:
            # The end outlives whoever ordered it, so it has a task of its own.
            self._task(self._end(timeout), "end")

    def _nothing_to_wait_for(self) -> bool:
        return not (
            self._scope
            or (self._lifecycle is not None and not self._lifecycle.done())
            or self.running_tasks()
            or has_hook(self.actor, "on_stop")
        )

    async def _end(self, timeout: float | None) -> None:
        try:
            await self._end_lifecycle()
            await self._let_finish(timeout)
            await self._end_instance(STOP_TIMEOUT_S if timeout is None else max(timeout, CANCEL_GRACE_S))
        finally:
            self.close_worker()
            self._leave()

    async def _end_lifecycle(self) -> None:
        lifecycle = self._lifecycle
        if lifecycle is not None and not lifecycle.done():
            lifecycle.cancel()
            await asyncio.wait([lifecycle], timeout=CANCEL_GRACE_S)

    async def _let_finish(self, timeout: float | None) -> None:
        tasks = self.running_tasks()
        if tasks and timeout != 0:
            await asyncio.wait(tasks, timeout=timeout)
        tasks = self.running_tasks()
        if tasks:
            self.cancel_running()
            await asyncio.wait(tasks, timeout=CANCEL_GRACE_S)

    def _hurry(self) -> None:
        if self.state is STOPPING:
            self.cancel_running()

    async def _end_instance(self, limit: float) -> None:
        """Run `on_stop` and end the tasks of this instance."""
        actor, self.actor = self.actor, None
        if actor is not None and has_hook(actor, "on_stop"):
            await self._run_on_stop(actor, limit)
        if self._scope is not None:
            await self._scope.close()
        self._take_back(actor)

    async def _run_on_stop(self, actor: Any, limit: float) -> None:
        hook = self._task(_swallow(run_hook(actor, "on_stop"), self.label), "on_stop")
        await asyncio.wait([hook], timeout=limit)
        if not hook.done():
            logger.warning("actor %s: on_stop did not end within %g s", self.label, limit)
            hook.cancel()
            await asyncio.wait([hook], timeout=CANCEL_GRACE_S)

    def _leave(self) -> None:
        """The end: the name is free, watchers are told."""
        reason, error = self._exit_reason or "stopped", self._exit_error
        if self.actor is not None:
            self._take_back(self.actor)
            self.actor = None
        self._enter(FAILED if error is not None else STOPPED)
        self.counters.stopped[reason] = self.counters.stopped.get(reason, 0) + 1
        self.system.forget(self, self._record(reason, error))
        watchers, self._watchers = self._watchers, None
        for watcher in watchers or ():
            watcher(self._terminated())
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

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

    def _record(self, reason: str, error: Exception | None) -> Ended:
        return Ended(
            actor_id=self.actor_id,
            name=self.path,
            class_name=self.spec.class_name,
            kind=self.spec.kind,
            reason=reason,
            at=self.system.clock.wall(),
            created_at=self.created_at,
            messages=self.messages,
            errors=self.errors,
            restarts=self.restarts,
            error=None if error is None else describe(error),
            traceback=None if error is None else getattr(error, "remote_traceback", None) or traceback_text(error),
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

    def _translated(self, raised: Exception, where: str) -> Exception:
        return error_for_caller(raised, operation=f"{self.spec.bare_name}.{where}", actor_name=self.label)


def current_task() -> asyncio.Task[Any] | None:
    """The task that runs now, if one does."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None  # called before the loop runs, or after it


async def _swallow(hook: Coroutine[Any, Any, Any], label: str) -> None:
    try:
        await hook
    except Exception:
        logger.warning("actor %s: on_stop failed", label, exc_info=True)
