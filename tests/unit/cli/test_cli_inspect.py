"""The views of earlier versions: the lines that scripts look for, from their options."""

from __future__ import annotations

from typing import Any

import pytest

from pulsing.cli.errors import FAILED
from pulsing.cli.inspect import actor_lines, change_lines, cluster_lines, metric_lines
from tests.unit.cli.scripted import Pulsing, ScriptedServer

MEMBERS = [
    {"id": "a1", "addr": "10.0.0.1:1", "status": "alive"},
    {"id": "b2", "addr": "10.0.0.2:1", "status": "alive"},
    {"id": "c3", "addr": "", "status": "dead"},
]


def test_the_lines_of_a_cluster_are_those_of_before() -> None:
    lines = cluster_lines(MEMBERS)
    assert lines[0] == "Cluster Status: 3 total nodes (2 alive)"
    assert lines[2:5] == ["Status Summary:", "  Alive: 2", "  Dead: 1"]
    assert lines[-1].split() == ["c3", "-", "Dead"]


def test_actors_are_counted_by_name_or_shown_one_by_one() -> None:
    actors: list[dict[str, Any]] = [
        {"id": "1:1", "name": "w", "class": "app.W", "state": "running", "node": "1"},
        {"id": "2:1", "name": "w", "class": "app.W", "state": "running", "node": "2"},
        {"id": "2:2", "name": None, "class": "app.X", "state": "stopping", "node": "2"},
    ]
    assert actor_lines(actors, 3, 1, False) == ["Actors: 3 total", "  w: 2"]
    assert actor_lines(actors, 3, None, True)[-1] == "  2:2  app.X  stopping  on 2"


def test_metrics_are_summed_over_their_labels() -> None:
    text = ["# HELP x", 'pulsing_a{n="1"} 2', 'pulsing_a{n="2"} 3.0', 'pulsing_b_bucket{le="1"} 9', "python_info 1"]
    assert metric_lines(text) == ["  pulsing_a: 5"]


def test_what_changed_between_two_looks_is_said() -> None:
    assert change_lines({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": 5}) == ["+ d: 5", "- a: 1", "~ c: 3 -> 4"]


@pytest.mark.parametrize("flag", ["--all_actors", "--all-actors"])
def test_the_options_of_before_are_understood(pulsing: Pulsing, server: ScriptedServer, flag: str) -> None:
    server.answers(200, {"items": [], "filtered": 0})

    outcome = pulsing("inspect", "actors", "--seeds", server.url, "--top", "3", "--filter", "w", flag, "--timeout", "5")

    assert outcome.out == "Actors: 0 total\n"
    assert server.requests[-1][1] == "/api/v1/actors?search=w&limit=1000&system=true"


def test_the_next_seed_is_asked_when_one_is_silent(pulsing: Pulsing, server: ScriptedServer, free_port: int) -> None:
    server.answers(200, {"items": MEMBERS})

    outcome = pulsing("inspect", "cluster", "--seeds", f"127.0.0.1:{free_port},{server.url}")

    assert outcome.exit_code == 0
    assert outcome.out.startswith("Cluster Status: 3 total nodes (2 alive)\n")


def test_silence_is_a_failure_unless_the_best_effort_is_enough(pulsing: Pulsing, free_port: int) -> None:
    silent = ("inspect", "cluster", "--seeds", f"127.0.0.1:{free_port}")

    assert pulsing(*silent).exit_code == FAILED
    assert pulsing(*silent, "--best_effort").exit_code == 0


def test_a_watch_ends_after_its_rounds(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"items": MEMBERS})

    outcome = pulsing("inspect", "watch", "--kind", "cluster", "--max_rounds", "2", "--interval", "0.05")

    assert outcome.out == "Watching cluster: 3 items\n"
    assert len(server.requests) == 2
