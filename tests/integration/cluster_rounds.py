"""Nodes that are killed, or stopped for a while, over and over: what the others see of it, and when."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from pulsing.testing import wait_until
from tests.integration.cluster_process import Process

DEADLINE_S = 30.0


@dataclass(frozen=True)
class Kill:
    """What came of one kill, in seconds since it."""

    seen_s: float
    """until the last of the others had seen the death"""
    failed_s: float
    """until the last call that waited for an actor there had failed"""


def mentions(nodes: Iterable[Process], kind: str) -> int:
    """How many events of a kind these nodes have told of so far."""
    return sum(line["kind"] == kind for node in nodes for line in node.seen)


def comebacks(nodes: Iterable[Process]) -> int:
    """How often one who was dead for one of these nodes was there for it again."""
    count = 0
    for node in nodes:
        dead: set[str] = set()
        for line in node.seen:
            if line["kind"] == "member.dead":
                dead.add(line["id"])
            elif line["kind"] in ("member.joined", "member.alive"):
                count += line["id"] in dead
    return count


def deaths(nodes: Iterable[Process], one: Process) -> list[int]:
    """How often each of these nodes has called one dead so far."""
    return [len(node.all("member.dead", one.id)) for node in nodes]


def last(node: Process, kind: str) -> dict[str, Any]:
    """The newest line of a kind, which there is."""
    line = node.last(kind)
    assert line is not None
    return line


async def all_see(nodes: Iterable[Process], count: int) -> None:
    """Wait until each of these nodes sees so many alive, and so many names."""
    for node in nodes:
        await node.ask("members", lambda line: line["alive"] == count)
        await node.ask("names", lambda line: line["count"] == count)


async def kill_rounds(nodes: list[Process], rounds: int, random: Random) -> list[Kill]:
    """Kill one node after the other, while all others wait for an answer of it, each followed by another in its place.

    Raises:
        AssertionError: names of the dead were left, or somebody who lives was called dead.
    """
    took = []
    for number, node in enumerate(nodes):
        await node.tell(do="spawn", name=f"keeper{number}")
    await all_see(nodes, len(nodes))
    for _ in range(rounds):
        number = random.randrange(len(nodes))
        victim = nodes[number]
        others = [node for node in nodes if node is not victim]
        before, failed_before = mentions(others, "member.dead"), mentions(others, "failed")
        asked_before = mentions(others, "asked")
        for node in others:
            await node.tell(do="ask", name=f"keeper{number}", message={"forever": True})
        await wait_until(lambda: mentions(others, "asked") == asked_before + len(others), DEADLINE_S)  # noqa: B023
        killed_at = time.monotonic()
        victim.signal(signal.SIGKILL)
        await wait_until(lambda: all(n.all("member.dead", victim.id) for n in others), DEADLINE_S)  # noqa: B023
        await wait_until(lambda: mentions(others, "failed") == failed_before + len(others), DEADLINE_S)  # noqa: B023
        seen = [node.all("member.dead", victim.id) for node in others]
        failed = [last(node, "failed") for node in others]
        assert {line["error"] for line in failed} <= {"LinkLost", "NodeDead"}
        seen_at = max(lines[0]["at"] for lines in seen)
        took.append(Kill(seen_at - killed_at, max(line["at"] for line in failed) - killed_at))
        assert not [line for lines in seen for line in lines if f"keeper{number}" in line["names"]]
        await victim.end()
        nodes[number] = await Process.start(others[0].addr)
        await nodes[number].tell(do="spawn", name=f"keeper{number}")
        await all_see(nodes, len(nodes))
        assert mentions(others, "member.dead") - before == len(others), "somebody who lives was called dead"
    return took


async def stop_rounds(nodes: list[Process], rounds: int, seconds: float, random: Random) -> int:
    """Stop a node as a whole for a while, again and again; returns how often anybody was called dead."""
    for _ in range(rounds):
        stopped = random.choice(nodes)
        stopped.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        stopped.signal(signal.SIGCONT)
        for node in nodes:
            await node.ask("members", lambda line: line["alive"] == len(nodes))
    return mentions(nodes, "member.dead")


async def silence_rounds(nodes: list[Process], rounds: int, random: Random) -> list[float]:
    """Stop a node until all others call it dead, then let it go on; returns the seconds until the last of them did.

    Raises:
        AssertionError: it was not taken in again, with its name, or somebody else was called dead.
    """
    took = []
    for number, node in enumerate(nodes):
        await node.tell(do="spawn", name=f"keeper{number}")
    await all_see(nodes, len(nodes))
    for _ in range(rounds):
        stopped = random.choice(nodes)
        others = [node for node in nodes if node is not stopped]
        before, wanted = mentions(others, "member.dead"), [count + 1 for count in deaths(others, stopped)]
        stopped.signal(signal.SIGSTOP)
        began = time.monotonic()
        await wait_until(lambda: deaths(others, stopped) == wanted, DEADLINE_S)  # noqa: B023
        took.append(time.monotonic() - began)
        stopped.signal(signal.SIGCONT)
        await all_see(nodes, len(nodes))
        assert mentions(others, "member.dead") - before == len(others), "somebody who lives was called dead"
    return took
