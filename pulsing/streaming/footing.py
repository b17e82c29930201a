"""What a handle knows of the logs that it has used, and so what it must be told is lost.

A log has a lineage: another one in its place means that all that was in the first is gone. It has a generation: one
that wrote anew from below what the handle knows means that the end was lost, as by a power cut. And an oldest offset
above the one asked for means that retention was faster than the reader. Each loss is told once.
"""

from __future__ import annotations

from pulsing.exceptions import DataLost
from pulsing.streaming.bucket_words import Fetched, Ground


class Footing:
    """The logs of one queue, as one handle knows them."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._grounds: dict[int, Ground] = {}
        self._reached: dict[int, int] = {}
        """the offset behind the last record that the handle is known to have written or read"""
        self._owed: dict[int, DataLost] = {}
        self._told: dict[int, int] = {}
        """the oldest offset that retention had left when that was told"""
        self._ends_told: dict[int, int] = {}
        """up to where it was told that the end of a log is gone"""
        self.stale: set[int] = set()
        """the buckets whose last answer came from a side of a partition that does not go on"""

    def owes(self, bucket_id: int, fetched: Fetched, offset: int) -> bool:
        """Whether `read` would have a loss to tell to a handle that is at `offset`."""
        earliest = fetched.earliest
        behind = 0 < offset < earliest and earliest > self._told.get(bucket_id, 0)
        moved = self._loss_by(bucket_id, fetched.ground, None) is not None
        lacks_end = self._lacks_end(bucket_id, fetched.ground, offset, fetched.end)
        return bucket_id in self._owed or behind or moved or lacks_end

    def wrote(self, bucket_id: int, ground: Ground, following: int) -> None:
        """Note where the next record would go; a loss that shows by this is told at the next read."""
        if self._grounds.get(bucket_id) != ground:
            loss = self._stand_on(bucket_id, ground, None)
            if loss is not None:
                self._owed[bucket_id] = loss
        self.reach(bucket_id, following)

    def reach(self, bucket_id: int, following: int) -> None:
        """Note that the handle has had all that it wanted before an offset."""
        if following > self._reached.get(bucket_id, 0):
            self._reached[bucket_id] = following

    def read(self, bucket_id: int, fetched: Fetched, offset: int, anchored: bool) -> DataLost | None:
        """Note what a read found, and say what the handle has not been told yet.

        Args:
            bucket_id: the bucket.
            fetched: what the bucket answered.
            offset: where the handle wanted to read.
            anchored: whether the handle has a position of its own; without one it begins with what there is.
        """
        records, following, earliest, ground, stale, end = fetched
        (self.stale.add if stale else self.stale.discard)(bucket_id)
        owed = self._owed.pop(bucket_id, None)
        _, generation, _ = ground
        loss = self._stand_on(bucket_id, ground, offset if anchored else None) or owed
        if loss is not None:
            return loss
        if anchored and earliest > max(offset, self._told.get(bucket_id, 0)):
            self._told[bucket_id] = earliest
            return DataLost(self._topic, bucket_id, "retention", offset, earliest - 1, generation)
        if anchored and self._lacks_end(bucket_id, ground, offset, end):
            self._ends_told[bucket_id] = offset
            return DataLost(self._topic, bucket_id, "owner_died", end, offset - 1, generation)
        if records:
            self.reach(bucket_id, following)
        return None

    def _stand_on(self, bucket_id: int, ground: Ground, offset: int | None) -> DataLost | None:
        """Note which log there is now; returns what the handle has lost by it."""
        loss = self._loss_by(bucket_id, ground, offset)
        self._grounds[bucket_id] = ground
        if loss is not None and loss.last is None:
            for known in (self._reached, self._told, self._ends_told):
                known.pop(bucket_id, None)
        elif loss is not None:
            _, _, anew_from = ground
            self._reached[bucket_id], self._ends_told[bucket_id] = anew_from, self._reached[bucket_id]
        return loss

    def _loss_by(self, bucket_id: int, ground: Ground, offset: int | None) -> DataLost | None:
        lineage, generation, anew_from = ground
        known_lineage, known_generation, _ = self._grounds.get(bucket_id, ground)
        if known_lineage != lineage:
            return DataLost(self._topic, bucket_id, "owner_died", offset, None, generation)
        reached = self._reached.get(bucket_id, 0)
        if known_generation != generation and anew_from < reached:
            return DataLost(self._topic, bucket_id, "owner_died", anew_from, reached - 1, generation)
        return None

    def _lacks_end(self, bucket_id: int, ground: Ground, offset: int, end: int) -> bool:
        """Whether a log that has lost its end is asked for what may have been there."""
        _, _, anew_from = ground
        return anew_from <= end < offset and offset > self._ends_told.get(bucket_id, 0)
