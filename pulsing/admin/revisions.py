"""How often each list has changed since the plane began: the number that its answers carry as their revision."""

from __future__ import annotations

from collections import OrderedDict

MAX_QUESTIONS = 1_000


class Revisions:
    """Numbers the states of lists, in one sequence for all of them.

    A question that was not asked for long is forgotten, and its answer then counts as changed.
    """

    def __init__(self) -> None:
        self._last = 0
        self._known: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def of(self, question: str, tag: str) -> int:
        """The revision of an answer: that of the last one where it has the same tag, else the next number."""
        known = self._known.get(question)
        if known is None or known[0] != tag:
            self._last += 1
            known = self._known[question] = (tag, self._last)
            while len(self._known) > MAX_QUESTIONS:
                self._known.popitem(last=False)
        self._known.move_to_end(question)
        return known[1]
