"""One reader's place in something that goes on: what it has not read yet, and how much it has missed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Missed:
    """Stands in a subscription where `count` entries were dropped because the reader was slow."""

    count: int


class Following(AsyncIterator["T | Missed"], Generic[T]):
    """An async iterator of what is offered to it; also an async context manager that closes it.

    Args:
        capacity: how many entries may wait unread before the oldest are dropped.
        on_close: called once with the subscription when it is closed.
        wants: which entries to take; None for all.
    """

    def __init__(
        self,
        capacity: int,
        on_close: Callable[[Following[T]], None],
        wants: Callable[[T], bool] | None = None,
    ) -> None:
        self._waiting: deque[T] = deque()
        self._capacity = capacity
        self._on_close = on_close
        self._wants = wants
        self._missed = 0
        self._arrival: asyncio.Future[None] | None = None
        self._closed = False

    def offer(self, entry: T) -> None:
        """Take the entry if it is wanted; never waits."""
        if self._wants is not None and not self._wants(entry):
            return
        if len(self._waiting) >= self._capacity:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(entry)
        self._wake()

    async def __anext__(self) -> T | Missed:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        if self._missed:
            missed, self._missed = self._missed, 0
            return Missed(missed)
        return self._waiting.popleft()

    def close(self) -> None:
        """Stop following; a reader that waits sees the end."""
        if not self._closed:
            self._closed = True
            self._on_close(self)
            self._wake()

    async def __aenter__(self) -> Following[T]:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
