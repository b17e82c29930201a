"""The durable store: reopening, damage, a second owner, and what a node remembers of its queues."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import (
    BucketUnavailable,
    DataLost,
    Forbidden,
    NotOwner,
    NotSendable,
    Overloaded,
    PulsingRuntimeError,
)
from pulsing.streaming import QueueReader, write_queue
from pulsing.streaming.administration import QueueBusy, delete_queue, open_queue
from pulsing.streaming.backends.sqlite import SqliteBackend, file_of
from pulsing.streaming.backends.sqlite_file import SPARE
from pulsing.streaming.backends.writer import StoreThread
from pulsing.streaming.manager import local_manager
from pulsing.testing import wait_until
from tests.campaigns.noted import note
from tests.unit.streaming.damage import damage_records


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"n": n, "text": "x" * 50} for n in numbers]


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def written(folder: Path, count: int, **options: Any) -> None:
    store = SqliteBackend(0, str(folder), **options)
    await store.put_batch(rows(*range(count)))
    await store.close()


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# --- reopening -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["full", "normal"])
async def test_what_was_put_is_there_after_reopening_in_the_same_log(tmp_path: Path, durability: str) -> None:
    first = SqliteBackend(0, str(tmp_path), durability=durability)
    await first.put_batch(rows(0, 1, 2))
    await first.trim(1)
    await first.close()
    again = SqliteBackend(0, str(tmp_path), durability=durability)
    await again.put_batch(rows(3))

    assert await again.get(10, 0) == rows(1, 2, 3)
    assert again.lineage == first.lineage != 0
    await again.close()


async def test_offsets_are_not_given_again_after_a_purge_and_a_restart(tmp_path: Path) -> None:
    first = SqliteBackend(0, str(tmp_path))
    await first.put_batch(rows(0, 1))
    await first.clear_all()
    await first.close()
    again = SqliteBackend(0, str(tmp_path))

    assert (await again.bounds())["next"] == 2
    await again.close()


async def test_closing_twice_and_without_use_is_harmless(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path))
    await store.close()
    await store.put({"n": 1})
    await store.close()
    await store.close()


async def test_other_users_can_read_nothing_of_what_is_stored(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        async with await pul.actor_system() as system:
            writer = await write_queue(system, "jobs", num_buckets=1, backend="sqlite")
            await writer.put({"id": 1})
            made = [tmp_path / "queue_storage" / "jobs", *(tmp_path / "queue_storage" / "jobs").iterdir()]
            rights = {path.name: path.stat().st_mode & 0o777 for path in made}
    finally:
        os.umask(before)
    assert {"jobs", "queue.json", "bucket_0.sqlite", "bucket_0.sqlite-wal"} <= rights.keys()
    assert not [name for name, mode in rights.items() if mode & 0o077]


async def test_a_folder_that_is_there_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o750)
    await written(tmp_path / "shared", 1)

    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("suffix", ["", ".lock"])
async def test_nothing_is_written_where_a_link_in_the_place_of_a_file_leads(suffix: str, tmp_path: Path) -> None:
    path = file_of(str(tmp_path / "q"), 0)
    path.parent.mkdir()
    elsewhere = tmp_path / "elsewhere"
    path.with_name(path.name + suffix).symlink_to(elsewhere)
    store = SqliteBackend(0, str(path.parent))
    with pytest.raises(PulsingRuntimeError, match="symbolic links"):
        await store.put(rows(1)[0])
    await store.close()
    assert not elsewhere.exists()


WRITERS = """
import asyncio, sys
from pulsing.streaming.backends.sqlite import SqliteBackend

async def write(store, writer):
    number = 0
    while True:
        await store.put({"writer": writer, "n": number})
        print(writer, number, flush=True)
        number += 1

async def main():
    store = SqliteBackend(0, sys.argv[1])
    await asyncio.gather(*(write(store, writer) for writer in range(8)))

