"""The page of the documentation that shows how the campaigns ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.campaigns.table import CAMPAIGNS, Campaign

_HEAD = """\
# Reliability

What is done to the system on purpose, and what came of it. `make chaos` runs the long form of every campaign, some
hours; `make chaos QUICK=1` the short ones, which are part of `make test`. `make chaos ONLY="T-ORD-1 T-DRAIN-1"` runs
some of them. This page is made from `tests/campaigns/results.json`, which keeps of each campaign its last long run, or
a short one where there was none. What is promised, sentence by sentence, is on [another page](design/promises.md).

| id | what is done | what has to hold | seed | form | outcome | figures | took | version |
|---|---|---|---|---|---|---|---|---|
"""


def reliability_page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The page as Markdown, from the results by id."""
    return _HEAD + "".join(f"{_row(campaign, results.get(campaign.id))}\n" for campaign in CAMPAIGNS) + _replays()


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
