"""The page of the documentation that shows what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from benchmarks.beside.environments import PEERS
from benchmarks.beside.figures import OURS, Outcome, Place, at, outcomes, shown
from benchmarks.beside.results import Results

CASES: dict[Place, str] = {
    ("local", "call"): "call within a process, one at a time",
    ("local", "64 at once"): "calls within a process, 64 at once",
    ("local", "stream item"): "stream items within a process",
    ("local", "spawn"): "spawn",
    ("remote", "call"): "call between processes, one at a time",
    ("remote", "64 at once"): "calls between processes, 64 at once",
    ("remote", "stream item"): "stream items between processes",
    ("remote", "4 MiB echo"): "4 MiB echo between processes",
    ("queue", "put one"): "queue put, memory",
    ("queue", "put batch"): "queue put, memory, batches of 100, records",
    ("topic", "publish"): "publish to 4 subscribers, fire and forget",
    ("death", "death seen"): "seconds until one of two others has seen a kill -9",
}
"""What every contestant is asked to do that can."""

PLOTS = {
    "figures": "Our figures, each as a multiple of its target",
    "local": "Within a process",
    "remote": "Between two processes",
    "streaming": "Queues and topics",
}
FOLDER = "assets/performance"

_HEAD = """\
# Performance

Made by `make bench`, from `benchmarks/results.json`. Rounds of all contestants take turns on one machine, so that a
busy moment hits all alike; a value is the median of its rounds, with the lowest and the highest beside it. A ratio is
the median of the ratios of single rounds. Everything runs over loopback, on uvloop.

What stands beside a figure: its *target*, the *floor*, which is the same work without actors (what the language and the
libraries below us allow), and the best of the *peers*, other implementations of actors. A target with ≥ is reached from
1.00 on, one with ≤ up to 1.00. How it all behaves when things break is on [another page](reliability.md).
"""

_BESIDE = """\
## Beside the peers

One program for each implementation does the same things in the same number of steps. `pulsing-0.1.2` is the last
release of the package in Rust whose interface is implemented here. Pykka has no processes, Ray has nothing else. What
an implementation does not have, or failed in, is empty. Each is taken as it comes: our nodes serve their admin plane
meanwhile.
"""


def performance_page(results: Results) -> str:
    """The page as Markdown."""
    return "\n".join(
        [
            _HEAD,
            *_warnings(results),
            "## Figures to reach\n",
            *_figures(outcomes(results.samples)),
            f"\n![{PLOTS['figures']}]({FOLDER}/figures.svg)\n",
            *_missed(outcomes(results.samples)),
            _BESIDE,
            *_contest(results),
            *(f"\n![{title}]({FOLDER}/{name}.svg)" for name, title in PLOTS.items() if name != "figures"),
            "\n## What the network costs\n",
            *_network(results),
            "\n## On what it was measured\n",
            *_machine(results),
            *_failures(results),
            "",
        ]
    )


def _warnings(results: Results) -> Iterator[str]:
    if results.machine["rounds"] < 5:
        yield f"**A quick run, {results.machine['rounds']} round of each: the figures are rough.**\n"
    if results.load > results.machine["cores"] / 2:
        yield (
            f"**The machine was busy with something else: {results.load:.1f} processes wanted to run on its "
            f"{results.machine['cores']} cores before anything was measured. Rates are low; trust the ratios.**\n"
        )


def _figures(found: Sequence[Outcome]) -> Iterator[str]:
    yield "| what | ours | target | ours / target | met | ours / floor | floor | best peer | times the peer |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for outcome in found:
        figure = outcome.figure
        floor = f"{figure.floor_name}, {shown(outcome.floor)}{figure.unit}" if outcome.floor else ""
        peer, times = "", ""
        if outcome.peer is not None:
            name, value = outcome.peer
            peer, times = f"{name}, {shown(value)}{figure.unit}", f"{outcome.times_the_peer:.1f}"
        ratio = f"{outcome.ratio:.2f}" if outcome.ratio is not None else ""
        met = "yes" if not outcome.missed_by else f"**no, by {outcome.missed_by:.0%}**"
        ours = spread(outcome.values, figure.unit)
        reached = f"{figure.target} | {outcome.of_target:.2f} | {met}"
        yield f"| {figure.name} | {ours} | {reached} | {ratio} | {floor} | {peer} | {times} |"


def _missed(found: Sequence[Outcome]) -> Iterator[str]:
    missed = [outcome for outcome in found if outcome.missed_by]
    yield f"{len(found) - len(missed)} of {len(found)} are met.\n"
    for outcome in missed:
        if outcome.figure.if_missed:
            yield f"- **{outcome.figure.name}**: {outcome.figure.if_missed}"
    yield ""


def _contest(results: Results) -> Iterator[str]:
    contestants = (OURS, *PEERS)
    yield f"| a second | {' | '.join(contestants)} |"
    yield f"|---|{'---|' * len(contestants)}"
    for (place, case), name in CASES.items():
        found = [at(results.samples, (f"{contestant}: {place}", case)) for contestant in contestants]
        yield f"| {name} | {' | '.join(spread(values) if values else '' for values in found)} |"


def _network(results: Results) -> Iterator[str]:
    yield "Round trips of 128 bytes a second between two processes, without any actor.\n"
    yield "| what | a second |"
    yield "|---|---|"
    names = {
        "tcp": "bare TCP",
        "websockets": "the `websockets` library",
        "link": "the link between nodes",
        "link+tls": "the same, encrypted",
    }
    for case, name in names.items():
        if values := at(results.samples, ("network", case)):
            yield f"| {name} | {spread(values)} |"


def _machine(results: Results) -> Iterator[str]:
    machine = results.machine
    yield f"{machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}; "
    yield f"{machine['rounds']} rounds of {machine['seconds']} s a case. Versions: "
    yield ", ".join(f"{name} {version}" for name, version in sorted(machine["versions"].items())) + "."


def _failures(results: Results) -> Iterator[str]:
    if results.failures:
        yield "\nWhat failed in at least one round:\n"
        yield from (f"- {name}: `{text}`" for name, text in sorted(results.failures.items()))


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median, and from where to where the values go."""
    middle = f"{shown(statistics.median(values))}{unit}"
    return middle if len(values) < 2 else f"{middle} ({shown(min(values))} to {shown(max(values))})"
