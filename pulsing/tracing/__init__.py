"""Spans of OpenTelemetry for calls, tells, streams, queues and topics, where the program wants them.

Nothing of OpenTelemetry is imported before `instrument` is called, and the code that messages run through is not
changed until then: a node that does not trace pays nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from pulsing.core.trace import current_trace

__all__ = ["instrument", "traceparent", "uninstrument", "wanted"]


def traceparent() -> str | None:
    """The W3C trace context of the message that is being handled, as the header of that name has it.

    For logs, and for the requests that a handler makes by HTTP. Works without OpenTelemetry.

    Returns:
        The header's value, always in an actor; None outside of actors where no trace is under way.
    """
    trace = current_trace()
    return None if trace is None else f"00-{trace[:16].hex()}-{trace[16:24].hex()}-{trace[24]:02x}"


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for spans, or the program has set OpenTelemetry up by itself."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("PULSING_TRACING_MODE") == "off":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER", "")
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if exporter == "none":
        return False
    return bool(exporter or any(environ.get(name) for name in endpoints)) or _set_up_by_the_program()


def _set_up_by_the_program() -> bool:
    api = sys.modules.get("opentelemetry.trace")
    return api is not None and "opentelemetry.sdk.trace" in sys.modules and api._TRACER_PROVIDER is not None


def instrument(ratio: float | None = None) -> None:
    """Make spans from here on, in all systems of the process; once is enough.

    Spans go to the tracer provider of the program. Where it has none, one is made that exports by OTLP over HTTP as
    the standard variables (`OTEL_*`) say.

    Args:
        ratio: share of the traces that begin here and are kept; by default `PULSING_TRACING_RATIO`, else 0.01.

    Raises:
        ImportError: OpenTelemetry is not installed: `pip install pulsing[otel]`.
    """
    from pulsing.tracing.hooks import install

    install(ratio)


def uninstrument() -> None:
    """Make no more spans; for tests."""
    hooks = sys.modules.get("pulsing.tracing.hooks")
    if hooks is not None:
        hooks.remove()
