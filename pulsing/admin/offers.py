"""What an admin app tells of its node beside what the layers below tell: for as long as the app is open."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import wraps
from typing import TYPE_CHECKING, Any

from pulsing.admin.classes import described_class
from pulsing.admin.gone import gone_agents

if TYPE_CHECKING:
    from pulsing.admin.plane import Plane

Inspector = Callable[[Any], Any]


class Offers:
    """The inspectors that one app puts in place, or in front of another; of several apps the last one has its say.

    Args:
        inspectors: those of the system.
        plane: of the app.
    """

    def __init__(self, inspectors: MutableMapping[str, Inspector], plane: Plane) -> None:
        self._inspectors = inspectors
        node, agents = (_beneath(inspectors[kind]) for kind in ("node", "agents"))

        @wraps(node)
        def node_with_lag(params: Any) -> Any:
            return {**node(params), "loop_lag_s": plane.lag.percentiles()}

        @wraps(agents)
        def agents_with_gone(params: Any) -> Any:
            return [*agents(params), *(gone_agents(plane.fanout.here) if params.get("gone") else ())]

        self._offered: dict[str, Inspector] = {
            "node": node_with_lag,
            "agents": agents_with_gone,
            "checks": lambda params: plane.checks.failing(),
            "latency": lambda params: plane.history.latency(),
            "history": lambda params: plane.history.told(params),
            "class": lambda params: described_class(str(params.get("class", ""))),
        }
        inspectors.update(self._offered)

    def take_back(self) -> None:
        """Leave the system as if the app had not been; what another app offers by now stays."""
        for kind, offered in self._offered.items():
            if self._inspectors.get(kind) is offered:
                beneath = _beneath(offered)
                if beneath is offered:
                    del self._inspectors[kind]
                else:
                    self._inspectors[kind] = beneath


def _beneath(inspector: Inspector) -> Inspector:
    """What an app stands in front of; the inspector itself if it is none of an app."""
    beneath: Inspector = getattr(inspector, "__wrapped__", inspector)
    return beneath
