"""What a bucket tells those who write to it and read from it: where records are, and in which log."""

from __future__ import annotations

from typing import Any, NamedTuple

from pulsing.streaming.backends.memory import Record

Ground = tuple[int, int, int]
"""Lineage and generation of a log, and the offset from which on the generation may have written anew what was lost.

The lineage is the identity of a log: another one means that what was in the old one is gone.
"""

Appended = tuple[int, Ground]
"""Offset of the first record that was stored, and where that is."""

Moved = tuple[dict[str, Any], list[Record]]
"""What there is to know of a log in memory, and its records."""

FetchedFields = tuple[list[Record], int, int, Ground, bool, int]
"""The fields of `Fetched`, as a bucket sends them."""


class Fetched(NamedTuple):
    """What a bucket had to read."""

    records: list[Record]
    following: int
    """Offset to go on from."""
    earliest: int
    """The oldest offset that there is."""
    ground: Ground
    stale: bool
    """Whether there may be more, since the bucket is on the side of a partition that does not go on."""
    end: int
    """Offset that the next record will get."""
