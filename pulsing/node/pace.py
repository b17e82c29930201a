"""A line of messages to one actor of another node, and how long the calls take that are sent from it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from typing import TypeAlias

from pulsing.core.envelope import Envelope, Reply
from pulsing.core.late import MARGIN

BELIEVED_FOR = 2.0
"""A measured time holds for so many times its own length; where calls go on there is a newer one by then."""

_NOTHING_SEEN = (inf, inf)
"""Seconds that a call took, and the seconds for each message that left the line meanwhile."""

Waiting: TypeAlias = "tuple[Envelope, asyncio.Future[None] | None]"
"""A message, and what is to be resolved when a link has taken it."""


class Line(deque[Waiting]):
    """What waits to be sent to one actor, in order.

    Args:
        now: the clock, in seconds.
    """

    __slots__ = ("_paces", "departed", "now")

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self.now = now
        self.departed = 0
        """Messages that have left the line, without those that were refused."""
        self._paces: dict[str | None, _Pace] = {}

    def remove_first(self) -> Envelope:
        """Take the first message out."""
        self.departed += 1
        return self.popleft()[0]

    def sent(self, envelope: Envelope) -> None:
        """A message is on its way: see how long it takes, unless another call of that method is being watched."""
        if envelope.reply is not None:
            pace = self._paces.get(envelope.method)
            if pace is None:
                pace = self._paces[envelope.method] = _Pace(self)
            if not pace.is_watching:
                pace.watch(envelope.reply)

    def is_too_late(self, envelope: Envelope, ahead: int) -> bool:
        """Whether a call would not be answered in time, if that takes as long as it just did for others.

        Args:
            envelope: the message; without a deadline it is never too late.
            ahead: how many are to be sent before it.
        """
        pace, deadline = self._paces.get(envelope.method), envelope.deadline
        if pace is None or deadline is None or not pace.is_believed or pace.expects(ahead) <= deadline:
            return False
        # Its method may take long by itself, or was watched while the line hardly moved. Calls of others that were
        # answered meanwhile stood in the same line.
        since = self.now() - BELIEVED_FOR * pace.took
        return not any(one.answered_at >= since and one.expects(ahead) <= deadline for one in self._paces.values())

    def forget(self) -> None:
        """What was seen so far holds no longer: the messages go another way."""
        self._paces.clear()


class _Pace:
    """How long the calls of one method take; one at a time is watched."""

    __slots__ = ("_before", "_last", "_line", "_until", "answered_at", "is_watching")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._last = self._before = _NOTHING_SEEN
        self.answered_at = self._until = -inf
        self.is_watching = False

    def watch(self, reply: Reply) -> None:
        """Take the time of a call that has just been sent."""
        self.is_watching = True
        reply.add_done_callback(partial(self._answered, self._line.now(), self._line.departed))

    def _answered(self, sent_at: float, departed: int, reply: Reply) -> None:
        self.is_watching = False
        now = self._line.now()
        if not reply.cancelled():
            # A caller who left says nothing; one whose time was over, that it takes so long at least.
            took = now - sent_at
            self._last, self._before = (took, took / (self._line.departed - departed or inf)), self._last
            self.answered_at = now
            self._until = now + BELIEVED_FOR * took

    @property
    def took(self) -> float:
        """Seconds that a call takes."""
        return self._usual[0]

    @property
    def _usual(self) -> tuple[float, float]:
        """Of the last two calls the quicker one counts; one that was held up says nothing of those that follow."""
        return min(self._last, self._before)

    @property
    def is_believed(self) -> bool:
        """Whether what was seen still holds."""
        return self._line.now() < self._until

    def expects(self, ahead: int) -> float:
        """When a call would be answered that is sent after so many others, if it goes as it just did."""
        took, each = self._usual
        return self._line.now() + ahead * each + MARGIN * took
