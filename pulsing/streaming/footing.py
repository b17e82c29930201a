"""What a handle knows of the logs that it has used, and so what it must be told is lost.

A log has a lineage. Another one in its place means that all that was in the first is gone; an oldest offset above the
one asked for means that retention was faster than the reader. Each loss is told once.
"""

from __future__ import annotations

from pulsing.exceptions import DataLost
from pulsing.streaming.storage import Fetched


class Footing:
    """The logs of one queue, as one handle knows them."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._lineages: dict[int, int] = {}
        self._owed: dict[int, DataLost] = {}
        self._told: dict[int, int] = {}
        self.stale: set[int] = set()
        """the buckets whose last answer came from a side of a partition that does not go on"""

    def owes(self, bucket_id: int, fetched: Fetched, offset: int) -> bool:
        """Whether `read` would have a loss to tell to a handle that is at `offset`."""
        known = self._lineages.get(bucket_id, fetched[3])
        behind = 0 < offset < fetched[2] and fetched[2] > self._told.get(bucket_id, 0)
        return known != fetched[3] or bucket_id in self._owed or behind

    def wrote(self, bucket_id: int, lineage: int, generation: int) -> None:
        """Note where a record went; a loss that shows by this is told at the next read."""
        known = self._lineages.get(bucket_id)
        if known != lineage:
            self._lineages[bucket_id] = lineage
            if known is not None:
                self._owed[bucket_id] = DataLost(self._topic, bucket_id, "owner_died", generation=generation)

    def read(self, bucket_id: int, fetched: Fetched, offset: int, anchored: bool) -> DataLost | None:
        """Note what a read found, and say what the handle has not been told yet.

        Args:
            bucket_id: the bucket.
            fetched: what the bucket answered.
            offset: where the handle wanted to read.
            anchored: whether the handle has a position of its own; without one it begins with what there is.
        """
        _, _, earliest, lineage, generation, stale = fetched
        (self.stale.add if stale else self.stale.discard)(bucket_id)
        owed = self._owed.pop(bucket_id, None)
        known = self._lineages.get(bucket_id)
        if known != lineage:
            self._lineages[bucket_id] = lineage
            self._told.pop(bucket_id, None)
            if known is not None:
                first = offset if anchored else None
                return DataLost(self._topic, bucket_id, "owner_died", first, None, generation)
        if owed is not None:
            return owed
        if anchored and earliest > max(offset, self._told.get(bucket_id, 0)):
            self._told[bucket_id] = earliest
            return DataLost(self._topic, bucket_id, "retention", offset, earliest - 1, generation)
        return None
