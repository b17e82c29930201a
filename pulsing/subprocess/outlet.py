"""A node for one program, in a process that Ray places: Ray finds the machine, and we do the rest."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pulsing.core.actor import current_actor
from pulsing.core.ref import ActorRef
from pulsing.core.remote import remote
from pulsing.core.system import System
from pulsing.exceptions import Forbidden
from pulsing.subprocess.host import host_of
from pulsing.subprocess.ledger import GPUS_VARIABLE
from pulsing.subprocess.order import Order

RAY = "ray"
STOP_S = 1.0
"""How long the process may take to end when its program has."""


@remote
class Outlet:
    """Starts one program on the node that was made for it: the one that it was made with, and that once.

    Args:
        values: the order, as it travels.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self._order: Order | None = Order.of(values)

    def start(self) -> Any:
        """Start the program; answers as the host of any other node does.

        Raises:
            Forbidden: it was started before.
        """
        order, self._order = self._order, None
        if order is None:
            raise Forbidden("starting a program again", "its process was started for one")
        if order.env is not None and GPUS_VARIABLE in os.environ:
            # The devices that Ray has given to this process are all that the program may have.
            order = replace(order, env={**order.env, GPUS_VARIABLE: os.environ[GPUS_VARIABLE]})
        return host_of(current_actor().system).start_here(order)


def is_placed_by_ray(placement: Any) -> bool:
    """Whether Ray is to find the machine: it is asked to, or this process is one of Ray's and nothing else is said."""
    if placement != "local":
        return bool(placement == RAY)
    # Who has not imported it is in none.
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


async def place(system: System, order: Order, resources: Mapping[str, Any]) -> ActorRef:
    """Have Ray find a machine, and start the process of an outlet there.

    Raises:
        Forbidden: this node runs without credentials: anybody could reach that process.
        PulsingRuntimeError: there is no place, or no Ray.
    """
    host_of(system).check_secure()
    outlet_class: Any = Outlet
    placed = outlet_class.with_options(resources=dict(resources), system=system, placement=RAY)
    outlet = await placed.spawn(order.to_values())
    ref: ActorRef = outlet.ref
    return ref


def end(system: System, outlet: ActorRef) -> None:
    """Let the process of an outlet end."""
    system.tasks.start(system.stop(outlet, timeout=STOP_S), f"end of {outlet}")
