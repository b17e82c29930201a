"""Five nodes in processes of their own, killed and stopped in turn; more rounds by `PULSING_ROUNDS`."""

from __future__ import annotations

import os
from random import Random

import pytest

from tests.campaigns.noted import note
from tests.integration.cluster_process import processes
from tests.integration.cluster_rounds import comebacks, kill_rounds, silence_rounds, stop_rounds

ROUNDS = int(os.environ.get("PULSING_ROUNDS", "5"))
SILENCES = max(1, ROUNDS // 5)


def note_times(what: str, seconds: list[float]) -> None:
    """Tell the middle and the worst of a hundred."""
    ordered = sorted(1000 * each for each in seconds)
    note(**{f"{what}_p50_ms": ordered[len(ordered) // 2], f"{what}_p99_ms": ordered[int(0.99 * len(ordered))]})


@pytest.mark.timeout(30 + 12 * ROUNDS)
async def test_every_killed_node_is_seen_dead_by_all_and_nobody_else_is() -> None:
    async with processes(5) as nodes:
        kills = await kill_rounds(nodes, ROUNDS, Random(1))
        note(kills=len(kills), came_back=comebacks(nodes))
        note_times("seen", [kill.seen_s for kill in kills])
        note_times("asks_failed", [kill.failed_s for kill in kills])
        assert len(kills) == ROUNDS
        assert comebacks(nodes) == 0


@pytest.mark.timeout(30 + 12 * ROUNDS)
async def test_nodes_that_are_stopped_for_three_seconds_are_never_called_dead() -> None:
    async with processes(5) as nodes:
        called_dead = await stop_rounds(nodes, max(1, ROUNDS // 3), 3.0, Random(2))
        note(stops=max(1, ROUNDS // 3), called_dead_when_stopped=called_dead)
        assert called_dead == 0


@pytest.mark.timeout(60 + 60 * SILENCES)
async def test_a_node_that_is_stopped_until_all_call_it_dead_is_taken_in_again_when_it_goes_on() -> None:
    async with processes(5) as nodes:
        took = await silence_rounds(nodes, SILENCES, Random(3))
        note(silences=len(took))
        note_times("silent_death_seen", took)
