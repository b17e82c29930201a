"""Nodes in processes of their own are restarted one after the other, while others call their actors all the time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pulsing as pul
from pulsing.exceptions import NodeLeaving
from pulsing.testing import wait_until
from tests.campaigns.noted import note

NODES = int(os.environ.get("PULSING_ROLLING_NODES", "3"))
CALLERS = 16
DEADLINE_S = 60.0


class Load:
    """Calls without end: each resolves the name, and again when the node that it found leaves."""

    def __init__(self, system: pul.ActorSystem) -> None:
        self.answers = 0
        self.refusals = 0
        self.errors: list[BaseException] = []
        self._system = system
        self._is_over = False
        self._callers = [asyncio.ensure_future(self._call_again_and_again(number)) for number in range(CALLERS)]

    async def _call_again_and_again(self, number: int) -> None:
        while not self._is_over:
            try:
                ref = await self._system.resolve("worker")
                for _ in range(20):
                    assert await ref.ask({"n": number}) == {"n": number}
                    self.answers += 1
            except NodeLeaving as leaving:
                self.refusals += 1
                assert leaving.maybe_executed is False
            except pul.PulsingError as error:
                self.errors.append(error)
                await asyncio.sleep(0.05)

    async def more(self, answers: int) -> None:
        """Wait until so many more calls have been answered."""
        wanted = self.answers + answers
        await wait_until(lambda: self.answers >= wanted, DEADLINE_S)

    async def end(self) -> None:
        self._is_over = True
        await asyncio.gather(*self._callers)


async def start(addr: str, *seeds: str) -> asyncio.subprocess.Process:
    script = Path(__file__).with_name("rolling_node.py")
    return await asyncio.create_subprocess_exec(sys.executable, str(script), addr, *seeds)


def free_addresses(count: int) -> list[str]:
    """Addresses that stay the same when a node comes back."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{probe.getsockname()[1]}" for probe in probes]


@contextlib.asynccontextmanager
async def workers(system: pul.ActorSystem, count: int) -> AsyncIterator[dict[str, asyncio.subprocess.Process]]:
    """Processes by address, all of whose actors are known to the system."""
    running: dict[str, asyncio.subprocess.Process] = {}
    try:
        for addr in free_addresses(count):
            running[addr] = await start(addr, system.addr)
        await all_known(system, count)
        yield running
    finally:
        for process in running.values():
            if process.returncode is None:
                process.kill()
            await process.wait()


async def all_known(system: pul.ActorSystem, count: int) -> None:
    await wait_until(lambda: len(system.inner.names.instances("actors/worker")) == count, DEADLINE_S)


async def test_a_rolling_restart_shows_no_error_but_that_nodes_leave() -> None:
    async with await pul.actor_system("127.0.0.1:0", admin=False) as system, workers(system, NODES) as running:
        load = Load(system)
        for addr, process in list(running.items()):
            await load.more(200)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0
            await load.more(200)
            running[addr] = await start(addr, system.addr)
            await all_known(system, NODES)
        await load.more(200)
        await load.end()
        note(restarts=NODES, answers=load.answers, refusals_tried_again=load.refusals, errors=len(load.errors))
        assert load.errors == []


async def test_a_second_signal_ends_a_node_at_once() -> None:
    async with await pul.actor_system("127.0.0.1:0", admin=False) as system, workers(system, 1) as running:
        (process,) = running.values()
        ref = await system.resolve("worker")
        asking = [asyncio.ensure_future(ref.ask(n)) for n in range(900)]
        await asking[0]
        process.send_signal(signal.SIGTERM)
        await wait_until(lambda: [m.status for m in system.inner.members_view()][1:] == ["Leaving"], DEADLINE_S)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 1
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(lost, pul.PulsingRuntimeError) for lost in outcomes if not isinstance(lost, int))
