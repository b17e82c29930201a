"""What traces the records of a file belong to, in a table of their own that there is only where somebody traces."""

from __future__ import annotations

from collections.abc import Sequence

from pulsing.streaming.backends.sqlite_file import SqliteFile

Run = tuple[int, int, bytes]
"""Offset of the first record, how many they are, and the trace context of their put."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS traces(first INTEGER PRIMARY KEY, count INTEGER NOT NULL, context BLOB NOT NULL)"
# One run may begin before an offset and reach beyond it: runs stand side by side.
_FORGET = "DELETE FROM traces WHERE first < (SELECT max(first) FROM traces WHERE first <= ?)"
_FIND = """
SELECT first, count, context FROM traces
WHERE first >= coalesce((SELECT max(first) FROM traces WHERE first <= ?), 0) AND first < ? AND first + count > ?
"""


def keep(file: SqliteFile, runs: Sequence[Run]) -> None:
    """Keep of which puts some records are, which are in the file already."""
    with file._owned() as connection:
        connection.execute(_SCHEMA)
        connection.execute(_FORGET, (file.first,))
        connection.executemany("INSERT OR REPLACE INTO traces(first, count, context) VALUES(?, ?, ?)", runs)


def kept(file: SqliteFile, first: int, end: int) -> list[Run]:
    """The runs that have records from `first` up to before `end`."""
    connection = file._open_connection()
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name='traces'").fetchone() is None:
        return []
    return connection.execute(_FIND, (first, end, first)).fetchall()
