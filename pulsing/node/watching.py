"""Learning of the end of actors on other nodes: one standing question to each node for each actor that is watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pulsing.core.envelope import Envelope
from pulsing.core.lifecycle import Terminated
from pulsing.core.seams import SYSTEM_ACTOR_NUMBER
from pulsing.exceptions import ActorNotFound, LinkLost, PulsingError
from pulsing.ids import ActorId, NodeId
from pulsing.tasks import TaskScope

if TYPE_CHECKING:
    from pulsing.node.node import Node

Told = Callable[[Terminated], None]

ATTEMPTS = 3


class Watches:
    """The watches of one node on actors elsewhere."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._watchers: dict[ActorId, list[Told]] = {}
        self._tasks = TaskScope("watches")

    def add(self, actor_id: ActorId, told: Told) -> None:
        """Call `told` once when the actor has ended, or its node has."""
        watchers = self._watchers.setdefault(actor_id, [])
        watchers.append(told)
        if len(watchers) == 1:
            self._tasks.start(self._wait(actor_id), f"watch {actor_id}")

    def node_gone(self, node_id: NodeId) -> None:
        """A node has died or left, and its actors with it."""
        for actor_id in [watched for watched in self._watchers if watched.node_id == node_id]:
            self._tell(Terminated(actor_id, None, node_id, "node_dead"))

    async def close(self) -> None:
        """Watch no longer."""
        await self._tasks.close()

    async def _wait(self, actor_id: ActorId) -> None:
        for _ in range(ATTEMPTS):
            try:
                end: dict[str, Any] = await self._ask(actor_id)
                # Nodes of earlier versions say nothing of the error.
                self._tell(Terminated(actor_id, end["name"], actor_id.node_id, end["reason"], end.get("error")))
                return
            except LinkLost:
                continue
            except ActorNotFound:
                self._tell(Terminated(actor_id, None, actor_id.node_id, "stopped"))
                return
            except PulsingError as error:
                self._tell(Terminated(actor_id, None, actor_id.node_id, "node_dead", error))
                return
        self._tell(Terminated(actor_id, None, actor_id.node_id, "node_dead"))

    async def _ask(self, actor_id: ActorId) -> Any:
        """Ask the actor's node, without a deadline, to answer when the actor has ended."""
        target = ActorId.of(actor_id.node_id.id, SYSTEM_ACTOR_NUMBER)
        reply = self._node.system.loop.create_future()
        self._node.ask(Envelope(target, "wait_for_end", (str(actor_id),), None, reply))
        return await reply

    def _tell(self, end: Terminated) -> None:
        for told in self._watchers.pop(end.actor_id, ()):
            told(end)
