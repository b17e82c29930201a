"""Those who look on at a topic without being subscribers: each sees what it can keep up with."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

TAIL_CAPACITY = 256


@dataclass(slots=True)
class _Onlooker:
    waiting: deque[tuple[int, float, str | None, Any]] = field(default_factory=deque)
    skipped: int = 0
    arrival: asyncio.Future[None] | None = None


class Onlookers:
    """The onlookers of one topic."""

    def __init__(self) -> None:
        self.here: list[_Onlooker] = []

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        """Messages as they are shown: `{"n", "at", "sender", "value"}`, or `{"skipped": count}` for who is slow."""
        onlooker = _Onlooker()
        self.here.append(onlooker)
        try:
            while True:
                if not onlooker.waiting:
                    onlooker.arrival = asyncio.get_running_loop().create_future()
                    await onlooker.arrival
                if onlooker.skipped:
                    skipped, onlooker.skipped = onlooker.skipped, 0
                    yield {"skipped": skipped}
                number, at, sender, value = onlooker.waiting.popleft()
                yield {"n": number, "at": at, "sender": sender, "value": value}
        finally:
            self.here.remove(onlooker)

    def show(self, number: int, at: float, sender_id: str | None, payload: Any) -> None:
        """Let all see a message."""
        for onlooker in self.here:
            if len(onlooker.waiting) >= TAIL_CAPACITY:
                onlooker.skipped += 1
                continue
            onlooker.waiting.append((number, at, sender_id, payload))
            if onlooker.arrival is not None and not onlooker.arrival.done():
                onlooker.arrival.set_result(None)
