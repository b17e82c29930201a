"""Calls, values and streams between two processes on loopback, beside what the network alone costs in the same run.

Run `python benchmarks/remote.py`; it prints a table, or JSON with `--json`. Rounds of ours and of the bare
`websockets` echo alternate, and every figure is the median of `--rounds` of them, so that a busy moment of the machine
hits both: trust the ratios. Where the kernel puts both processes on one core, rates of many calls at once are those of
one core; `--pin` gives each a core of its own, at the price of slower wake-ups for one call at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing.connection import Connection as Pipe
from typing import Any

from floors import rate, run, serve_websockets, use_websockets

import pulsing as pul

SMALL = 128
MIB = 1024 * 1024
TRANSFER = 64 * MIB
PIECE = 8 * MIB

Step = Callable[[int], Awaitable[None]]
"""Do the thing so many times."""


@pul.remote
class Echo:
    def say(self, word: Any) -> Any:
        return word

    def numbers(self, count: int) -> Iterator[int]:
        yield from range(count)


async def serve(pipe: Pipe, passphrase: str | None) -> None:
    """Serve an echo actor and a bare echo until the parent is gone."""
    cls: Any = Echo
    async with await pul.actor_system("127.0.0.1:0", admin=False, passphrase=passphrase) as system:
        await cls.spawn(name="echo", system=system)
        await cls.spawn(name="beside", system=system)
        pipe.send((system.addr, await serve_websockets()))
        await asyncio.get_running_loop().run_in_executor(None, pipe.poll, None)


def other_process(pipe: Pipe, loop: str, passphrase: str | None, core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    run(serve(pipe, passphrase), loop)


@asynccontextmanager
async def echoes_at(addr: str, passphrase: str | None) -> AsyncIterator[list[Any]]:
    """Proxies of the two actors."""
    cls: Any = Echo
    async with await pul.actor_system("127.0.0.1:0", seeds=[addr], admin=False, passphrase=passphrase) as system:
        yield [await cls.resolve(name, system=system, timeout=10) for name in ("echo", "beside")]


async def measure(
    addr: str, bare: str, passphrase: str | None, seconds: float, rounds: int
) -> dict[str, dict[str, float]]:
    """Figures by name: ours, and the floor or the goal beside it."""
    figures: dict[str, dict[str, float]] = {}
    async with echoes_at(addr, passphrase) as (echo, beside), use_websockets(bare) as exchange:
        for name, size in (("call", SMALL), ("echo of 64 KiB", 64 * 1024), ("echo of 4 MiB", 4 * MIB)):
            figures[name] = await beside_floor(echo, exchange, bytes(size), seconds, rounds)
        for count in (64, 512):
            ours = await median_rate(partial(at_once, echo, count), seconds, rounds, 4 * count)
            figures[f"{count} at once"] = {"ours": ours}
        figures["stream items"] = {"ours": await median_rate(partial(items, echo), seconds, rounds, 5_000)}
        figures["call beside 64 MiB, p99 ms"] = {"ours": await beside_transfers(echo, beside, rounds)}
    return figures


async def beside_floor(
    echo: Any, exchange: Callable[[bytes, int], Awaitable[None]], payload: bytes, seconds: float, rounds: int
) -> dict[str, float]:
    async def call(payload: bytes, times: int) -> None:
        for _ in range(times):
            await echo.say(payload)

    ours, floor = [], []
    await call(payload, 3)
    await exchange(payload, 3)
    for _ in range(rounds):
        ours.append(await rate(call, payload, seconds))
        floor.append(await rate(exchange, payload, seconds))
    return {
        "ours": statistics.median(ours),
        "floor": statistics.median(floor),
        "ratio": statistics.median(mine / bare for mine, bare in zip(ours, floor, strict=True)),
    }


async def median_rate(step: Step, seconds: float, rounds: int, times: int) -> float:
    rates = []
    await step(times)
    for _ in range(rounds):
        done, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            await step(times)
            done += times
        rates.append(done / elapsed)
    return statistics.median(rates)


async def at_once(echo: Any, count: int, times: int) -> None:
    async def caller() -> None:
        for _ in range(times // count):
            await echo.say("hi")

    await asyncio.gather(*(caller() for _ in range(count)))


async def items(echo: Any, count: int) -> None:
    async for _ in echo.numbers(count):
        pass


async def beside_transfers(echo: Any, beside: Any, rounds: int) -> float:
    """How long a small call takes while large values go both ways, in milliseconds."""
    await beside_transfer(echo, beside)
    waits = [wait for _ in range(rounds) for wait in await beside_transfer(echo, beside)]
    return statistics.quantiles(waits, n=100, method="inclusive")[98]


async def beside_transfer(echo: Any, beside: Any) -> list[float]:
    pieces = asyncio.gather(*(echo.say(bytes(PIECE)) for _ in range(TRANSFER // PIECE)))
    waits = []
    while not pieces.done():
        started = time.perf_counter()
        await beside.say("hi")
        waits.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.001)
    await pieces
    return waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one round of one contestant")
    parser.add_argument("--pin", action="store_true", help="each process to a core of its own")
    parser.add_argument("--passphrase", help="of both nodes, whose links are encrypted then; the bare echo is not")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    near, far = multiprocessing.Pipe()
    cores = sorted(os.sched_getaffinity(0))
    far_end = (far, options.loop, options.passphrase, cores[-1] if options.pin else None)
    process = multiprocessing.get_context("spawn").Process(target=other_process, args=far_end)
    process.start()
    try:
        addr, bare = near.recv()
        if options.pin:
            os.sched_setaffinity(0, {cores[0]})
        figures = run(measure(addr, bare, options.passphrase, options.seconds, options.rounds), options.loop)
    finally:
        near.send(None)
        process.join(10)
    print(json.dumps(figures) if options.json else table(figures))


def table(figures: dict[str, dict[str, float]]) -> str:
    lines = []
    for name, values in figures.items():
        beside = f"{values['floor']:>12,.0f}  ratio {values['ratio']:.2f}" if "floor" in values else ""
        lines.append(f"{name:<28}{values['ours']:>12,.1f}{beside}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
