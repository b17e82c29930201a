"""The page of campaigns is made from how they ended, and a campaign is run as the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.beside.figures import FIGURES
from benchmarks.beside.results import Results, read
from tests.campaigns.__main__ import run
from tests.campaigns.page import BENCH_RESULTS, PAGE, reliability_page
from tests.campaigns.properties import BENCH, PROPERTIES
from tests.campaigns.results import kept, read_results
from tests.campaigns.table import CAMPAIGNS, Campaign

ROOT = Path(__file__).parents[2]

NO_BENCH = Results({"rounds": 7, "versions": {}})
LONG = {"id": "a", "form": "long", "pass": True}
SHORT = {"id": "a", "form": "short", "pass": True}


def a_campaign(program: str, **settings: str) -> Campaign:
    """One that runs a program of a test's own."""
    return Campaign("T-X", "something", "nothing breaks", (program,), settings)


def result(*, is_held: bool) -> dict[str, object]:
    told = {"kills": 50, "p99_ms": 33.25, "bounded_by": "cgroup"}
    rest = {"form": "long", "seed": 1, "commit": "abc", "limit": "", "seconds": 1234.5}
    return {"id": "T-ORD-1", "figure": told, "pass": is_held, **rest}


def test_the_page_is_made_from_the_results() -> None:
    # make chaos, or python -m tests.campaigns --page
    assert PAGE.read_text() == reliability_page(read_results(), read(BENCH_RESULTS))


def test_a_campaign_shows_its_figures_and_its_version() -> None:
    page = reliability_page({"T-ORD-1": result(is_held=True)}, NO_BENCH)
    assert "| long | held | kills 50, p99 ms 33, bounded by cgroup | 1,234 s | `abc` |" in page


def test_a_campaign_that_broke_something_and_one_that_never_ran_say_so() -> None:
    page = reliability_page({"T-ORD-1": result(is_held=False)}, NO_BENCH).partition("## The campaigns")[2]
    assert page.count("**broken**") == 1
    assert page.count("| not run yet") == len(CAMPAIGNS) - 1


def verdicts(form: str, *, is_held: bool = True, **figure: float) -> list[str]:
    """What the table of properties says of order: of the inversions, then of the messages."""
    ended = {**result(is_held=is_held), "form": form, "figure": figure}
    lines = reliability_page({"T-ORD-1": ended}, NO_BENCH).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("| A9 |"))
    return [line.split(" | ")[-3] for line in lines[at : at + 2]]


def test_a_property_is_met_by_a_long_form_that_tried_enough() -> None:
    assert verdicts("long", inversions=0, messages=10_000_000) == ["yes", "yes"]
    assert verdicts("long", inversions=2, messages=1_000_000) == ["**no, 2**", "**no, by 90%**"]


def test_a_short_form_is_no_proof_unless_it_tried_enough() -> None:
    assert verdicts("short", inversions=0, messages=1_000) == ["in a short form", "in a short form"]
    assert verdicts("short", inversions=2, messages=10_000_000) == ["**no, 2**", "yes"]


def test_a_property_of_a_campaign_that_broke_or_told_nothing_is_not_met() -> None:
    assert verdicts("long", is_held=False, inversions=0, messages=10_000_000) == ["**no, broken**"] * 2
    assert verdicts("long", inversions=0) == ["yes", "not told by that run"]


def test_a_property_that_is_missed_says_why_and_what_would_close_the_gap() -> None:
    assert [one.id for one in PROPERTIES if one.measures and not one.if_missed] == []
    page = reliability_page({"T-ORD-1": {**result(is_held=True), "figure": {"inversions": 2, "messages": 1}}}, NO_BENCH)
    assert "- **A9**, inversions, messages: That is a fault of ours." in page
    page = reliability_page({"T-ORD-1": {**result(is_held=True), "figure": {"inversions": 0, "messages": 1}}}, NO_BENCH)
    assert "- **A9**, messages: What was tried held" in page


def test_a_property_measured_by_the_bench_has_its_ratio_and_version() -> None:
    samples = {"membership": {"silent death seen by all 5 nodes, p50": [3.0]}}
    page = reliability_page({}, Results({"rounds": 7, "versions": {}}, samples=samples, commit="abc"))
    assert "| 5 nodes, p50 | ≤ 6 s | 3 s | 0.50 | yes | make bench, full | `abc` |" in page


