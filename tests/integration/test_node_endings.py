"""What the others see of a node whose process ends in one way or another, by a message that an actor of it took."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import pulsing as pul
from pulsing.exceptions import ActorNotFound, ActorStopped, LinkLost, PulsingSystemError
from pulsing.testing import wait_until

DEADLINE_S = 30.0


class Watched:
    """A node in a process of its own, as another sees it."""

    def __init__(self, system: pul.ActorSystem, process: asyncio.subprocess.Process, ender: pul.ActorRef) -> None:
        self.system = system
        self.process = process
        self.ender = ender

    @property
    def statuses(self) -> list[str]:
        """Of the members beside this one."""
        return [member.status for member in self.system.inner.members_view()][1:]

    async def ended(self) -> int:
        """The code with which it ended, after its name was forgotten."""
        code = await asyncio.wait_for(self.process.wait(), DEADLINE_S)
        await wait_until(lambda: not self.system.inner.names.instances("actors/ender"), DEADLINE_S)
        with pytest.raises(ActorNotFound):
            await self.system.resolve("ender")
        return code


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    script = Path(__file__).with_name("ending_node.py")
    async with await pul.actor_system("127.0.0.1:0", admin=False) as system:
        process = await asyncio.create_subprocess_exec(sys.executable, str(script), system.addr)
        try:
            yield Watched(system, process, await system.resolve("ender", timeout=DEADLINE_S))
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def test_an_actor_that_exits_ends_its_node_in_order_and_its_caller_is_told() -> None:
    async with watched() as node:
        with pytest.raises(ActorStopped) as caught:
            await node.ender.ask("sys.exit")
        assert caught.value.maybe_executed
        assert await node.ended() == 3
        assert node.statuses in ([], ["Left"])


@pytest.mark.parametrize(("how", "code"), [("os._exit", 4), ("segmentation fault", -signal.SIGSEGV)])
async def test_a_process_that_is_gone_at_once_is_dead_and_its_callers_cannot_know_what_was_run(
    how: str, code: int
) -> None:
    async with watched() as node:
        with pytest.raises(LinkLost) as caught:
            await node.ender.ask(how)
        assert caught.value.maybe_executed
        assert await node.ended() == code
        assert node.statuses == ["Dead"]


async def test_an_actor_that_runs_out_of_memory_says_so_and_goes_on() -> None:
    async with watched() as node:
        with pytest.raises(PulsingSystemError, match="MemoryError") as caught:
            await node.ender.ask("more memory than there is")
        assert caught.value.recoverable
        assert await node.ender.ask("hello") == "hello"
        assert node.statuses == ["Alive"]


async def test_a_second_signal_to_end_is_obeyed_at_once() -> None:
    async with watched() as node:
        assert await node.ender.ask("hello") == "hello"
        waiting = asyncio.ensure_future(node.ender.ask("never"))
        node.process.send_signal(signal.SIGTERM)
        await wait_until(lambda: node.statuses == ["Leaving"], DEADLINE_S)
        node.process.send_signal(signal.SIGTERM)
        with pytest.raises(pul.PulsingRuntimeError):
            await waiting
        assert await node.ended() == 1


async def test_a_killed_node_is_gone_at_once_though_a_worker_that_it_has_forked_lives() -> None:
    async with watched() as node:
        addr = node.system.inner.members_view()[1].addr
        worker = await node.ender.ask("fork")
        try:
            waiting = asyncio.ensure_future(node.ender.ask("never"))
            await asyncio.sleep(0)
            node.process.kill()
            # By silence it would be NodeDead, some seconds later.
            with pytest.raises(LinkLost):
                await waiting
            assert await node.ended() == -signal.SIGKILL
            assert node.statuses == ["Dead"]
            host, _, port = addr.rpartition(":")
            socket.create_server((host, int(port))).close()
        finally:
            os.kill(worker, signal.SIGKILL)
