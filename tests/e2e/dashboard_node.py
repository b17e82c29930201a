"""A node for the browser's tests: a few classes worth calling, a crowd of actors, a queue and a topic."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import pulsing as pul
from pulsing.agent import agent

CROWD = 2_000


@pul.remote
class Counter:
    """Counts, one after another."""

    def __init__(self, start: int = 0) -> None:
        self.value = start

    def increment(self, by: int = 1) -> int:
        """Add to the counter and return its new value.

        Args:
            by: how much to add
        """
        self.value += by
        return self.value

    def refuse(self, why: str = "no such order") -> None:
        """Raise a ValueError."""
        raise ValueError(why)

    async def count_down(self, start: int = 3) -> AsyncIterator[int]:
        """Yield every number down to zero."""
        for number in range(start, -1, -1):
            yield number


@pul.remote
class Idler:
    """Does nothing, in large numbers."""


@agent(role="Scribe <b>bold</b>", goal="Write down what happens", backstory="Has seen it all.", desk="north")
class Scribe:
    """Writes down what it is told."""

    def note(self, text: str) -> str:
        """Return the text as it was noted."""
        return f"noted: {text}"


async def main() -> None:
    """Serve until killed."""
    system = await pul.init("127.0.0.1:0")
    await pul.spawn(Counter(), name="counter", public=True)
    await pul.spawn(Scribe(), name="scribe", public=True)
    for number in range(CROWD):
        await pul.spawn(Idler(), name=f"idler-{number:04}")
    queue = await system.queue.write("orders", bucket_column="id", num_buckets=4)
    await queue.put([{"id": f"a{number}", "amount": number} for number in range(8)])
    news = await system.topic.write("news")
    await news.publish({"headline": "it works"})
    sys.stdout.write(f"{system.admin_url}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
