"""Records as the entries of a stream: those of one append share entries, whose ids say where they end.

An entry costs the server far more than a record does, in time and in its append-only file, and has as many as a row of
a file: who reads one record has its entry sent. The first entry from an offset on is the one that has it, since the
entry that ends before offset n has the id 0-n.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack  # type: ignore[import-untyped]

from pulsing.streaming.backends.bodies import Row
from pulsing.streaming.backends.rows import in_parts

ONE, MANY = b"d", b"b"
"""Fields of an entry: a record, or a msgpack list of records; beside them `t` has the time."""

# The reader of msgpack in the server's scripts is older than its type for bytes.
_pack = msgpack.Packer(use_bin_type=False).pack


def entries_of(bodies: Sequence[bytes]) -> list[Any]:
    """What the script that appends is told of records: field, count and payload of each entry, one after the other."""
    told: list[Any] = []
    for part in in_parts(bodies):
        told += (ONE, 1, part[0]) if len(part) == 1 else (MANY, len(part), _pack(part))
    return told


def rows_of(entry: Any, start: int) -> list[Row]:
    """The records of an entry from the offset `start` on, with their offsets; none if it is damaged."""
    fields = entry[1]
    if ONE in fields:
        bodies = [fields[ONE]]
    else:
        try:
            bodies = msgpack.unpackb(fields.get(MANY, b""), raw=True)
        except (ValueError, msgpack.exceptions.UnpackException):
            return []
        if not (isinstance(bodies, list) and all(type(body) is bytes for body in bodies)):
            return []
    first = end_of(entry) - len(bodies)
    skipped = max(0, start - first)
    return list(enumerate(bodies[skipped:], first + skipped))


def end_of(entry: Any) -> int:
    """The offset behind the last record of an entry."""
    return int(entry[0].partition(b"-")[2])


def time_of(entry: Any) -> float:
    """When the records of an entry were put, on the wall clock."""
    return float(entry[1][b"t"])
