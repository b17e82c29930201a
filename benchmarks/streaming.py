"""Records and messages a second through queues and topics of one node: `python benchmarks/streaming.py`.

Prints a table, or JSON with `--json`. Every figure is the median of `--rounds` rounds; records have about 190 bytes.
With `--redis redis://127.0.0.1:6379` a server is measured, too, which has to keep an append-only file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pulsing as pul
from pulsing.streaming import PublishMode
from pulsing.streaming.administration import delete_queue

TEXT = "x" * 130
BATCH = 100
CALLERS = 64
SUBSCRIBERS = 4

Case = Callable[[Any, int], Awaitable[float]]
"""Does a number of operations on a system and returns the seconds that they took."""


def record(number: int) -> dict[str, Any]:
    """A record of about 190 bytes."""
    return {"id": str(number), "n": number, "text": TEXT, "at": 1.5, "ok": True, "kind": "bench"}


async def timed(work: Awaitable[Any]) -> float:
    """Seconds that something takes."""
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


async def timed_on(queue: Any, work: Awaitable[Any]) -> float:
    """Seconds that something takes; the queue that it needed is deleted afterwards."""
    took = await timed(work)
    await delete_queue(queue)
    return took


class Put:
    """Putting, one at a time, in batches, or by many callers."""

    def __init__(self, backend: str, options: dict[str, Any] | None = None) -> None:
        self._backend = backend
        self._options = options
        self._runs = 0
        self.waits: list[float] = []
        """seconds that each put of many callers took"""

    async def _queue(self, system: Any) -> Any:
        self._runs += 1
        name = f"{self._backend}{id(self)}-{self._runs}"
        folder = str(Path(tempfile.gettempdir()) / "pulsing-bench" / name)
        queue = await system.queue.write(
            name, backend=self._backend, backend_options=self._options, storage_path=folder
        )
        await queue.put([record(number) for number in range(8)])
        return queue

    async def one(self, system: Any, count: int) -> float:
        """One caller, a record a call."""
        queue = await self._queue(system)

        async def work() -> None:
            for number in range(count):
                await queue.put(record(number))

        return await timed_on(queue, work())

    async def batches(self, system: Any, count: int) -> float:
        """One caller, a hundred records a call."""
        queue = await self._queue(system)
        batches = [[record(n) for n in range(first, first + BATCH)] for first in range(0, count, BATCH)]

        async def work() -> None:
            for batch in batches:
                await queue.put(batch)

        return await timed_on(queue, work())

    async def many(self, system: Any, count: int) -> float:
        """Many callers, a record a call."""
        queue = await self._queue(system)

        async def caller(first: int) -> None:
            for number in range(first, count, CALLERS):
                start = time.perf_counter()
                await queue.put(record(number))
                self.waits.append(time.perf_counter() - start)

        return await timed_on(queue, asyncio.gather(*(caller(first) for first in range(CALLERS))))

    async def get(self, system: Any, count: int) -> float:
        """Reading it all, a hundred records a call."""
        queue = await self._queue(system)
        await queue.put([record(number) for number in range(count)])
        reader = await system.queue.read(queue.topic, backend=self._backend, storage_path=queue.storage_path)

        async def work() -> None:
            while await reader.get(limit=BATCH):
                pass

        return await timed_on(queue, work())


async def publish(system: Any, count: int, mode: PublishMode) -> float:
    """Publishing to a few readers on the same node."""
    readers = []
    for number in range(SUBSCRIBERS):
        reader = await system.topic.read("bench", reader_id=f"r{number}")
        reader.add_callback(lambda message: None)
        await reader.start()
        readers.append(reader)
    writer = await system.topic.write("bench")

    async def work() -> None:
        for number in range(count):
            await writer.publish({"n": number}, mode)

    took = await timed(work())
    for reader in readers:
        await reader.stop()
    return took


def cases(memory: Put, normal: Put, full: Put) -> dict[str, tuple[Case, int]]:
    """What is measured, and how many operations a round has."""
    return {
        "put one, memory": (memory.one, 20_000),
        "put batches of 100, memory": (memory.batches, 100_000),
        "get batches of 100, memory": (memory.get, 100_000),
        "put batches of 100, sqlite normal": (normal.batches, 50_000),
        "put batches of 100, sqlite full": (full.batches, 50_000),
        "put one by 64 callers, sqlite normal": (normal.many, 20_000),
        "put one by 64 callers, sqlite full": (full.many, 20_000),
        "get batches of 100, sqlite": (normal.get, 50_000),
        "publish to 4, fire and forget": (lambda s, n: publish(s, n, PublishMode.FIRE_AND_FORGET), 10_000),
        "publish to 4, wait for all": (lambda s, n: publish(s, n, PublishMode.WAIT_ALL_ACKS), 5_000),
    }


def redis_cases(url: str) -> dict[str, tuple[Case, int]]:
    """What is measured of a server."""
    redis = Put("redis", {"url": url})
    return {
        "put batches of 100, redis": (redis.batches, 20_000),
        "put one by 64 callers, redis": (redis.many, 10_000),
        "get batches of 100, redis": (redis.get, 20_000),
    }


async def measure(rounds: int, redis: str | None = None) -> dict[str, float]:
    """Operations a second of every case."""
    normal, full = Put("sqlite", {"durability": "normal"}), Put("sqlite")
    measured = cases(Put("memory"), normal, full) | (redis_cases(redis) if redis else {})
    figures: dict[str, list[float]] = {name: [] for name in measured}
    system = await pul.actor_system()
    for _ in range(rounds):
        for name, (case, count) in measured.items():
            figures[name].append(count / await case(system, count))
    await system.shutdown(drain=0)
    waits = {"normal": normal.waits, "full": full.waits}
    return {name: statistics.median(rates) for name, rates in figures.items()} | {
        f"its p99, sqlite {name}, µs": statistics.quantiles(waits[name], n=100)[98] * 1e6 for name in waits
    }


def main() -> None:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--redis", metavar="URL", help="measure a Redis server, too")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        figures = run(measure(arguments.rounds, arguments.redis))
    if arguments.json:
        print(json.dumps({name: round(rate) for name, rate in figures.items()}))
        return
    for name, rate in figures.items():
        print(f"{name:40} {rate:>12,.0f}{'' if 'µs' in name else '/s'}")


def run(work: Any) -> Any:
    """Run on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


if __name__ == "__main__":
    main()
