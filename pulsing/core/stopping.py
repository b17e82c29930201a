"""How a system ends: mailboxes run empty, actors stop, those of users first, and what served them is closed."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pulsing.core.actor import CURRENT, ActorContext
from pulsing.core.cell import Cell
from pulsing.exceptions import SystemStopped

if TYPE_CHECKING:
    from pulsing.core.system import System

DRAIN_STEP_S = 0.01
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

    async def _end(self, drain: float | None, inside: ActorContext | None) -> None:
        system = self._system
        self.draining = True
        for tell in system.leaving:
            await tell()
        deadline = None if drain is None else system.now() + drain
        await self._run_empty(deadline, None if inside is None else inside._cell)
        left = None if deadline is None else max(0.0, deadline - system.now())
        await _stop_all((cell for cell in system.registry if not cell.spec.internal), left)
        await _stop_all((cell for cell in system.registry if cell.spec.kind != "system"), left)
        await _stop_all(system.registry, 0.0)
        self.stopped = True
        await self._close()

    async def _run_empty(self, deadline: float | None, caller: Cell | None) -> None:
        """Wait until the actors of users, except the one that asked for the end, have nothing more to do."""
        system = self._system
        while any(cell.busy and not cell.spec.internal and cell is not caller for cell in system.registry):
            if deadline is not None and system.now() >= deadline:
                break
            await asyncio.sleep(DRAIN_STEP_S)

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
