"""How many values a label may have: what comes first keeps its series for life, what is over the cap counts together.

So no counter ever falls, and sums still hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pulsing.admin.settings import AdminSettings
from pulsing.admin.sheet import Labels

OTHER = "_other"


class Cap:
    """Lets the first `limit` label values through; the rest are one value together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: set[Labels] = set()
        self.over = 0
        """how many values were over the limit, at the most"""

    def admit(self, values: Iterable[Labels]) -> Callable[[Labels], Labels]:
        """The label values to show for each of `values`."""
        over = 0
        for value in values:
            if value in self._kept:
                continue
            if len(self._kept) < self._limit:
                self._kept.add(value)
            else:
                over += 1
        self.over = max(self.over, over)
        return lambda value: value if value in self._kept else tuple(OTHER for _ in value)


class Caps:
    """Those of a node."""

    def __init__(self, settings: AdminSettings) -> None:
        self.pairs = Cap(settings.max_pairs)
        self.classes = Cap(settings.max_classes)
        self.queues = Cap(settings.max_queues)
        self.topics = Cap(settings.max_topics)
        self.objects = 0
        """how many objects were over the limit of a family of single objects so far"""

    @property
    def over(self) -> dict[str, int]:
        """How many values are counted together, by what the label is."""
        return {
            "pair": self.pairs.over,
            "class": self.classes.over,
            "queue": self.queues.over,
            "topic": self.topics.over,
            "object": self.objects,
        }
