"""Messages that cannot be sent yet: they stand in one line for each actor, and the lines take turns.

So a message keeps its place among those to the same actor, and holds up none to others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from pulsing.core.envelope import Envelope
from pulsing.core.mailbox import still_waits
from pulsing.node.pace import Line, Waiting


class Lines:
    """All that waits to be sent to one node.

    Args:
        now: the clock, in seconds.
        on_abandoned: called with each message whose caller has left; it is not sent.
        on_too_late: called with each call that would be answered too late; it is not sent either.
    """

    def __init__(
        self,
        now: Callable[[], float],
        on_abandoned: Callable[[Envelope], None],
        on_too_late: Callable[[Envelope], None],
    ) -> None:
        self._now = now
        self._on_abandoned = on_abandoned
        self._on_too_late = on_too_late
        self._lines: dict[int, Line] = {}
        self._turns: deque[int] = deque()
        self._full: set[bytes] = set()
        """As bytes, since a peer names them, which could choose numbers that all have the same hash."""
        self._large: deque[int] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def empty(self) -> bool:
        """Whether a message to any actor may be sent without standing in line."""
        return not self._lines and not self._full

    def add(self, message: Waiting) -> None:
        """Let a message stand in line, unless it would come too late."""
        target = message[0].target.id
        line = self._lines.get(target)
        if line is None:
            line = self._lines[target] = Line(self._now)
            if not self._full or _as_bytes(target) not in self._full:
                self._turns.append(target)
        while line and line[0][0].abandoned:
            self._count -= 1
            self._on_abandoned(line.remove_first())
        if line.is_too_late(message[0], len(line)):
            self._on_too_late(message[0])
            return
        line.append(message)
        self._count += 1

    def holds(self, envelope: Envelope) -> bool:
        """Whether a message stands in line still."""
        return still_waits(envelope, (one for one, _ in self._lines.get(envelope.target.id, ())))

    def first(self) -> Waiting | None:
        """The message whose turn it is; None where none may be sent."""
        while self._turns:
            line = self._lines[self._turns[0]]
            while line:
                first = line[0][0]
                if first.abandoned:
                    self._on_abandoned(line.remove_first())
                elif line.is_too_late(first, 0):
                    line.popleft()
                    self._on_too_late(first)
                else:
                    return line[0]
                self._count -= 1
            del self._lines[self._turns.popleft()]
        return None

    def remove_first(self) -> None:
        """The message whose turn it was has been sent, or cannot be; it is the turn of the next line."""
        target = self._turns.popleft()
        line = self._lines[target]
        line.sent(line.remove_first())
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
        self._full.add(_as_bytes(target))
        for turns in (self._turns, self._large):
            if target in turns:
                turns.remove(target)

    def release(self, target: int) -> None:
        """An actor has room again."""
        name = _as_bytes(target)
        if name in self._full:
            self._full.discard(name)
            if target in self._lines:
                self._turns.append(target)

    def release_all(self) -> None:
        """Forget which actors are full, that room for large messages is short, and how long calls took."""
        for line in self._lines.values():
            line.forget()
        for name in list(self._full):
            self.release(int.from_bytes(name, "big"))
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


def _as_bytes(target: int) -> bytes:
    return target.to_bytes(16, "big")
