"""Ray: each actor is a process, reached through the processes of a Ray cluster of this machine's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import ray
from timing import LARGE, SMALL, WIDTH, Course, at_once, compete, one_by_one


class Echo:
    async def say(self, word: Any) -> Any:
        return word

    async def numbers(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number


async def run(place: str, course: Course) -> None:
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    echo: Any = ray.remote(Echo).options(max_concurrency=1000).remote()

    async def stream(count: int) -> None:
        async for item in echo.numbers.options(num_returns="streaming").remote(count):
            await item

    await course.time("call", one_by_one(lambda: echo.say.remote(SMALL)), 100)
    await course.time("64 at once", at_once(lambda: echo.say.remote(SMALL)), 4 * WIDTH)
    await course.time("stream item", stream, 100)
    await course.time("4 MiB echo", one_by_one(lambda: echo.say.remote(LARGE)), 1)
    ray.shutdown()


if __name__ == "__main__":
    compete(run, ("remote",))
