"""Which actor is meant: by its name, in rotation where several nodes have one, or by whatever stands for its id."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pulsing.core.ref import ActorRef
from pulsing.core.registry import Registry, lookup_path
from pulsing.core.seams import SYSTEM_ACTOR, SYSTEM_ACTOR_NUMBER
from pulsing.exceptions import ActorNotFound, NodeNotFound
from pulsing.ids import ActorId, NodeId

if TYPE_CHECKING:
    from pulsing.core.system import System

LOOK_EVERY_S = 0.02


class Lookup:
    """Finds actors by name for one system."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._rotation: dict[str, int] = {}
        self.outcomes = {"local": 0, "remote": 0, "missing": 0}
        """how look-ups of names have ended"""

    async def find(self, path: str, wanted: NodeId | None, timeout: float) -> ActorRef:
        """A live actor with this path, on the wanted node if one is given; waits for it up to `timeout` seconds.

        Raises:
            ActorNotFound: nobody has the name.
            NodeNotFound: the wanted node is unknown, or does not have the name.
        """
        now = self._system.now
        deadline = now() + timeout
        while True:
            if (ref := self._pick(path, wanted)) is not None:
                self.outcomes["local" if ref.node_id == self._system.node_id else "remote"] += 1
                return ref
            left = deadline - now()
            if left <= 0:
                break
            await self._wait_for_name(path, wanted, left)
        self.outcomes["missing"] += 1
        if wanted is not None:
            raise NodeNotFound(wanted)
        raise ActorNotFound(path)

    def next_turn(self, subject: str) -> int:
        """A number that rises by one at each call for the subject; what rotation is made of."""
        turn = self._rotation[subject] = self._rotation.get(subject, -1) + 1
        return turn

    def _pick(self, path: str, wanted: NodeId | None) -> ActorRef | None:
        system = self._system
        if path == SYSTEM_ACTOR:
            return self._system_actor_of(wanted or system.node_id)
        here = system.registry.by_path(path)
        if here is not None and here.closed:
            here = None
        found = [one for one in system.names.instances(path) if one.node_id != system.node_id]
        if wanted is not None:
            if wanted == system.node_id:
                return None if here is None else here.ref
            return next((system.ref_of(one) for one in found if one.node_id == wanted), None)
        stable = [one for one in found if not one.leaving] or ([] if here is not None else found)
        if system.draining and stable:
            here = None
        candidates = [*([] if here is None else [here.ref]), *map(system.ref_of, stable)]
        if len(candidates) > 1:
            return candidates[self.next_turn(path) % len(candidates)]
        return candidates[0] if candidates else None

    def _system_actor_of(self, node_id: NodeId) -> ActorRef | None:
        try:
            self._system.check_node(node_id)
        except NodeNotFound:
            return None
        return self._system.bind(ActorId.of(node_id.id, SYSTEM_ACTOR_NUMBER), SYSTEM_ACTOR)

    async def _wait_for_name(self, path: str, wanted: NodeId | None, left: float) -> None:
        """Wait until it is worth another look."""
        names, registry = self._system.names, self._system.registry
        if wanted is not None or registry.by_path(path) is not None or path in names.paths():
            # A name that is known already, but not where it is looked for, says nothing of when it will be there.
            await asyncio.sleep(min(left, LOOK_EVERY_S))
            return
        waits = {asyncio.ensure_future(names.wait_for(path, left)), asyncio.ensure_future(registry.wait_for(path))}
        try:
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def actor_id_of(target: Any, registry: Registry) -> ActorId | None:
    """The id of what a user names as the actor to stop, None for a name that nobody here has.

    Raises:
        TypeError: nothing that stands for an actor.
        ValueError: neither a name nor an id.
    """
    if isinstance(target, ActorId):
        return target
    if isinstance(target, int) and not isinstance(target, bool):
        return ActorId(target)
    target = getattr(target, "_ref", target)
    if isinstance(target, ActorRef):
        return target.actor_id
    if not isinstance(target, str):
        raise TypeError(f"stop takes a name, an id, a ref or a proxy, not {type(target).__name__}")
    try:
        path = lookup_path(target)
    except ValueError:
        if (actor_id := _id_in(target)) is None:
            raise
        return actor_id
    cell = registry.by_path(path)
    return _id_in(target) if cell is None else cell.actor_id


def _id_in(text: str) -> ActorId | None:
    try:
        return ActorId.from_str(text)
    except ValueError:
        return None


def as_node_id(node_id: int | NodeId) -> NodeId:
    """Read a node id given as a number.

    Raises:
        ValueError: it is none.
    """
    if node_id is None:
        raise ValueError("a node id is an integer of 64 bits, got None")
    return node_id if isinstance(node_id, NodeId) else NodeId(node_id)


def as_actor_id(actorid: ActorId | str | int) -> ActorId:
    """Read an actor id given as text or as a number.

    Raises:
        ValueError: it is none.
    """
    if actorid is None:
        raise ValueError("an actor id is an integer of 128 bits, or its text, got None")
    if isinstance(actorid, str):
        return ActorId.from_str(actorid)
    return actorid if isinstance(actorid, ActorId) else ActorId(actorid)
