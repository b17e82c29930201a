"""A node for the browser's tests: a few classes worth calling, a crowd of actors, a queue and a topic.

usage: dashboard_node.py CROWD
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import pulsing as pul
from pulsing.agent import agent
from pulsing.exceptions import PulsingError
from pulsing.streaming import MemoryBackend, register_backend


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


@pul.remote(restart_policy="on_failure")
class Clerk:
    """Handles orders, slowly where asked to."""

    async def handle(self, seconds: float = 0.0) -> str:
        """Take a while."""
        await asyncio.sleep(seconds)
        return "done"


@pul.remote
class Idler:
    """Does next to nothing, in large numbers."""

    def wink(self) -> None:
        """Show that it lives."""


@agent(role="Scribe <b>bold</b>", goal="Write down what happens", backstory="Has seen it all.", desk="north")
class Scribe:
    """Writes down what it is told."""

    def note(self, text: str) -> str:
        """Return the text as it was noted."""
        return f"noted: {text}"


class Attic(MemoryBackend):
    """A store of the program's own."""


async def leave_dead_letters() -> None:
    """Call an actor that has ended."""
    gone = await Counter.spawn(name="gone")
    await pul.get_system().stop("gone")
    for _ in range(2):
        with contextlib.suppress(PulsingError):
            await gone.increment()


@pul.remote
class Loser:
    """Writes to nobody."""

    async def lose(self) -> None:
        """Call an actor that has ended."""
        gone = await Counter.spawn(public=False)
        await pul.get_system().stop(gone)
        with contextlib.suppress(PulsingError):
            await gone.increment()


async def main(size: int) -> None:
    """Serve until killed."""
    system = await pul.init("127.0.0.1:0")
    await pul.spawn(Counter(), name="counter", public=True)
    await pul.spawn(Scribe(), name="scribe", public=True)
    crowd = [await Idler.spawn(name=f"idler-{number:04}", public=False) for number in range(size)]
    register_backend("attic", Attic)
    queue = await system.queue.write("orders", bucket_column="id", num_buckets=4)
    await queue.put([{"id": f"a{number}", "amount": number} for number in range(8)])
    news = await system.topic.write("news")
    listener = await system.topic.read("news", reader_id="listener")
    listener.add_callback(lambda message: None)
    await listener.start()
    await news.publish({"headline": "it works"})
    reader = await system.queue.read("orders", group="shippers")
    await reader.get(limit=2)
    await Clerk.spawn(name="clerk")
    await leave_dead_letters()
    sys.stdout.write(f"{system.admin_url}\n")
    sys.stdout.flush()
    while True:
        # Five hundred rows that change with each tick of the dashboard, among those that are seen first.
        await asyncio.gather(*(idler.wink() for idler in crowd[:500]))
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
