"""What a system knows of other nodes: somebody who carries messages there, and somebody who knows the members."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pulsing.core.envelope import Envelope
from pulsing.core.lifecycle import Terminated
from pulsing.ids import ActorId, NodeId

if TYPE_CHECKING:
    from pulsing.core.actor_class import ActorClass
    from pulsing.core.ref import ActorRef

SYSTEM_ACTOR = "system/core"
SYSTEM_ACTOR_NUMBER = 1
"""The system actor's number on every node, so that its id follows from the node's."""


class NothingToInspect(ValueError):
    """Nobody answers such a question on the node: what a layer above would add is not there."""


class Router(Protocol):
    """Carries messages to other nodes."""

    def ask(self, envelope: Envelope) -> None:
        """Send an ask; its answer, or the reason why there is none, goes to `envelope.reply`.

        The router says `deadlines.done` when the reply is settled, by the answer or by a caller who left.
        """
        ...

    def tell(self, envelope: Envelope) -> Awaitable[None]:
        """Send a tell; the awaitable is done when the link has taken it."""
        ...

    def holds(self, envelope: Envelope) -> bool:
        """Whether a message is known not to have left this node yet."""
        ...

    def watch(self, actor_id: ActorId, told: Callable[[Terminated], None]) -> None:
        """Call `told` once when the actor of another node has ended."""
        ...

    def check_node(self, node_id: NodeId) -> None:
        """Raise NodeNotFound or NodeDead if the node cannot be asked."""
        ...


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member of the cluster, as listings show it."""

    node_id: NodeId
    addr: str
    status: str
    """Alive, Suspect, Dead or Leaving"""
    takes_work: bool = True
    """whether anything may be placed there that its node did not ask for; False for the process of one actor"""
    ended: bool = False
    """whether a dead node's process is known to have ended; else it may only be cut off"""


class Placement(Protocol):
    """Makes actors that run in a process of their own."""

    async def spawn(
        self,
        actor_class: ActorClass[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None,
        public: bool,
    ) -> ActorRef:
        """Make an actor and return its ref when its constructor has run."""
        ...
