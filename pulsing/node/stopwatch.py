"""How long something has been the case, in all."""

from __future__ import annotations


class Stopwatch:
    """Sums up the spans between `start` and `stop`; both may be called again and again."""

    __slots__ = ("_since", "_sum")

    def __init__(self) -> None:
        self._sum = 0.0
        self._since: float | None = None

    @property
    def runs(self) -> bool:
        """Whether a span is open."""
        return self._since is not None

    def start(self, now: float) -> None:
        """A span begins, unless one is open."""
        if self._since is None:
            self._since = now

    def stop(self, now: float) -> None:
        """The open span ends, if there is one."""
        self._sum, self._since = self.total(now), None

    def total(self, now: float) -> float:
        """Seconds so far, an open span included."""
        return self._sum if self._since is None else self._sum + now - self._since
