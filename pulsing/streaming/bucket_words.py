"""What a bucket tells those who write to it and read from it: where records are, and in which log."""

from __future__ import annotations

from typing import Any

from pulsing.streaming.backends.memory import Record

Ground = tuple[int, int, int]
"""Lineage and generation of a log, and the offset from which on the generation may have written anew what was lost.

The lineage is the identity of a log: another one means that what was in the old one is gone.
"""

Appended = tuple[int, Ground]
"""Offset of the first record that was stored, and where that is."""

Moved = tuple[dict[str, Any], list[Record]]
"""What there is to know of a log in memory, and its records."""

Fetched = tuple[list[Record], int, int, Ground, bool, int]
"""Records, the offset to go on from, the oldest offset that there is, the log, whether all of that may be stale,
because the bucket is on the side of a partition that does not go on, and the offset that the next record gets."""
