"""The page of figures is made from what was measured, and says what was missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.beside.environments import PEERS
from benchmarks.beside.figures import FIGURES, OURS, Figure, outcomes
from benchmarks.beside.page import performance_page
from benchmarks.beside.programs import FULL, QUICK, Program, every_round, once, run
from benchmarks.beside.results import Results, read, resumed

ROOT = Path(__file__).parents[2]
MACHINE = {"cores": 2, "memory_gib": 24, "system": "Linux", "python": "3.11", "versions": {}, "rounds": 7, "seconds": 1}


def outcome_of(figure: str, samples: dict[str, dict[str, list[float]]]) -> str:
    """The row of a figure on the page of these samples."""
    lines = performance_page(Results(MACHINE, samples=samples)).splitlines()
    return next(line for line in lines if line.startswith(f"| {figure} |"))


def test_the_page_is_made_from_the_results() -> None:
    # make bench, or python -m benchmarks.beside --page
    results = read(ROOT / "benchmarks/results.json")
    assert (ROOT / "docs/performance.md").read_text() == performance_page(results)


def test_every_figure_has_been_measured_that_a_quick_run_has() -> None:
    results = read(ROOT / "benchmarks/results.json")
    measured = {outcome.figure.name for outcome in outcomes(results.samples)}
    left_out = {"1,000,000 idle actors"} if results.machine["rounds"] == QUICK.rounds else set()
    assert {figure.name for figure in FIGURES} - measured <= left_out


def test_a_page_of_a_quick_run_or_of_a_busy_machine_says_so() -> None:
    assert "**" not in performance_page(Results(MACHINE)).partition("## ")[0]
    assert "figures are rough" in performance_page(Results({**MACHINE, "rounds": 1}))
    assert "14.3 processes wanted to run on its 2 cores" in performance_page(Results(MACHINE, load=14.3))


def test_a_figure_is_the_median_of_its_rounds_with_the_lowest_and_the_highest() -> None:
    row = outcome_of("spawn", {"local": {"spawn": [90_000.0, 60_000.0, 70_000.0]}})
    assert "70,000/s (60,000 to 90,000) | ≥ 50,000/s | 1.40 | yes" in row


def test_a_figure_that_is_missed_says_by_how_much() -> None:
    assert "| 0.80 | **no, by 20%**" in outcome_of("spawn", {"local": {"spawn": [40_000.0]}})
    assert "| 1.50 | **no, by 50%**" in outcome_of("1,000,000 idle actors", {"idle": {"peak_gib": [3.0]}})


def test_a_figure_that_is_missed_says_why_and_what_would_close_the_gap() -> None:
    assert [figure.name for figure in FIGURES if not figure.if_missed] == []
    page = performance_page(Results(MACHINE, samples={"local": {"spawn": [40_000.0], "call, 64 at once": [9e9]}}))
    assert "- **spawn**: An actor's cell" in page
    assert "- **local calls, 64 at once**" not in page


def test_a_ratio_is_taken_round_by_round() -> None:
    # A slow machine in the second round: the rates differ, the ratios do not.
    samples = {"remote": {"call": [80.0, 8.0, 80.0], "call, floor": [100.0, 10.0, 100.0]}}
    row = outcome_of("call between processes, one at a time", samples)
    assert "| 1.14 | yes | 0.80 |" in row


def test_a_ratio_that_is_missed_counts_though_the_rate_is_reached() -> None:
    samples = {"local": {"call": [200_000.0], "floor": [800_000.0]}}
    assert "| 0.56 | **no, by 44%**" in outcome_of("local call, one at a time", samples)


def test_the_fastest_peer_stands_beside_ours() -> None:
    samples = {
        "local": {"spawn": [60_000.0]},
        "pykka: local": {"spawn": [6_000.0]},
        "xoscar: local": {"spawn": [300.0]},
    }
    assert outcome_of("spawn", samples).endswith("| pykka, 6,000/s | 10.0 |")


def test_where_less_is_better_the_peer_that_needs_least_stands_beside_ours() -> None:
    samples = {"membership": {"killed, p99": [0.05]}, "pulsing-0.1.2: death": {"death seen": [15.0]}}
    row = outcome_of("kill -9 seen by all others, 5 nodes, p99", samples)
    assert row.endswith("| pulsing-0.1.2, 15 s | 300.0 |")


def test_a_program_that_fails_is_named_and_the_others_go_on() -> None:
    results = Results(MACHINE)
    results.note("round 1, a", "a", {"fine": 3.0, "broken": "ValueError: no"})
    results.note("round 1, b", "b", "did not end within 240 s")
    assert results.samples == {"a": {"fine": [3.0]}}
    page = performance_page(results)
    assert "- a, broken: `ValueError: no`" in page
    assert "- b: `did not end within 240 s`" in page


def test_a_course_that_was_broken_off_goes_on_with_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results = Results(MACHINE)
    results.note("round 1, a", "a", {"case": 3.0})
    results.write(path)
    assert resumed(path, MACHINE) == results
    assert resumed(path, {**MACHINE, "python": "3.13"}).done == []


def test_no_figure_is_asked_for_that_no_program_measures() -> None:
    names = {program.name for program in (*every_round(FULL), *once(FULL))}
    wanted = {place[0] for figure in FIGURES for place in (figure.ours, figure.floor) if place is not None}
    raced = {f"{peer}: {figure.peers[0]}" for figure in FIGURES if figure.peers for peer in (OURS, *PEERS)}
    assert wanted <= names
    assert {name for name in names if ":" in name} <= raced


def test_a_figure_says_its_target() -> None:
    figure = Figure("a", ("b", "c"), at_least=1_000, ratio=0.7)
    assert figure.target == "≥ 1,000/s, ≥ 0.7 of the floor"


@pytest.mark.parametrize("place", ["local", "remote", "queue", "topic", "death"])
def test_ours_runs_what_the_peers_run(place: str) -> None:
    script = "beside/contestants/any_pulsing.py"
    found = run(Program("ours", OURS, (script, place, "--seconds", "0.01")))
    assert isinstance(found, dict), found
    assert all(isinstance(value, float) and value > 0 for value in found.values()), found


def test_a_program_that_ends_badly_says_why() -> None:
    assert "no-such.py" in str(run(Program("none", OURS, ("no-such.py",))))
