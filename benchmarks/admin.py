"""What the admin plane costs: lists and metrics over many actors, live streams, and the plane at rest.

    python benchmarks/admin.py [ACTORS ...] [--rounds N] [--seconds N] [--json]

Times are of the processor, the middle of several; the longest gap is how long the loop was held at most meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

import pulsing as pul
from pulsing.admin.app import create_admin_app
from pulsing.admin.settings import AdminSettings, Principal
from pulsing.admin.sources import Subscribe

TOKEN = "benchmark-token-0123456789"
CLASSES = 100
STREAMS = 3
ROUND_S = 3.0
SETTLED_S = 1.1
"""By then what is sent once at the beginning has been sent."""


def worker_classes(count: int) -> list[Any]:
    """Classes that differ in their names."""

    def work(self: Any, by: int = 1) -> int:
        """Give it back."""
        return by

    made = []
    for number in range(count):
        cls = type(f"Worker{number}", (), {"work": work, "__module__": __name__})
        made.append(pul.remote(cls))
    return made


async def population(system: Any, count: int) -> list[Any]:
    """So many actors of a hundred classes, each of which has handled a few messages."""
    classes = worker_classes(CLASSES)
    actors = [await classes[n % CLASSES].spawn(name=f"w{n}", system=system) for n in range(count)]
    for start in range(0, count, 500):
        await asyncio.gather(*(actor.work() for actor in actors[start : start + 500]))
    return actors


class Gaps:
    """How long the loop is held, seen by a task that wants to run all the time."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Gaps:
        self._task = asyncio.ensure_future(self._watch())
        await asyncio.sleep(0.01)
        self.longest_s = 0.0
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _watch(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.0005)
            now = time.perf_counter()
            self.longest_s = max(self.longest_s, now - last - 0.0005)
            last = now


async def measured(name: str, act: Callable[[], Awaitable[httpx.Response]], pause_s: float = 0.0) -> dict[str, float]:
    """What a request costs: the processor's time, the longest gap, the size of the answer."""
    costs, gaps, size = [], [], 0
    for _ in range(7):
        await asyncio.sleep(pause_s)
        async with Gaps() as watch:
            began = time.process_time()
            response = await act()
            costs.append(time.process_time() - began)
            gaps.append(watch.longest_s)
        assert response.status_code == 200, response.text
        size = len(response.content)
    return {
        f"{name}, ms": statistics.median(costs) * 1000,
        f"{name}, longest gap, ms": statistics.median(gaps) * 1000,
        f"{name}, kB": size / 1000,
    }


async def calls_for(actors: list[Any], seconds: float) -> float:
    """Call actors in turn for so long; the calls a second of processor time."""
    began, cpu, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        await asyncio.gather(*(actor.work() for actor in actors[done % len(actors) :][:64]))
        done += 64
    return done / (time.process_time() - cpu)


async def streams(plane: Any, actors: list[Any], rounds: int, watched_s: float) -> dict[str, float]:
    """What three dashboards cost a node whose actors are busy.

    Rounds with and without them alternate, and each is compared with those beside it: what else the machine does
    meanwhile is in both.
    """
    alone, watched = [await calls_for(actors, ROUND_S)], []
    for _ in range(rounds):
        async with dashboards(plane):
            await asyncio.sleep(SETTLED_S)
            watched.append(await calls_for(actors, ROUND_S))
        alone.append(await calls_for(actors, ROUND_S))
    falls = [1 - with_them / ((a + b) / 2) for a, b, with_them in zip(alone, alone[1:], watched, strict=False)]
    async with dashboards(plane):
        await asyncio.sleep(SETTLED_S)
        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.sleep(watched_s)
        share = (time.process_time() - cpu) / (time.perf_counter() - began)
    return {
        f"{STREAMS} streams, %": share * 100,
        "calls a second of processor time": statistics.median(alone),
        f"the same under {STREAMS} streams": statistics.median(watched),
        f"fall of calls under {STREAMS} streams, %": statistics.median(falls) * 100,
    }


@asynccontextmanager
async def dashboards(plane: Any) -> AsyncIterator[None]:
    """Three clients that read what their pages show."""
    who = Principal("benchmark", "operator")
    asked = [
        Subscribe(sub="a", topic="actors", sort="-messages_total", limit=50),
        Subscribe(sub="o", topic="overview"),
    ]
    clients = [plane.feed.open(asked, who, None) for _ in range(STREAMS)]
    readers = [asyncio.ensure_future(drained(client)) for client in clients]
    try:
        yield
    finally:
        for client, reader in zip(clients, readers, strict=True):
            plane.feed.leave(client)
            reader.cancel()


async def drained(client: Any) -> None:
    async for _ in client.frames():
        pass


async def at_rest(plane: Any, watched_s: float) -> dict[str, float]:
    """What the plane costs while nobody looks."""
    plane.history.start()
    await asyncio.sleep(1.0)
    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.sleep(watched_s)
    return {"at rest, %": (time.process_time() - cpu) / (time.perf_counter() - began) * 100}


async def run(count: int, rounds: int, watched_s: float) -> dict[str, float]:
    """All figures with so many actors.

    Args:
        count: of actors.
        rounds: of calls with and without dashboards.
        watched_s: for how long shares of a core are taken.
    """
    figures: dict[str, float] = {}
    async with await pul.actor_system() as system:
        app = create_admin_app(system, AdminSettings(token=TOKEN))
        plane = app.state.plane
        actors = await population(system, count)
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", headers=headers) as client:
            for sort in ("-rate", "-mailbox", "name", "-messages_total,name"):
                path = f"/api/v1/actors?limit=100&sort={sort}"
                figures |= await measured(f"actors by {sort}", lambda path=path: client.get(path))
            figures |= await measured("actors by name, searched", lambda: client.get("/api/v1/actors?search=w99"))
            figures |= await measured("overview", lambda: client.get("/api/v1/overview"))
            figures |= await measured("metrics", lambda: client.get("/metrics"), pause_s=1.05)
        figures |= await at_rest(plane, watched_s)
        figures |= await streams(plane, actors, rounds, watched_s)
        await plane.close()
    return figures


def main() -> None:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("actors", type=int, nargs="*", default=[10_000])
    parser.add_argument("--rounds", type=int, default=6, help="of calls with and without dashboards")
    parser.add_argument("--seconds", type=float, default=8.0, help="for which shares of a core are taken")
    parser.add_argument("--json", action="store_true", help="of the last number of actors")
    chosen = parser.parse_args()
    for wanted in chosen.actors:
        figures = asyncio.run(run(wanted, chosen.rounds, chosen.seconds))
        if not chosen.json:
            print(f"{wanted:,} actors of {CLASSES} classes")
            print("\n".join(f"  {name:<44} {value:10,.2f}" for name, value in figures.items()))
    if chosen.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
