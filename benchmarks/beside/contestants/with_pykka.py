"""Pykka: actors are threads of one process."""

from __future__ import annotations

from typing import Any

import pykka
from timing import SMALL, WIDTH, Course, compete


class Echo(pykka.ThreadingActor):
    def say(self, word: Any) -> Any:
        return word


async def run(place: str, course: Course) -> None:
    echo = Echo.start().proxy()

    async def call(times: int) -> None:
        for _ in range(times):
            echo.say(SMALL).get()

    async def at_once(times: int) -> None:
        for _ in range(times // WIDTH):
            pykka.get_all([echo.say(SMALL) for _ in range(WIDTH)])

    async def spawn(times: int) -> None:
        for ref in [Echo.start() for _ in range(times)]:
            ref.stop(block=False)

    await course.time("call", call, 100)
    await course.time("64 at once", at_once, 4 * WIDTH)
    await course.time("spawn", spawn, 50)


if __name__ == "__main__":
    compete(run, ("local",))
