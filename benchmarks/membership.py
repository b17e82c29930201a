"""How fast a cluster notices: deaths, freezes and partitions, simulated and with real processes.

    python benchmarks/membership.py [--rounds N] [--seeds N]

The simulated figures are those of the machines that real nodes run, in virtual time: they do not depend on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.integration.cluster_process import processes
from tests.integration.cluster_rounds import kill_rounds, stop_rounds
from tests.simulation.cluster_figures import (
    deaths_by_freezing,
    messages_at_rest,
    reunions,
    silent_deaths,
)


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="kills of a real process")
    parser.add_argument("--seeds", type=int, default=100, help="simulated clusters for each figure")
    chosen = parser.parse_args()
    simulated(chosen.seeds)
    asyncio.run(real(chosen.rounds))


def simulated(seeds: int) -> None:
    """Figures in virtual time."""
    for size in (5, 50):
        show(f"silent death seen by all, {size} nodes", silent_deaths(size, seeds))
    for size in (5, 16):
        show(f"partition of 60 s healed, {size} nodes", reunions(size, seeds))
    print(f"{'frozen for 5 s, called dead':42} {deaths_by_freezing(10 * seeds, 5.0)} of {10 * seeds}")
    for size in (5, 50):
        print(f"{f'messages a node and second at rest, {size}':42} {messages_at_rest(size):.2f}")


async def real(rounds: int) -> None:
    """Figures of five processes on this machine."""
    async with processes(5) as nodes:
        show("kill -9 seen by all, 5 processes", await kill_rounds(nodes, rounds, Random(1)))
    async with processes(5) as nodes:
        dead = await stop_rounds(nodes, max(1, rounds // 2), 5.0, Random(2))
        print(f"{'stopped for 5 s, called dead':42} {dead} of {max(1, rounds // 2)}")


def show(what: str, seconds: Iterable[float]) -> None:
    """Print a median, a 99th percentile and the longest."""
    ordered = sorted(seconds)
    median, high = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    print(
        f"{what:42} p50 {median:6.3f} s   p99 {high:6.3f} s   max {ordered[-1]:6.3f} s   of {len(ordered)}", flush=True
    )


if __name__ == "__main__":
    main()
