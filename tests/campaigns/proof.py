"""The table of the properties to reach: what was measured for each, and whether that is enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.beside.figures import outcomes, shown
from benchmarks.beside.programs import QUICK
from benchmarks.beside.results import Results
from tests.campaigns.properties import BENCH, PROPERTIES, Measure, Property
from tests.campaigns.table import CAMPAIGNS

LATER = "later: not in this version"
_TOO_LITTLE = "What was tried held, but it was less than the target asks for. Left to do: a longer run."


@dataclass(frozen=True)
class Finding:
    """What one run says of a measure."""

    value: float | None
    """none where a run did not tell this figure, or there is none to tell"""
    is_held: bool
    is_short: bool
    form: str
    version: str


def proof(results: Mapping[str, Mapping[str, Any]], bench: Results) -> Iterator[str]:
    """The table in lines, and what is to be said of properties that are missed."""
    judged = [(one, [(each, _found(each, results, bench)) for each in one.measures]) for one in PROPERTIES]
    yield "| | property | measured | target | found | found / target | met | by | version |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one, measures in judged:
        if not measures:
            yield f"| {one.id} | {one.what} | | | | | {LATER} | | |"
        for number, (measure, finding) in enumerate(measures):
            name, what = (one.id, one.what) if number == 0 else ("", "")
            yield f"| {name} | {what} | {_row(measure, finding)} |"
    yield ""
    met = [one for one, measures in judged if measures and all(_verdict(*each) == "yes" for each in measures)]
    yield f"{len(met)} of {len(PROPERTIES)} are met in full: {', '.join(one.id for one in met) or 'none'}.\n"
    yield from (_reason(one, measures) for one, measures in judged if any(_misses(*each) for each in measures))


def _found(measure: Measure, results: Mapping[str, Mapping[str, Any]], bench: Results) -> Finding | None:
    if measure.source == BENCH:
        return _found_by_bench(measure, bench)
    campaign = next(one for one in CAMPAIGNS if one.has(measure.source))
    result = results.get(campaign.id)
    if result is None:
        return None
    # Without settings of a long form the two are the same.
    is_short = result["form"] == "short" and bool(campaign.long or campaign.long_arguments)
    form = result["form"] if campaign.long or campaign.long_arguments else "only form"
    return Finding(result["figure"].get(measure.name), result["pass"], is_short, form, f"`{result['commit']}`")


def _found_by_bench(measure: Measure, bench: Results) -> Finding | None:
    for outcome in outcomes(bench.samples):
        if outcome.figure.name == measure.name:
            is_quick = bench.machine["rounds"] <= QUICK.rounds
            version = f"`{bench.commit}`" if bench.commit else bench.machine["versions"].get("pulsing", "")
            return Finding(outcome.median, True, is_quick, "quick" if is_quick else "full", version)
    return None


def _row(measure: Measure, finding: Finding | None) -> str:
    found = ratio = by = version = ""
    if finding is not None:
        by, version = f"{measure.source}, {finding.form}", finding.version
        if finding.value is not None:
            found, ratio = f"{shown(finding.value)}{measure.unit}", _ratio(measure, finding.value)
    cells = (measure.what, _target(measure), found, ratio, _verdict(measure, finding), by or measure.source, version)
    return " | ".join(cells)


def _target(measure: Measure) -> str:
    if measure.at_least is not None:
        return f"≥ {shown(measure.at_least)}{measure.unit}"
    if measure.at_most is not None:
        return f"≤ {shown(measure.at_most)}{measure.unit}" if measure.at_most else "0"
    return "held"


def _ratio(measure: Measure, value: float) -> str:
    bound = measure.at_most if measure.at_least is None else measure.at_least
    if not bound:
        return ""
    share = value / bound
    return f"{share:.2f}" if share >= 0.01 or not share else f"{share:.1g}"


def _verdict(measure: Measure, finding: Finding | None) -> str:
    if finding is None:
        return "not run yet"
    if not finding.is_held:
        return "**no, broken**"
    if measure.name and finding.value is None:
        return "not told by that run"
    missed = _missed_by(measure, finding)
    if missed and not (measure.is_effort and finding.is_short):
        return f"**no, by {missed:.0%}**" if measure.at_most != 0 else f"**no, {shown(finding.value or 0)}**"
    return "in a short form" if finding.is_short and (missed or not measure.is_effort) else "yes"


def _missed_by(measure: Measure, finding: Finding) -> float:
    """How far the bound is missed, as a share of it, or as it is where the bound is 0; 0 when it is met."""
    value = finding.value
    if value is None:
        return 0.0
    if measure.at_least is not None:
        return max(0.0, 1 - value / measure.at_least)
    if measure.at_most is not None:
        return max(0.0, value / measure.at_most - 1 if measure.at_most else value)
    return 0.0


def _misses(measure: Measure, finding: Finding | None) -> bool:
    return _verdict(measure, finding).startswith("**no")


def _reason(one: Property, measures: list[tuple[Measure, Finding | None]]) -> str:
    missed = [measure for measure, finding in measures if _misses(measure, finding)]
    why = one.if_missed if any(not measure.is_effort for measure in missed) else _TOO_LITTLE
    return f"- **{one.id}**, {', '.join(measure.what for measure in missed)}: {why}"
