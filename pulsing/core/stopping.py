"""How a system ends: it says so, refuses new work, finishes what it has, hands over what it owns, stops and closes."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from pulsing.core.actor import CURRENT, ActorContext
from pulsing.core.cell import Cell
from pulsing.exceptions import SystemStopped
from pulsing.logs import logger_of

if TYPE_CHECKING:
    from pulsing.core.system import System

logger = logger_of(__name__)

DRAIN_STEP_S = 0.01
HAND_OVER_S = 10.0
"""How long one layer may take to hand over what this node owns."""
STOPS_IN_A_ROW = 256
"""After so many actors were told to stop the loop may do other things."""


class Shutdown:
    """The end of one system, which comes once.

    Attributes:
        draining: whether it has begun.
        stopped: whether all actors have ended.
    """

    def __init__(self, system: System) -> None:
        self.draining = False
        self.stopped = False
        self._system = system
        self._task: asyncio.Task[None] | None = None

    async def run(self, drain: float | None) -> None:
        """End the system, or wait until it has ended; an actor does not wait, for it cannot wait for its own end."""
        inside = CURRENT.get()
        if self._task is None:
            work = self._end(drain, inside)
            # In a context of its own: an actor that asks for the end must not be taken for the one who carries it out.
            self._task = contextvars.Context().run(self._system.loop.create_task, work)
        if inside is None:
            await asyncio.shield(self._task)

    async def run_empty(self, seconds: float | None, caller: Cell | None) -> float | None:
        """Take no new work, and wait until the actors of users, except one, have nothing more to do.

        Returns:
            The seconds that are left; None for no limit.
        """
        system = self._system
        deadline = None if seconds is None else system.now() + seconds
        if not self.draining:
            await self._say_so()
        while any(cell.busy and not cell.spec.internal and cell is not caller for cell in system.registry):
            if deadline is not None and system.now() >= deadline:
                break
            await asyncio.sleep(DRAIN_STEP_S)
        return None if deadline is None else max(0.0, deadline - system.now())

    async def _say_so(self) -> None:
        system = self._system
        self.draining = True
        system.events.publish("node.draining", kind="node", id=str(system.node_id), name=system.node_name, data={})
        for tell in system.leaving:
            await tell()

    async def _end(self, drain: float | None, inside: ActorContext | None) -> None:
        system = self._system
        left = await self.run_empty(drain, None if inside is None else inside._cell)
        await _stop_all((cell for cell in system.registry if not cell.spec.internal), left)
        if drain != 0:
            await _hand_over(system.handing_over)
        await _stop_all((cell for cell in system.registry if cell.spec.kind != "system"), left)
        await _stop_all(system.registry, 0.0)
        self.stopped = True
        await self._close()

    async def _close(self) -> None:
        system = self._system
        for envelope in system.deadlines.pending():
            envelope.fail(SystemStopped())
        system.deadlines.close()
        for close in reversed(system.closing):
            await close()
        await system.tasks.close()
        system.events.close()
        system.dead_letters.close()


async def _hand_over(steps: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Give what this node owns to others; what cannot be given is lost with the node, as if it had died."""
    for step in steps:
        try:
            await asyncio.wait_for(step(), HAND_OVER_S)
        except Exception:
            logger.exception("something that this node owns could not be handed over")


async def _stop_all(cells: Iterable[Cell], timeout: float | None) -> None:
    stopping = []
    for number, cell in enumerate(cells):
        cell.begin_end("shutdown", None, timeout)
        if not cell.ended:
            stopping.append(cell)
        if number % STOPS_IN_A_ROW == 0:
            await asyncio.sleep(0)
    for cell in stopping:
        await cell.stop("shutdown", timeout)
