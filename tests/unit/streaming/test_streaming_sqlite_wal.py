"""The log of a file has room ahead and is brought into the file beside the work; what fails there harms nobody."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from pulsing.streaming.backends import wal
from pulsing.streaming.backends.sqlite import SqliteBackend, file_of
from pulsing.streaming.backends.wal import WriteAheadLog
from pulsing.testing import wait_until

TEXT = "x" * 10_000


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "ASIDE_PAGES", 20)


async def filled(folder: Path, count: int, **options: Any) -> SqliteBackend:
    store = SqliteBackend(0, str(folder), **options)
    for number in range(count):
        await store.put({"n": number, "text": TEXT})
    return store


@pytest.mark.parametrize("durability", ["full", "normal"])
async def test_a_log_that_has_grown_is_brought_into_the_file_while_it_is_open(tmp_path: Path, durability: str) -> None:
    store = await filled(tmp_path, 20, durability=durability)

    await wait_until(lambda: store.path.stat().st_size > 100_000, timeout=10)
    await store.put({"n": 20, "text": TEXT})
    assert [record["n"] for record in await store.get(100, 0)] == list(range(21))
    await store.close()


async def test_records_are_put_while_it_is_brought_into_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await filled(tmp_path, 1)
    begun, let_go = threading.Event(), threading.Event()
    checkpoint = WriteAheadLog.checkpoint

    def slow(log: WriteAheadLog) -> None:
        begun.set()
        let_go.wait(10)
        checkpoint(log)

    monkeypatch.setattr(WriteAheadLog, "checkpoint", slow)
    try:
        number = 1
        while not begun.is_set():
            await store.put({"n": number, "text": TEXT})
            number += 1
        await store.put({"n": number, "text": TEXT})
    finally:
        let_go.set()
    assert store.total_count() == number + 1
    await store.close()


async def test_closing_waits_for_what_is_under_way_and_leaves_nothing_to_do(tmp_path: Path) -> None:
    store = await filled(tmp_path, 3)
    log = store._file._wal
    assert log is not None
    log.checkpoint()
    log._busy.acquire()
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    assert not closing.done()
    log._busy.release()
    await closing

    log.checkpoint()
    log.close()
    again = SqliteBackend(0, str(tmp_path))
    assert len(await again.get(10, 0)) == 3
    await again.close()


async def test_a_log_that_cannot_be_brought_into_the_file_is_noted_and_records_are_put_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pulsing.streaming")
    store = await filled(tmp_path, 1)
    log = store._file._wal
    assert log is not None
    monkeypatch.setattr(log, "_path", tmp_path / "nowhere" / "file")
    log.checkpoint()

    assert "its log was not brought into it" in caplog.text
    await store.put({"n": 1})
    assert store.total_count() == 2
    await store.close()


async def test_bringing_it_into_a_file_that_is_gone_makes_no_other_one(tmp_path: Path) -> None:
    store = await filled(tmp_path, 1)
    log = store._file._wal
    assert log is not None
    os.unlink(file_of(str(tmp_path), 0))  # noqa: PTH108
    log.checkpoint()

    assert not file_of(str(tmp_path), 0).exists()
    await store.close()


async def test_a_few_records_need_no_second_opening_of_the_file(tmp_path: Path) -> None:
    store = await filled(tmp_path, 2)
    log = store._file._wal

    assert log is not None and log._second is None
    await store.close()


def log_size(store: SqliteBackend) -> int:
    return Path(f"{store.path}-wal").stat().st_size


async def test_a_log_keeps_its_length_while_commits_fill_the_room_ahead_of_them(tmp_path: Path) -> None:
    store = await filled(tmp_path, 1)
    sizes = set()
    for number in range(1, 6):
        await store.put({"n": number})
        sizes.add(log_size(store))

    assert len(sizes) == 1
    await store.close()


async def test_the_room_ahead_is_no_record_to_who_opens_what_a_killed_process_left(tmp_path: Path) -> None:
    store = await filled(tmp_path, 3)
    left = tmp_path / "left"
    left.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{store.path}{suffix}", left)
    await store.close()

    again = SqliteBackend(0, str(left))
    assert [record["n"] for record in await again.get(10, 0)] == [0, 1, 2]
    await again.put({"n": 3})
    assert again.total_count() == 4
    await again.close()


@pytest.mark.parametrize("options", [{"failover": "shared"}, {"durability": "normal"}])
async def test_no_room_is_made_where_another_process_may_write_or_nothing_waits_for_the_disk(
    tmp_path: Path, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(os, "pwrite", lambda *_: made.append(1))
    store = await filled(tmp_path, 5, **options)

    assert not made
    await store.close()


async def test_a_disk_without_room_to_make_takes_records_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    store = await filled(tmp_path, 5)

    assert store.total_count() == 5
    await store.close()