asyncio.run(main())
"""


def killed_while_writing(folder: Path) -> list[tuple[int, ...]]:
    """Let a process write, kill it, and return what was acknowledged to it."""
    command = [sys.executable, "-c", WRITERS, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(300)]
        process.kill()
        lines += process.stdout.read().splitlines()[:-1]
    finally:
        process.kill()
        process.communicate()
    return [tuple(map(int, line.split())) for line in lines]


async def test_acknowledged_records_survive_a_kill(tmp_path: Path) -> None:
    acked = killed_while_writing(tmp_path)
    store = SqliteBackend(0, str(tmp_path))
    records = await store.get(100_000, 0)
    await store.close()

    there = [(record["writer"], record["n"]) for record in records]
    assert set(acked) <= set(there)
    assert len(there) == len(set(there)) == store.total_count()


async def test_what_was_synced_when_a_put_returned_is_enough_to_have_its_record(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path / "q"))
    await store.open()
    synced: list[bytes] = []
    sync = store._file.sync

    def note_what_is_safe() -> None:
        log = log_of(store.path).read_bytes()
        sync()
        synced.append(log)

    store._file.sync = note_what_is_safe  # type: ignore[method-assign]
    safe_after: list[bytes] = []
    for number in range(40):
        await asyncio.gather(store.put({"n": number}), store.commit("g", number))
        safe_after.append(synced[-1])
    main = store.path.read_bytes()
    await store.close()
    assert len(synced) > 40
    for number, safe in enumerate(safe_after):
        path = file_of(str(tmp_path / str(number)), 0)
        path.parent.mkdir()
        path.write_bytes(main)
        log_of(path).write_bytes(safe)
        again = SqliteBackend(0, str(path.parent))
        assert [record["n"] for record in await again.get(100, 0)] == list(range(number + 1))
        assert await again.committed() == {"g": number}
        await again.close()


async def test_a_sync_that_fails_is_told_and_nothing_of_the_file_is_trusted_any_more(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path))
    await store.put({"n": 0})

    def fail() -> None:
        raise OSError(5, "Input/output error")

    store._file.sync = fail  # type: ignore[method-assign]
    with pytest.raises(PulsingRuntimeError, match="the store failed"):
        await store.put({"n": 1})
    with pytest.raises(PulsingRuntimeError, match="closed"):
        await store.put({"n": 2})
    await store.close()
    again = SqliteBackend(0, str(tmp_path))
    assert (await again.get(10, 0))[0] == {"n": 0}
    await again.close()


async def test_a_bucket_goes_on_after_a_sync_that_failed(one_system: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1, backend="sqlite")
        await queue.put({"id": 0})
        with monkeypatch.context() as disk:
            disk.setattr(os, "fdatasync", fail)
            with pytest.raises(PulsingRuntimeError, match="the store failed"):
                await queue.put({"id": 1})

        await queue.put({"id": 2})
        names = [record["id"] for record in await queue.get()]
        assert names in ([0, 2], [0, 1, 2])  # the one between them may have been stored


# --- what others do to the files -------------------------------------------------------------------------------------


def removed(folder: Path) -> None:
    shutil.rmtree(folder)


def replaced(folder: Path) -> None:
    shutil.copytree(folder, "copy")
    shutil.rmtree(folder)
    Path("copy").rename(folder)


@pytest.mark.parametrize("happens", [removed, replaced])
async def test_nothing_is_acknowledged_that_is_in_no_file_any_more(
    happens: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulsing.streaming.backends.sqlite_folder.LOOK_S", 0.0)
    store = SqliteBackend(0, "files")
    await store.put({"n": 0})
    happens(Path("files"))

    with pytest.raises(PulsingRuntimeError, match="removed or replaced"):
        await store.put({"n": 1})
    await store.close()
    again = SqliteBackend(0, "files")
    assert await again.get(10, 0) == ([{"n": 0}] if happens is replaced else [])
    await again.close()


async def test_a_queue_whose_folder_was_removed_tells_of_the_loss_and_begins_anew(
    one_system: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulsing.streaming.backends.sqlite_folder.LOOK_S", 0.0)
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1, backend="sqlite")
        reader = await system.queue.read("q", num_buckets=1, backend="sqlite")
        await queue.put([{"id": 0}, {"id": 1}])
        assert await reader.get(limit=1) == [{"id": 0}]
        shutil.rmtree("queue_storage/q")

        with pytest.raises(PulsingRuntimeError, match="removed or replaced"):
            await queue.put({"id": 2})
        await queue.put({"id": 3})
        with pytest.raises(DataLost):
            await reader.get()
        assert await reader.get() == [{"id": 3}]


async def test_a_bucket_whose_file_cannot_be_removed_goes_on(one_system: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1, backend="sqlite")
        await queue.put({"id": 0})
        with monkeypatch.context() as disk:
            disk.setattr(Path, "unlink", refuse)
            with pytest.raises(PulsingRuntimeError, match="Permission denied"):
                await delete_queue(queue)

        await queue.put({"id": 1})
        assert await queue.get() == [{"id": 0}, {"id": 1}]


async def test_files_are_the_same_after_the_program_has_changed_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulsing.streaming.backends.sqlite_folder.LOOK_S", 0.0)
    store = SqliteBackend(0, "files")
    await store.put({"n": 0})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    await store.put({"n": 1})
    assert await store.get(10, 0) == [{"n": 0}, {"n": 1}]
    await store.close()
    assert files_in(tmp_path / "elsewhere") == []


async def test_queues_of_normal_durability_wait_for_no_sync(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path), durability="normal")
    await store.open()

    def fail() -> None:
        raise OSError(5, "Input/output error")

    store._file.sync = fail  # type: ignore[method-assign]
    await store.put({"n": 0})

    assert await store.get(10, 0) == [{"n": 0}]
    await store.close()


# --- damage ----------------------------------------------------------------------------------------------------------


async def test_a_damaged_record_is_told_with_its_offset_and_the_rest_is_read(tmp_path: Path) -> None:
    await written(tmp_path, 5)
    damage_records(file_of(str(tmp_path), 0), 2, 3)
    store = SqliteBackend(0, str(tmp_path))

    assert await store.get(10, 0) == rows(0, 1)
    for offset in (2, 3):
        with pytest.raises(DataLost) as caught:
            await store.get(10, offset)
        assert (caught.value.reason, caught.value.first, caught.value.last) == ("corrupt", offset, offset)
    assert await store.get(10, 4) == rows(4)
    await store.close()


async def test_a_reader_is_told_of_damage_once_and_goes_on_behind_it(one_system: Any, tmp_path: Path) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1, backend="sqlite")
        await queue.put([{"id": n} for n in range(4)])
        damage_records(Path("queue_storage/q/bucket_0.sqlite"), 1)
        reader = QueueReader(queue)

        assert await reader.get() == [{"id": 0}]
        with pytest.raises(DataLost, match=r"q bucket 0 .* corrupt \(offsets 1 to 1\)"):
            await reader.get()
        assert await reader.get() == [{"id": 2}, {"id": 3}]


DAMAGES = int(os.environ.get("PULSING_DAMAGES", "100"))
"""How many damaged files are tried; 2,000 make the campaign."""


def with_damage(whole: bytes, chance: random.Random) -> bytes:
    """A few flipped bits, at times cut off, at times with a stretch of zeros."""
    damaged = bytearray(whole)
    for _ in range(chance.randrange(1, 4)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    if chance.random() < 0.3:
        del damaged[chance.randrange(len(damaged)) :]
    elif chance.random() < 0.2:
        start = chance.randrange(len(damaged))
        damaged[start : start + 512] = bytes(len(damaged[start : start + 512]))
    return bytes(damaged)


async def test_random_damage_gives_right_records_or_an_error_of_ours(tmp_path: Path) -> None:
    await written(tmp_path / "whole", 200)
    running = SqliteBackend(0, str(tmp_path / "running"))
    await running.put_batch(rows(*range(100)))
    await running.flush()
    await running.put_batch(rows(*range(100, 200)))
    sources = {
        "": file_of(str(tmp_path / "whole"), 0).read_bytes(),
        "main": running.path.read_bytes(),
        "-wal": log_of(running.path).read_bytes(),
    }
    await running.close()
    chance = random.Random(7)
    expected = rows(*range(200))
    for number in range(DAMAGES):
        path = file_of(str(tmp_path / str(number)), 0)
        path.parent.mkdir()
        if chance.random() < 0.5:
            path.write_bytes(with_damage(sources[""], chance))
        else:
            in_log = chance.random() < 0.5
            path.write_bytes(sources["main"] if in_log else with_damage(sources["main"], chance))
            log = with_damage(sources["-wal"], chance) if in_log else sources["-wal"]
            log_of(path).write_bytes(log)
        await read_all_and_write(SqliteBackend(0, str(path.parent)), expected)
        shutil.rmtree(path.parent)
    note(damaged_files=DAMAGES, wrong_records=0)


async def read_all_and_write(store: SqliteBackend, expected: list[dict[str, Any]]) -> None:
    """What is read is right, in its place, and what is not said to be lost is there; writing goes on or is refused."""
    try:
        offset = (await store.bounds())["earliest"]
        end = store.total_count()
        while offset < min(end, 1_000):
            try:
                window = await store.read(50, offset)
            except DataLost as loss:
                assert loss.first == offset
                assert loss.last is not None and loss.last >= offset
                offset = loss.last + 1
            else:
                start = window.next - len(window.records)
                assert window.records == expected[start : window.next]
                offset = window.next
        where = await store.append(rows(999))
        assert (await store.read(1, where)).records == rows(999)
    except PulsingRuntimeError:
        pass
    await store.close()


FULL_DISK = """
import asyncio, resource, sys
from pulsing.exceptions import PulsingRuntimeError
from pulsing.streaming.backends.sqlite import SqliteBackend

