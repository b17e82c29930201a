"""Five nodes in processes of their own, killed and stopped in turn; more rounds by `PULSING_ROUNDS`."""

from __future__ import annotations

import os
from random import Random

import pytest

from tests.campaigns.noted import note
from tests.integration.cluster_process import processes
from tests.integration.cluster_rounds import kill_rounds, stop_rounds

ROUNDS = int(os.environ.get("PULSING_ROUNDS", "5"))


@pytest.mark.timeout(30 + 12 * ROUNDS)
async def test_every_killed_node_is_seen_dead_by_all_and_nobody_else_is() -> None:
    async with processes(5) as nodes:
        took = sorted(await kill_rounds(nodes, ROUNDS, Random(1)))
        note(kills=len(took), p50_ms=1000 * took[len(took) // 2], p99_ms=1000 * took[int(0.99 * len(took))])
        assert len(took) == ROUNDS


@pytest.mark.timeout(30 + 12 * ROUNDS)
async def test_nodes_that_are_stopped_for_three_seconds_are_never_called_dead() -> None:
    async with processes(5) as nodes:
        called_dead = await stop_rounds(nodes, max(1, ROUNDS // 3), 3.0, Random(2))
        note(stops=max(1, ROUNDS // 3), called_dead_when_stopped=called_dead)
        assert called_dead == 0
