"""A node in a process of its own that calls, streams, puts, reads, publishes and listens, on all nodes, without end.

Every second it tells by a line of JSON what it has done, what it met, and what it weighs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pulsing as pul
from pulsing import exceptions

ALLOWED = (
    exceptions.ActorNotFound,
    exceptions.ActorStopped,
    exceptions.BucketUnavailable,
    exceptions.DataLost,
    exceptions.DeadlineExceeded,
    exceptions.LinkLost,
    exceptions.NodeDead,
    exceptions.NodeLeaving,
    exceptions.NotOwner,
)
"""What somebody may meet who works with nodes that are killed."""
PAUSE_S = 0.02
KEPT = {"max_records": 2_000}
PAGE = 4096


@pul.remote
class Echo:
    async def say(self, word: Any) -> Any:
        return word

    async def numbers(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number


ECHO: Any = Echo


class Worker:
    """What a node does, and what became of it."""

    def __init__(self, system: pul.ActorSystem) -> None:
        self._system = system
        self._writer: Any = None
        self._reader: Any = None
        self._publisher: Any = None
        self.done: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Open what is used, and begin."""
        await ECHO.spawn(name="echo", public=True, system=self._system)
        self._writer = await self._system.queue.write("soak", num_buckets=4, backend_options=KEPT)
        self._reader = await self._system.queue.read("soak", num_buckets=4)
        self._publisher = await self._system.topic.write("soak")
        subscriber = await self._system.topic.read("soak")
        subscriber.add_callback(lambda message: self.done.update(heard=1))
        await subscriber.start()
        works = (self.call, self.stream, self.put, self.read, self.publish)
        self._tasks = [asyncio.ensure_future(self._again_and_again(work)) for work in works]

    async def call(self) -> None:
        echo = await ECHO.resolve("echo", system=self._system)
        assert await echo.with_options(timeout=10).say({"n": 1}) == {"n": 1}

    async def stream(self) -> None:
        echo = await ECHO.resolve("echo", system=self._system)
        assert [number async for number in echo.numbers(40)] == list(range(40))

    async def put(self) -> None:
        await self._writer.put([{"id": str(number), "text": "x" * 100} for number in range(10)])

    async def read(self) -> None:
        await self._reader.get(limit=100, wait=True, timeout=1)

    async def publish(self) -> None:
        await self._publisher.publish({"n": 1})

    async def _again_and_again(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await work()
                self.done[work.__name__] += 1
            except ALLOWED as error:
                self.met[type(error).__name__] += 1
            except Exception as error:
                self.wrong.append(f"{work.__name__}: {error!r}"[:300])
            await asyncio.sleep(PAUSE_S)


def weight() -> dict[str, int]:
    """What this process holds."""
    return {
        "rss": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE,
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
    }


async def main(seeds: list[str]) -> None:
    async with await pul.actor_system("127.0.0.1:0", seeds=seeds, admin=False) as system:
        worker = Worker(system)
        await worker.begin()
        while True:
            alive = sum(member["status"] == "Alive" for member in await system.members())
            told = {"done": worker.done, "met": worker.met, "wrong": worker.wrong[:10], "alive": alive, **weight()}
            print(json.dumps({"addr": system.addr, **told}), flush=True)
            await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
