"""A method as the cell meets it: what to call, in which manner, and where the call is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pulsing.core.envelope import ATTRIBUTE
from pulsing.core.methods import ASYNC, ASYNC_GENERATOR
from pulsing.core.spec import CellSpec
from pulsing.core.statistics import ClassCounters, MethodCounters

UNKNOWN = "(unknown)"
READ = "(attribute)"
"""Names under which calls are counted that name no method: callers choose those names, and may choose any number."""


class Turn:
    """One method of one class on one node.

    Attributes:
        function: takes the actor first; None where the name is not callable.
        is_async: whether calling it only makes a coroutine, which takes its first step later.
        in_thread: whether it runs in the worker thread.
        in_place: whether it is a function that runs on the loop to its end.
        counters: where its calls are counted.
    """

    __slots__ = ("counters", "function", "in_place", "in_thread", "is_async")

    def __init__(
        self, function: Callable[..., Any] | None, is_async: bool, in_thread: bool, counters: MethodCounters
    ) -> None:
        self.function = function
        self.is_async = is_async
        self.in_thread = in_thread
        self.in_place = function is not None and not is_async and not in_thread
        self.counters = counters


def turn_of(spec: CellSpec, counters: ClassCounters, name: str | None) -> Turn:
    """The turn that a message for `name` takes."""
    if spec.table is None:
        if name is not None:
            return Turn(None, False, False, counters.method(UNKNOWN))
        return Turn(_receive, not spec.threaded, spec.threaded, counters.method("receive"))
    method = spec.table.methods.get(name or "receive")
    if method is None:
        return Turn(None, False, False, counters.method(READ if (name or "").startswith(ATTRIBUTE) else UNKNOWN))
    is_async = method.kind in (ASYNC, ASYNC_GENERATOR)
    return Turn(method.function, is_async, spec.threaded and not is_async, counters.method(method.name))


def _receive(actor: Any, msg: Any) -> Any:
    return actor.receive(msg)
