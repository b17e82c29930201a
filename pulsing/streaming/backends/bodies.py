"""A record as durable stores keep it: a version, a checksum and the encoded value. Damage is told, never read over."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from pulsing.exceptions import DataLost
from pulsing.streaming.backends.memory import Record, Window
from pulsing.streaming.backends.rows import StoredRow
from pulsing.wire.errors import ProtocolError
from pulsing.wire.values import Codec

_VERSION = 1
_HEAD = struct.Struct(">BI")
_HEAD_SIZE = _HEAD.size
_DICT = frozenset({dict})

Row = tuple[int, bytes]
"""Offset and body."""


class Bodies:
    """Encodes and decodes the records of one store; nothing in them is ever pickled."""

    def __init__(self) -> None:
        self._codec = Codec()

    def encode(self, records: Sequence[Record]) -> list[bytes]:
        """The bodies of records.

        Raises:
            NotSendable: a value cannot be stored.
        """
        head, version = _HEAD.pack, _VERSION
        return [head(version, crc32(payload)) + payload for payload in self._codec.encode_maps(records)]

    def payloads(self, records: Sequence[Record]) -> list[bytes]:
        """The encoded values of records, for a store that keeps their checksums beside them.

        Raises:
            NotSendable: a value cannot be stored.
        """
        return self._codec.encode_maps(records)

    def decode(self, body: bytes) -> Record | None:
        """The record in a body; None if it is damaged.

        Raises:
            DecodeError: it is whole, and has a value of a class that this process does not know.
        """
        if type(body) is not bytes or len(body) < _HEAD_SIZE:
            return None
        version, checksum = _HEAD.unpack_from(body)
        payload = body[_HEAD_SIZE:]
        if version != _VERSION or crc32(payload) != checksum:
            return None
        return self._record(payload)

    def _record(self, payload: bytes) -> Record | None:
        try:
            record: Any = self._codec.decode_kept(payload)
        except ProtocolError:
            return None
        return record if isinstance(record, dict) else None

    def window(self, bucket_id: int, generation: int, rows: Sequence[Row], start: int, end: int, first: int) -> Window:
        """The records from `start` up to the first that is missing or damaged.

        Args:
            bucket_id: the bucket, for errors.
            generation: of the log, for errors.
            rows: what the store found from `start` on.
            start: where reading began; there is a record.
            end: the offset that the next record gets.
            first: the oldest offset that there is.

        Raises:
            DataLost: there is none at `start`.
        """
        records: list[Record] = []
        for place, (offset, body) in enumerate(rows, start):
            record = self.decode(body) if offset == place else None
            if record is None:
                break
            records.append(record)
        if not records:
            last = max(start, rows[0][0] - 1) if rows else end - 1
            raise DataLost("", bucket_id, "corrupt", start, last, generation)
        return Window(records, start + len(records), first)

    def window_of_rows(
        self, bucket_id: int, generation: int, rows: Sequence[StoredRow], start: int, stop: int, end: int, first: int
    ) -> Window:
        """The same for rows that have many records each, up to the offset `stop`.

        The rows are whole themselves; there is one with `start`, or the first behind it is the last of them.
        """
        payloads: list[bytes] = []
        for row, stored in rows:
            if not row.first <= start + len(payloads) < row.end:
                break
            for payload in row.payloads(stored, start + len(payloads), stop):
                if payload is None:
                    break
                payloads.append(payload)
        records = self._records(payloads)
        if not records:
            last = next((max(start, row.first - 1) for row, _ in rows if row.end > start), end - 1)
            raise DataLost("", bucket_id, "corrupt", start, last, generation)
        return Window(records, start + len(records), first)

    def _records(self, payloads: list[bytes]) -> list[Record]:
        """The records in whole payloads, up to the first that is none."""
        records: list[Record] = []
        values = self._codec.decode_kept_together(payloads)
        if values is not None and _DICT.issuperset(map(type, values)):
            return values
        for payload in payloads:
            record = self._record(payload)
            if record is None:
                break
            records.append(record)
        return records
