"""Nodes in processes of their own: killed, stopped, and kept busy; for longer by `PULSING_HOLD_S`."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from pulsing.testing import wait_until
from tests.campaigns.noted import note
from tests.integration.cluster_process import Process, processes

DEADLINE_S = 30.0
HOLD_S = float(os.environ.get("PULSING_HOLD_S", "9"))
"""for how long a handler holds the loop"""


async def keep(nodes: list[Process]) -> None:
    """Let each node hold a name that all the others know."""
    for number, node in enumerate(nodes):
        await node.tell(do="spawn", name=f"keeper{number}")
    for node in nodes:
        await node.ask("names", lambda line: line["count"] == len(nodes))


def deaths(nodes: list[Process], of: Process) -> int:
    """How many times nodes held one of them for dead."""
    return sum(len(node.all("member.dead", of.id)) for node in nodes)


async def test_a_killed_node_is_dead_for_all_with_its_names_and_what_was_asked_of_it() -> None:
    async with processes(4) as nodes:
        await keep(nodes)
        *others, victim = nodes
        await others[0].tell(do="ask", name="keeper3", message={"forever": True})
        await wait_until(lambda: others[0].last("asked"), DEADLINE_S)
        victim.signal(signal.SIGKILL)
        await wait_until(lambda: all(node.all("member.dead", victim.id) for node in others), DEADLINE_S)
        assert all("keeper3" not in node.all("member.dead", victim.id)[0]["names"] for node in others)
        await wait_until(lambda: others[0].last("failed"), DEADLINE_S)
        assert others[0].last("failed")["error"] in ("LinkLost", "NodeDead")  # type: ignore[index]
        for node in others:
            assert not deaths(others, node)


async def test_of_two_nodes_the_one_that_is_left_needs_nobody_to_confirm() -> None:
    async with processes(2) as (survivor, victim):
        victim.signal(signal.SIGKILL)
        await wait_until(lambda: survivor.all("member.dead", victim.id), DEADLINE_S)


@pytest.mark.timeout(60 + int(HOLD_S))
async def test_a_node_whose_handler_holds_the_loop_is_alive_and_shown_as_late() -> None:
    async with processes(3) as nodes:
        await keep(nodes)
        first, second, busy = nodes
        await first.tell(do="ask", name="keeper2", message={"block": HOLD_S})

        async def is_late() -> bool:
            rows = await second.ask("rows", lambda line: True)
            return any(row["id"] == busy.id and (row["loop_lag_s"] or 0) > 3.0 for row in rows["rows"])

        await wait_until(is_late, DEADLINE_S)
        await wait_until(lambda: first.last("answered"), HOLD_S + DEADLINE_S)
        note(longest_hold_s=HOLD_S, called_dead_while_held=deaths(nodes, busy))
        assert not deaths(nodes, busy)


async def test_a_node_that_lacks_the_interpreter_for_seconds_is_not_dead() -> None:
    async with processes(3) as nodes:
        await keep(nodes)
        await nodes[0].tell(do="ask", name="keeper2", message={"hold": 3.0})
        await wait_until(lambda: nodes[0].last("answered"), DEADLINE_S)
        await asyncio.sleep(2.0)  # for a verdict that might still be on its way
        assert not deaths(nodes, nodes[2])


async def test_a_node_that_is_stopped_for_less_than_a_suspicion_is_not_dead() -> None:
    async with processes(3) as nodes:
        nodes[2].signal(signal.SIGSTOP)
        await asyncio.sleep(4.0)
        nodes[2].signal(signal.SIGCONT)
        await asyncio.sleep(2.0)  # for a verdict that might still be on its way
        assert not deaths(nodes, nodes[2])
        await nodes[2].ask("members", lambda line: line["alive"] == 3)


async def test_ten_thousand_names_of_one_node_are_known_to_all_and_to_a_newcomer() -> None:
    count = 9_900  # what a node may hold, less those that it holds anyway
    async with processes(3) as nodes:
        await nodes[0].tell(do="publish", count=count)
        for node in nodes:
            await node.ask("names", lambda line: line["count"] == count)
        newcomer = await Process.start(nodes[1].addr)
        nodes.append(newcomer)
        await newcomer.ask("names", lambda line: line["count"] == count)
