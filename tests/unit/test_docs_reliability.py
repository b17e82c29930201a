"""The page of campaigns is made from how they ended, and a campaign is run as the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaigns.__main__ import PAGE, kept, read_results, run
from tests.campaigns.page import reliability_page
from tests.campaigns.table import CAMPAIGNS, Campaign

ROOT = Path(__file__).parents[2]

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
    assert PAGE.read_text() == reliability_page(read_results())


def test_a_campaign_shows_its_figures_and_its_version() -> None:
    page = reliability_page({"T-ORD-1": result(is_held=True)})
    assert "| long | held | kills 50, p99 ms 33, bounded by cgroup | 1,234 s | `abc` |" in page


def test_a_campaign_that_broke_something_and_one_that_never_ran_say_so() -> None:
    page = reliability_page({"T-ORD-1": result(is_held=False)})
    assert page.count("**broken**") == 1
    assert page.count("| not run yet") == len(CAMPAIGNS) - 1


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
