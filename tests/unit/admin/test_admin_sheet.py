"""What is written here is what `prometheus_client` would write, whatever the labels."""

from __future__ import annotations

from typing import Any

import prometheus_client
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from pulsing.admin.families import FAMILIES
from pulsing.admin.sheet import Sheet
from pulsing.core.statistics import LATENCY_BOUNDS, Latency

TEXTS = st.text(max_size=8) | st.sampled_from(['a"b', "back\\slash", "line\nfeed", "\\n", '\\"', "café", ""])
NUMBERS = st.integers(0, 2**63) | st.floats(0, 1e300, allow_nan=False)
COUNTS = st.lists(st.integers(0, 10**9), min_size=len(LATENCY_BOUNDS) + 1, max_size=len(LATENCY_BOUNDS) + 1)


def by_prometheus_client(sheet: Sheet) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(sheet)
    text: str = prometheus_client.generate_latest(registry).decode()
    return text


def read(text: str) -> list[tuple[Any, ...]]:
    families = text_string_to_metric_families(text)
    return [(family.name, family.type, family.documentation, family.samples) for family in families]


@st.composite
def sheets(draw: st.DrawFn) -> Sheet:
    sheet = Sheet()
    for name in draw(st.sets(st.sampled_from(sorted(FAMILIES)), max_size=6)):
        family = FAMILIES[name]
        for labels in draw(st.sets(st.tuples(*[TEXTS for _ in family.labels]), max_size=3)):
            if family.kind == "histogram":
                counts = draw(COUNTS)
                sheet.observe(name, labels, Latency(tuple(counts), draw(st.floats(0, 1e9)), 1.0))
            else:
                sheet.add(name, labels, draw(NUMBERS))
    return sheet


@given(sheets())
def test_both_ways_of_writing_read_the_same(sheet: Sheet) -> None:
    assert read(sheet.as_text()) == read(by_prometheus_client(sheet))


def test_excluded_families_are_not_written() -> None:
    sheet = Sheet(exclude=["actor*"])
    sheet.add("actors", ("c", "running"), 1)
    assert "pulsing_actors" not in sheet.as_text()
    assert "pulsing_node_info" in sheet.as_text()
