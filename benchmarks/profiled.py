"""One hot path over and over, for a profiler to look at.

    py-spy record --native --rate 250 --output path.svg -- python benchmarks/profiled.py PATH [--seconds N]

PATH is one of put-one, put-batches, put-sqlite, put-sqlite-64 and metrics.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

import pulsing as pul
from benchmarks.admin import TOKEN, population
from benchmarks.streaming import Put, run
from pulsing.admin import metrics
from pulsing.admin.app import create_admin_app
from pulsing.admin.settings import AdminSettings

ACTORS = 10_000
RECORDS = 100_000

Round = Callable[[], Awaitable[Any]]


async def puts(system: Any, case: str) -> Round:
    """Rounds of one of the cases of queues."""
    # Without waiting for the disk, which is no work of ours.
    stores = Put("sqlite", {"durability": "normal"}) if "sqlite" in case else Put("memory")
    by_case = {
        "put-one": stores.one,
        "put-batches": stores.batches,
        "put-sqlite": stores.batches,
        "put-sqlite-64": stores.many,
    }
    return lambda: by_case[case](system, RECORDS)


async def scrapes(system: Any) -> Round:
    """Rounds of `/metrics` over ten thousand actors of a hundred classes, none of which shows what another one made."""
    metrics.SHARED_S = 0.0
    await population(system, ACTORS)
    app = create_admin_app(system, AdminSettings(token=TOKEN))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700", headers=headers, timeout=60
    )
    return lambda: client.get("/metrics")


async def main(path: str, seconds: float) -> None:
    """Do it for so long, and print how often it was done, and what of a processor each took."""
    async with await pul.actor_system(admin=False) as system:
        again = await (scrapes(system) if path == "metrics" else puts(system, path))
        end, used, done = time.monotonic() + seconds, time.process_time(), 0
        while time.monotonic() < end:
            await again()
            done += 1
        print(f"{done} rounds, {(time.process_time() - used) / done * 1000:.2f} ms of a processor each")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", choices=["put-one", "put-batches", "put-sqlite", "put-sqlite-64", "metrics"])
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        run(main(chosen.path, chosen.seconds))
