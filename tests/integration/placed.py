"""Actors for processes of their own, in a module that such a process can import."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulsing as pul
from pulsing.agent import agent


@dataclass(frozen=True)
class Point:
    x: int
    y: int


class Work:
    """Does whatever a test wants to see done elsewhere."""

    def __init__(self, start: int = 0, *, refuse: str = "", marks: str = "") -> None:
        if refuse:
            raise ValueError(refuse)
        self.total = start
        self.marks = marks
        self.leave = asyncio.Event()
        self._mark("made")

    def _mark(self, what: str) -> None:
        if self.marks:
            with Path(self.marks).open("a") as file:
                file.write(f"{what}\n")

    def on_start(self, actor_id: pul.ActorId) -> None:
        self.id = actor_id

    def on_stop(self) -> None:
        self._mark("stopped")

    def metadata(self) -> dict[str, str]:
        return {"total": str(self.total)}

    def add(self, number: int) -> int:
        self.total += number
        return self.total

    async def add_later(self, number: int) -> int:
        await asyncio.sleep(0)
        return self.add(number)

    def pid(self) -> int:
        return os.getpid()

    def moved(self, point: Point) -> Point:
        return Point(point.x + 1, point.y)

    def missing(self) -> None:
        raise KeyError("gone")

    def unsendable(self) -> object:
        return threading.Lock()

    def hold(self, seconds: float) -> str:
        time.sleep(seconds)
        return "done"

    async def wait(self) -> str:
        try:
            await self.leave.wait()
            return "left"
        finally:
            self._mark("waited")

    def let_go(self) -> None:
        self.leave.set()

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def exit(self) -> None:
        os._exit(3)

    def give_up(self) -> None:
        raise pul.PulsingSystemError("state is broken", recoverable=False)

    def end(self) -> str:
        pul.current_actor().stop()
        return "ending"

    def who_am_i(self) -> tuple[pul.ActorId, str | None, pul.ActorRef]:
        context = pul.current_actor()
        return self.id, context.name, context.ref

    async def count_to(self, end: int) -> AsyncIterator[int]:
        try:
            for number in range(end):
                yield number
        finally:
            self._mark("closed")

    def squares(self, end: int) -> Iterator[int]:
        for number in range(end):
            yield number**2

    async def ask_other(self, name: str) -> Any:
        other = await pul.resolve(name, timeout=20)
        return await other.as_any().add(1)

    async def read(self, topic: str, limit: int) -> list[dict[str, Any]]:
        reader = await pul.queue.read(topic)
        records: list[dict[str, Any]] = await reader.get(limit=limit, wait=True, timeout=20)
        return records


Worker = pul.remote(Work)


class Answering(pul.Actor):
    async def receive(self, msg: Any) -> Any:
        return msg


class Counting:
    def pid(self) -> int:
        return os.getpid()


class Sleeping:
    def __init__(self) -> None:
        time.sleep(3600)


Echo = pul.remote(Answering)
Clerk = agent(role="counter", goal="count", team="numbers")(Counting)
NeverReady = pul.remote(Sleeping)
