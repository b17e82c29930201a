"""Programs on another node: what a start costs beyond a native one, and how fast their output comes.

Run `python benchmarks/programs.py`. The other node is a process of its own, behind a link that is warm. Starts here
and there alternate, so that a busy moment of the machine hits both: trust the difference. Memory is the growth of both
processes beyond what they had before, at its peak.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pulsing as pul
import pulsing.subprocess as far

MIB = 1 << 20
TOTAL = 200_000_000


async def serve() -> None:
    async with await pul.actor_system("127.0.0.1:0", admin=False, allow_remote_subprocess=["true", "head"]) as system:
        print(system.addr, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextlib.contextmanager
def other_node() -> Iterator[tuple[int, str]]:
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, process.stdout.readline().strip()
        process.communicate()


class Figures(NamedTuple):
    """What programs on another node cost."""

    beyond_ms: float
    """of a start and its end, beyond a native one"""
    rate: float
    """megabytes a second of output"""
    memory: float
    """MiB that both processes have more meanwhile"""


def starts(keywords: dict[str, Any], rounds: int) -> float:
    native, there = [], []
    for _ in range(rounds):
        native.append(timed(lambda: far.run(["true"])))
        there.append(timed(lambda: far.run(["true"], **keywords)))
    print(f"start and wait, native    {statistics.median(native) * 1e3:8.2f} ms")
    print(f"start and wait, there     {statistics.median(there) * 1e3:8.2f} ms")
    beyond = (statistics.median(there) - statistics.median(native)) * 1e3
    print(f"beyond native             {beyond:8.2f} ms")
    return beyond


def output(keywords: dict[str, Any], rounds: int, pids: tuple[int, ...]) -> tuple[float, float]:
    rates = {}
    for name, how in (("native", {}), ("there", keywords)):
        rates[name] = [TOTAL / timed(lambda how=how: read_all(how)) / 1e6 for _ in range(rounds)]
        if name == "there":
            with growth(pids) as grown:
                read_all(how)
            print(f"memory beyond before      {grown[0] / MIB:8.1f} MiB")
    for name, measured in rates.items():
        print(f"200 MB of output, {name:7} {statistics.median(measured):8.0f} MB/s, best {max(measured):.0f}")
    return statistics.median(rates["there"]), grown[0] / MIB


def read_all(how: dict[str, Any]) -> None:
    with far.Popen(["head", "-c", str(TOTAL), "/dev/zero"], stdout=far.PIPE, **how) as process:
        taken = 0
        while data := process.stdout.read(256 << 10):
            taken += len(data)
    assert taken == TOTAL


def timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@contextlib.contextmanager
def growth(pids: tuple[int, ...]) -> Iterator[list[int]]:
    """How much more memory the processes had at most during the block."""
    before, peak, over = resident(pids), [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            peak[0] = max(peak[0], resident(pids) - before)

    thread = threading.Thread(target=watch)
    thread.start()
    yield peak
    over.set()
    thread.join()


def resident(pids: tuple[int, ...]) -> int:
    lines = (line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


async def measure(rounds: int) -> Figures:
    os.environ["USE_PULSING_SUBPROCESS"] = "1"
    with other_node() as (pid, addr):
        async with await pul.actor_system("127.0.0.1:0", seeds=[addr], join_timeout=30, admin=False) as system:
            keywords = {"system": system, "placement": "remote", "resources": {"num_cpus": 0}}
            await asyncio.to_thread(far.run, ["true"], **keywords)
            beyond = await asyncio.to_thread(starts, keywords, rounds * 20)
            return Figures(beyond, *await asyncio.to_thread(output, keywords, rounds, (os.getpid(), pid)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help="be the other node")
    chosen = parser.parse_args()
    asyncio.run(serve() if chosen.serve else measure(chosen.rounds))
