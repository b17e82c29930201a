"""Whole nodes with queues in virtual time, each with a disk of its own or all with one, over a network that fails.

Everything is the production's but the network, the clock and the thread of the stores, which works on the loop: what
it has done is told a little later, as a disk would, so that a node may die in between.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pulsing.config import SystemConfig
from pulsing.exceptions import NodeLeaving
from pulsing.ids import NodeId
from pulsing.runtime import ActorSystem, start_system
from pulsing.streaming.backends.sqlite_file import SqliteFile
from pulsing.streaming.backends.writer import Job, StoreThread
from pulsing.streaming.manager import local_manager
from pulsing.testing.virtual import VirtualLoop
from pulsing.transport.memory import Network

PORT = 7000
COMMIT_S = 0.003


class InlineThread(StoreThread):
    """Does the jobs of store files on the loop, at once and in order."""

    def acquire(self) -> None:
        """There is no thread to start."""

    def release(self) -> None:
        """There is no thread to end."""

    def submit(self, file: Any, argument: Any) -> asyncio.Future[Any]:
        """Do a job now, and tell its outcome when a disk would have done it."""
        loop = asyncio.get_running_loop()
        job = Job(file, argument, loop.create_future())
        if file.perform([job]):
            file.settle(None)
        loop.call_later(COMMIT_S, _tell, job)
        return job.result


def _tell(job: Job) -> None:
    if job.result.done():
        return
    value, error = job.outcome
    if error is None:
        job.result.set_result(value)
    else:
        job.result.set_exception(error)


@dataclass(eq=False)
class Node:
    """One process on a host."""

    host: int
    name: str
    """of its place in the network; new at each start, since what was killed stays dead"""
    system: ActorSystem

    @property
    def manager(self) -> Any:
        return local_manager(self.system)

    def epoch_of(self, key: str) -> int:
        """The last epoch of a bucket that it knows of; 0 if it knows of none, or is about to end."""
        try:
            epoch: int = self.manager.catalogue.holding(key).epoch
        except NodeLeaving:
            return 0
        return epoch


class World:
    """Hosts 0…n-1, each with at most one living process.

    Args:
        size: how many.
        seed: of all chance.
        folder: under which the disks are.
        one_disk: whether all hosts have the same one.
    """

    def __init__(self, size: int, seed: str, folder: Path, *, one_disk: bool) -> None:
        self.random = random.Random(seed)
        self.size = size
        self.nodes: dict[int, Node] = {}
        self._leaving: list[Node] = []
        self.on_start: list[Callable[[Node], None]] = []
        self._folder = folder
        self._one_disk = one_disk
        self._network = Network(delay=0.002)
        self._starts = 0
        self._ends: list[asyncio.Task[None]] = []

    async def start(self, host: int) -> Node:
        """Start a process on a host and let it join."""
        self._starts += 1
        name = f"h{host}s{self._starts}"
        chance = random.Random(self.random.getrandbits(64))
        seeds = tuple(f"{node.name}:{PORT}" for node in self.nodes.values())
        disk = str(self._folder / ("disk" if self._one_disk else f"disk{host}"))
        config = SystemConfig(addr=f"{name}:{PORT}", seeds=seeds, admin=False, node_name=name, queue_path=disk)
        system = await start_system(
            config,
            transport_for=lambda node_id, port: self._network.transport(name, node_id, control_port=port),
            clock=cast(VirtualLoop, asyncio.get_running_loop()).clock,
            random=chance,
            node_id=NodeId(chance.getrandbits(64)),
        )
        node = self.nodes[host] = Node(host, name, system)
        node.manager._opening.store_thread = InlineThread()
        for callback in self.on_start:
            callback(node)
        return node

    def kill(self, host: int) -> None:
        """End a process as `kill -9` does: what it has committed is there, and whoever has its files open no more."""
        node = self.nodes.pop(host)
        self._network.kill(node.name)
        for ref in node.manager.buckets.values():
            file = None if ref._cell is None else getattr(ref._cell.actor.backend, "_file", None)
            if isinstance(file, SqliteFile):
                file.close()
        node.system.inner.handing_over.clear()
        self._ends.append(asyncio.ensure_future(node.system.shutdown(drain=0)))

    @property
    def not_ended(self) -> list[Node]:
        """The nodes that are up, and those that are about to leave."""
        return [*self.nodes.values(), *self._leaving]

    async def leave(self, host: int) -> None:
        """End a process in good order."""
        node = self.nodes.pop(host)
        self._leaving.append(node)
        await node.system.shutdown(drain=2.0)
        self._leaving.remove(node)

    def freeze(self, host: int, seconds: float) -> None:
        self._network.freeze(self.nodes[host].name, seconds)

    def cut(self, ones: list[int], others: list[int], *, one_way: bool = False) -> None:
        """Lose what two groups of hosts send each other, or what the first sends the second."""
        for one in ones:
            for other in others:
                if one in self.nodes and other in self.nodes:
                    self._network.partition(self.nodes[one].name, self.nodes[other].name, one_way=one_way)

    def heal(self) -> None:
        self._network.heal()

    def agree(self) -> bool:
        """Whether every node sees every other one alive, and no further one."""
        living = {node.system.node_id for node in self.nodes.values()}
        return all(_alive(node.system) == living for node in self.nodes.values())

    async def close(self) -> None:
        for host in list(self.nodes):
            self.kill(host)
        await asyncio.gather(*self._ends)


def _alive(system: ActorSystem) -> set[NodeId]:
    return {member.node_id for member in system.inner.members_view() if member.status == "Alive"}
