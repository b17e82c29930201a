"""How one actor ends: the door closes, what runs may finish, `on_stop` runs, and whoever waits is told."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from pulsing.core.accessors import take_back
from pulsing.core.life import Life
from pulsing.core.lifecycle import CLOSED, ENDED, FAILED, STOPPED, STOPPING, Ended, has_hook, run_hook
from pulsing.exceptions import describe, traceback_text, without_frames
from pulsing.logs import logger_of

logger = logger_of("pulsing.actor")

STOP_TIMEOUT_S = 30.0
"""How long the running message, and after it `on_stop`, may take."""
CANCEL_GRACE_S = 1.0
"""How long a task that was cancelled may take to end before it is left to itself."""


class Ending(Life):
    """The last part of an actor's life."""

    __slots__ = ()

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
        take_back(self, actor)

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
            take_back(self, self.actor)
            self.actor = None
        self._enter(FAILED if error is not None else STOPPED)
        self.counters.stopped[reason] = self.counters.stopped.get(reason, 0) + 1
        self.system.forget(self, self._record(reason, error))
        watchers, self._watchers = self._watchers, None
        for watcher in watchers or ():
            watcher(self._terminated())
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

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
            failure=None if error is None else without_frames(error),
        )


async def _swallow(hook: Coroutine[Any, Any, Any], label: str) -> None:
    try:
        await hook
    except Exception:
        logger.warning("actor %s: on_stop failed", label, exc_info=True)
