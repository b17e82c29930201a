"""Where each name lives: look-up, fair rotation over replicas, and waiting for a name to appear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MappingProxyType

from pulsing.cluster.member import Member, Status
from pulsing.cluster.messages import checked_entry
from pulsing.cluster.names import Change, Entry
from pulsing.exceptions import NameTaken, Overloaded
from pulsing.ids import NodeId

PREFERENCE: MappingProxyType[Status, int] = MappingProxyType({"alive": 0, "suspect": 1, "leaving": 2})
"""Replicas on members with the lowest number are used first; those on members in any other status are not used."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A name on one node."""

    path: str
    member: Member
    entry: Entry

    @property
    def node_id(self) -> int:
        """The node that holds the name."""
        return self.member.node_id


class Directory:
    """The names of all present members, and the private names of this node.

    Args:
        own_id: this node.
        member_of: the view of a member, None for an unknown one.
        announce: called when a public path of this node changes; it brings the change to the other nodes.
        max_public: how many public names this node may hold.
    """

    def __init__(
        self,
        own_id: int,
        member_of: Callable[[int], Member | None],
        announce: Callable[[str, Entry | None], None],
        *,
        max_public: int = 10_000,
    ) -> None:
        self._own_id = own_id
        self._member_of = member_of
        self._announce = announce
        self._max_public = max_public
        self._public = 0
        self._index: dict[str, dict[int, Entry]] = {}
        self._counts: dict[int, int] = {}
        self._turns: dict[str, int] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def publish(self, path: str, entry: Entry) -> None:
        """Give a path of this node its entry; a public one becomes known everywhere.

        Raises:
            NameTaken: this node holds the path already.
            Overloaded: this node holds as many public names as it may.
            ValueError: the entry is too large to travel.
        """
        if self._own_id in self._index.get(path, ()):
            raise NameTaken(path, NodeId(self._own_id))
        checked_entry(entry)
        if entry.public and self._public >= self._max_public:
            raise Overloaded("public names", self._max_public)
        if entry.public:
            self._public += 1
            self._announce(path, entry)
        self.update(self._own_id, [Change(0, path, entry)])

    def withdraw(self, path: str, actor_id: int) -> None:
        """Take a path of this node back, everywhere; one that another actor has by now is left to it."""
        entry = self._index.get(path, {}).get(self._own_id)
        if entry is None or entry.actor_id != actor_id:
            return
        if entry.public:
            self._public -= 1
            self._announce(path, None)
        self.update(self._own_id, [Change(0, path, None)])

    def lookup(self, path: str) -> list[Instance]:
        """All instances of a name on members that may answer, those to prefer first."""
        found = [
            Instance(path, member, entry)
            for node_id, entry in self._index.get(path, {}).items()
            if (member := self._member_of(node_id)) is not None and member.status in PREFERENCE
        ]
        return sorted(found, key=lambda i: (PREFERENCE[i.member.status], i.node_id))

    def resolve(self, path: str, node_id: int | None = None) -> Instance | None:
        """Choose an instance: the next in turn among the live ones, leaving members last.

        Args:
            path: the whole path, such as `actors/worker`.
            node_id: only the instance of this node.

        Returns:
            None when there is no live instance.
        """
        found = [i for i in self.lookup(path) if node_id is None or i.node_id == node_id]
        if len(found) < 2:
            return found[0] if found else None
        best = [i for i in found if PREFERENCE[i.member.status] == PREFERENCE[found[0].member.status]]
        turn = self._turns[path] = self._turns.get(path, -1) + 1
        return best[turn % len(best)]

    async def wait_for(self, path: str, timeout: float, node_id: int | None = None) -> Instance | None:
        """Choose an instance as `resolve` does, waiting up to `timeout` seconds for the name to appear."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while (found := self.resolve(path, node_id)) is None and (remaining := deadline - loop.time()) > 0:
            await self._wait_for_change(path, remaining)
        return found

    def paths(self) -> list[str]:
        """All names that somebody holds, sorted."""
        return sorted(self._index)

    def count_of(self, node_id: int) -> int:
        """How many names a node holds, as far as this node may know them."""
        return self._counts.get(node_id, 0)

    def update(self, node_id: int, changes: Iterable[Change]) -> list[str]:
        """Take over changes of a node's names.

        Returns:
            The paths whose instances now come from different classes: two halves of a cluster met.
        """
        conflicts = []
        for change in changes:
            if change.entry is None:
                self._remove(node_id, change.path)
            elif self._add(node_id, change.path, change.entry):
                conflicts.append(change.path)
        return conflicts

    def _add(self, node_id: int, path: str, entry: Entry) -> bool:
        holders = self._index.setdefault(path, {})
        self._counts[node_id] = self._counts.get(node_id, 0) + (node_id not in holders)
        holders[node_id] = entry
        for waiter in self._waiting.pop(path, ()):
            if not waiter.done():
                waiter.set_result(None)
        return len(holders) > 1 and is_conflict(holders.values())

    def _remove(self, node_id: int, path: str) -> None:
        holders = self._index.get(path, {})
        if holders.pop(node_id, None) is None:
            return
        self._counts[node_id] -= 1
        if not self._counts[node_id]:
            del self._counts[node_id]
        if not holders:
            del self._index[path]
            self._turns.pop(path, None)

    async def _wait_for_change(self, path: str, timeout: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(path, set()).add(waiter)
        try:
            await asyncio.wait([waiter], timeout=timeout)
        finally:
            waiters = self._waiting.get(path, set())
            waiters.discard(waiter)
            if not waiters:
                self._waiting.pop(path, None)


def is_conflict(entries: Iterable[Entry]) -> bool:
    """Whether instances of one name are not replicas of one thing, because their classes differ."""
    return len({(e.module, e.class_name) for e in entries}) > 1
