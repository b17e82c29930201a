"""How one actor starts, and starts again where it has failed and its policy grants that."""

from __future__ import annotations

import asyncio

from pulsing.core.accessors import inject
from pulsing.core.ending import STOP_TIMEOUT_S, Ending
from pulsing.core.lifecycle import CLOSED, RESTARTING, RUNNING, STARTING, has_hook, run_hook
from pulsing.core.supervision import Supervisor
from pulsing.exceptions import PulsingUnsupportedError, error_for_caller
from pulsing.logs import logger_of

logger = logger_of("pulsing.actor")


class Starting(Ending):
    """The first part of an actor's life, which may come more than once."""

    __slots__ = ()

    @property
    def restarts_left(self) -> int:
        """How many restarts the policy still grants."""
        return self._supervise().restarts_left(self.now())

    def start(self) -> None:
        """Make the actor ready for its first message; hooks run as a task where the class has them."""
        inject(self)
        if has_hook(self.actor, "on_start") or has_hook(self.actor, "metadata"):
            self._lifecycle = self._task(self._start(), "start")
        else:
            self._enter(RUNNING)

    async def _start(self) -> None:
        try:
            if has_hook(self.actor, "on_start"):
                await run_hook(self.actor, "on_start", self.actor_id)
        except (Exception, asyncio.CancelledError) as raised:
            if isinstance(raised, asyncio.CancelledError) and self._is_called_off():
                raise
            logger.warning("actor %s: on_start failed", self.label, exc_info=raised)
            self.fail(self._translated(raised, "on_start"))
            return
        if self.state is STARTING:
            self._enter(RUNNING)
            self.wake()
            await self.read_metadata()

    def _is_called_off(self) -> bool:
        """Whether this start itself was cancelled, and not what its hook waited for."""
        # Python 3.10 does not tell how often a task was cancelled.
        cancels = getattr(asyncio.current_task(), "cancelling", lambda: 0)
        return self.state is not STARTING or cancels() > 0

    async def read_metadata(self) -> dict[str, str]:
        """Ask the actor what it says of itself."""
        try:
            given = await run_hook(self.actor, "metadata")
            self.metadata = {str(key): str(value) for key, value in (given or {}).items()}
        except Exception as raised:
            logger.warning("actor %s: metadata failed", self.label, exc_info=raised)
        return self.metadata or {}

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
        # Before anybody learns of it: whoever does may want to start another under the name at once.
        self.system.free_name(self)
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
        inject(self)
        self._enter(STARTING)
        self.system.report(self, "actor.restarted", attempt=self.restarts)
        await self._start()

    def _translated(self, raised: BaseException, where: str) -> Exception:
        return error_for_caller(raised, operation=f"{self.spec.bare_name}.{where}", actor_name=self.label)
