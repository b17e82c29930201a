"""What is run in each round, and once: a command that prints JSON, and how that reads as cases and values."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.beside.environments import PEERS, python_of
from benchmarks.beside.figures import OURS

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 240
PASSPHRASE = "correct horse battery staple is too well known"

Cases = dict[str, float]


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float
    """of one case of one round"""
    count: int
    """events of one round of one case in one process"""
    kills: int
    seeds: int
    watches: int
    """rounds of calls under dashboards, and twice as many seconds of watching them"""
    idle_actors: int
    """none: they are left out"""


FULL = Effort(rounds=7, seconds=0.5, count=20_000, kills=20, seeds=25, watches=4, idle_actors=1_000_000)
QUICK = Effort(rounds=1, seconds=0.2, count=5_000, kills=3, seeds=2, watches=1, idle_actors=0)


@dataclass(frozen=True)
class Program:
    """A program to run.

    Args:
        name: of it in the results.
        contestant: whose interpreter it needs.
        arguments: of that interpreter, the first being a path under `benchmarks`.
        read: what it printed, as values by case.
    """

    name: str
    contestant: str
    arguments: tuple[str, ...]
    read: Callable[[Any], Cases] = dict


def every_round(effort: Effort) -> list[Program]:
    """The programs whose rounds take turns."""
    remote = ("remote.py", "--json", "--rounds", "1", "--seconds", str(effort.seconds))
    return [
        Program("local", OURS, ("local.py", "--json", "--rounds", "1", "--count", str(effort.count)), _local),
        *(_contestant(peer, "local", effort) for peer in (OURS, *PEERS) if peer != "ray"),
        Program("remote", OURS, remote, _remote),
        Program("remote, TLS", OURS, (*remote, "--passphrase", PASSPHRASE), _remote),
        *(_contestant(peer, "remote", effort) for peer in (OURS, *PEERS) if peer != "pykka"),
        Program("network", OURS, ("floors.py", "--json", "--rounds", "1", "--sizes", "128"), _network),
        Program("streaming", OURS, ("streaming.py", "--json", "--rounds", "1")),
        *(_contestant(peer, what, effort) for peer in (OURS, "pulsing-0.1.2") for what in ("queue", "topic")),
    ]


def once(effort: Effort) -> list[Program]:
    """The programs that have rounds of their own."""
    kills = ("--rounds", str(effort.kills), "--seeds", str(effort.seeds))
    idle = ("--rounds", "1", "--count", "1000", "--actors", str(effort.idle_actors))
    watches = ("--rounds", str(effort.watches), "--seconds", str(2 * effort.watches))
    programs = [
        Program("membership", OURS, ("membership.py", "--json", *kills)),
        Program("admin", OURS, ("admin.py", "--json", *watches, "10000")),
        *(_contestant(peer, "death", effort) for peer in (OURS, "pulsing-0.1.2")),
    ]
    weighed = Program("idle", OURS, ("local.py", "--json", *idle), lambda found: dict(found["idle_actor"]))
    return [*programs, weighed] if effort.idle_actors else programs


def run(program: Program) -> Cases | str:
    """The values of one run by case, or what went wrong."""
    python = python_of(program.contestant)
    script, *arguments = program.arguments
    with tempfile.TemporaryDirectory(prefix="bench") as home:
        command: list[str | Path] = [python, ROOT / "benchmarks" / script, *arguments]
        try:
            done = subprocess.run(
                command, cwd=home, env=_environment(home), capture_output=True, text=True, timeout=LIMIT_S
            )
        except subprocess.TimeoutExpired:
            return f"did not end within {LIMIT_S} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    try:
        return program.read(json.loads(done.stdout.strip().splitlines()[-1]))
    except (ValueError, IndexError, KeyError) as error:
        return f"printed nothing that can be read: {error!r}"


def _environment(home: str) -> dict[str, str]:
    """That of a user who has no settings of either, and no secrets."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULSING_", "XDG_", "RAY_"))}
    # A line of Ray's about its own future would be all that a failure shows.
    return {**kept, "HOME": home, "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "PYTHONDONTWRITEBYTECODE": "1"}


_SCRIPTS = {OURS: "any_pulsing", "pulsing-0.1.2": "any_pulsing", "xoscar": "with_xoscar", "pykka": "with_pykka"}


def _contestant(contestant: str, place: str, effort: Effort) -> Program:
    script = f"beside/contestants/{_SCRIPTS.get(contestant, 'with_ray')}.py"
    arguments = (script, place, "--seconds", str(effort.seconds))
    return Program(f"{contestant}: {place}", contestant, arguments)


def _local(found: dict[str, Any]) -> Cases:
    return dict(found["per_s"])


def _remote(found: dict[str, Any]) -> Cases:
    cases = {name: values["ours"] for name, values in found.items()}
    return cases | {f"{name}, floor": values["floor"] for name, values in found.items() if "floor" in values}


def _network(found: dict[str, Any]) -> Cases:
    return dict(found["round_trips_per_s"]["128"])
