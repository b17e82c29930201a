"""Damage for the files of the durable store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pulsing.streaming.backends.rows import read_row


def damage_records(path: Path, *offsets: int) -> None:
    """Flip a bit in the last byte of some records."""
    with closing(sqlite3.connect(path)) as database, database:
        for *columns, stored in database.execute("SELECT first, at, base, head, payloads FROM batches").fetchall():
            row = read_row(*columns)
            assert row is not None
            damaged = bytearray(stored)
            for offset in offsets:
                if row.first <= offset < row.end:
                    damaged[row.base_at(offset + 1) - row.base - 1] ^= 1
            database.execute("UPDATE batches SET payloads = ? WHERE first = ?", (bytes(damaged), row.first))
