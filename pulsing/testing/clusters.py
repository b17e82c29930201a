"""Whole clusters in one process, over a network in memory or over loopback, with the faults that real ones have."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, overload

from pulsing.config import SystemConfig
from pulsing.ids import NodeId
from pulsing.runtime import ActorSystem, start_system
from pulsing.testing.loopback import LoopbackNetwork
from pulsing.testing.wait import wait_until
from pulsing.transport.memory import Network

PORT = 7000


class TestCluster(Sequence[ActorSystem]):
    """Joined systems, in the order in which they were started.

    Faults are the same over a network in memory and over loopback.
    """

    __test__ = False  # pytest collects classes of this name otherwise

    def __init__(self, network: Network | LoopbackNetwork) -> None:
        self._network = network
        self._systems: list[ActorSystem] = []
        self._killed: set[int] = set()

    @overload
    def __getitem__(self, index: int) -> ActorSystem: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ActorSystem]: ...
    def __getitem__(self, index: int | slice) -> ActorSystem | Sequence[ActorSystem]:
        return self._systems[index]

    def __len__(self) -> int:
        return len(self._systems)

    def __iter__(self) -> Iterator[ActorSystem]:
        return iter(self._systems)

    def kill(self, i: int) -> None:
        """End system `i` as `kill -9` does: no farewell, its connections are reset, its port refuses."""
        self._killed.add(i)
        self._network.kill(_host(i))

    def freeze(self, i: int, seconds: float) -> None:
        """Let nothing reach or leave system `i` for so long."""
        self._network.freeze(_host(i), seconds)

    def partition(self, a: int, b: int, *, one_way: bool = False) -> None:
        """Lose what `a` and `b` send each other, or only what `a` sends to `b`."""
        self._network.partition(_host(a), _host(b), one_way=one_way)

    def heal(self) -> None:
        """End all partitions."""
        self._network.heal()

    async def add(self, **options: Any) -> ActorSystem:
        """Start one more system and let it join."""
        number = len(self._systems)
        seeds = () if not self._systems else (self._systems[0].addr,)
        config = SystemConfig(addr=self._addr(number), seeds=seeds, admin=False, node_name=f"n{number}", **options)
        network = self._network
        if isinstance(network, LoopbackNetwork):
            node_id = NodeId()
            through = partial(network.transport, _host(number), node_id)
            system = await start_system(config, through=through, node_id=node_id)
        else:
            chance = random.Random(number)  # noqa: S311 - the same ids and choices in every run
            system = await start_system(
                config,
                transport_for=lambda node_id, port: network.transport(_host(number), node_id, control_port=port),
                random=chance,
                node_id=NodeId(chance.getrandbits(64)),
            )
        self._systems.append(system)
        return system

    async def wait_joined(self, timeout: float = 10.0) -> None:
        """Wait until every living system sees every other one alive."""
        await wait_until(self._all_agree, timeout)

    async def close(self) -> None:
        """Shut all systems down, the last started first."""
        if isinstance(self._network, LoopbackNetwork):
            self._network.end()
        for i in reversed(range(len(self._systems))):
            await self._systems[i].shutdown(drain=0)

    def _all_agree(self) -> bool:
        living = {s.node_id for i, s in enumerate(self._systems) if i not in self._killed}
        return all(_alive(s) >= living for i, s in enumerate(self._systems) if i not in self._killed)

    def _addr(self, number: int) -> str:
        return f"{_host(number)}:{PORT}" if isinstance(self._network, Network) else "127.0.0.1:0"


@asynccontextmanager
async def cluster(
    n: int, *, transport: str = "memory", delay: float = 0.0, **options: Any
) -> AsyncIterator[TestCluster]:
    """`n` joined systems.

    Args:
        n: how many.
        transport: "memory", which runs in virtual time, too; or "websocket", over loopback with the user's token and
            a thread for the membership of each. Both can be partitioned, frozen and killed.
        delay: seconds that a message takes in memory.
        options: further fields of `SystemConfig`.

    Raises:
        ValueError: another transport.
    """
    if transport not in ("memory", "websocket"):
        raise ValueError(f"transport is 'memory' or 'websocket', not {transport!r}")
    systems = TestCluster(Network(delay=delay) if transport == "memory" else LoopbackNetwork())
    try:
        for _ in range(n):
            await systems.add(**options)
        await systems.wait_joined()
        yield systems
    finally:
        await systems.close()


def _host(i: int) -> str:
    return f"n{i}"


def _alive(system: ActorSystem) -> set[NodeId]:
    return {member.node_id for member in system.inner.members_view() if member.status == "Alive"}