def test_every_measure_has_somebody_who_takes_it() -> None:
    told = "".join(file.read_text() for file in (ROOT / "tests").rglob("*.py") if file.parent.name != "campaigns")
    names = {figure.name for figure in FIGURES}
    for measure in (each for one in PROPERTIES for each in one.measures):
        if measure.source == BENCH:
            assert measure.name in names
            continue
        assert [one.id for one in CAMPAIGNS if one.has(measure.source)] != [], measure.source
        # Two are put together from a word and what it is of.
        beginning = next((each for each in ("_p50_ms", "_p99_ms") if measure.name.endswith(each)), "")
        assert measure.name.removesuffix(beginning).partition("_as_")[0] in told, measure.name


def test_a_short_run_that_held_does_not_take_the_place_of_a_long_one() -> None:
    broken = {**SHORT, "pass": False}
    assert kept({"a": LONG}, SHORT) == {"a": LONG}
    assert kept({"a": LONG}, broken) == {"a": broken}
    assert kept({"a": SHORT}, LONG) == {"a": LONG}
    assert kept({}, SHORT) == {"a": SHORT}


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda campaign: campaign.id)
def test_what_a_campaign_runs_is_there(campaign: Campaign) -> None:
    first = campaign.command[0]
    if first.startswith("tests."):
        assert (ROOT / (first.replace(".", "/") + ".py")).exists()
    else:
        assert [path for path in campaign.command if path.startswith("tests/") and not (ROOT / path).exists()] == []
    for variable in campaign.long:
        paths = [ROOT / path for path in campaign.command if path.startswith("tests/")]
        files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
        assert any(f'"{variable}"' in file.read_text() for file in files), variable


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("T-SIM-1", ["T-SIM-1"]),
        ("T-SIM-4", ["T-SIM-2, 4, 6"]),
        ("T-KILL-2", ["T-KILL-1, 2"]),
        ("T-BLK-1", ["T-NET-4, T-BLK-1"]),
        ("T-SEC-4", ["T-SEC"]),
        ("T-SEC", ["T-SEC"]),
        ("T-SIM", []),
        ("T-KILL-11", []),
    ],
)
def test_a_campaign_is_found_by_any_of_its_ids(asked: str, found: list[str]) -> None:
    assert [campaign.id for campaign in CAMPAIGNS if campaign.has(asked)] == found


# It starts pytest three times.
@pytest.mark.timeout(240)
def test_a_campaign_gets_its_settings_tells_its_figures_and_says_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Loading these takes longer than all the rest.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:schemathesis -p no:hypothesispytest")
    program = tmp_path / "test_it.py"
    program.write_text(
        "import os\n"
        "from tests.campaigns.noted import note\n"
        "ROUNDS = int(os.environ.get('ROUNDS', '1'))\n"
        "def test_it():\n"
        "    note(rounds=ROUNDS, lost=0)\n"
        "    assert ROUNDS < 9\n"
    )
    long = run(a_campaign(str(program), ROUNDS="7"), is_long=True)
    short = run(a_campaign(str(program), ROUNDS="7"), is_long=False)
    broken = run(a_campaign(str(program), ROUNDS="9"), is_long=True)

    assert (long["figure"], long["pass"], long["form"]) == ({"rounds": 7, "lost": 0}, True, "long")
    assert (short["figure"], short["pass"], short["form"]) == ({"rounds": 1, "lost": 0}, True, "short")
    assert (broken["figure"], broken["pass"]) == ({"rounds": 9, "lost": 0}, False)


def test_the_line_that_runs_a_campaign_again_has_its_settings() -> None:
    again = a_campaign("tests/x.py", PULSING_ROUNDS="50").replay(is_long=True)
    assert (
        again == "PULSING_ROUNDS=50 .venv/bin/python -m pytest -q -o faulthandler_timeout=0 --timeout 7200 tests/x.py"
    )
    assert "PULSING_ROUNDS" not in a_campaign("tests/x.py", PULSING_ROUNDS="50").replay(is_long=False)
