"""The plots of the page, as SVG."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot

from benchmarks.beside.environments import PEERS
from benchmarks.beside.figures import OURS, Outcome, at, outcomes
from benchmarks.beside.page import CASES, PLOTS
from benchmarks.beside.results import Results

COLOURS = dict(zip((OURS, *PEERS), ("#2563eb", "#94a3b8", "#f59e0b", "#10b981", "#a855f7"), strict=True))
MET, MISSED = "#2563eb", "#dc2626"
_PLACES = {"local": ("local",), "remote": ("remote",), "streaming": ("queue", "topic")}


def draw_all(results: Results, folder: Path) -> None:
    """Draw every plot into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    # The same results give the same files.
    matplotlib.rcParams.update({"svg.hashsalt": "pulsing", "svg.fonttype": "none", "font.size": 9})
    _draw_figures(outcomes(results.samples), folder / "figures.svg")
    for name, places in _PLACES.items():
        _draw_contest(results, places, PLOTS[name], folder / f"{name}.svg")


def _draw_figures(found: list[Outcome], path: Path) -> None:
    axes = _axes(len(found), PLOTS["figures"], "multiple of the target; right of the line is better")
    for row, outcome in enumerate(found):
        axes.barh(row, _multiple(outcome), color=MISSED if outcome.missed_by else MET)
    axes.set_yticks(range(len(found)), [outcome.figure.name.replace("`", "") for outcome in found])
    axes.axvline(1, color="black", linewidth=1)
    _save(axes, path)


def _multiple(outcome: Outcome) -> float:
    """How far beyond its target a figure is: 2 is twice as good."""
    figure, found = outcome.figure, []
    if figure.at_least is not None:
        found.append(outcome.median / figure.at_least)
    if figure.at_most is not None:
        found.append(figure.at_most / max(outcome.median, 1e-3))
    if figure.ratio is not None and outcome.ratio is not None:
        found.append(outcome.ratio / figure.ratio)
    return min(found)


def _draw_contest(results: Results, places: tuple[str, ...], title: str, path: Path) -> None:
    cases = [(place, name) for place, name in CASES.items() if place[0] in places]
    axes = _axes(3 * len(cases), title, "a second, logarithmic; the line spans all rounds")
    height = 0.8 / len(COLOURS)
    for number, (contestant, colour) in enumerate(COLOURS.items()):
        label: str | None = contestant
        for row, ((place, case), _) in enumerate(cases):
            values = at(results.samples, (f"{contestant}: {place}", case))
            if not values:
                continue
            middle = statistics.median(values)
            error = [[middle - min(values)], [max(values) - middle]]
            y = row + (number - (len(COLOURS) - 1) / 2) * height
            axes.barh(y, middle, height, color=colour, label=label, xerr=error, error_kw={"elinewidth": 0.8})
            label = None
    axes.set_yticks(range(len(cases)), [name for _, name in cases])
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.06), ncols=len(COLOURS), frameon=False)
    _save(axes, path)


def _axes(rows: int, title: str, unit: str) -> Any:
    _, axes = pyplot.subplots(figsize=(9, 1.2 + 0.26 * rows), layout="constrained")
    axes.set(title=title, xlabel=unit, xscale="log")
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return axes


def _save(axes: Any, path: Path) -> None:
    axes.figure.savefig(path, metadata={"Date": None})
    pyplot.close(axes.figure)
