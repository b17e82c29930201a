"""Actors and short cuts for the tests of the core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pulsing as pul
from pulsing.config import SystemConfig
from pulsing.core.keeping import Call
from pulsing.core.messages import Message
from pulsing.runtime import ActorSystem, start_system
from pulsing.testing.virtual import VirtualLoop, run_virtual


async def spawn(cls: Any, *args: Any, **kwargs: Any) -> Any:
    """Spawn an actor; mypy does not see what a class decorator makes of a class."""
    return await cls.spawn(*args, **kwargs)


def in_virtual_time(test: Callable[[ActorSystem], Awaitable[None]]) -> None:
    """Run a test on a system whose clock and loop are virtual."""

    async def body() -> None:
        async with virtual_system() as system:
            await test(system)

    run_virtual(body, limit=10_000.0)


@asynccontextmanager
async def virtual_system() -> AsyncIterator[ActorSystem]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    async with await start_system(SystemConfig(), clock=loop.clock) as system:
        yield system


def users_actors(system: ActorSystem) -> list[str]:
    """Labels of the actors that are not Pulsing's own."""
    return [cell.label for cell in system.inner.registry if not cell.spec.internal]


async def turns(count: int = 5) -> None:
    """Let everything that is ready run, so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


@pul.remote
class Counter:
    """Counts."""

    unit = "things"

    def __init__(self, value: int = 0) -> None:
        self.value = value

    def incr(self, by: int = 1) -> int:
        self.value += by
        return self.value

    async def slow_incr(self, by: int = 1) -> int:
        await asyncio.sleep(0)
        self.value += by
        return self.value

    def fail(self, error: BaseException) -> None:
        raise error

    async def fail_later(self, error: BaseException) -> None:
        await asyncio.sleep(0)
        raise error


@pul.remote
class Gate:
    """Holds its callers until it is opened."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.entered: list[Any] = []
        self.left: list[Any] = []

    async def enter(self, who: Any = None) -> Any:
        self.entered.append(who)
        try:
            await self.open.wait()
        finally:
            self.left.append(who)
        return who

    def note(self, who: Any) -> None:
        self.entered.append(who)

    async def unlock(self) -> None:
        self.open.set()

    def seen(self) -> list[Any]:
        return list(self.entered)


@pul.remote
class Source:
    """Streams, and notes which of its generators have been closed."""

    def __init__(self) -> None:
        self.produced = 0
        self.closed: list[str] = []

    def numbers(self, count: int) -> Iterator[int]:
        try:
            for number in range(count):
                self.produced += 1
                yield number
        finally:
            self.closed.append("numbers")

    async def anumbers(self, count: int) -> AsyncIterator[int]:
        try:
            for number in range(count):
                self.produced += 1
                yield number
        finally:
            self.closed.append("anumbers")

    async def ticking(self) -> AsyncIterator[int]:
        try:
            for number in range(1_000_000):
                self.produced += 1
                yield number
                await asyncio.sleep(0.001)
        finally:
            self.closed.append("ticking")

    async def failing(self, count: int, error: BaseException) -> AsyncIterator[int]:
        for number in range(count):
            yield number
        raise error

    def sync_failing(self, count: int, error: BaseException) -> Iterator[int]:
        yield from range(count)
        raise error

    def returned(self, count: int) -> Any:
        return (number for number in range(count))

    def value(self) -> int:
        return 7

    def state(self) -> tuple[int, list[str]]:
        return self.produced, list(self.closed)


class Echo(pul.Actor):
    """Answers what it gets, or does what it is told."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def receive(self, msg: Any) -> Any:
        self.got.append(msg)
        if isinstance(msg, BaseException):
            raise msg
        if isinstance(msg, asyncio.Event):
            await msg.wait()
        if msg == "stream":
            return self.items()
        if msg == "message":
            return Message("Greeting", b"hello")
        return msg

    async def items(self) -> AsyncIterator[int]:
        yield 1
        yield 2


class Plain:
    """Has `receive`, sync, and is no Actor."""

    def receive(self, msg: Any) -> Any:
        return ("plain", msg)


# The same classes, as what the decorator made of them.
COUNTER: Any = Counter
GATE: Any = Gate


class AsText:
    """A packing that keeps the first argument alone, as it is."""

    def pack(self, call: Call) -> bytes:
        return bytes(call[1][0])

    def unpack(self, data: bytes) -> Call:
        return None, (data,), {}
