"""The owner of a durable queue is killed again and again while many put: nothing acknowledged is lost.

`PULSING_KILLS=400 pytest tests/integration/test_streaming_kills.py --timeout 3000` is the campaign.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pulsing.streaming.backends.sqlite import SqliteBackend
from tests.campaigns.noted import note

KILLS = int(os.environ.get("PULSING_KILLS", "5"))
BUCKETS = 2

OWNER = """
import asyncio, sys
import pulsing as pul

async def produce(queue, life, producer):
    number = 0
    while True:
        there = await queue.append({"id": f"{life}-{producer}-{number}"})
        print(there["bucket_id"], there["offset"], f"{life}-{producer}-{number}", flush=False)
        number += 1

async def main():
    life, folder = sys.argv[1], sys.argv[2]
    async with await pul.actor_system() as system:
        queue = await system.queue.write("q", num_buckets=int(sys.argv[3]), backend="sqlite", storage_path=folder)
        producers = [asyncio.ensure_future(produce(queue, life, n)) for n in range(64)]
        while True:
            await asyncio.sleep(0.01)
            sys.stdout.flush()

asyncio.run(main())
"""


def one_life(life: int, folder: Path, chance: random.Random) -> list[tuple[int, int, str]]:
    """Let an owner live for a moment; returns what it has acknowledged: bucket, offset, id."""
    log = folder / f"acked-{life}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(life), str(folder / "q"), str(BUCKETS)], stdout=out
        )
        try:
            deadline = time.monotonic() + 30
            while log.stat().st_size == 0:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(chance.random() * 0.3)
        finally:
            process.kill()
            process.wait()
    lines = log.read_text().split("\n")[:-1]
    log.unlink()
    return [(int(bucket), int(offset), name) for bucket, offset, name in map(str.split, lines)]


@pytest.mark.timeout(120 + 4 * KILLS)
async def test_kills_of_the_owner_lose_nothing_acknowledged_and_give_no_offset_twice(tmp_path: Path) -> None:
    chance = random.Random(11)
    acked: list[tuple[int, int, str]] = []
    for life in range(KILLS):
        acked += one_life(life, tmp_path, chance)

    assert len(acked) > 64 * KILLS / 2
    assert len({(bucket, offset) for bucket, offset, _ in acked}) == len(acked)
    for bucket in range(BUCKETS):
        store = SqliteBackend(bucket, str(tmp_path / "q"))
        mine = [(offset, name) for where, offset, name in acked if where == bucket]
        names = [record["id"] for record in await store.get(10_000_000, 0)]
        assert all(names[offset] == name for offset, name in mine)
        assert len(set(names)) == len(names) == store.total_count()
        await store.close()
    note(kills=KILLS, acknowledged=len(acked), lost=0)
