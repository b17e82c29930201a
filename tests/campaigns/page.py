"""The page of the documentation that shows how the campaigns ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.beside.results import Results, read
from tests.campaigns.proof import proof
from tests.campaigns.results import read_results
from tests.campaigns.table import CAMPAIGNS, Campaign

ROOT = Path(__file__).parents[2]
BENCH_RESULTS = ROOT / "benchmarks/results.json"
PAGE = ROOT / "docs/reliability.md"

_HEAD = """\
# Reliability

What is done to the system on purpose, and what came of it. First the properties to reach, each with what was
measured of it; then the campaigns, and how each ended; at last the commands that run them again.

`make chaos` runs the long form of every campaign, some hours; `make chaos QUICK=1` the short ones, which are part of
`make test`. `make chaos ONLY="T-ORD-1 T-DRAIN-1"` runs some of them. This page is made from
`tests/campaigns/results.json`, which keeps of each campaign its last long run, or a short one where there was none, and
from `benchmarks/results.json`, which `make bench` writes. What is promised, sentence by sentence, is on
[another page](design/promises.md); how fast it all is, on [one more](performance.md).

## What has to hold

A property is met in full when every line of it says yes. "In a short form" means that what was tried held, but that the
long form, which tries as much as the target asks for, has not been run on this version or one before it.

"""

_CAMPAIGNS = """\

## The campaigns

| id | what is done | what has to hold | seed | form | outcome | figures | took | version |
|---|---|---|---|---|---|---|---|---|
"""


def write_page() -> None:
    """Make the page anew from what is kept."""
    PAGE.write_text(reliability_page(read_results(), read(BENCH_RESULTS)))


def reliability_page(results: Mapping[str, Mapping[str, Any]], bench: Results) -> str:
    """The page as Markdown, from the results by id and from those of the bench."""
    campaigns = "".join(f"{_row(campaign, results.get(campaign.id))}\n" for campaign in CAMPAIGNS)
    properties = "".join(f"{line}\n" for line in proof(results, bench))
    return _HEAD + properties + _CAMPAIGNS + campaigns + _replays()


def _row(campaign: Campaign, result: Mapping[str, Any] | None) -> str:
    seed = "" if campaign.seed is None else str(campaign.seed)
    told = ["", f"not run yet{campaign.needs and f': needs {campaign.needs}'}", "", "", ""]
    if result is not None:
        outcome = "held" if result["pass"] else "**broken**"
        figures = ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in result["figure"].items())
        told = [result["form"], outcome, figures, f"{result['seconds']:,.0f} s", f"`{result['commit']}`"]
    return f"| {' | '.join([campaign.id, campaign.what, campaign.limit, seed, *told])} |"


def _shown(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2g}"


def _replays() -> str:
    return "\n## Run one again\n\n```\n" + "".join(_replay_lines()) + "```\n"


def _replay_lines() -> Iterator[str]:
    for campaign in CAMPAIGNS:
        yield f"# {campaign.id}\n{campaign.replay(is_long=True)}\n"
