"""Work for the nodes of compose.yaml: records go into a queue, are counted on other nodes, and sums are published.

Nodes may end and come back meanwhile: each half tries again after what fails.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pulsing as pul
from pulsing.exceptions import ActorStopped, LinkLost, NodeDead, NodeLeaving, NodeNotFound, PulsingError

WORDS = ("actor", "bucket", "cell", "envelope", "link", "mailbox", "node", "offset", "peer", "topic")
BATCH = 20
PAUSE_S = 0.2
QUEUE: dict[str, Any] = {"num_buckets": 6, "backend_options": {"max_records": 10_000}}
"""How the queue is set up, by whoever opens it first; without bounds one in memory would grow for ever."""

_logger = logging.getLogger(__name__)


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
        tallies = Tallies([await _placed() for _ in range(self._wanted)])
        self._parts = [
            asyncio.create_task(_again(_write), name="load writes"),
            asyncio.create_task(_again(lambda: _handle(tallies)), name="load handles"),
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


class Tallies:
    """Actors that count; one whose node is gone is replaced.

    Args:
        actors: those to begin with.
    """

    def __init__(self, actors: list[Any]) -> None:
        self._actors = actors

    async def count(self, number: int, word: str) -> int:
        """Have a word counted by one of them, chosen by a number."""
        place = number % len(self._actors)
        try:
            return int(await self._actors[place].count(word))
        except (ActorStopped, LinkLost, NodeDead, NodeLeaving, NodeNotFound):
            self._actors[place] = await _placed()
            return int(await self._actors[place].count(word))


async def _placed() -> Any:
    return await Tally.spawn(placement="remote")


async def _again(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except PulsingError as error:
            _logger.warning("begins again after %s: %s", type(error).__name__, error)
            await asyncio.sleep(PAUSE_S)


async def _write() -> None:
    jobs = await pul.queue.write("jobs", bucket_column="word", **QUEUE)
    for first in itertools.count(step=BATCH):
        await jobs.put([{"word": WORDS[n % len(WORDS)], "n": n} for n in range(first, first + BATCH)])
        await asyncio.sleep(PAUSE_S)


async def _handle(tallies: Tallies) -> None:
    sums = await pul.topic.write("sums")
    async with await pul.queue.read("jobs", group="load", **QUEUE) as reader:
        while True:
            records = await reader.get(limit=BATCH, wait=True)
            counts = [await tallies.count(record["n"], record["word"]) for record in records]
            await sums.publish({"records": len(records), "highest": max(counts, default=0)})
            await reader.commit()
