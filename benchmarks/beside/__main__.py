"""Measure ours, the peers and the floors in turns, and write the page, its plots and the results behind them.

    python -m benchmarks.beside [--quick] [--fresh] [--page]

What a course has measured is kept, so that one that was broken off goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import platform
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.beside.environments import PEERS, make_missing, version_of
from benchmarks.beside.figures import outcomes, shown
from benchmarks.beside.page import FOLDER, performance_page
from benchmarks.beside.plots import draw_all
from benchmarks.beside.programs import FULL, QUICK, ROOT, Effort, Program, every_round, once, run
from benchmarks.beside.results import Results, read, resumed
from tests.campaigns.page import write_page

UNDER_WAY = ROOT / ".bench"
RESULTS = ROOT / "benchmarks/results.json"
DOCS = ROOT / "docs"
_OF_OURS = ("pulsing", "uvloop", "websockets", "msgpack")


def main() -> None:
    """Measure, and write what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--fresh", action="store_true", help="forget what a course that was broken off has measured")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page from the results")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    results = read(RESULTS) if chosen.page else course(QUICK if chosen.quick else FULL, fresh=chosen.fresh)
    (DOCS / "performance.md").write_text(performance_page(results))
    draw_all(results, DOCS / FOLDER)
    write_page()  # of reliability, where some of the figures stand, too
    summary(results)


def course(effort: Effort, *, fresh: bool) -> Results:
    """Measure everything, from where it was broken off, and keep the results."""
    missing = make_missing()
    path = UNDER_WAY / ("quick.json" if effort == QUICK else "full.json")
    if fresh:
        path.unlink(missing_ok=True)
    results = resumed(path, machine(effort, missing))
    for number in range(effort.rounds):
        for program in every_round(effort):
            if program.contestant not in missing:
                one_run(results, program, f"round {number + 1} of {effort.rounds}", path)
    for program in once(effort):
        one_run(results, program, "once", path)
    results.done.clear()
    results.write(RESULTS)
    path.unlink()
    return results


def one_run(results: Results, program: Program, turn: str, path: Path) -> None:
    """Run a program, unless that has been done."""
    name = f"{turn}, {program.name}"
    if name in results.done:
        return
    print(name, flush=True)
    results.note(name, program.name, run(program))
    results.write(path)


def machine(effort: Effort, missing: list[str]) -> dict[str, Any]:
    """On what is measured, and how; nothing that names the machine."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    versions = {name: metadata.version(name) for name in _OF_OURS}
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions | {peer: version_of(peer) for peer in PEERS if peer not in missing},
        **asdict(effort),
    }


def summary(results: Results) -> None:
    """Print how the figures came out."""
    for outcome in outcomes(results.samples):
        met = "met" if not outcome.missed_by else f"MISSED by {outcome.missed_by:.0%}"
        figure = outcome.figure
        ratio = "" if outcome.ratio is None else f", {outcome.ratio:.2f} of the floor"
        print(f"{figure.name:45} {shown(outcome.median)}{figure.unit}{ratio}  ({figure.target})  {met}")
    for name, text in results.failures.items():
        print(f"failed: {name}: {text}")
    print("written: docs/performance.md")


if __name__ == "__main__":
    main()
