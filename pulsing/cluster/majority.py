"""Which side of a partition goes on: the one with the majority of those who were here when all was calm.

A view that stands for seven seconds, on a side that goes on, is what the next partition is measured by. A member that
has left, or whose process is known to have ended, is on no side; one that has only fallen silent may be on the other.
Knows nothing of the network.
"""

from __future__ import annotations

from collections.abc import Set

STABLE_S = 7.0
"""Longer than the time for which a silent member is a suspect: so a partition is over, or seen as one, before the view
of one side becomes the calm one."""


class Majority:
    """One node's opinion whether its side may take over what others had.

    Args:
        me: this node.
        now: the time.
    """

    def __init__(self, me: int, now: float) -> None:
        self._present: Set[int] = frozenset({me})
        self._since = now
        self._electorate: Set[int] = frozenset()

    def see(self, present: Set[int], silent: Set[int], now: float) -> None:
        """Take note of the members.

        Args:
            present: those that answer, this node among them.
            silent: those that are held for dead, though nobody knows whether they are.
            now: the time.
        """
        self._settle(now)
        self._electorate &= present | silent
        if present != self._present:
            self._present, self._since = frozenset(present), now

    def learn(self, electorate: Set[int]) -> None:
        """Take over by whom another member measures, if this node came after those whom that member misses."""
        if self._electorate <= self._present and not electorate <= self._present:
            self._electorate = frozenset(electorate)

    def electorate(self, now: float) -> Set[int]:
        """Those whose majority counts; nobody before there was a calm view."""
        self._settle(now)
        return self._electorate

    @property
    def holds(self) -> bool:
        """Whether this side goes on: with the majority, or as the half that has the lowest id."""
        return self.holds_with(self._present)

    def holds_with(self, members: Set[int]) -> bool:
        """Whether a side of these members would go on; before the first calm view it is measured by who is here."""
        measure = self._electorate or self._present
        here = len(measure & members)
        if 2 * here == len(measure):
            return min(measure) in members
        return 2 * here > len(measure)

    def _settle(self, now: float) -> None:
        if now - self._since >= STABLE_S and self.holds:
            self._electorate = self._present
