"""How all contestants are timed. Imported by interpreters that have nothing of this project: standard library only."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

SMALL = 1
LARGE = bytes(4 << 20)
WIDTH = 64
BATCH = 100
SUBSCRIBERS = 4
LIMIT_S = 20.0
"""Of one case: an implementation that hangs in one of them is still timed in the others."""

Step = Callable[[int], Awaitable[None]]
"""Do the thing so many times."""


class Course:
    """Times one case after the other, each for so many seconds, and keeps what came out."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.found: dict[str, Any] = {}

    async def time(self, case: str, step: Step, times: int, units: int = 1) -> None:
        """Note how many units a second a step makes that is warmed up, or how it failed."""
        try:
            self.found[case] = units * await asyncio.wait_for(self._rate(step, times), LIMIT_S)
        except Exception as error:
            self.found[case] = f"{type(error).__name__}: {error}"[:200]

    async def _rate(self, step: Step, times: int) -> float:
        await step(times)
        done, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < self.seconds:
            await step(times)
            done += times
        return done / elapsed


def at_once(call: Callable[[], Awaitable[Any]]) -> Step:
    """A step in which many callers share the calls."""

    async def caller(times: int) -> None:
        for _ in range(times):
            await call()

    async def step(times: int) -> None:
        await asyncio.gather(*(caller(times // WIDTH) for _ in range(WIDTH)))

    return step


def one_by_one(call: Callable[[], Awaitable[Any]]) -> Step:
    """A step in which each call waits for the last."""

    async def step(times: int) -> None:
        for _ in range(times):
            await call()

    return step


def record(number: int) -> dict[str, Any]:
    """A record of about 190 bytes."""
    return {"id": str(number), "n": number, "text": "x" * 130, "at": 1.5, "ok": True, "kind": "bench"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def compete(run: Callable[[str, Course], Awaitable[None]], places: tuple[str, ...]) -> None:
    """Run what the command line names, and print the rates by case as JSON.

    The process then ends at once: not every contestant can be shut down in bounded time.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("place", choices=places)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each case")
    chosen = parser.parse_args()
    course = Course(chosen.seconds)
    on_loop(run(chosen.place, course))
    print(json.dumps(course.found), flush=True)
    os._exit(0)


def on_loop(work: Any) -> None:
    """Run on uvloop, which every contestant's environment has."""
    import uvloop

    uvloop.run(work)
