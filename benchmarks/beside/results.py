"""What was measured, in a file: written after every run of a program, so that a broken course can be resumed."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass
class Results:
    """Samples and failures, and on what they were measured."""

    machine: dict[str, Any]
    load: float = 0.0
    """of the machine before anything was measured: how many processes wanted to run"""
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    """the last failure of a program, or of a case of it"""
    done: list[str] = field(default_factory=list)
    """the runs that are behind us"""
    commit: str = ""
    """what was measured; empty in files of before it was kept"""

    def note(self, run: str, program: str, found: dict[str, Any] | str) -> None:
        """Add the values of one run."""
        self.done.append(run)
        if isinstance(found, str):
            self.failures[program] = found
            return
        for case, value in found.items():
            if isinstance(value, str):
                self.failures[f"{program}, {case}"] = value
            else:
                self.samples.setdefault(program, {}).setdefault(case, []).append(round(value, 4))

    def write(self, path: Path) -> None:
        """Write it all into a file, at once or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        beside.replace(path)


def read(path: Path) -> Results:
    """The results of a file."""
    return Results(**json.loads(path.read_text()))


def resumed(path: Path, machine: dict[str, Any]) -> Results:
    """Results to add to: those of the file, if they are of the same machine, versions and effort."""
    if path.exists() and (before := read(path)).machine == machine:
        return before
    return Results(machine, round(os.getloadavg()[0], 1), commit=_commit())


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()
