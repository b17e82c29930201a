"""Five hosts on a network of their own: what a cluster makes of cuts, of a host that falls silent, and of their end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

import pytest

from tests.integration.cluster_process import Process
from tests.integration.hosts import Hosts, hosts, why_there_can_be_none

PORT = 7000
HALVES = [0, 1], [2, 3, 4]


@pytest.fixture(scope="module")
def may_make_hosts() -> None:
    """Without the right to make namespaces the tests are skipped at a desk, and fail in CI."""
    reason = why_there_can_be_none()
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"hosts cannot be made here, although CI must be able to: {reason}")
    pytest.skip(f"hosts cannot be made here: {reason}")


@pytest.fixture
def network(may_make_hosts: None) -> Iterator[Hosts]:
    with hosts(5) as made:
        yield made


@contextlib.asynccontextmanager
async def nodes_on(network: Hosts, seeds: Sequence[int]) -> AsyncIterator[list[Process]]:
    """A node on each host, all with the same seeds, each with a name of its own."""
    addresses = [f"{network.address(host)}:{PORT}" for host in range(network.count)]
    starts = (
        Process.start(*(addresses[seed] for seed in seeds), inside=network.inside(host), addr=addr)
        for host, addr in enumerate(addresses)
    )
    nodes = await asyncio.gather(*starts)
    try:
        for host, node in enumerate(nodes):
            await node.tell(do="spawn", name=f"keeper{host}")
        yield nodes
    finally:
        for node in nodes:
            await node.end()


async def see(nodes: Iterable[Process], count: int) -> None:
    """Wait until each of these nodes sees so many alive, and a name of each."""
    for node in nodes:
        await node.ask("members", lambda line: line["alive"] == count)
        await node.ask("names", lambda line: line["count"] == count)


def deaths(nodes: Iterable[Process]) -> int:
    return sum(line["kind"] == "member.dead" for node in nodes for line in node.seen)


async def test_two_halves_lose_each_other_with_their_names_and_are_one_again_without_help(network: Hosts) -> None:
    async with nodes_on(network, seeds=[0]) as nodes:
        await see(nodes, 5)
        network.cut_apart(*HALVES)
        for half in HALVES:
            await see([nodes[host] for host in half], len(half))
        network.heal()
        await see(nodes, 5)


async def test_a_host_that_falls_silent_is_dead_and_one_that_is_not_heard_comes_back(network: Hosts) -> None:
    async with nodes_on(network, seeds=[0]) as nodes:
        await see(nodes, 5)
        *others, silent = nodes
        network.cut_apart([0, 1, 2, 3], [4])
        await see(others, 4)
        network.heal()
        await see(nodes, 5)
        for host in range(4):
            network.cut(4, host)  # it hears the others, but they do not hear it
        await see(others, 4)
        network.heal()
        await see([*others, silent], 5)


async def test_two_that_cannot_reach_each_other_live_for_all_who_reach_them(network: Hosts) -> None:
    async with nodes_on(network, seeds=[0]) as nodes:
        await see(nodes, 5)
        before = deaths(nodes)
        network.cut_apart([1], [3])
        await asyncio.sleep(8.0)  # longer than a trial with witnesses lasts
        assert deaths(nodes) == before
        await see(nodes, 5)


async def test_two_halves_that_started_apart_find_each_other_by_their_seeds(network: Hosts) -> None:
    network.cut_apart(*HALVES)
    async with nodes_on(network, seeds=[0, 2]) as nodes:
        for half in HALVES:
            await see([nodes[host] for host in half], len(half))
        network.heal()
        await see(nodes, 5)
