"""Whatever `pulsing` the interpreter has: this project's, or the package of that name in its last release in Rust."""

from __future__ import annotations

import asyncio
import importlib
import pickle
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from timing import BATCH, LARGE, SMALL, SUBSCRIBERS, WIDTH, Course, at_once, compete, free_port, on_loop, one_by_one
from timing import record as a_record

import pulsing as pul

RESOLVED_S = 20.0
DEATH_S = 60.0


class Echo:
    def say(self, word: Any) -> Any:
        return word

    async def numbers(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number


ECHO: Any = pul.remote(Echo)


async def run(place: str, course: Course) -> None:
    await {"local": local, "remote": remote, "queue": queue, "topic": topic, "death": death}[place](course)


async def local(course: Course) -> None:
    await pul.init()
    echo = await ECHO.spawn(name="echo")
    await calls(echo, course)
    await course.time("spawn", one_by_one(ECHO.spawn), 100)


async def remote(course: Course) -> None:
    port = free_port()
    other = await started(port)
    try:
        await pul.init(addr=f"127.0.0.1:{free_port()}", seeds=[f"127.0.0.1:{port}"])
        echo = await asyncio.wait_for(resolved("echo"), RESOLVED_S)
        # Our nodes load their admin plane behind their start, which is not what is measured.
        await asyncio.sleep(2)
        await calls(echo, course)
    finally:
        other.kill()
        await other.wait()


async def calls(echo: Any, course: Course) -> None:
    async def stream(count: int) -> None:
        async for _ in echo.numbers(count):
            pass

    await course.time("call", one_by_one(lambda: echo.say(SMALL)), 100)
    await course.time("stream item", stream, 500)
    await course.time("4 MiB echo", one_by_one(lambda: echo.say(LARGE)), 1)
    # The last, since it leaves nothing behind that works in the release in Rust, whose pool of connections it exhausts.
    await course.time("64 at once", at_once(lambda: echo.say(SMALL)), 4 * WIDTH)


async def resolved(name: str) -> Any:
    while True:
        try:
            return await ECHO.resolve(name)
        except Exception:
            await asyncio.sleep(0.05)


async def queue(course: Course) -> None:
    system = await pul.actor_system()
    writer = await system.queue.write("bench")
    batch = [a_record(number) for number in range(BATCH)]
    await course.time("put one", one_by_one(lambda: writer.put(batch[0])), 50)
    await course.time("put batch", one_by_one(lambda: writer.put(batch)), 2, units=BATCH)


async def topic(course: Course) -> None:
    system = await pul.actor_system()
    for number in range(SUBSCRIBERS):
        reader = await system.topic.read("bench", reader_id=f"r{number}")
        reader.add_callback(lambda message: None)
        await reader.start()
    writer = await system.topic.write("bench")
    await course.time("publish", one_by_one(lambda: writer.publish({"n": 1})), 50)


async def death(course: Course) -> None:
    """How long a killed process is still taken for alive, by one of two that are left, in seconds."""
    seed = f"127.0.0.1:{free_port()}"
    system = await pul.actor_system(seed)
    others = [await started(free_port(), seed) for _ in range(2)]
    await until(system, lambda alive: alive == 3)
    others[0].kill()
    killed_at = time.perf_counter()
    await until(system, lambda alive: alive < 3)
    course.found["death seen"] = time.perf_counter() - killed_at
    others[1].kill()


async def started(port: int, *seeds: str) -> asyncio.subprocess.Process:
    """A process that serves an echo."""
    command = [sys.executable, __file__, "serve", str(port), *seeds]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    return process


async def until(system: Any, is_so: Callable[[int], bool]) -> None:
    """Wait until so many members are alive for a system."""

    async def wait() -> None:
        while True:
            if is_so(sum(member["status"] == "Alive" for member in await system.members())):
                return
            await asyncio.sleep(0.005)

    await asyncio.wait_for(wait(), DEATH_S)


async def serve(port: int, *seeds: str) -> None:
    await pul.init(addr=f"127.0.0.1:{port}", seeds=list(seeds))
    await ECHO.spawn(name="echo", public=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


def read_replies() -> None:
    """Let the release in Rust read its own replies.

    It answers a remote call of a sync method with a pickle, which its proxy then takes for JSON. What is measured is
    its transport, so the pickle is opened here.
    """
    theirs: Any = importlib.import_module("pulsing.core.remote")
    if not hasattr(theirs, "_ask_convert_errors"):
        return
    ask = theirs._ask_convert_errors

    async def asked(ref: Any, message: Any) -> Any:
        reply = await ask(ref, message)
        if isinstance(reply, theirs.Message) and not reply.is_stream and reply.payload[:1] == b"\x80":
            return pickle.loads(reply.payload)
        return reply

    theirs._ask_convert_errors = asked


if __name__ == "__main__":
    read_replies()
    if sys.argv[1] == "serve":
        on_loop(serve(int(sys.argv[2]), *sys.argv[3:]))
    else:
        compete(run, ("local", "remote", "queue", "topic", "death"))
