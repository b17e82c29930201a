"""Records as the rows of a file: many to a row, with a checksum for each and one for what the row says of itself.

A row costs a database far more than a record does, so that those of one commit share rows. Damage of a record is that
record's loss alone; where the row can no longer say where its records begin, all of them are lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct, pack, unpack_from
from typing import NamedTuple
from zlib import crc32

MOST_RECORDS = 128
"""Records a row: reads of a hundred from anywhere then touch two rows, three at most."""

MOST_BYTES = 64 * 1024
"""Bytes a row, unless one record has more: who reads a single record has its row read."""

Columns = tuple[int, float, int, bytes, bytes]
"""A row as it is stored: first offset, time, base, head, payloads."""

_VERSION = 1
_HEAD = Struct("<BI")
_PLACE = Struct("<qdq")
_NUMBERS = 8
"""bytes that the head has for a record: its size and its checksum"""


class Row(NamedTuple):
    """What a row says of its records; whole by its checksum."""

    first: int
    """offset of the first"""
    at: float
    """when they were put, on the wall clock"""
    base: int
    """bytes of all records that were ever put before them"""
    numbers: tuple[int, ...]
    """the size of each, then the checksum of each"""

    @property
    def length(self) -> int:
        """How many records there are."""
        return len(self.numbers) // 2

    @property
    def end(self) -> int:
        """The offset behind the last."""
        return self.first + len(self.numbers) // 2

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each record."""
        return self.numbers[: self.length]

    @property
    def checksums(self) -> tuple[int, ...]:
        """Checksum of each record."""
        return self.numbers[self.length :]

    def base_at(self, offset: int) -> int:
        """Bytes of all records that were ever put before one of these, or before those behind them."""
        return self.base + sum(self.sizes[: max(0, offset - self.first)])

    def payloads(self, stored: bytes, start: int, end: int) -> Iterator[bytes | None]:
        """The records with offsets from `start` to `end`, out of the payloads of the row; None for a damaged one."""
        wanted = slice(start - self.first, max(0, end - self.first))
        place = sum(self.sizes[: wanted.start])
        for size, checksum in zip(self.sizes[wanted], self.checksums[wanted], strict=True):
            payload = stored[place : place + size]
            yield payload if crc32(payload) == checksum else None
            place += size


StoredRow = tuple[Row, bytes]
"""A row and its payloads."""


def rows_of(first: int, at: float, base: int, payloads: Sequence[bytes]) -> list[Columns]:
    """Encoded records as rows, the first with this offset."""
    size = sum(map(len, payloads))
    if 0 < len(payloads) <= MOST_RECORDS and size <= MOST_BYTES:
        return [_row(first, at, base, payloads)]
    rows = []
    for part in in_parts(payloads):
        rows.append(_row(first, at, base, part))
        first += len(part)
        base += sum(map(len, part))
    return rows


def in_parts(
    payloads: Sequence[bytes], most_records: int = MOST_RECORDS, most_bytes: int = MOST_BYTES
) -> Iterator[list[bytes]]:
    """Encoded records in parts of so many records and bytes at most; one that is larger makes a part of its own."""
    part: list[bytes] = []
    size = 0
    for payload in payloads:
        if part and (len(part) == most_records or size + len(payload) > most_bytes):
            yield part
            part, size = [], 0
        part.append(payload)
        size += len(payload)
    if part:
        yield part


def _row(first: int, at: float, base: int, payloads: Sequence[bytes]) -> Columns:
    numbers = pack(f"<{2 * len(payloads)}I", *map(len, payloads), *map(crc32, payloads))
    checksum = crc32(numbers, crc32(_PLACE.pack(first, at, base)))
    return first, at, base, _HEAD.pack(_VERSION, checksum) + numbers, b"".join(payloads)


def read_row(first: object, at: object, base: object, head: object) -> Row | None:
    """What a stored row says of its records; None if it is damaged."""
    if type(first) is not int or type(at) is not float or type(base) is not int or type(head) is not bytes:
        return None
    count, rest = divmod(len(head) - _HEAD.size, _NUMBERS)
    if count < 1 or rest:
        return None
    version, checksum = _HEAD.unpack_from(head)
    if version != _VERSION or crc32(head[_HEAD.size :], crc32(_PLACE.pack(first, at, base))) != checksum:
        return None
    return Row(first, at, base, unpack_from(f"<{2 * count}I", head, _HEAD.size))
