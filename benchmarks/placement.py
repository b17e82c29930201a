"""Actors in processes of their own: how soon they are there, what they weigh, and what a call costs.

Run `python benchmarks/placement.py`. Calls through the actor's stand-in alternate with calls of a plain actor on the
very same node, so that a busy moment of the machine hits both: trust the ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

from floors import run

import pulsing as pul


class Echo:
    def say(self, word: Any) -> Any:
        return word


Echoing = pul.remote(Echo)

KIB = 1024
STEP = 1024
"""Calls between two looks at the clock; a multiple of 64."""


async def measure(seconds: float, rounds: int) -> None:
    async with await pul.actor_system() as system:
        first, placed = await timed_spawn(system)
        warm = [await spawn_and_stop(system) for _ in range(rounds)]
        process = system.inner.registry.by_id(placed.ref.actor_id).process
        beside = await Echoing.spawn(system=system, placement=pul.NodeId.from_str(process["node"]))
        print(f"first start       {first * 1000:8.0f} ms")
        print(f"further starts    {statistics.median(warm) * 1000:8.0f} ms")
        print(f"memory            {private_mib(process['pid']):8.1f} MiB of its own")
        await compare("call", one_by_one, placed, beside, seconds, rounds)
        await compare("64 at once", at_once, placed, beside, seconds, rounds)


async def timed_spawn(system: pul.ActorSystem) -> tuple[float, Any]:
    started = time.perf_counter()
    actor = await Echoing.spawn(system=system, placement="process")
    return time.perf_counter() - started, actor


async def spawn_and_stop(system: pul.ActorSystem) -> float:
    took, actor = await timed_spawn(system)
    await system.stop(actor)
    return took


async def compare(name: str, step: Any, placed: Any, beside: Any, seconds: float, rounds: int) -> None:
    ours, plain = [], []
    for _ in range(rounds):
        ours.append(await rate(step, placed, seconds))
        plain.append(await rate(step, beside, seconds))
    ratio = statistics.median(mine / other for mine, other in zip(ours, plain, strict=True))
    print(
        f"{name:17} {statistics.median(ours):8,.0f}/s"
        f"   plain actor there {statistics.median(plain):8,.0f}/s   ratio {ratio:.2f}"
    )


async def rate(step: Any, actor: Any, seconds: float) -> float:
    times, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        await step(actor, STEP)
        times += STEP
    return times / elapsed


async def one_by_one(actor: Any, times: int) -> None:
    for _ in range(times):
        await actor.say("hi")


async def at_once(actor: Any, times: int) -> None:
    async def caller() -> None:
        for _ in range(times // 64):
            await actor.say("hi")

    await asyncio.gather(*(caller() for _ in range(64)))


def private_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / KIB


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loop", default="uvloop", choices=["uvloop", "asyncio"])
    given = parser.parse_args()
    run(measure(given.seconds, given.rounds), given.loop)
