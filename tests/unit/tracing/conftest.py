"""Spans that are kept in memory, for the tests of tracing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pulsing import tracing


@pytest.fixture(scope="module")
def exporter() -> Iterator[Any]:
    """What has the spans that have ended."""
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    with pytest.MonkeyPatch.context() as patch:
        # A process sets its provider once and for all, and every later system of it would make spans.
        patch.setattr(trace, "_TRACER_PROVIDER", provider)
        yield made


@pytest.fixture
def spans(exporter: Any) -> Iterator[Any]:
    """The same, empty, while tracing is on."""
    exporter.clear()
    tracing.instrument()
    yield exporter
    tracing.uninstrument()
