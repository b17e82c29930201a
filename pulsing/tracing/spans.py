"""How spans are named and described, and how their context travels: the one place that knows OpenTelemetry's words."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from pulsing.core.actor import CURRENT, TRACE
from pulsing.exceptions import PulsingActorError

SYSTEM = "pulsing"
RATIO = 0.01
"""The share of traces that begin here and are kept, unless the environment says otherwise."""

CLIENT, SERVER, PRODUCER, CONSUMER = SpanKind.CLIENT, SpanKind.SERVER, SpanKind.PRODUCER, SpanKind.CONSUMER
INTERNAL = SpanKind.INTERNAL


def rpc(method: str) -> dict[str, Any]:
    """What is said of a call."""
    return {"rpc.system.name": SYSTEM, "rpc.method": method}


def messaging(operation: str, destination: str) -> dict[str, Any]:
    """What is said of a message that wants no answer; `operation` is send, process or receive."""
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": destination,
    }


def tracer() -> trace.Tracer:
    """Where spans are begun."""
    return trace.get_tracer("pulsing")


def begin(name: str, kind: SpanKind, attributes: Mapping[str, Any], *, linked: bool = False) -> Span | None:
    """A span beneath the one that is under way; None where the trace is not sampled.

    Args:
        name, kind, attributes: its own.
        linked: also link it to that one, as is done where one message is processed by many.
    """
    parent = _parent()
    context = trace.get_current_span(parent).get_span_context()
    if context.is_valid and not context.trace_flags.sampled:
        return None
    links = [Link(context)] if linked and context.is_valid else None
    span = tracer().start_span(name, parent, kind, attributes, links)
    return span if span.is_recording() else None


def end(span: Span, error: BaseException | None = None, at: int | None = None) -> None:
    """End a span, with the error if there was one; `at` is when it ended, in ns, if that is not now."""
    if error is not None:
        remote = error.remote_type if isinstance(error, PulsingActorError) else None
        span.set_attribute("error.type", remote or type(error).__qualname__)
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
    span.end(at)


def context_of(span: Span) -> bytes:
    """The context of a span as messages carry it."""
    own = span.get_span_context()
    return own.trace_id.to_bytes(16, "big") + own.span_id.to_bytes(8, "big") + bytes((int(own.trace_flags),))


def link_to(span: Span, contexts: Iterable[bytes]) -> None:
    """Link a span to others, by their contexts as messages carry them."""
    for context in contexts:
        span.add_link(_read(context))


def _parent() -> Context | None:
    carried, current = TRACE.get(), trace.get_current_span()
    # Inside an actor the message says what is under way, unless the method has begun a span of its own.
    if carried is None or (CURRENT.get() is None and current.get_span_context().is_valid):
        return None
    if current.is_recording() and current.get_span_context().trace_id == int.from_bytes(carried[:16], "big"):
        return None
    return set_span_in_context(NonRecordingSpan(_read(carried)))


def _read(carried: bytes) -> SpanContext:
    return SpanContext(
        int.from_bytes(carried[:16], "big"), int.from_bytes(carried[16:24], "big"), True, TraceFlags(carried[24])
    )


def ensure_provider(ratio: float | None = None) -> None:
    """Set OpenTelemetry up as the standard variables say, where the program has not done so."""
    from opentelemetry.sdk.trace import TracerProvider

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    kept = float(os.environ.get("PULSING_TRACING_RATIO", RATIO)) if ratio is None else ratio
    sampler = None if os.environ.get("OTEL_TRACES_SAMPLER") else ParentBasedTraceIdRatio(kept)
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": SYSTEM}
    provider = TracerProvider(sampler=sampler, resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
