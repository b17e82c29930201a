"""The catalogue of actor classes of this process: what can be spawned, and how it is called."""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pulsing.admin.problems import ProblemError
from pulsing.admin.signatures import check_arguments, return_schema, signature_schema
from pulsing.admin.subjects import did_you_mean
from pulsing.core.actor_class import ActorClass
from pulsing.core.class_rows import shown_kind
from pulsing.core.classes import actor_class_named, registered_classes
from pulsing.node.references import class_beside_actors
from pulsing.wire.registry import default_registry

Row = dict[str, Any]


def described_class(name: str) -> Row | None:
    """Signatures and defaults of a class that is registered in this process, else None."""
    actor_class = registered_classes().get(name)
    if actor_class is None or actor_class._spec.internal:
        return None
    spec, cls = actor_class._spec, actor_class._cls
    return {
        "doc": inspect.getdoc(cls) or "",
        "constructor": {"schema": signature_schema(cls)},
        "methods": _methods(actor_class),
        "agent": None if spec.card is None else dict(spec.card),
        "defaults": {
            "restart_policy": spec.policy.policy,
            "max_restarts": spec.policy.max_restarts,
            "min_backoff": spec.policy.min_backoff,
            "max_backoff": spec.policy.max_backoff,
            "mailbox": spec.mailbox.capacity,
        },
        "source": _source(cls, spec.file),
    }


def _methods(actor_class: ActorClass[Any]) -> list[Row]:
    table = actor_class._spec.table
    if table is None:
        return []
    return [_method(actor_class._cls, method.name, method.kind) for method in _in_order(actor_class, table.methods)]


def _in_order(actor_class: ActorClass[Any], methods: Mapping[str, Any]) -> list[Any]:
    written = {name: place for place, name in enumerate(vars(actor_class._cls))}
    return sorted(methods.values(), key=lambda method: (written.get(method.name, len(written)), method.name))


def _method(cls: type, name: str, kind: str) -> Row:
    function, skip = _function(cls, name)
    return {
        "name": name,
        "kind": shown_kind(kind),
        "doc": inspect.getdoc(function) or "",
        "schema": signature_schema(function, skip),
        "returns": return_schema(function),
    }


def _function(cls: type, name: str) -> tuple[Callable[..., Any], int]:
    """The function behind a method, and how many of its parameters the caller does not give."""
    definition = inspect.getattr_static(cls, name)
    if isinstance(definition, staticmethod):
        return definition.__func__, 0
    if isinstance(definition, classmethod):
        return definition.__func__, 1
    if inspect.isfunction(definition):
        return definition, 1
    return getattr(cls, name), 1


def _source(cls: type, file: str) -> Row | None:
    try:
        return {"file": file, "line": inspect.getsourcelines(cls)[1]}
    except (OSError, TypeError):
        return {"file": file} if file else None


def spawnable_class(name: str, globs: Sequence[str]) -> ActorClass[Any]:
    """The class that may be spawned under a name.

    Raises:
        ProblemError: `class-not-found`, `class-not-spawnable`.
    """
    known = {key for key, cls in registered_classes().items() if not cls._spec.internal}
    if name not in known:
        raise ProblemError(
            "class-not-found",
            f"no class {name[:200]!r} is registered in this process",
            hint=did_you_mean(name, known),
        )
    if (reason := why_not_spawnable(name, globs)) is not None:
        raise ProblemError("class-not-spawnable", f"{name}: {reason}")
    return actor_class_named(name)


def why_not_spawnable(name: str, globs: Sequence[str]) -> str | None:
    """Why the settings forbid to spawn a class; None when they do not."""
    if any(fnmatch.fnmatchcase(name, glob) for glob in globs):
        return None
    return "admin.spawnable does not allow it"


def checked_constructor(
    actor_class: ActorClass[Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments that fit the constructor; see `check_arguments`."""
    return check_arguments(actor_class._cls, 0, args, kwargs)


def checked_call(
    class_name: str, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments that fit a method, where the class is registered in this process."""
    actor_class = registered_classes().get(class_name)
    if actor_class is None or method not in actor_class._table.methods:
        return list(args), dict(kwargs)
    function, skip = _function(actor_class._cls, method)
    return check_arguments(function, skip, args, kwargs)


def registered_type(name: str) -> type | None:
    """The class that values may be built of, by `module.Class`: the same classes that other nodes may send."""
    known = default_registry.child()
    known.fallback = class_beside_actors
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        entry = known.entry(f"{'.'.join(parts[:cut])}:{'.'.join(parts[cut:])}")
        if entry is not None:
            return entry.cls
    return None
