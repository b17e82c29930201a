"""Programs that come with Pulsing: they are listed with what they are about, shown as they are, and run."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from pulsing.cli import examples
from pulsing.cli.errors import FAILED, NOT_FOUND
from tests.unit.cli.scripted import Pulsing, ScriptedServer


def test_every_example_is_listed_with_its_first_sentence(pulsing: Pulsing) -> None:
    rows = json.loads(pulsing("examples", "-o", "json").out)["items"]

    assert {"two_actors", "work_queue", "dashboard_demo"} <= {row["name"] for row in rows}
    assert all(row["about"].endswith(".") for row in rows)


def test_an_example_is_shown_as_a_program(pulsing: Pulsing) -> None:
    shown = pulsing("examples", "two_actors")

    assert shown.exit_code == 0
    assert "Two actors" in (ast.get_docstring(ast.parse(shown.out)) or "")


def test_an_example_runs_and_its_exit_code_is_the_commands(pulsing: Pulsing, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pulsing("examples", "two_actors", "--run").exit_code == 0
    monkeypatch.setattr(examples, "_run", lambda program: 7)
    assert pulsing("examples", "two_actors.py", "--run").exit_code == 7
    assert pulsing("bench", "local").exit_code == 7


@pytest.mark.parametrize("command", ["examples", "bench"])
def test_an_unknown_program_is_not_found_and_the_known_are_named(pulsing: Pulsing, command: str) -> None:
    outcome = pulsing(command, "nothing")

    assert outcome.exit_code == NOT_FOUND
    assert "hint: there are" in outcome.err


def test_benchmarks_of_an_installed_package_are_not_there(
    pulsing: Pulsing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(examples, "_PACKAGE", tmp_path / "pulsing")
    outcome = pulsing("bench")

    assert (outcome.exit_code, "checkout" in outcome.err) == (FAILED, True)


def test_a_quiet_command_tells_by_its_exit_code_alone(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"name": "disk", "status": "ok", "value": 0.5})
    assert pulsing("get", "check", "disk", "-q", "--endpoint", server.url).out == ""
    server.answers(404, {"type": "/problems/actor-not-found", "title": "No", "status": 404, "detail": "no actor 'x'"})
    outcome = pulsing("get", "actor", "x", "--quiet", "--endpoint", server.url)
    assert (outcome.exit_code, outcome.out) == (NOT_FOUND, "")
    assert "no actor 'x'" in outcome.err
