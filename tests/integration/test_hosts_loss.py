"""Hosts whose network loses packets, while numbered messages go between all of them.

`PULSING_LOSS_S=300 pytest tests/integration/test_hosts_loss.py --timeout 7200` is the campaign.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from pulsing.testing import wait_until
from tests.campaigns.noted import note
from tests.integration.cluster_process import Process
from tests.integration.hosts import Hosts, hosts, why_there_can_be_none

PORT = 7000
LOSS_S = float(os.environ.get("PULSING_LOSS_S", "3"))
"""For how long each share of packets is lost."""
PERCENT = (1, 5, 20)
DEADLINE_S = 60.0


@pytest.fixture
def network() -> Iterator[Hosts]:
    reason = why_there_can_be_none()
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"hosts cannot be made here, although CI must be able to: {reason}")
        pytest.skip(f"hosts cannot be made here: {reason}")
    with hosts(3) as made:
        yield made


@contextlib.asynccontextmanager
async def nodes_on(network: Hosts) -> AsyncIterator[list[Process]]:
    """A node on each host, with an actor to which all others send numbers."""
    nodes: list[Process] = []
    names = [f"keeper{host}" for host in range(network.count)]
    try:
        for host in range(network.count):
            addr = f"{network.address(host)}:{PORT}"
            seeds = [node.addr for node in nodes[:1]]
            nodes.append(await Process.start(*seeds, inside=network.inside(host), addr=addr))
        for node, name in zip(nodes, names, strict=True):
            await node.tell(do="spawn", name=name)
        for node in nodes:
            await node.ask("names", lambda line: line["count"] == len(nodes))
        for node, name in zip(nodes, names, strict=True):
            await node.tell(do="number", names=[other for other in names if other != name])
        yield nodes
    finally:
        for node in nodes:
            await node.end()


def called_dead(nodes: list[Process]) -> int:
    """How often one node called another one dead."""
    return sum(line["kind"] == "member.dead" for node in nodes for line in node.seen)


@pytest.mark.timeout(120 + 4 * LOSS_S)
async def test_packets_that_are_lost_kill_nobody_and_turn_no_messages_round(network: Hosts) -> None:
    async with nodes_on(network) as nodes:
        deaths = {}
        for percent in PERCENT:
            before = called_dead(nodes)
            network.lose(percent)
            await asyncio.sleep(LOSS_S)
            network.heal()
            deaths[percent] = called_dead(nodes) - before
        for node in nodes:
            await node.tell(do="calm")
        await wait_until(lambda: all(len(told(node)) == len(nodes) - 1 for node in nodes), DEADLINE_S)
        lines = [line for node in nodes for line in told(node)]
        assert [line["wrong"] for line in lines] == [0] * len(lines)
        # One that was not answered may have been heard; none is heard twice.
        assert all(line["answered"] <= line["heard"] <= line["sent"] for line in lines), lines
        note(messages=sum(line["sent"] for line in lines), answered=sum(line["answered"] for line in lines))
        note(**{f"called_dead_at_{percent}_percent": count for percent, count in deaths.items()})
        assert [deaths[percent] for percent in PERCENT if percent <= 5] == [0, 0]
        # One an hour of a node: less than an hour cannot tell it from one, of which all others speak.
        assert deaths[20] <= (len(nodes) - 1) * math.ceil(len(nodes) * LOSS_S / 3600)


def told(node: Process) -> list[dict[str, Any]]:
    """What became of the numbers of a node, a line for each actor."""
    return [line for line in node.seen if line["kind"] == "numbered"]
