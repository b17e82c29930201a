"""What goes between a handle and a bucket of another node in several calls, because it is too large for one."""

from __future__ import annotations

from collections.abc import Iterator

from pulsing.streaming.backends.memory import Record, size_of
from pulsing.wire.values import Codec

PART_BYTES = 128 * 1024
"""Bytes of records a call; the structure of a value may have twice that."""
PART_MEMORY = 160 * 1024
"""The same by their size in memory, which is less than what they take on the way only for some scripts: by a third."""
PART_RECORDS = 10_000

FIRST_PAGE = 1_000
"""Records a call that a reader asks a bucket of another node for at first."""


def parts_of(records: list[Record]) -> Iterator[list[Record]]:
    """The records in parts that travel; one that is large makes a part of its own.

    Raises:
        NotSendable: a record cannot travel at all; raised before the first part.
    """
    encode = Codec().encode
    sizes = [len(encode(record)) for record in records]
    return _cut(records, sizes)


def one_part(records: list[Record]) -> int:
    """How many of the first records fit into one call, by their size in memory; at least one if there is any."""
    total = 0
    for count, record in enumerate(records[:PART_RECORDS]):
        total += _size(record)
        if total > PART_MEMORY and count:
            return count
    return min(len(records), PART_RECORDS)


def is_full(part: list[Record]) -> bool:
    """Whether `one_part` may have cut these from more."""
    return sum(map(_size, part)) > PART_MEMORY // 2


def _size(record: Record) -> int:
    return size_of(record) + sum(len(key) for key in record if type(key) is str)


def _cut(records: list[Record], sizes: list[int]) -> Iterator[list[Record]]:
    part: list[Record] = []
    total = 0
    for record, size in zip(records, sizes, strict=True):
        if part and (total + size > PART_BYTES or len(part) == PART_RECORDS):
            yield part
            part, total = [], 0
        part.append(record)
        total += size
    yield part


class Pages:
    """How many records a handle asks a bucket for at a time: as many as answers to another node had room for."""

    def __init__(self) -> None:
        self.size = FIRST_PAGE

    def shrink(self) -> bool:
        """Ask for half as many from now on; False if it is one already."""
        if self.size == 1:
            return False
        self.size //= 2
        return True

    def fit(self, count: int) -> None:
        """Ask for so many from now on: an answer had room for no more."""
        self.size = max(1, count)

    def grow(self) -> None:
        """Ask for a little more: a page has come whole."""
        self.size = min(FIRST_PAGE, self.size + self.size // 8 + 1)
