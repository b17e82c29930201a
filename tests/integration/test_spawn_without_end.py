"""Actors of ever new names, spawned and stopped again: nothing is kept of them. More by `PULSING_SPAWNS`."""

from __future__ import annotations

import gc
import os
import resource
from pathlib import Path
from typing import Any

import httpx
import pytest

import pulsing as pul
from pulsing.admin.app import create_admin_app
from pulsing.admin.settings import AdminSettings
from tests.campaigns.noted import note

SPAWNS = int(os.environ.get("PULSING_SPAWNS", "4000"))
NAMES = SPAWNS // 10
AT_ONCE = SPAWNS // 100
"""A hundred generations come and go, under each name ten times."""
TOKEN = "names-token-0123456789"
METRICS_BYTES = 500_000
MIB = 1024 * 1024


@pul.remote
class Short:
    def touch(self) -> None: ...


SHORT: Any = Short


async def live(system: pul.ActorSystem, names: list[str]) -> int:
    """Let actors live and end, and say how large the metrics were when all were there."""
    for name in names:
        await (await SHORT.spawn(name=name, public=False, system=system)).touch()
    app = create_admin_app(system, AdminSettings(token=TOKEN))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", headers=headers) as client:
        answer = await client.get("/metrics")
        assert answer.status_code == 200
    await app.state.plane.close()
    for name in names:
        await system.stop(name)
    return len(answer.content)


async def generation(system: pul.ActorSystem, number: int) -> int:
    """The actors of a tenth of the names."""
    first = number * AT_ONCE % NAMES
    return await live(system, [f"short-{one}" for one in range(first, first + AT_ONCE)])


def held() -> float:
    """What the process holds, in MiB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MIB


@pytest.mark.timeout(120 + SPAWNS // 300)
async def test_actors_that_come_and_go_without_end_leave_no_memory_and_metrics_stay_small() -> None:
    async with await pul.actor_system() as system:
        # Rings, caches and the allocator find their size in the first ones.
        for number in range(30):
            await generation(system, number)
        before = held()
        for number in range(30, 100):
            await generation(system, number)
        growth = held() / before - 1
        size = await live(system, [f"short-{one}" for one in range(NAMES)])
        note(spawned=100 * AT_ONCE + NAMES, names=NAMES, metrics_kB=size / 1000, memory_growth_percent=100 * growth)
        assert size <= METRICS_BYTES
        assert growth <= 0.05
