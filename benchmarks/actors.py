"""Calls and spawns a second, in one process and between two on loopback: `python benchmarks/actors.py`.

`--json` prints the figures as JSON. Each is the best of `--rounds` rounds, so that a busy moment of the machine does
not count against us; the floor beside them is what the event loop alone can do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from multiprocessing.synchronize import Event
from typing import Any

from floors import run

import pulsing as pul

ROUND_S = 1.0
CONCURRENT = 64

Call = Callable[[], Awaitable[Any]]


@pul.remote
class Echo:
    def say(self, word: str) -> str:
        return word


async def main(rounds: int) -> dict[str, float]:
    """Calls a second by name."""
    figures: dict[str, float] = {"floor: bare future": await best(rounds, bare_future())}
    async with await pul.actor_system() as system:
        echo = await spawn(system)
        figures["local call, one at a time"] = await best(rounds, lambda: echo.say("hi"))
        figures[f"local calls, {CONCURRENT} at once"] = await best(rounds, lambda: echo.say("hi"), CONCURRENT)
        figures["spawn and stop"] = await best(rounds, lambda: spawn_and_stop(system))
    async with across() as echo:
        figures["call between processes, one at a time"] = await best(rounds, lambda: echo.say("hi"))
        figures[f"between processes, {CONCURRENT} at once"] = await best(rounds, lambda: echo.say("hi"), CONCURRENT)
    return figures


async def best(rounds: int, call: Call, concurrent: int = 1) -> float:
    """The calls a second of the best round, `concurrent` callers at once."""
    return max([await one_round(call, concurrent) for _ in range(rounds)])


async def one_round(call: Call, concurrent: int) -> float:
    end = time.perf_counter() + ROUND_S

    async def caller() -> int:
        made = 0
        while time.perf_counter() < end:
            await call()
            made += 1
        return made

    return sum(await asyncio.gather(*(caller() for _ in range(concurrent)))) / ROUND_S


def bare_future() -> Call:
    """A future that a callback of the next turn resolves: what a mailbox of one message costs at least."""
    loop = asyncio.get_running_loop()
    waiting: deque[asyncio.Future[None]] = deque()

    def resolve() -> None:
        waiting.popleft().set_result(None)

    def call() -> Awaitable[None]:
        future = loop.create_future()
        waiting.append(future)
        loop.call_soon(resolve)
        return future

    return call


async def spawn(system: pul.ActorSystem, name: str | None = None) -> Any:
    """An echo actor; the type checker does not see what the class decorator makes of the class."""
    cls: Any = Echo
    return await cls.spawn(name=name, system=system)


async def spawn_and_stop(system: pul.ActorSystem) -> None:
    await system.stop((await spawn(system)).ref)


@asynccontextmanager
async def across() -> AsyncIterator[Any]:
    """A proxy of an actor in another process."""
    spawning = multiprocessing.get_context("spawn")
    addr, done = spawning.SimpleQueue(), spawning.Event()
    process = spawning.Process(target=other_process, args=(addr, done))
    process.start()
    try:
        seed = await asyncio.to_thread(addr.get)
        async with await pul.actor_system("127.0.0.1:0", seeds=[seed], admin=False) as system:
            yield (await system.resolve("echo", timeout=10)).as_any()
    finally:
        done.set()
        await asyncio.to_thread(process.join)


def other_process(addr: Any, done: Event) -> None:
    asyncio.run(serve(addr, done))


async def serve(addr: Any, done: Event) -> None:
    async with await pul.actor_system("127.0.0.1:0", admin=False) as system:
        await spawn(system, name="echo")
        addr.put(system.addr)
        await asyncio.to_thread(done.wait)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-uvloop", action="store_true")
    arguments = parser.parse_args()
    measured = run(main(arguments.rounds), "asyncio" if arguments.no_uvloop else "uvloop")
    if arguments.json:
        print(json.dumps(measured))
    else:
        for name, rate in measured.items():
            print(f"{name:<40} {rate:>12,.0f}/s")
