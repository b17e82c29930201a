"""Calls, tells, streams and spawns in one process, beside the floor of any such call: a deque and a future.

Rounds of all cases take turns, so that a busy machine slows all of them alike; the medians are printed with their
ratio to the floor, and what counting adds to a call. `--actors N` also spawns so many idle actors and tells what one
costs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pulsing as pul
from pulsing.core import answers
from pulsing.core.cell import Cell
from pulsing.core.envelope import Envelope
from pulsing.core.progress import UNFINISHED
from pulsing.core.turns import Turn

Case = Callable[[int], Awaitable[None]]
WIDTH = 64
BATCH = 50_000


@pul.remote
class Counter:
    def __init__(self) -> None:
        self.value = 0

    def incr(self) -> int:
        self.value += 1
        return self.value

    async def echo(self, value: Any) -> Any:
        return value

    async def numbers(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number


COUNTER: Any = Counter


class Uncounted(Cell):
    """A cell whose turns leave no trace in any statistics: the same steps, for sync methods, without what counts."""

    __slots__ = ()

    def _run(self, envelope: Envelope, turn: Turn, start: float) -> float:
        if envelope.trace is not self._trace:
            raise NotImplementedError
        reply = envelope.reply
        function, args, kwargs = turn.function, envelope.args, envelope.kwargs
        try:
            if function is None or turn.in_thread:
                raise NotImplementedError
            result = function(self.actor, *args, **kwargs) if kwargs else function(self.actor, *args)
        except BaseException as raised:
            return answers.fail(self, envelope, raised, turn.counters, start)
        if type(result) in UNFINISHED:
            raise NotImplementedError
        if reply is not None:
            if envelope.deadline is not None:
                deadlines = self.deadlines
                if deadlines.common.pop(envelope, reply) is reply:
                    deadlines.done(envelope)
            reply.set_result(result)
        return start


async def spawn_uncounted() -> Any:
    counter = await COUNTER.spawn()
    counter.ref._cell.__class__ = Uncounted
    return counter


async def floor(count: int) -> None:
    """Hand a future to a callback through a deque and wait for it."""
    loop = asyncio.get_running_loop()
    box: deque[asyncio.Future[int]] = deque()

    def drain() -> None:
        while box:
            future = box.popleft()
            if not future.done():
                future.set_result(1)

    for _ in range(count):
        future = loop.create_future()
        box.append(future)
        loop.call_soon(drain)
        await future


async def cases() -> dict[str, Case]:
    """What is measured, by name."""
    counter = await COUNTER.spawn()
    uncounted = await spawn_uncounted()
    one_way = counter.with_options(one_way=True)

    async def one_at_a_time(count: int) -> None:
        for _ in range(count):
            await counter.incr()

    async def not_counted(count: int) -> None:
        for _ in range(count):
            await uncounted.incr()

    async def async_method(count: int) -> None:
        for _ in range(count):
            await counter.echo(1)

    async def at_once(count: int) -> None:
        await asyncio.gather(*(one_at_a_time(count // WIDTH) for _ in range(WIDTH)))

    async def tell(count: int) -> None:
        for _ in range(count):
            await one_way.incr()
        await counter.incr()

    async def stream(count: int) -> None:
        async for _ in counter.numbers(count):
            pass

    async def spawn(count: int) -> None:
        kept = [await COUNTER.spawn() for _ in range(count)]
        system = pul.get_system()
        for proxy in kept:
            await system.stop(proxy)

    async def spawn_only(count: int) -> None:
        SPAWNED.extend([await COUNTER.spawn() for _ in range(count)])

    return {
        "floor": floor,
        "call": one_at_a_time,
        "call, not counted": not_counted,
        "call, async method": async_method,
        f"call, {WIDTH} at once": at_once,
        "tell": tell,
        "stream item": stream,
        "spawn": spawn_only,
        "spawn and stop": spawn,
    }


SPAWNED: list[Any] = []


async def measure(rounds: int, count: int) -> dict[str, float]:
    """Medians of events a second."""
    await pul.init()
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, case in (await cases()).items():
            started = time.perf_counter()
            await case(count)
            rates.setdefault(name, []).append(count / (time.perf_counter() - started))
        for proxy in SPAWNED:
            await pul.get_system().stop(proxy)
        SPAWNED.clear()
        gc.collect()
    await pul.shutdown()
    return {name: statistics.median(found) for name, found in rates.items()}


async def weigh(count: int) -> dict[str, float]:
    """Bytes of one idle actor, and spawns a second of the first and of the last batch."""
    await pul.init()
    gc.collect()
    before, kept, rates = _rss(), [], []
    for _ in range(0, count, BATCH):
        started = time.perf_counter()
        kept.extend([await COUNTER.spawn() for _ in range(min(BATCH, count))])
        rates.append(min(BATCH, count) / (time.perf_counter() - started))
    found = {"bytes": (_rss() - before) / len(kept), "first batch": rates[0], "last batch": rates[-1]}
    started = time.perf_counter()
    pul.get_system().statistics()
    found["snapshot_ms"] = (time.perf_counter() - started) * 1000
    await pul.shutdown()
    found["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return found


def _rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def run(work: Any, loop: str) -> Any:
    if loop == "uvloop":
        import uvloop

        return uvloop.run(work)
    return asyncio.run(work)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=20_000, help="events of one round of one case")
    parser.add_argument("--actors", type=int, default=0, help="idle actors to weigh")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rates = run(measure(options.rounds, options.count), options.loop)
    weight = run(weigh(options.actors), options.loop) if options.actors else {}
    if options.json:
        print(json.dumps({"per_s": rates, "idle_actor": weight}))
        return
    for name, rate in rates.items():
        print(f"{name:20} {rate:>12,.0f}/s  {rate / rates['floor']:.2f} of the floor")
    print(f"counting takes {1 - rates['call'] / rates['call, not counted']:.0%} of a call")
    for name, value in weight.items():
        print(f"idle actor: {name:12} {value:,.1f}")


if __name__ == "__main__":
    main()
