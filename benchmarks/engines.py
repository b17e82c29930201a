"""Beyond one process: programs on another node, nodes inside Ray's workers, and calls beside Ray's own.

Run `.venv-engines/bin/python benchmarks/engines.py`, in the environment that `make test-engines` makes; without Ray it
measures the programs alone (`benchmarks/programs.py`). At the end stand the figures and what is aimed at. It starts a
Ray of its own, whose workers do not give way to everything else (`RAY_worker_niceness=0`). Calls of ours and of Ray's
alternate, so that a busy moment of the machine hits both: trust the ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import secrets
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import programs as far_programs

import pulsing as pul
import pulsing.subprocess as subprocess

NUMBER = 300
"""Calls of one round, one after the other."""


class Echo:
    """An actor, once of ours and once of Ray's."""

    def say(self, word: Any) -> Any:
        return word


Echoing = pul.remote(Echo)


class Member:
    """A worker of Ray's that takes part."""

    async def start(self) -> tuple[float, float]:
        """MiB that the node takes beyond the worker, and seconds until it is up."""
        before, began = own_memory(), time.monotonic()
        await pul.init_inside_ray()
        seconds = time.monotonic() - began
        await asyncio.sleep(1.0)
        return own_memory() - before, seconds


def own_memory() -> float:
    """MiB of this process: its own, and its share of what others have too."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


async def timed(call: Callable[[], Any]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    for _ in range(NUMBER):
        await call()
    return (time.perf_counter() - began) / NUMBER


def nodes(ray: Any, rounds: int) -> tuple[float, float]:
    actor = ray.remote(Member).options(num_cpus=0)
    # Kept, because those that come later join through those that came before.
    workers = [actor.remote() for _ in range(rounds + 1)]
    found = [ray.get(worker.start.remote()) for worker in workers]
    memory, seconds = (statistics.median(one[index] for one in found[1:]) for index in (0, 1))
    print(f"node in a worker, first    {found[0][1]:8.2f} s   {found[0][0]:8.1f} MiB")
    print(f"node in a worker, warm     {seconds:8.2f} s   {memory:8.1f} MiB")
    return memory, seconds


async def calls(ray: Any, rounds: int) -> float:
    began = time.monotonic()
    ours = await Echoing.spawn(placement="ray")
    print(f"actor placed by Ray        {time.monotonic() - began:8.2f} s")
    theirs = ray.remote(Echo).options(num_cpus=0).remote()
    for warm in (lambda: ours.say("x"), lambda: theirs.say.remote("x")):
        await timed(warm)
    pairs = [(await timed(lambda: ours.say("x")), await timed(lambda: theirs.say.remote("x"))) for _ in range(rounds)]
    print(f"call, placed by Ray        {statistics.median(one for one, _ in pairs) * 1e6:8.0f} us")
    print(f"call, actor of Ray's       {statistics.median(other for _, other in pairs) * 1e6:8.0f} us")
    faster = statistics.median(other / one for one, other in pairs)
    print(f"times faster               {faster:8.1f}")
    return faster


def programs(rounds: int) -> None:
    os.environ["USE_POLSING_SUBPROCESS"] = "1"

    seconds = []
    for _ in range(rounds):
        began = time.monotonic()
        subprocess.run(["true"], resources={"num_cpus": 0})
        seconds.append(time.monotonic() - began)
    print(f"program placed by Ray      {statistics.median(seconds):8.2f} s")


def inside_ray(rounds: int) -> list[tuple[str, str, str]]:
    """The figures that need a Ray."""
    os.environ.update(RAY_worker_niceness="0", RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_TOKEN=secrets.token_hex(32))
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    import ray

    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        memory, seconds = nodes(ray, rounds)

        async def measure() -> float:
            await pul.init_inside_ray()
            faster = await calls(ray, rounds)
            await asyncio.to_thread(programs, rounds)
            await pul.shutdown()
            return faster

        faster = asyncio.run(measure())
    finally:
        ray.shutdown()
    return [
        ("call to an actor placed by Ray", f"{faster:.1f} times faster than Ray's", "3 times"),
        ("node inside a Ray worker, warm", f"{memory:.1f} MiB, {seconds:.2f} s", "60 MiB, 2 s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    far = asyncio.run(far_programs.measure(rounds))
    figures = [
        ("remote start and wait", f"{far.beyond_ms:.2f} ms beyond native", "5 ms"),
        ("200 MB of stdout through an actor", f"{far.rate:.0f} MB/s, {far.memory:.1f} MiB more", "200 MB/s, 32 MiB"),
    ]
    if importlib.util.find_spec("ray") is None:
        print("the rest needs Ray: make test-engines, then .venv-engines/bin/python benchmarks/engines.py")
    else:
        figures += inside_ray(rounds)
    print()
    for name, measured, aim in figures:
        print(f"{name:34}  {measured:32}  aim: {aim}")


if __name__ == "__main__":
    main()
