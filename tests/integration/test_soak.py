"""Five nodes that work, one of which is killed now and then; for longer by `PULSING_SOAK_S`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pulsing.testing import wait_until
from tests.campaigns.noted import note

SECONDS = float(os.environ.get("PULSING_SOAK_S", "6"))
IS_LONG = "PULSING_SOAK_S" in os.environ
"""Only then is there enough to see a slope in."""
KILL_EVERY_S = 60.0 if IS_LONG else 3.0
NODES = 5
LASTING = 2
"""These are never killed."""
MIB = 1024 * 1024
WARM_UP = 0.3
"""The share of the time after which buffers and rings have found their size."""
SLOPE_MIB = 1.0
"""What memory may rise in ten minutes."""
LIMIT_S = 120.0


class Node:
    """A process that works, and the lines that it told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.told: list[dict[str, Any]] = []
        self._process = process
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def start(cls, *seeds: str) -> Node:
        script = Path(__file__).with_name("soak_node.py")
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), *seeds, stdout=asyncio.subprocess.PIPE
        )
        node = cls(process)
        try:
            await wait_until(lambda: node.told, LIMIT_S)
        except BaseException:
            await node.kill()
            raise
        return node

    @property
    def addr(self) -> str:
        return str(self.told[0]["addr"])

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def kill(self) -> None:
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.told.append(json.loads(line))


@contextlib.asynccontextmanager
async def nodes() -> AsyncIterator[list[Node]]:
    """Nodes that all see each other."""
    running: list[Node] = []
    try:
        for _ in range(NODES):
            running.append(await Node.start(*(node.addr for node in running[:1])))
        await all_alive(running)
        yield running
    finally:
        for node in running:
            await node.kill()


async def all_alive(running: Sequence[Node]) -> None:
    await wait_until(lambda: all(node.told[-1]["alive"] == len(running) for node in running), LIMIT_S)


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between any two samples, which a few odd ones do not move."""
    thinned = samples[:: max(1, len(samples) // 300)]
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.combinations(thinned, 2)]
    return statistics.median(slopes)


def test_a_slope_is_not_moved_by_a_few_odd_samples() -> None:
    assert slope([(0, 1), (1, 3), (2, 500), (3, 7), (4, 9), (5, 11)]) == 2


@pytest.mark.timeout(480 + int(SECONDS))
async def test_nodes_go_on_working_beside_others_that_are_killed_and_grow_in_nothing() -> None:
    chance, kills = Random(5), 0
    async with nodes() as running:
        before = Counter(running[0].told[-1]["done"])
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            await asyncio.sleep(KILL_EVERY_S)
            number = chance.randrange(LASTING, NODES)
            await running[number].kill()
            kills += 1
            running[number] = await Node.start(running[0].addr)
            await all_alive(running)
        assert all(node.is_running for node in running)
        lasting = [node.told for node in running[:LASTING]]
        met = sum((Counter(told[-1]["met"]) for told in lasting), Counter[str]())
        done = Counter(lasting[0][-1]["done"])
        warm = [told[int(WARM_UP * len(told)) :] for told in lasting]
        slopes = [600 * slope([(at, line["rss"] / MIB) for at, line in enumerate(told)]) for told in warm]
        growth = {what: max(grown(told, what) for told in warm) for what in ("files", "threads", "tasks")}
        note(kills=kills, memory_MiB_in_10_minutes=max(slopes), **{f"more_{what}": n for what, n in growth.items()})
        note(done_by_one_node=sum(done.values()), errors_met=sum(met.values()))
        assert [told[-1]["wrong"] for told in lasting] == [[]] * LASTING
        assert all(done[work] > before[work] for work in ("call", "stream", "put", "read", "publish", "heard"))
        if IS_LONG:
            assert max(slopes) <= SLOPE_MIB
            assert max(growth.values()) <= 3, growth


def grown(told: Sequence[dict[str, Any]], what: str) -> float:
    """How many more there are in the last quarter than in the first."""
    quarter = max(1, len(told) // 4)
    first, last = (statistics.median(line[what] for line in part) for part in (told[:quarter], told[-quarter:]))
    return float(last - first)
