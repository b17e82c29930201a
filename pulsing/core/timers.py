"""Deadlines of pending asks, cheap enough for every call to have one.

Nearly all asks use the same timeout, so they expire in the order in which they were made: those share one timer and
cost an insertion and a removal in a dict. Asks with a timeout of their own get a timer each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import isfinite
from numbers import Real
from typing import Any

from pulsing.core.envelope import Envelope
from pulsing.exceptions import DeadlineExceeded

DEFAULT_ASK_TIMEOUT = 30.0
"""Seconds that an ask waits unless it, or the setting of its node, says otherwise.

This very object stands for "nothing was said"; an ask that says 30.0 itself waits for 30 s whatever the setting is.
"""


_UNKNOWN: Any = object()


def check_seconds(seconds: float | None, what: str) -> None:
    """Refuse what is no time that one could wait.

    Raises:
        ValueError: neither None, which is no limit, nor a finite number.
    """
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, Real) or not _fits(seconds):
        raise ValueError(f"{what} is a number of seconds, or None, and not {seconds!r}")


def _fits(number: Real) -> bool:
    try:
        return isfinite(number)
    except OverflowError:
        return False  # an integer or a fraction that no clock can count to


class Deadlines:
    """The pending asks of one system; fails each with DeadlineExceeded when its time has come.

    Args:
        loop: whose timers are used.
        now: its clock.
        expired: called with each ask whose time is over; returns whether it may have been run.
    """

    __slots__ = ("_expired", "_loop", "_now", "_own", "common", "timer", "usual")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float],
        expired: Callable[[Envelope], bool] = lambda envelope: True,
    ) -> None:
        self._loop = loop
        self._now = now
        self._expired = expired
        self.usual = DEFAULT_ASK_TIMEOUT
        """seconds that an ask waits which says nothing of it; set before the first ask"""
        self.common: dict[Envelope, None] = {}
        """asks with the usual timeout, in the order of their deadlines"""
        self._own: dict[Envelope, asyncio.TimerHandle] = {}
        self.timer: asyncio.TimerHandle | None = None
        """while it runs, an ask with the usual timeout need only be put into `common`"""

    def add(self, envelope: Envelope) -> None:
        """Watch an ask that has a deadline until `done` is called for it."""
        timeout = envelope.timeout
        if timeout == self.usual:
            self.common[envelope] = None
            if self.timer is None:
                self.timer = self._loop.call_later(timeout, self._expire_common)
        elif timeout is not None:
            self._own[envelope] = self._loop.call_later(timeout, self._expire_own, envelope)

    def done(self, envelope: Envelope) -> None:
        """Forget an ask that has its answer."""
        if self.common.pop(envelope, _UNKNOWN) is _UNKNOWN and (timer := self._own.pop(envelope, None)) is not None:
            timer.cancel()

    def close(self) -> None:
        """Stop all timers; what is still pending is no longer watched."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        for timer in self._own.values():
            timer.cancel()
        self._own.clear()
        self.common.clear()

    def __len__(self) -> int:
        return len(self.common) + len(self._own)

    def pending(self) -> list[Envelope]:
        """The asks that wait for an answer."""
        return [*self.common, *self._own]

    def _expire_common(self) -> None:
        self.timer = None
        now = self._now()
        while self.common:
            envelope = next(iter(self.common))
            assert envelope.deadline is not None
            if envelope.deadline > now:
                self.timer = self._loop.call_later(envelope.deadline - now, self._expire_common)
                return
            del self.common[envelope]
            self._expire(envelope)

    def _expire_own(self, envelope: Envelope) -> None:
        if self._own.pop(envelope, None) is not None:
            self._expire(envelope)

    def _expire(self, envelope: Envelope) -> None:
        expire(envelope, self._expired(envelope))


def expire(envelope: Envelope, maybe_executed: bool = True) -> None:
    """Tell the caller that the time it granted is over."""
    operation = envelope.method or "receive"
    envelope.fail(DeadlineExceeded(operation, envelope.timeout or 0.0, maybe_executed))
