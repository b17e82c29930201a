"""Five hosts on a network of their own: what a cluster makes of cuts, of a host that falls silent, and of their end.

`PULSING_CUTS=60 pytest tests/integration/test_hosts_partition.py --timeout 7200` is the campaign.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import os
import statistics
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pulsing.cluster.profile import Profile
from pulsing.testing import wait_until
from tests.campaigns.noted import note
from tests.integration.cluster_process import Process
from tests.integration.hosts import Hosts, hosts, why_there_can_be_none

PORT = 7000
HALVES = [0, 1], [2, 3, 4]
BUCKETS = 8
QUEUE: dict[str, Any] = {"queue": "ledger", "buckets": BUCKETS}
CUTS = int(os.environ.get("PULSING_CUTS", "1"))
LONGEST_CUT_S = 20.0 if CUTS > 1 else 6.0


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
async def nodes_on(network: Hosts, seeds: Sequence[int], folder: Path | None = None) -> AsyncIterator[list[Process]]:
    """A node on each host, all with the same seeds, each with a name and, in the folder, a disk of its own."""
    addresses = [f"{network.address(host)}:{PORT}" for host in range(network.count)]
    starts = (
        Process.start(
            *(addresses[seed] for seed in seeds),
            inside=network.inside(host),
            addr=addr,
            env=None if folder is None else {"PULSING_QUEUE_BASE_PATH": str(folder / str(host))},
        )
        for host, addr in enumerate(addresses)
    )
    started = await asyncio.gather(*starts, return_exceptions=True)
    nodes = [node for node in started if isinstance(node, Process)]
    try:
        for failure in started:
            if isinstance(failure, BaseException):
                raise failure
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


class Ledger:
    """A durable queue into every bucket of which every node puts records all the time.

    Args:
        nodes: all of them.
    """

    def __init__(self, nodes: Sequence[Process]) -> None:
        self._nodes = nodes

    async def begin(self) -> None:
        """Let everybody put, until everybody has put into every bucket."""
        for node in self._nodes:
            await node.tell(do="produce", **QUEUE)
        await self.goes_on()

    async def goes_on(self) -> None:
        """Wait until everybody has put into every bucket again."""
        await self._all_told([len(node.seen) for node in self._nodes], "acked")

    async def taken_by(self, sides: Iterable[Sequence[int]]) -> list[set[int]]:
        """Wait until everybody was answered for every bucket; which buckets took records of each side meanwhile."""
        since = [len(node.seen) for node in self._nodes]
        await self._all_told(since, "acked", "refused")
        return [
            {line["bucket_id"] for host in side for line in self._told(host, since[host], "acked")} for side in sides
        ]

    async def end(self) -> tuple[list[dict[str, Any]], list[str]]:
        """What was acknowledged to anybody, and the ids of all records that are there."""
        for node in self._nodes:
            await node.ask("hush", lambda line: True)
        read = await self._nodes[-1].ask("records", lambda line: True, **QUEUE)
        acked = [line for host in range(len(self._nodes)) for line in self._told(host, 0, "acked")]
        return acked, [record["id"] for record in read["records"]]

    async def _all_told(self, since: Sequence[int], *kinds: str) -> None:
        def they_have() -> bool:
            return all(
                {line["bucket_id"] for line in self._told(host, since[host], *kinds)} == set(range(BUCKETS))
                for host in range(len(self._nodes))
            )

        await wait_until(they_have, 60.0)

    def _told(self, host: int, since: int, *kinds: str) -> list[dict[str, Any]]:
        return [line for line in self._nodes[host].seen[since:] if line["kind"] in kinds]


async def test_stored_records_are_taken_on_one_side_only_and_all_are_there_after_the_heal(
    network: Hosts, tmp_path: Path
) -> None:
    async with nodes_on(network, seeds=[0], folder=tmp_path) as nodes:
        await see(nodes, 5)
        ledger = Ledger(nodes)
        await ledger.begin()
        network.cut_apart(*HALVES)
        for half in HALVES:
            await see([nodes[host] for host in half], len(half))
        ones, others = await ledger.taken_by(HALVES)
        assert not ones & others
        assert ones | others == set(range(BUCKETS))
        network.heal()
        await see(nodes, 5)
        await ledger.goes_on()
        all_is_well(*await ledger.end())


def all_is_well(acked: list[dict[str, Any]], read: list[str]) -> None:
    """Nothing acknowledged is lost, nothing is there twice, and no two records were given the same place."""
    places = {(line["bucket_id"], line["generation"], line["offset"]) for line in acked}
    assert len(places) == len(acked)
    assert {line["generation"] for line in acked} == {1}
    assert len(set(read)) == len(read)
    assert {line["id"] for line in acked} <= set(read)


async def test_cuts_of_all_kinds_lose_and_double_nothing_that_was_acknowledged(network: Hosts, tmp_path: Path) -> None:
    chance = Random(CUTS)
    async with nodes_on(network, seeds=[0], folder=tmp_path) as nodes:
        await see(nodes, 5)
        ledger = Ledger(nodes)
        await ledger.begin()
        healed: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(CUTS):
            cut_somehow(network, chance)
            await asyncio.sleep(chance.uniform(1.0, LONGEST_CUT_S))
            network.heal()
            began = time.monotonic()
            await see(nodes, 5)
            healed[has_flapped(nodes, began)].append(time.monotonic() - began)
            await ledger.goes_on()
        acked, read = await ledger.end()
        all_is_well(acked, read)
        note(cuts=CUTS, records_acknowledged=len(acked), lost_or_doubled=0)
        note(heals=len(healed[False]), healed_p50_s=statistics.median(healed[False]), slowest_heal_s=max(healed[False]))
        note(heals_after_flapping=len(healed[True]), slowest_heal_after_flapping_s=max(healed[True], default=0.0))


def has_flapped(nodes: Sequence[Process], healed_at: float) -> bool:
    """Whether somebody had seen another die so often when the hosts heard each other again that it lets it wait."""
    profile = Profile()
    seen = collections.Counter(
        (host, line["id"])
        for host, node in enumerate(nodes)
        for line in node.seen
        if line["kind"] == "member.dead" and line["at"] > healed_at - profile.flap_window
    )
    return max(seen.values(), default=0) >= profile.flap_deaths


def cut_somehow(network: Hosts, chance: Random) -> None:
    """Cut the hosts into two groups, both ways or one way, or two hosts that all others reach."""
    order = chance.sample(range(5), 5)
    size = chance.randint(1, 2)
    match chance.choice(["groups", "one way", "pair"]):
        case "groups":
            network.cut_apart(order[:size], order[size:])
        case "one way":
            for one, other in itertools.product(order[:size], order[size:]):
                network.cut(one, other)
        case "pair":
            network.cut_apart(order[:1], order[1:2])
