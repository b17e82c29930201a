"""Putting into a bucket of another process, beside a plain call to it; and into Redis.

Run `python benchmarks/streaming_far.py`. Rounds of both alternate, so that a busy moment of the machine hits both:
trust the ratio. Redis is left out where there is no `redis-server`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import shutil
import statistics
import subprocess
import tempfile
import time
from multiprocessing.connection import Connection as Pipe
from typing import Any

from floors import run
from streaming import BATCH, record

import pulsing as pul
from pulsing.streaming.manager import local_manager

REDIS_PORT = 16379


@pul.remote
class Echo:
    def say(self, word: Any) -> Any:
        return word


async def serve(pipe: Pipe) -> None:
    """Own a bucket and an echo actor until the parent is gone."""
    cls: Any = Echo
    async with await pul.actor_system("127.0.0.1:0", admin=False) as system:
        await cls.spawn(name="echo", system=system)
        queue = await system.queue.write("far", num_buckets=1)
        await queue.put(record(0))
        pipe.send(system.addr)
        await asyncio.get_running_loop().run_in_executor(None, pipe.poll, None)


def other_process(pipe: Pipe, loop: str) -> None:
    """The other process."""
    run(serve(pipe), loop)


async def times(work: Any, count: int) -> float:
    """How many times a second."""
    start = time.perf_counter()
    for number in range(count):
        await work(number)
    return count / (time.perf_counter() - start)


async def measure_far(addr: str, rounds: int, count: int) -> dict[str, float]:
    """Puts and calls a second, and their ratio."""
    cls: Any = Echo
    async with await pul.actor_system("127.0.0.1:0", seeds=[addr], admin=False) as system:
        echo = await cls.resolve("echo", system=system, timeout=10)
        queue = await system.queue.write("far", num_buckets=1)
        await queue.put(record(0))
        assert local_manager(system).catalogue.holding("far:bucket_0").node_id != system.node_id.id
        puts, calls = [], []
        for _ in range(rounds):
            calls.append(await times(lambda number: echo.say(record(number)), count))
            puts.append(await times(lambda number: queue.put(record(number)), count))
    ratio = statistics.median(put / call for put, call in zip(puts, calls, strict=True))
    return {"call": statistics.median(calls), "put": statistics.median(puts), "ratio": ratio}


async def measure_redis(rounds: int, count: int) -> dict[str, float]:
    """Records a second in batches of a hundred: put, and got."""
    puts, gets = [], []
    options = {"url": f"redis://127.0.0.1:{REDIS_PORT}"}
    async with await pul.actor_system() as system:
        for number in range(rounds):
            queue = await system.queue.write(f"q{number}", backend="redis", backend_options=options)
            batches = [[record(n) for n in range(first, first + BATCH)] for first in range(0, count, BATCH)]
            await queue.put(batches[0])
            puts.append(BATCH * await times(lambda n, q=queue, b=batches: q.put(b[n]), len(batches)))
            reader = await system.queue.read(queue.topic, backend="redis", backend_options=options)
            gets.append(BATCH * await times(lambda _, r=reader: r.get(limit=BATCH), len(batches)))
    return {"redis put": statistics.median(puts), "redis get": statistics.median(gets)}


def with_redis(loop: str, rounds: int, count: int) -> dict[str, float]:
    """The figures of a server of our own with an append-only file."""
    program = shutil.which("redis-server")
    if program is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        options = [
            "--port",
            str(REDIS_PORT),
            "--bind",
            "127.0.0.1",
            "--dir",
            folder,
            "--save",
            "",
            "--appendonly",
            "yes",
        ]
        server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            time.sleep(1.0)
            return run(measure_redis(rounds, count), loop)
        finally:
            server.kill()
            server.wait()


def main() -> None:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=3_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=other_process, args=(far, options.loop))
    process.start()
    try:
        figures = run(measure_far(near.recv(), options.rounds, options.count), options.loop)
    finally:
        near.send(None)
        process.join(10)
    figures |= with_redis(options.loop, options.rounds, 10 * options.count)
    print(
        json.dumps(figures)
        if options.json
        else "\n".join(f"{name:<12}{value:>14,.2f}" for name, value in figures.items())
    )


if __name__ == "__main__":
    main()
