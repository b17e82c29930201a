"""Messages that cannot be sent yet: they stand in one line for each actor, and the lines take turns.

So a message keeps its place among those to the same actor, and holds up none to others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeAlias

from pulsing.core.envelope import Envelope
from pulsing.core.mailbox import LOOKED_AT

Waiting: TypeAlias = "tuple[Envelope, asyncio.Future[None] | None]"
"""A message, and what is to be resolved when a link has taken it."""


class Lines:
    """All that waits to be sent to one node.

    Args:
        on_abandoned: called with each message whose caller has left; it is not sent.
    """

    def __init__(self, on_abandoned: Callable[[Envelope], None]) -> None:
        self._on_abandoned = on_abandoned
        self._lines: dict[int, deque[Waiting]] = {}
        self._turns: deque[int] = deque()
        self._full: set[int] = set()
        self._large: deque[int] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def empty(self) -> bool:
        """Whether a message to any actor may be sent without standing in line."""
        return not self._lines and not self._full

    def add(self, message: Waiting) -> None:
        """Let a message stand in line."""
        target = message[0].target.id
        line = self._lines.get(target)
        if line is None:
            line = self._lines[target] = deque()
            if target not in self._full:
                self._turns.append(target)
        while line and line[0][0].abandoned:
            self._count -= 1
            self._on_abandoned(line.popleft()[0])
        line.append(message)
        self._count += 1

    def holds(self, envelope: Envelope) -> bool:
        """Whether a message is known to stand in line still; looks at the first ones only."""
        line = self._lines.get(envelope.target.id, ())
        return any(one is envelope for one, _ in islice(line, LOOKED_AT))

    def first(self) -> Waiting | None:
        """The message whose turn it is; None where none may be sent."""
        while self._turns:
            line = self._lines[self._turns[0]]
            while line:
                if not line[0][0].abandoned:
                    return line[0]
                self._count -= 1
                self._on_abandoned(line.popleft()[0])
            del self._lines[self._turns.popleft()]
        return None

    def remove_first(self) -> None:
        """The message whose turn it was has been sent, or cannot be; it is the turn of the next line."""
        target = self._turns.popleft()
        line = self._lines[target]
        line.popleft()
        self._count -= 1
        if line:
            self._turns.append(target)
        else:
            del self._lines[target]

    def set_first_aside(self) -> None:
        """The message whose turn it is is too large for now; its line waits for `take_large`."""
        self._large.append(self._turns.popleft())

    def take_large(self) -> None:
        """There is room for large messages again."""
        self._turns.extend(self._large)
        self._large.clear()

    def hold(self, target: int) -> None:
        """Send nothing to an actor until `release`."""
        self._full.add(target)
        for turns in (self._turns, self._large):
            if target in turns:
                turns.remove(target)

    def release(self, target: int) -> None:
        """An actor has room again."""
        if target in self._full:
            self._full.discard(target)
            if target in self._lines:
                self._turns.append(target)

    def release_all(self) -> None:
        """Nothing that was said of actors, or of room for large messages, holds any longer."""
        for target in list(self._full):
            self.release(target)
        self.take_large()

    def drain(self) -> Iterator[Waiting]:
        """Take everything out."""
        lines = list(self._lines.values())
        self._lines.clear()
        self._turns.clear()
        self._large.clear()
        self._full.clear()
        self._count = 0
        for line in lines:
            yield from line
