"""Thousands of simulated lives of clusters: `python -m tests.simulation.cluster_campaign [--seeds N] [--first N]`.

Prints each broken promise with the command that replays it, and ends with exit code 1 if there was one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator

from tests.campaigns.noted import note
from tests.simulation.cluster_scenario import Scenario, Violation

SIZES = (2, 3, 5, 5, 8, 16)
"""What the seeds go through in turn; each fifty-first is a cluster of 50."""
LIVES_S = (60.0, 120.0, 270.0)
REPORT_EVERY = 500


def life_of(seed: int) -> tuple[int, float]:
    """The size of the cluster and the seconds of faults that a seed stands for."""
    if seed % 51 == 50:
        return 50, 30.0
    return SIZES[seed % len(SIZES)], LIVES_S[seed // len(SIZES) % len(LIVES_S)]


def failure_of(seed: int) -> str | None:
    """What went wrong in the life of a seed."""
    size, faults_s = life_of(seed)
    try:
        Scenario(size, seed, faults_s).run()
    except Violation as violation:
        return str(violation)
    return None


def failures(seeds: range, jobs: int) -> Iterator[str | None]:
    """The outcome of each seed, in order."""
    if jobs == 1:
        yield from map(failure_of, seeds)
        return
    with multiprocessing.Pool(jobs) as pool:
        yield from pool.imap(failure_of, seeds, chunksize=4)


def main() -> int:
    """Run the campaign; returns the exit code."""
    parser = argparse.ArgumentParser(description="Simulate lives of clusters under faults.")
    parser.add_argument("--seeds", type=int, default=10_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    chosen = parser.parse_args()
    began, broken = time.monotonic(), 0
    for done, failure in enumerate(failures(range(chosen.first, chosen.first + chosen.seeds), chosen.jobs), 1):
        if failure is not None:
            broken += 1
            print(failure, flush=True)
        if done % REPORT_EVERY == 0 or done == chosen.seeds:
            print(f"{done} lives, {broken} broken promises, {time.monotonic() - began:.0f} s", flush=True)
    note(lives=chosen.seeds, broken_promises=broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
