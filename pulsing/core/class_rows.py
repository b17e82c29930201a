"""The classes of a node and their methods, with what was counted of them."""

from __future__ import annotations

import inspect
from typing import Any

from pulsing.core.actor_class import ActorClass
from pulsing.core.classes import registered_classes
from pulsing.core.methods import ASYNC, STREAMS
from pulsing.core.statistics import ClassStatistics, Latency, MethodStatistics
from pulsing.core.system import System


def shown_kind(kind: str) -> str:
    """method, async or stream."""
    return "stream" if kind in STREAMS else "async" if kind == ASYNC else "method"


def class_rows(system: System) -> list[dict[str, Any]]:
    """The registered classes and those of live actors, with their totals on this node."""
    counted = {c.name: c for c in system.statistics().classes if not c.internal}
    registered = {name: cls for name, cls in registered_classes().items() if not cls._spec.internal}
    return [
        _class_row(system, name, registered.get(name), counted.get(name)) for name in sorted({*counted, *registered})
    ]


def _class_row(
    system: System, name: str, cls: ActorClass[Any] | None, counted: ClassStatistics | None
) -> dict[str, Any]:
    kind = cls._spec.kind if cls is not None else "receive"
    doc = (inspect.getdoc(cls._cls) or "").partition("\n")[0] if cls is not None else ""
    return {
        "class": name,
        "doc": doc,
        "kind": kind,
        "spawnable": cls is not None,
        "why_not": None if cls is not None else "not registered by @remote",
        "nodes": [str(system.node_id)],
        "actors": counted.actors if counted else 0,
        "messages_total": counted.messages if counted else 0,
        "errors_total": counted.errors if counted else 0,
        "restarts_total": sum(counted.restarts.values()) if counted else 0,
    }


def method_rows(system: System) -> list[dict[str, Any]]:
    """One row for each method that was called on this node."""
    return [_method_row(c, m) for c in system.statistics().classes if not c.internal for m in c.methods]


def _method_row(of: ClassStatistics, method: MethodStatistics) -> dict[str, Any]:
    return {
        "class": of.name,
        "method": method.method,
        "kind": _kind_of_method(of.name, method.method),
        "messages_total": method.messages,
        "errors_total": method.errors,
        "handle_total_s": method.handle.total_s,
        "handle_s": percentiles(method.handle),
        "long_turns_total": method.long_turns,
        "streams_open": method.streams_open,
    }


def _kind_of_method(class_name: str, method: str) -> str | None:
    """method, async or stream; None of a class that is not registered, or one that takes messages."""
    cls = registered_classes().get(class_name)
    table = cls._spec.table if cls is not None else None
    found = table.methods.get(method) if table is not None else None
    return shown_kind(found.kind) if found is not None else None


def percentiles(latency: Latency) -> dict[str, float | None]:
    """p50, p95, p99 and maximum in seconds; None before the first observation."""
    return {
        "p50": latency.quantile(0.5),
        "p95": latency.quantile(0.95),
        "p99": latency.quantile(0.99),
        "max": latency.maximum_s if latency.count else None,
    }
