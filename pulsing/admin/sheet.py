"""The values of one rendering, by family and labels, and how they are written.

Prometheus' text is written here, everything else by `prometheus_client`: for a node with a hundred classes its writer
takes 30 ms, most of it to look whether names that never change are names, and this one takes a fifth.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, count
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pulsing.admin.families import FAMILIES, PREFIX, Family
from pulsing.core.statistics import LATENCY_BOUNDS, Latency

Labels = tuple[str, ...]

_BOUNDS = [*(f"{bound:g}" for bound in LATENCY_BOUNDS), "+Inf"]
_BOUND = 'le="'

_SPECIAL = re.compile(r'[\\\n"]')
_ESCAPES = {"\\": r"\\", "\n": r"\n", '"': r"\""}


class Sheet(Collector):
    """The families of one rendering, filled value by value; equal labels are added up."""

    def __init__(self, exclude: Sequence[str] = ()) -> None:
        self._exclude = exclude
        self._values: dict[str, dict[Labels, Any]] = {}

    def add(self, name: str, labels: Labels, value: float | None) -> None:
        """Add a value to a counter or gauge; an unknown value (None) is not there."""
        if value is None:
            return
        family = self._values.setdefault(name, {})
        family[labels] = family.get(labels, 0) + value

    def most(self, name: str, labels: Labels, value: float | None) -> None:
        """Keep the largest of the values with these labels."""
        if value is None:
            return
        family = self._values.setdefault(name, {})
        family[labels] = max(family.get(labels, value), value)

    def observe(self, name: str, labels: Labels, latency: Latency) -> None:
        """Add a histogram."""
        family = self._values.setdefault(name, {})
        held = family.get(labels)
        if held is None:
            family[labels] = (latency.counts, latency.total_s)
            return
        counts, total = held
        family[labels] = ([a + b for a, b in zip(counts, latency.counts, strict=True)], total + latency.total_s)

    def collect(self) -> Iterator[Metric]:
        """All families as `prometheus_client` writes them."""
        for name, family, values in self._families():
            yield metric_of(name, family.kind, family.help, family.labels, values)

    def as_text(self) -> str:
        """All families in Prometheus' text format 0.0.4."""
        lines: list[str] = []
        for name, family, values in self._families():
            lines.append(f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n")
            write = _write_histogram if family.kind == "histogram" else _write_number
            # By name, as `prometheus_client` writes them: whoever looks for a line finds it in either's text.
            order = [(f'{label}="', place) for label, place in sorted(zip(family.labels, count(), strict=False))]
            for given, value in values.items():
                pairs = [f'{label}{_escaped(given[place])}"' for label, place in order]
                lines += write(name, pairs, value)
        return "".join(lines)

    def _families(self) -> Iterator[tuple[str, Family, Mapping[Labels, Any]]]:
        """In the order of the table: what has not happened yet is named, and 0 where it has no labels."""
        for name, family in FAMILIES.items():
            if not is_left_out(PREFIX + name, self._exclude):
                nothing: Mapping[Labels, Any] = {(): 0} if family.kind == "counter" and not family.labels else {}
                yield PREFIX + name, family, self._values.get(name, nothing)


def is_left_out(name: str, globs: Sequence[str]) -> bool:
    """Whether a family is one of those that are not wanted, by its whole name or by what follows our prefix."""
    names = (name, name.removeprefix(PREFIX))
    return any(fnmatch.fnmatchcase(one, glob) for one in names for glob in globs)


def metric_of(name: str, kind: str, help: str, labels: Labels, values: Mapping[Labels, Any]) -> Metric:
    """A family for `prometheus_client`."""
    if kind == "histogram":
        histogram = HistogramMetricFamily(name, help, labels=labels)
        for given, (counts, total) in values.items():
            histogram.add_metric(given, _cumulated(counts), total)
        return histogram
    made = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    metric = made(name, help, labels=labels)
    for given, value in values.items():
        metric.add_metric(given, value)
    return metric


def _cumulated(counts: Sequence[int]) -> list[tuple[str, int]]:
    return list(zip(_BOUNDS, accumulate(counts), strict=True))


def _write_number(name: str, pairs: list[str], value: float) -> Iterator[str]:
    yield f"{name}{_braced(pairs)} {float(value)!r}\n"


def _write_histogram(name: str, pairs: list[str], value: tuple[Sequence[int], float]) -> Iterator[str]:
    counts, total = value
    before = "".join([f"{pair}," for pair in pairs if pair < _BOUND])
    after = "".join([f",{pair}" for pair in pairs if pair > _BOUND])
    buckets = _cumulated(counts)
    for bound, upto in buckets:
        yield f'{name}_bucket{{{before}{_BOUND}{bound}"{after}}} {upto}.0\n'
    yield f"{name}_count{_braced(pairs)} {buckets[-1][1]}.0\n"
    yield f"{name}_sum{_braced(pairs)} {total!r}\n"


def _braced(pairs: Sequence[str]) -> str:
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text) if _SPECIAL.search(text) else text
