"""How fast a cluster notices: deaths, freezes and partitions, simulated and with real processes.

    python benchmarks/membership.py [--rounds N] [--seeds N] [--json]

The simulated figures are those of the machines that real nodes run, in virtual time: they do not depend on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
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
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    figures = simulated(chosen.seeds) | asyncio.run(real(chosen.rounds))
    if chosen.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:45} {value:10,.3f}")


def simulated(seeds: int) -> dict[str, float]:
    """Figures in virtual time, in seconds where nothing else is said."""
    figures: dict[str, float] = {}
    for size in (5, 50):
        figures |= quantiles(f"silent death seen by all {size} nodes", silent_deaths(size, seeds))
    for size in (5, 16):
        figures |= quantiles(f"partition of 60 s healed, {size} nodes", reunions(size, seeds))
    figures[f"called dead of {10 * seeds} frozen for 5 s"] = deaths_by_freezing(10 * seeds, 5.0)
    for size in (5, 50):
        figures[f"messages a node and second at rest, {size} nodes"] = messages_at_rest(size)
    return figures


async def real(rounds: int) -> dict[str, float]:
    """Figures of five processes on this machine."""
    async with processes(5) as nodes:
        kills = await kill_rounds(nodes, rounds, Random(1))
        figures = quantiles("killed", [kill.seen_s for kill in kills])
        figures |= quantiles("asks of the killed failed", [kill.failed_s for kill in kills])
    async with processes(5) as nodes:
        stops = max(1, rounds // 2)
        figures[f"called dead of {stops} stopped for 5 s"] = await stop_rounds(nodes, stops, 5.0, Random(2))
    return figures


def quantiles(what: str, seconds: Iterable[float]) -> dict[str, float]:
    """The median, the 99th percentile and the longest."""
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p99": 0.99, "longest": 1.0}
    return {
        f"{what}, {name}": ordered[min(len(ordered) - 1, int(len(ordered) * share))] for name, share in shares.items()
    }


if __name__ == "__main__":
    main()
