"""Many simulated lives of queues whose nodes fail: `python -m tests.simulation.queue_campaign [--seeds N] [--first N]`.

Prints each broken promise with the command that replays it, and ends with exit code 1 if there was one. With
`--replay KIND SIZE SEED` it lives that one life, and prints what came of it.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import time
import traceback

from tests.campaigns.noted import note
from tests.simulation.queue_life import KINDS, Life, Violation

SIZES = (2, 3, 5)
FAULTS_S = 120.0
REPORT_EVERY = 100


def life_of(seed: int, faults_s: float = FAULTS_S) -> Life:
    """The life that a seed stands for."""
    return Life(KINDS[seed % len(KINDS)], SIZES[seed // len(KINDS) % len(SIZES)], seed, faults_s)


def failure_of(seed: int) -> str | None:
    """What went wrong in the life of a seed."""
    logging.disable(logging.CRITICAL)
    life = life_of(seed)
    try:
        life.run()
    except Violation as violation:
        return str(violation)
    except Exception:
        return f"life {life.kind} {life.size} {seed} did not end:\n{traceback.format_exc()}"
    return None


def main() -> int:
    """Run the campaign; returns the exit code."""
    parser = argparse.ArgumentParser(description="Simulate lives of queues under faults.")
    parser.add_argument("--seeds", type=int, default=2_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--replay", nargs=3, metavar=("KIND", "SIZE", "SEED"), help="one life only")
    parser.add_argument("--faults", type=float, default=FAULTS_S, help="seconds of faults of the life to replay")
    chosen = parser.parse_args()
    if chosen.replay is not None:
        kind, size, seed = chosen.replay
        print(Life(kind, int(size), int(seed), chosen.faults).run().summary)
        return 0
    began, broken = time.monotonic(), 0
    with multiprocessing.Pool(chosen.jobs) as pool:
        seeds = range(chosen.first, chosen.first + chosen.seeds)
        for done, failure in enumerate(pool.imap(failure_of, seeds), 1):
            if failure is not None:
                broken += 1
                print(failure, flush=True)
            if done % REPORT_EVERY == 0 or done == chosen.seeds:
                print(f"{done} lives, {broken} broken promises, {time.monotonic() - began:.0f} s", flush=True)
    note(lives=chosen.seeds, broken_promises=broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
