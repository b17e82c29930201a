"""Actors in processes of their own: started, watched and ended by the node that made them.

A process is a node of the cluster, a guest of the one that started it: it runs one actor, and nothing else is placed
on it. Where processes come from is the business of a `Launcher`; "process" launches them on this machine.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pulsing.config import SystemConfig
from pulsing.core.ref import ActorRef
from pulsing.core.system import System
from pulsing.placement.launcher import PLACEMENTS, Launch, Launcher, Process

if TYPE_CHECKING:
    from pulsing.core.actor_class import ActorClass


def offer(system: System, config: SystemConfig) -> None:
    """Let actors of a system be placed in processes; what that needs is imported when the first one is."""
    opening = asyncio.Lock()
    for placement in PLACEMENTS:
        system.placements[placement] = _NotYet(system, config, placement, opening)


class _NotYet:
    """Stands for the `Places` of a system until they are needed."""

    def __init__(self, system: System, config: SystemConfig, placement: str, opening: asyncio.Lock) -> None:
        self._system = system
        self._config = config
        self._placement = placement
        self._opening = opening

    async def spawn(
        self,
        actor_class: ActorClass[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None,
        public: bool,
    ) -> ActorRef:
        from pulsing.placement.places import Places

        places = self._system.placements[self._placement]
        if places is self:
            places = self._system.placements[self._placement] = Places(
                self._system, self._config, self._placement, self._opening
            )
        return await places.spawn(actor_class, args, kwargs, name, public)


def register_launcher(placement: str, launcher: Launcher) -> None:
    """Let `spawn(placement=…)` start its processes by this launcher, in all systems of this process.

    Raises:
        ValueError: no placement is called so.
    """
    from pulsing.placement.launchers import register_launcher

    register_launcher(placement, launcher)


__all__ = ["Launch", "Launcher", "Process", "offer", "register_launcher"]
