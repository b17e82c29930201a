"""Work for the nodes of compose.yaml: records go into a queue, are counted on other nodes, and sums are published."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pulsing as pul

WORDS = ("actor", "bucket", "cell", "envelope", "link", "mailbox", "node", "offset", "peer", "topic")
BATCH = 20
PAUSE_S = 0.2


class TallyActor:
    """Counts words, on whichever node it was placed."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def count(self, word: str) -> int:
        """How often a word has come by now, this time included."""
        self._counts[word] = self._counts.get(word, 0) + 1
        return self._counts[word]


Tally: Any = pul.remote(TallyActor)


class LoadActor:
    """Writes records, reads them as one of a group, and has each counted elsewhere."""

    def __init__(self, tallies: int = 3) -> None:
        self._wanted = tallies
        self._parts: list[asyncio.Task[None]] = []

    async def on_start(self, actor_id: pul.ActorId) -> None:
        """Begin."""
        tallies = [await Tally.spawn(placement="remote") for _ in range(self._wanted)]
        self._parts = [
            asyncio.create_task(_write(), name="load writes"),
            asyncio.create_task(_handle(tallies), name="load handles"),
        ]

    async def on_stop(self) -> None:
        """End."""
        for part in self._parts:
            part.cancel()
        await asyncio.gather(*self._parts, return_exceptions=True)

    def running(self) -> bool:
        """Whether both parts go on."""
        return bool(self._parts) and not any(part.done() for part in self._parts)


Load: Any = pul.remote(LoadActor)


async def _write() -> None:
    jobs = await pul.queue.write("jobs", bucket_column="word", num_buckets=6)
    for first in itertools.count(step=BATCH):
        await jobs.put([{"word": WORDS[n % len(WORDS)], "n": n} for n in range(first, first + BATCH)])
        await asyncio.sleep(PAUSE_S)


async def _handle(tallies: list[Any]) -> None:
    sums = await pul.topic.write("sums")
    async with await pul.queue.read("jobs", group="load", num_buckets=6) as reader:
        while True:
            records = await reader.get(limit=BATCH, wait=True)
            counts = [await tallies[record["n"] % len(tallies)].count(record["word"]) for record in records]
            await sums.publish({"records": len(records), "highest": max(counts, default=0)})
            await reader.commit()