async def main():
    store = SqliteBackend(0, sys.argv[1])
    await store.put({"n": 0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    acked = [0]
    try:
        for n in range(1, 10_000):
            await store.put({"n": n, "text": "x" * 1_000})
            acked.append(n)
    except PulsingRuntimeError as error:
        print("refused:", error)
    there = [record["n"] for record in await store.get(100_000, 0)]
    assert there == acked, (len(there), len(acked))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.put({"n": "after"})
    assert len(await store.get(100_000, 0)) == len(acked) + 1
    await store.close()

asyncio.run(main())
"""


async def test_a_full_disk_refuses_puts_and_keeps_what_it_has_acknowledged(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    assert "refused: the store failed" in out.decode()


async def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    file_of(str(tmp_path), 0).write_text("nothing of the kind" * 100)
    store = SqliteBackend(0, str(tmp_path))

    with pytest.raises(PulsingRuntimeError, match="not a database"):
        await store.put({"n": 1})
    await store.close()


async def test_a_value_that_cannot_be_stored_writes_nothing(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path))

    with pytest.raises(TypeError):
        await store.put_batch([{"n": 1}, {"f": open}])
    assert await store.get(10, 0) == []
    await store.close()


# --- owners ----------------------------------------------------------------------------------------------------------


async def test_a_file_is_open_once(tmp_path: Path) -> None:
    one, two = SqliteBackend(0, str(tmp_path)), SqliteBackend(0, str(tmp_path))
    await one.put({"n": 1})

    with pytest.raises(PulsingRuntimeError, match="another process has the bucket open"):
        await two.put({"n": 2})
    await one.close()
    await two.close()
    three = SqliteBackend(0, str(tmp_path))
    assert await three.get(10, 0) == [{"n": 1}]
    await three.close()


async def test_an_owner_of_an_older_epoch_cannot_open_and_cannot_append(tmp_path: Path) -> None:
    old = SqliteBackend(0, str(tmp_path), epoch=1)
    await old.put({"n": 1})
    database = sqlite3.connect(file_of(str(tmp_path), 0))
    database.execute("UPDATE meta SET value = 2 WHERE name = 'epoch'")
    database.commit()
    database.close()

    with pytest.raises(NotOwner):
        await old.put({"n": 2})
    with pytest.raises(NotOwner):
        await old.commit("g", 1)
    await old.close()
    with pytest.raises(NotOwner):
        await SqliteBackend(0, str(tmp_path), epoch=1).get(1, 0)
    new = SqliteBackend(0, str(tmp_path), epoch=3)
    assert await new.get(10, 0) == [{"n": 1}]
    await new.close()


async def test_appends_that_come_together_share_a_commit(tmp_path: Path) -> None:
    thread = StoreThread()
    store = SqliteBackend(0, str(tmp_path), thread=thread)
    await store.open()
    commits: list[int] = []
    commit = store._file._commit
    store._file._commit = lambda bodies, *rest: commits.append(len(bodies)) or commit(bodies, *rest)  # type: ignore[method-assign,func-returns-value]
    await asyncio.gather(*(store.put({"n": n}) for n in range(100)))
    await store.close()

    assert sum(commits) == 100
    assert len(commits) < 50


async def test_a_put_whose_caller_has_left_is_written_all_the_same(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path))
    await store.open()
    put = asyncio.ensure_future(store.put({"n": 1}))
    await asyncio.sleep(0)
    put.cancel()
    await asyncio.gather(put, return_exceptions=True)
    await store.put({"n": 2})

    assert await store.get(10, 0) == [{"n": 1}, {"n": 2}]
    await store.close()


async def test_who_waits_for_records_is_woken_by_those_whose_caller_has_left(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path))
    await store.open()
    waiting = asyncio.ensure_future(store.wait(10, 0, 60.0))
    await asyncio.sleep(0)
    put = asyncio.ensure_future(store.put({"n": 1}))
    await asyncio.sleep(0)
    put.cancel()

    assert (await asyncio.wait_for(waiting, 10)).records == [{"n": 1}]
    await store.close()


class Holding:
    """Holds the store thread until it is let go."""

    def __init__(self, store: SqliteBackend) -> None:
        self._let_go = threading.Event()
        self._held = store._do(self._let_go.wait)

    async def __aenter__(self) -> None:
        self._waiting = asyncio.ensure_future(self._held)
        await asyncio.sleep(0)

    async def __aexit__(self, *exc: object) -> None:
        self._let_go.set()
        await self._waiting


@pytest.mark.parametrize("durability", ["full", "normal"])
async def test_records_count_as_unflushed_until_they_are_written_also_if_their_caller_has_left(
    tmp_path: Path, durability: str
) -> None:
    store = SqliteBackend(0, str(tmp_path), durability=durability)
    await store.put({"n": 0})
    assert store.unflushed_count() == 0
    async with Holding(store):
        stays, leaves = (asyncio.ensure_future(store.put_batch(rows(n, n + 1))) for n in (1, 3))
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        assert store.unflushed_count() == 4
    await stays
    await store.flush()

    assert (store.unflushed_count(), store.record_count()) == (0, 5)
    await store.close()


async def test_records_that_are_refused_or_not_stored_are_not_unflushed(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path), max_records=2, overflow="reject")
    with pytest.raises(Overloaded):
        await store.put_batch(rows(0, 1, 2))
    with pytest.raises(NotSendable):
        await store.put({"n": object()})
    assert store.unflushed_count() == 0

    def fail() -> None:
        raise OSError(5, "Input/output error")

    store._file.sync = fail  # type: ignore[method-assign]
    with pytest.raises(PulsingRuntimeError, match="the store failed"):
        await store.put({"n": 1})
    assert store.unflushed_count() == 0
    await store.close()


async def test_a_node_tells_how_many_records_its_stores_have_yet_to_write(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("q", num_buckets=1, backend="sqlite")
        await queue.put({"id": 0})
        bucket = next(iter(local_manager(system).buckets.values()))._cell.actor
        async with Holding(bucket.backend):
            put = asyncio.ensure_future(queue.put([{"id": n} for n in range(3)]))
            await wait_until(bucket.backend.unflushed_count, timeout=10)
            detail = await system.inner.inspect("queue", {"queue": "q"})
            assert (detail["unflushed"], detail["bucket_rows"][0]["unflushed"], detail["records"]) == (3, 3, 1)
        await put
        (row,) = await system.inner.inspect("queues")
        assert (row["unflushed"], row["records"]) == (0, 4)


# --- a disk that is nearly full --------------------------------------------------------------------------------------


class Disk:
    """What a disk says of itself."""

    def __init__(self, free: int, size: int = 1 << 30) -> None:
        self.f_frsize = 4096
        self.f_blocks = size // 4096
        self.f_bavail = free // 4096


async def test_what_is_left_of_a_disk_is_for_trimming_and_what_that_frees_for_puts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(free=1 << 29)
    monkeypatch.setattr("pulsing.streaming.backends.sqlite_file.os.statvfs", lambda path: disk)
    store = SqliteBackend(0, str(tmp_path))
    await store.put_batch(rows(*range(20_000)))
    disk.f_bavail = SPARE // 4096
    for put in (store.put(rows(0)[0]), store.put_batch(rows(*range(10)))):
        with pytest.raises(Overloaded, match=r"the disk of bucket 0 \(bytes to spare\)"):
            await put
    assert await store.get(1, 19_999) == rows(19_999)

    assert await store.trim(10_000) == 10_000
    await store.put_batch(rows(*range(20_000, 21_000)))
    assert await store.get(1, 20_999) == rows(20_999)
    with pytest.raises(Overloaded):
        await store.put_batch(rows(*range(20_000)))
    disk.f_bavail = (1 << 29) // 4096
    await store.put(rows(21_000)[0])
    assert store.total_count() == 21_001
    await store.close()


def pages_in_log(path: str) -> int:
    """The pages that have been written, which are brought into the file: those of the next commits are counted anew."""
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])
    finally:
        connection.close()


async def test_to_trim_writes_much_less_than_it_removes(tmp_path: Path) -> None:
    store = SqliteBackend(0, str(tmp_path))
    await store.put_batch(rows(*range(20_000)))
    path = str(file_of(str(tmp_path), 0))
    before = pages_in_log(path)
    await store.trim(10_000)

    assert before > 200
    assert pages_in_log(path) < before // 10
    await store.close()


async def test_a_full_store_that_gives_up_its_oldest_records_goes_on_when_the_disk_is_nearly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(free=1 << 29)
    monkeypatch.setattr("pulsing.streaming.backends.sqlite_file.os.statvfs", lambda path: disk)
    store = SqliteBackend(0, str(tmp_path), max_records=10)
    await store.put_batch(rows(*range(9)))
    disk.f_bavail = 0
    with pytest.raises(Overloaded):
        await store.put(rows(9)[0])
    disk.f_bavail = (1 << 29) // 4096
    await store.put(rows(9)[0])
    disk.f_bavail = 0
    for number in range(10, 30):
        await store.put(rows(number)[0])
    assert await store.get(100, 0) == rows(*range(20, 30))
    await store.close()


@pytest.mark.parametrize("blocks", [0, 1 << 40])
async def test_a_disk_that_does_not_tell_or_has_much_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int
) -> None:
    disk = Disk(free=blocks // 2, size=blocks)
    monkeypatch.setattr("pulsing.streaming.backends.sqlite_file.os.statvfs", lambda path: disk)
    store = SqliteBackend(0, str(tmp_path))
    await store.put(rows(0)[0])
    assert await store.get(1, 0) == rows(0)
    await store.close()


# --- queues ----------------------------------------------------------------------------------------------------------


async def test_a_queue_is_there_after_a_restart_with_its_settings(one_system: Any) -> None:
    async with one_system() as system:
        queue = await system.queue.write("deep/q", num_buckets=2, backend="sqlite")
        await queue.put([{"id": n} for n in range(20)])
    async with one_system() as system:
        with pytest.raises(ValueError, match="num_buckets=2, not 4"):
            await system.queue.read("deep/q", backend="sqlite")
        reader = await system.queue.read("deep/q", num_buckets=2, backend="sqlite")

        assert sorted(record["id"] for record in await reader.get()) == list(range(20))
        row = (await system.inner.inspect("queues"))[0]
        assert (row["durable"], row["records"], row["backend"]) == (True, 20, "sqlite")


async def test_what_nobody_has_opened_since_a_restart_is_counted_and_deleted_all_the_same(
    one_system: Any,
) -> None:
    options: dict[str, Any] = {"backend": "sqlite", "num_buckets": 2}
    async with one_system() as system:
        await (await system.queue.write("q", **options)).put([{"id": n} for n in range(10)])

    async with one_system() as system:
        queue = await open_queue(system, "q")
        assert queue is not None
        figures = (await queue.stats())["buckets"]
        assert sum(row["persisted_count"] for row in figures.values()) == 10

    async with one_system() as system:
        queue = await open_queue(system, "q")
        assert queue is not None
        with pytest.raises(QueueBusy):
            await delete_queue(queue, if_empty=True)
        assert await delete_queue(queue) == {"deleted": True, "records": 10}
        await (await system.queue.write("q", **options)).put({"id": "new"})
        assert await (await system.queue.read("q", **options)).get() == [{"id": "new"}]


async def test_a_queue_in_a_folder_of_its_own_is_found_there_again(one_system: Any, tmp_path: Path) -> None:
    options = {"num_buckets": 1, "backend": "sqlite", "storage_path": str(tmp_path / "elsewhere")}
    async with one_system() as system:
        await (await system.queue.write("q", **options)).put({"id": 1})
    async with one_system() as system:
        assert await (await system.queue.read("q", **options)).get() == [{"id": 1}]


async def test_another_node_cannot_make_a_store_write_outside_the_base(one_cluster: Any, tmp_path: Path) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await one.queue.write("q", backend="sqlite", storage_path=str(tmp_path / "elsewhere"))
        manager = local_manager(two)
        bucket = next(b for b in range(4) if manager.owner(f"q:bucket_{b}") == 2)
        name = next(str(n) for n in range(999) if queue.get_bucket_id(str(n)) == bucket)

        with pytest.raises(Forbidden, match="outside"):
            await queue.put({"id": name})


async def test_a_bucket_whose_node_is_away_is_unavailable_and_not_empty(
    one_cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        for node in (one, two):
            monkeypatch.setattr(local_manager(node).folders, "_base", tmp_path / str(node.node_id))
        queue = await one.queue.write("q", backend="sqlite")
        await queue.put([{"id": n} for n in range(40)])
        lost = [b for b in range(4) if (tmp_path / str(two.node_id) / "q" / f"bucket_{b}.sqlite").exists()]
        await cluster.kill(two)

        for bucket in lost:
            with pytest.raises(BucketUnavailable, match=f"Bucket {bucket} of q"):
                await queue.get(bucket)
        three = await cluster.add(3)
        monkeypatch.setattr(local_manager(three).folders, "_base", tmp_path / str(two.node_id))
        assert sorted(record["id"] for record in await queue.get()) == list(range(40))


async def test_a_node_of_the_same_disk_takes_over_without_loss(one_cluster: Any) -> None:
    async with one_cluster() as cluster:
        one, two = await cluster.add(1), await cluster.add(2)
        queue = await one.queue.write("q", backend="sqlite")
        await queue.put([{"id": n} for n in range(40)])
        reader = QueueReader(queue)
        await reader.get(limit=10)
        await cluster.kill(two)
        await queue.put([{"id": n} for n in range(40, 60)])

        assert sorted(record["id"] for record in await QueueReader(queue).get()) == list(range(60))
        assert len(await reader.get()) == 50
