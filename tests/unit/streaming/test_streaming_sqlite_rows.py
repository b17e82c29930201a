"""Rows of the durable store: many records each, of which damage takes as few as it can."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsing.exceptions import DataLost, PulsingRuntimeError
from pulsing.streaming.backends.rows import MOST_BYTES, MOST_RECORDS, read_row, rows_of
from pulsing.streaming.backends.sqlite import SqliteBackend, file_of

SCHEMA = "UPDATE sqlite_master SET sql = replace(sql, 'INTEGER PRIMARY KEY', 'INTEGER') WHERE name = 'batches'"

PAYLOADS = st.lists(st.binary(max_size=40), max_size=300)


def numbered(*numbers: int) -> list[dict[str, Any]]:
    return [{"n": n, "text": "x" * 50} for n in numbers]


@given(PAYLOADS, st.integers(0, 1 << 61), st.floats(0, 1e10), st.integers(0, 1 << 61))
def test_payloads_come_back_from_rows_in_their_places(payloads: list[bytes], first: int, at: float, base: int) -> None:
    found: list[bytes | None] = []
    for *columns, stored in rows_of(first, at, base, payloads):
        row = read_row(*columns)
        assert row is not None and row.at == at
        assert (row.first, row.base) == (first + len(found), base + sum(map(len, filter(None, found))))
        assert 0 < row.length == row.end - row.first <= MOST_RECORDS
        found += row.payloads(stored, row.first, row.end)
    assert found == payloads


@given(PAYLOADS.filter(bool), st.data())
def test_a_part_of_a_row_is_read_alone(payloads: list[bytes], data: st.DataObject) -> None:
    *columns, stored = rows_of(7, 1.5, 0, payloads)[0]
    row = read_row(*columns)
    assert row is not None
    start = data.draw(st.integers(row.first, row.end - 1))
    end = data.draw(st.integers(start, row.end + 5))

    assert list(row.payloads(stored, start, end)) == payloads[: row.length][start - 7 : end - 7]
    assert row.base_at(start) == sum(map(len, payloads[: start - 7]))


@given(PAYLOADS.filter(bool), st.data())
def test_a_flipped_bit_costs_the_record_that_it_is_in_or_the_row_that_it_describes(
    payloads: list[bytes], data: st.DataObject
) -> None:
    first, at, base, head, stored = rows_of(0, 1.5, 0, payloads)[0]
    bit = data.draw(st.integers(0, 8 * (len(head) + len(stored)) - 1))
    damaged = bytearray(head + stored)
    damaged[bit // 8] ^= 1 << bit % 8
    row = read_row(first, at, base, bytes(damaged[: len(head)]))

    if bit // 8 < len(head):
        assert row is None
    else:
        assert row is not None
        found = list(row.payloads(bytes(damaged[len(head) :]), 0, row.end))
        assert found.count(None) == 1
        assert all(there in (None, was) for there, was in zip(found, payloads, strict=False))


@pytest.mark.parametrize("columns", [(1, 1.5, 0, None), ("1", 1.5, 0, b""), (1, None, 0, b""), (1, 1.5, 0, b"x" * 6)])
def test_a_row_with_anything_else_in_it_is_damaged(columns: tuple[Any, ...]) -> None:
    assert read_row(*columns) is None


def test_a_row_that_stands_in_another_place_is_damaged() -> None:
    first, at, base, head, _ = rows_of(5, 1.5, 10, [b"abc"])[0]

    assert read_row(first, at, base, head) is not None
    for moved in ((first + 1, at, base, head), (first, at + 1, base, head), (first, at, base + 1, head)):
        assert read_row(*moved) is None


def test_large_records_do_not_share_a_row_with_many() -> None:
    large = bytes(MOST_BYTES // 3)

    made = rows_of(0, 1.5, 0, [large] * 7 + [bytes(3 * MOST_BYTES), b"small"])

    assert [first for first, *_ in made] == [0, 3, 6, 7, 8]


# --- in a file -------------------------------------------------------------------------------------------------------


def rows_in(path: Path) -> list[tuple[int, int]]:
    """First offset and number of records of each row of a file."""
    with closing(sqlite3.connect(path)) as database:
        columns = database.execute("SELECT first, at, base, head FROM batches ORDER BY first").fetchall()
    found = [read_row(*each) for each in columns]
    return [(row.first, row.length) for row in found if row is not None]


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


async def lost_at(store: SqliteBackend, offset: int) -> tuple[int | None, int | None]:
    with pytest.raises(DataLost) as caught:
        await store.get(10, offset)
    assert caught.value.reason == "corrupt"
    return caught.value.first, caught.value.last


async def test_the_records_of_a_batch_share_rows_and_are_read_from_anywhere(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path))
    await store.put_batch(numbered(*range(300)))
    await store.put({"n": 300, "text": "x" * 50})
    assert rows_in(store.path) == [(0, 128), (128, 128), (256, 44), (300, 1)]

    for offset in (0, 1, 100, 127, 128, 129, 250, 299, 300):
        assert await store.get(100, offset) == numbered(*range(offset, min(offset + 100, 301)))
    await store.close()


async def test_records_with_large_and_odd_values_are_read_among_plain_ones(tmp_path: Path) -> None:
    records = [*numbered(0, 1), {"blob": b"z" * 100_000, "pair": (1, {2})}, *numbered(3), {"n": 1 << 80}, *numbered(5)]
    store = SqliteBackend(0, str(tmp_path))
    await store.put_batch(records)

    assert await store.get(10, 0) == records
    assert await store.get(2, 2) == records[2:4]
    await store.close()


async def test_a_row_that_cannot_tell_its_records_is_lost_whole_and_those_around_it_are_not(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path))
    for first in (0, 10, 20, 30):
        await store.put_batch(numbered(*range(first, first + 10)))
    change(store.path, "UPDATE batches SET head = zeroblob(length(head)) WHERE first = 10")
    change(store.path, "DELETE FROM batches WHERE first = 20")

    assert await store.get(100, 3) == numbered(*range(3, 10))
    assert await lost_at(store, 10) == (10, 29)
    assert await lost_at(store, 25) == (25, 29)
    assert await store.get(100, 30) == numbered(*range(30, 40))
    await store.close()


@pytest.mark.parametrize("closed", [True, False])
async def test_offsets_of_a_damaged_last_row_are_not_given_again(tmp_path: Path, closed: bool) -> None:
    store = SqliteBackend(0, str(tmp_path))
    await store.put_batch(numbered(0, 1))
    await store.put_batch(numbered(2, 3, 4))
    if not closed:
        store._file.close()
    await store.close()
    change(store.path, "UPDATE batches SET head = x'00' WHERE first = 2")
    again = SqliteBackend(0, str(tmp_path))
    where = await again.append(numbered(5))

    assert where == (5 if closed else 2 + MOST_RECORDS)
    assert await again.get(10, 0) == numbered(0, 1)
    assert await lost_at(again, 2) == (2, where - 1)
    assert await again.get(10, where) == numbered(5)
    await again.close()


async def test_a_last_row_that_is_gone_is_lost_and_its_offsets_are_not_given_again(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path))
    await store.put_batch(numbered(0, 1))
    await store.put_batch(numbered(2, 3))
    await store.close()
    change(store.path, "DELETE FROM batches WHERE first = 2")
    again = SqliteBackend(0, str(tmp_path))

    assert await again.append(numbered(4)) == 4
    assert await lost_at(again, 2) == (2, 3)
    await again.close()


async def test_trimming_within_a_row_removes_and_counts_records_not_rows(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path))
    await store.put_batch(numbered(*range(100)))
    whole = (await store.bounds())["bytes"]

    assert await store.trim(25) == 25
    assert await store.trim(10) == 0
    assert await store.get(3, 0) == numbered(25, 26, 27)
    assert (await store.bounds())["bytes"] == pytest.approx(whole * 0.75, rel=0.05)
    await store.close()
    again = SqliteBackend(0, str(tmp_path))
    assert await again.bounds() == await store_figures(again, earliest=25, following=100)
    assert (await again.bounds())["bytes"] == pytest.approx(whole * 0.75, rel=0.05)
    assert await again.clear_all() == 75
    assert rows_in(again.path) == []
    assert (await again.bounds())["bytes"] == 0
    await again.put_batch(numbered(100))
    assert await again.get(1, 0) == numbered(100)
    await again.close()


async def store_figures(store: SqliteBackend, *, earliest: int, following: int) -> dict[str, int]:
    return {
        "earliest": earliest,
        "next": following,
        "records": following - earliest,
        "bytes": store.byte_count(),
    }


async def test_a_bound_of_bytes_drops_single_records_of_a_row(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path), max_bytes=10_000)
    for first in range(0, 1_000, 100):
        await store.put_batch(numbered(*range(first, first + 100)))

    assert 9_000 < store.byte_count() <= 10_000
    assert store.total_count() == 1_000
    earliest = store.earliest()
    assert earliest % 100 != 0
    assert await store.get(1_000, 0) == numbered(*range(earliest, 1_000))
    await store.close()


async def test_trimming_passes_damaged_rows(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path))
    for first in (0, 10, 20):
        await store.put_batch(numbered(*range(first, first + 10)))
    size = store.byte_count()
    change(store.path, "UPDATE batches SET head = x'00' WHERE first = 10")
    await store.trim(15)

    assert await lost_at(store, 0) == (15, 19)
    assert store.byte_count() == pytest.approx(size / 3, rel=0.05)
    await store.trim(25)
    assert await store.get(10, 0) == numbered(*range(25, 30))
    await store.close()


async def test_the_first_record_since_a_time_is_found_by_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr("pulsing.streaming.backends.sqlite_file.time.time", lambda: now[0])
    store = SqliteBackend(0, str(tmp_path), max_age=100.0)
    for at in (1_000.0, 1_050.0, 1_060.0):
        now[0] = at
        await store.put_batch(numbered(0, 1, 2))

    assert [await store.offset_at(at) for at in (0.0, 1_000.0, 1_001.0, 1_055.0, 1_061.0)] == [0, 0, 3, 6, 9]
    now[0] = 1_155.0
    assert (await store.read(10, 0)).earliest == 6
    await store.close()


@pytest.mark.parametrize("damage", ["PRAGMA writable_schema=1; " + SCHEMA, "UPDATE batches SET first = -1"])
async def test_a_file_whose_records_are_nowhere_is_refused(tmp_path: Path, damage: str) -> None:
    store = SqliteBackend(0, str(tmp_path))
    await store.put({"n": 1})
    await store.close()
    with closing(sqlite3.connect(store.path)) as database:
        database.executescript(damage)
    again = SqliteBackend(0, str(tmp_path))

    with pytest.raises(PulsingRuntimeError, match=r"is damaged: it has records at (None|-1)"):
        await again.get(1, 0)
    await again.close()


async def test_damage_that_stands_in_a_message_of_the_database_is_an_error_of_ours(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path), epoch=3)
    await store.put({"n": 1})
    await store.close()
    with closing(sqlite3.connect(store.path)) as database:
        database.execute("PRAGMA writable_schema=1")
        database.execute(
            "UPDATE sqlite_master SET name = CAST(x'a0ff' AS TEXT), sql = 'CREATE x' WHERE name = 'batches'"
        )
        database.commit()
    again = SqliteBackend(0, str(tmp_path))

    with pytest.raises(PulsingRuntimeError, match="the store failed"):
        await again.get(1, 0)
    assert SqliteBackend.epoch_of(str(tmp_path), 0) == 0
    await again.close()


@pytest.mark.parametrize(("version", "layout"), [(0, 1), (99, 99)])
async def test_a_file_of_another_layout_is_refused_and_left_as_it_is(tmp_path: Path, version: int, layout: int) -> None:
    path = file_of(str(tmp_path), 0)
    change(path, "CREATE TABLE records(off INTEGER PRIMARY KEY, at REAL, body BLOB)")
    change(path, f"PRAGMA user_version={version}")
    store = SqliteBackend(0, str(tmp_path))

    with pytest.raises(PulsingRuntimeError, match=f"has layout {layout}.* reads layout 2: read it with the version"):
        await store.put({"n": 1})
    await store.close()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("records",)]
