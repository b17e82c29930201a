"""An error as data, and the error that such data stands for at the caller.

What an actor raised has become a Pulsing error before it comes here. Only the classes in the two tables of
`pulsing.exceptions` are ever built; a name outside them is text for the reader and nothing more.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pulsing.exceptions import (
    BUILTIN_ERRORS,
    PULSING_ERRORS,
    PulsingActorError,
    PulsingError,
    PulsingRuntimeError,
    PulsingSystemError,
    RemoteTraceback,
    error_for_caller,
    nearest_builtin,
    nearest_pulsing,
    rebuild,
)
from pulsing.ids import ActorId, NodeId

MESSAGE_LIMIT = 4 * 1024
"""Characters of a message, and of each text among the fields."""

TRACEBACK_LIMIT = 16 * 1024
CAUSES_LIMIT = 5
FIELDS_LIMIT = 32
LIST_LIMIT = 64

# Kept in places of their own in the record.
_APART = ("cause", "remote_type", "remote_traceback")

_FieldValue = None | bool | int | float | str | ActorId | NodeId | list[str]


@dataclass(frozen=True)
class FailureRecord:
    """One error on its way to a caller."""

    category: str
    """Name of the Pulsing class it arrives as."""

    message: str
    builtin: str | None = None
    """Name of the builtin class that it is also an instance of."""

    type_name: str | None = None
    """What was raised, `module.Type`; bare for builtins."""

    traceback: str | None = None
    fields: Mapping[str, _FieldValue] = field(default_factory=dict)
    """The attributes of the class, such as `code`, `recoverable`, `actor_name` or `maybe_executed`."""

    cause: FailureRecord | None = None
    node: NodeId | None = None
    """Where it was raised."""

    def as_fields(self) -> dict[str, Any]:
        """The record as a map of sendable values."""
        return asdict(self)


def to_failure(error: BaseException, *, node: NodeId | None = None) -> FailureRecord:
    """Describe an error for the node of its caller.

    Args:
        error: what the caller is to see. An error that is not of Pulsing's own classes is first turned into one, as
            if an actor without a name had raised it.
        node: the node that sends it.
    """
    return _to_failure(error, node, CAUSES_LIMIT)


def _to_failure(error: BaseException, node: NodeId | None, causes: int) -> FailureRecord:
    if not isinstance(error, PulsingError):
        error = error_for_caller(error, operation=type(error).__name__, actor_name="")
    category = nearest_pulsing(error)
    builtin = nearest_builtin(error)
    cause = getattr(error, "cause", None)
    return FailureRecord(
        category=category.__name__,
        message=_cut(str(error), MESSAGE_LIMIT),
        builtin=builtin.__name__ if builtin is not None and not issubclass(category, builtin) else None,
        type_name=_optional(error.remote_type, MESSAGE_LIMIT),
        traceback=_optional(error.remote_traceback, TRACEBACK_LIMIT),
        fields=_sendable_fields(error),
        cause=_to_failure(cause, node, causes - 1) if isinstance(cause, BaseException) and causes > 0 else None,
        node=node,
    )


def _sendable_fields(error: PulsingError) -> dict[str, _FieldValue]:
    sendable: dict[str, _FieldValue] = {}
    for name, value in vars(error).items():
        if _is_field_name(name) and name not in _APART and len(sendable) < FIELDS_LIMIT:
            if type(value) is str:
                sendable[name] = _cut(value, MESSAGE_LIMIT)
            elif _is_field_value(value):
                sendable[name] = value
            elif name in _declared_fields(nearest_pulsing(error).__name__):
                sendable[name] = _cut(_text(value), MESSAGE_LIMIT)
    return sendable


@functools.cache
def _declared_fields(category: str) -> frozenset[str]:
    """The fields that every error of a class has: whoever catches one reads them without looking first."""
    classes = [
        cls for cls in PULSING_ERRORS[category].__mro__ if issubclass(cls, PulsingError) and "__init__" in vars(cls)
    ]
    return frozenset(name for cls in classes for name in inspect.signature(cls).parameters)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return object.__repr__(value)


def _is_field_name(name: object) -> bool:
    """Whether an attribute of this name is a field, and hides nothing that all exceptions have."""
    return type(name) is str and name.isidentifier() and name[0] != "_" and not hasattr(BaseException, name)


def _is_field_value(value: object) -> bool:
    kind = type(value)
    if kind is list:
        return len(value) <= LIST_LIMIT and all(type(text) is str for text in value)  # type: ignore[arg-type,attr-defined]
    if kind is int:
        return abs(value) < 1 << 128  # type: ignore[arg-type]
    return value is None or kind in (bool, float, str, ActorId, NodeId)


def _cut(text: str, limit: int) -> str:
    """`text` within `limit`; of what is too long the beginning and, where most tracebacks tell more, the end."""
    if len(text) <= limit:
        return text
    head = limit // 4
    return f"{text[:head]}\n[…]\n{text[len(text) - (limit - head - 5) :]}"


def _optional(text: str | None, limit: int) -> str | None:
    return None if text is None else _cut(text, limit)


def from_failure(failure: FailureRecord) -> PulsingError:
    """Build the error that a record stands for.

    Returns:
        An instance of the Pulsing class, and of the builtin one if the record names it. A category that is not known
        here arrives as PulsingSystemError. `__cause__` prints the traceback of the other node.
    """
    category = PULSING_ERRORS.get(failure.category)
    builtin = BUILTIN_ERRORS.get(failure.builtin) if failure.builtin is not None else None
    own_fields: dict[str, Any] = dict(failure.fields)
    if category is None:
        category = PulsingSystemError
        own_fields = {**vars(PulsingSystemError(failure.message)), **own_fields}
    if issubclass(category, (PulsingRuntimeError, PulsingActorError)):
        own_fields["cause"] = None if failure.cause is None else from_failure(failure.cause)
    bases = (category,) if builtin is None or issubclass(category, builtin) else (category, builtin)
    error = rebuild(bases, (failure.message,), own_fields)
    error.remote_type = failure.type_name
    error.remote_traceback = failure.traceback
    if failure.traceback is not None:
        error.__cause__ = RemoteTraceback(failure.traceback)
    return error


def failure_from_fields(content: Any) -> FailureRecord:
    """Read the map that `FailureRecord.as_fields` made.

    Raises:
        ValueError: it is another map, or exceeds what a record may hold.
    """
    return _from_fields(content, CAUSES_LIMIT)


def _from_fields(content: Any, causes: int) -> FailureRecord:
    if type(content) is not dict or not {"category", "message"} <= content.keys() <= _NAMES:
        raise ValueError("not a failure")
    cause = content.get("cause")
    if cause is not None and causes == 0:
        raise ValueError("a failure has too many causes")
    record = FailureRecord(**{**content, "cause": None if cause is None else _from_fields(cause, causes - 1)})
    _check_text(record.category, MESSAGE_LIMIT)
    _check_text(record.message, MESSAGE_LIMIT)
    _check_text(record.builtin or "", MESSAGE_LIMIT)
    _check_text(record.type_name or "", MESSAGE_LIMIT)
    _check_text(record.traceback or "", TRACEBACK_LIMIT)
    _check_fields(record.fields)
    if record.node is not None and type(record.node) is not NodeId:
        raise ValueError("the node of a failure is a NodeId")
    return record


_NAMES = frozenset(member.name for member in fields(FailureRecord))


def _check_text(text: object, limit: int) -> None:
    if type(text) is not str or len(text) > limit:
        raise ValueError(f"a text of a failure has at most {limit} characters")


def _check_fields(content: object) -> None:
    if type(content) is not dict or len(content) > FIELDS_LIMIT:
        raise ValueError(f"a failure has at most {FIELDS_LIMIT} fields")
    for name, value in content.items():
        if not _is_field_name(name) or name in _APART or not _is_field_value(value):
            raise ValueError("not a field of a failure")
        if type(value) is str:
            _check_text(value, MESSAGE_LIMIT)


def is_rebuilt_exactly(error: PulsingError) -> bool:
    """Whether the class of `error` is one that `from_failure` builds."""
    category = nearest_pulsing(error)
    builtin = nearest_builtin(error)
    bases = (category,) if builtin is None or issubclass(category, builtin) else (category, builtin)
    return type(error) is type(rebuild(bases, (), {}))
