"""Xoscar: actors in pools of processes, in the pool's main process or in another one."""

from __future__ import annotations

from typing import Any

import xoscar
from timing import LARGE, SMALL, WIDTH, Course, at_once, compete, free_port, one_by_one
from xoscar.backends.allocate_strategy import ProcessIndex


class Echo(xoscar.Actor):
    async def say(self, word: Any) -> Any:
        return word


async def run(place: str, course: Course) -> None:
    pool = await xoscar.create_actor_pool(f"127.0.0.1:{free_port()}", n_process=1)
    address = pool.external_address

    async def create(uid: str) -> Any:
        index = ProcessIndex(0 if place == "local" else 1)
        return await xoscar.create_actor(Echo, address=address, uid=uid, allocate_strategy=index)

    echo = await create("echo")
    await course.time("call", one_by_one(lambda: echo.say(SMALL)), 100)
    await course.time("64 at once", at_once(lambda: echo.say(SMALL)), 4 * WIDTH)
    if place == "remote":
        await course.time("4 MiB echo", one_by_one(lambda: echo.say(LARGE)), 1)
    else:
        uids = iter(range(10**9))
        await course.time("spawn", one_by_one(lambda: create(f"e{next(uids)}")), 20)
    await pool.stop()


if __name__ == "__main__":
    compete(run, ("local", "remote"))
