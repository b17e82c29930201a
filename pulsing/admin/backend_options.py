"""Whether the options of a queue's store fit the store, before a queue is made with them from outside."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from pulsing.admin.problems import ProblemError
from pulsing.admin.subjects import did_you_mean
from pulsing.streaming.backend import get_backend_class

OF_THE_QUEUE = frozenset({"quorum"})
"""Options that the queue itself reads; it checks them too."""
_GIVEN_BY_US = frozenset({"bucket_id", "storage_path", "batch_size", "clock", "epoch", "thread"})
"""Parameters of stores that are no options: whoever makes the store fills them."""
_NAMED = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_backend_options(backend: str, options: Mapping[str, Any]) -> None:
    """Refuse options that the store does not name, or whose value is of another type.

    A store of the user's that takes whatever it is given is given it.

    Raises:
        ProblemError: `validation`, with a fault for each.
    """
    cls = get_backend_class(backend)
    parameters = inspect.signature(cls).parameters.values()
    known = {p.name for p in parameters if p.kind in _NAMED and p.name not in _GIVEN_BY_US} | OF_THE_QUEUE
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters) and not cls.__module__.startswith("pulsing.")
    hints = _hints_of(cls)
    faults = []
    for name, value in options.items():
        if name in _GIVEN_BY_US or (name not in known and not takes_all):
            near = did_you_mean(name, known) or f"there are {', '.join(sorted(known))}"
            faults.append(_fault(name, f"the store {backend} has no such option; {near}"))
        elif name in hints and (error := _misfit(hints[name], value)) is not None:
            faults.append(_fault(name, error))
    if faults:
        first = faults[0]
        raise ProblemError("validation", f"{first['loc'][-1]}: {first['msg']}", errors=faults)


def _hints_of(cls: type) -> dict[str, Any]:
    try:
        return get_type_hints(cls.__init__)  # type: ignore[misc]
    except (NameError, TypeError):
        # Names that are only there for type checkers: the store itself says what it does not take.
        return {}


def _misfit(hint: Any, value: Any) -> str | None:
    try:
        TypeAdapter(hint).validate_python(value, strict=True)
    except ValidationError as error:
        return str(error.errors()[0]["msg"])
    return None


def _fault(name: str, message: str) -> dict[str, Any]:
    return {"loc": ["body", "backend_options", name], "msg": message}
