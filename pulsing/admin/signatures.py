"""Signatures as JSON schema, and arguments checked against them: what a call form needs, from the annotations.

Nothing is imported for it: only classes that are registered in this process have a signature here.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from pulsing.admin.problems import ProblemError

SCHEMA = "https://json-schema.org/draft/2020-12/schema"

_MISSING = inspect.Parameter.empty
_NAMED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@functools.lru_cache(maxsize=2048)
def parameters_of(function: Callable[..., Any], skip: int) -> tuple[inspect.Parameter, ...] | None:
    """The parameters after the first `skip`, annotations resolved; None where there is no signature to read."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    hints = _hints_of(function)
    kept = list(signature.parameters.values())[skip:]
    return tuple(p.replace(annotation=hints.get(p.name, p.annotation)) for p in kept)


def _hints_of(function: Any) -> Mapping[str, Any]:
    plain = inspect.unwrap(function)
    try:
        return typing.get_type_hints(plain, include_extras=True)
    except Exception:
        # An annotation that names what is not there at run time (TYPE_CHECKING imports) hides nothing but itself.
        hints: dict[str, Any] = {}
        for name, annotation in getattr(plain, "__annotations__", {}).items():
            with contextlib.suppress(Exception):
                hints[name] = _resolved(annotation, getattr(plain, "__globals__", {}))
        return hints


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:
    alone = types.SimpleNamespace(__annotations__={"it": annotation})
    return typing.get_type_hints(alone, names, include_extras=True)["it"]


def signature_schema(function: Callable[..., Any], skip: int = 0) -> dict[str, Any]:
    """JSON schema of an object whose properties are the parameters of a function, in order."""
    parameters = parameters_of(function, skip)
    if parameters is None:
        return {"$schema": SCHEMA, "type": "object", "additionalProperties": True}
    schema: dict[str, Any] = {"$schema": SCHEMA, "type": "object", "properties": {}, "additionalProperties": False}
    definitions: dict[str, Any] = {}
    described = _described_parameters(inspect.getdoc(function) or "")
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            schema["x-varargs"] = parameter.name
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            schema["additionalProperties"] = True
        else:
            shape = _parameter_schema(parameter, definitions)
            if parameter.name in described:
                shape["description"] = described[parameter.name]
            schema["properties"][parameter.name] = shape
    named = [p for p in parameters if p.kind in _NAMED]
    schema["required"] = [p.name for p in named if p.default is _MISSING]
    schema["x-positional"] = [p.name for p in named if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    if definitions:
        schema["$defs"] = definitions
    return schema


def return_schema(function: Callable[..., Any]) -> dict[str, Any] | None:
    """JSON schema of what a function returns, where its annotation says so."""
    hints = _hints_of(function)
    return type_schema(hints["return"], {}) if "return" in hints else None


def _parameter_schema(parameter: inspect.Parameter, definitions: dict[str, Any]) -> dict[str, Any]:
    shape = {"title": parameter.name.replace("_", " "), **type_schema(parameter.annotation, definitions)}
    if parameter.default is not _MISSING and _is_plain(parameter.default):
        shape["default"] = parameter.default
    return shape


def type_schema(annotation: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """JSON schema of one annotation; what has none is named by its Python type."""
    if annotation is _MISSING or annotation is Any:
        return {}
    adapter = _adapter(annotation)
    if adapter is None:
        return {"x-python-type": _type_name(annotation)}
    try:
        schema = adapter.json_schema()
    except (PydanticUserError, ValueError, TypeError):
        return {"x-python-type": _type_name(annotation)}
    definitions.update(schema.pop("$defs", {}))
    return schema


@functools.lru_cache(maxsize=2048)
def _cached_adapter(annotation: Any) -> TypeAdapter[Any] | None:
    return _build_adapter(annotation)


def _adapter(annotation: Any) -> TypeAdapter[Any] | None:
    try:
        return _cached_adapter(annotation)
    except TypeError:
        return _build_adapter(annotation)


def _build_adapter(annotation: Any) -> TypeAdapter[Any] | None:
    if inspect.isroutine(annotation):
        return None  # it would be called with the value
    try:
        return TypeAdapter(annotation)
    except Exception:
        # Whatever a user's annotation may be, it is a description here and never a reason to fail.
        return None


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, type):
        return f"{annotation.__module__}.{annotation.__qualname__}"
    return str(annotation)


def _is_plain(value: Any) -> bool:
    return value is None or (isinstance(value, (bool, int, float, str)) and value == value)


def _described_parameters(doc: str) -> dict[str, str]:
    """What an `Args:` section says of each parameter."""
    described: dict[str, str] = {}
    inside = False
    for line in doc.splitlines():
        if line.strip() in ("Args:", "Arguments:", "Parameters:"):
            inside = True
        elif inside and line and not line[0].isspace():
            break
        elif inside and ":" in line:
            name, _, text = line.strip().partition(":")
            if name.partition(" ")[0].isidentifier():
                described[name.partition(" ")[0]] = text.strip()
    return described


def check_arguments(
    function: Callable[..., Any], skip: int, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments that fit a signature: text becomes a datetime, an object a dataclass, where the annotation says so.

    Raises:
        ProblemError: `bad-arguments`, naming each field and what was expected.
    """
    parameters = parameters_of(function, skip)
    if parameters is None:
        return list(args), dict(kwargs)
    signature = inspect.Signature([p.replace(annotation=_MISSING) for p in parameters])
    try:
        bound = signature.bind(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise _bad_arguments([{"loc": ["body", "kwargs"], "msg": str(error)}], signature) from None
    annotations = {p.name: p.annotation for p in parameters if p.kind in _NAMED}
    faults: list[dict[str, Any]] = []
    for name, value in bound.arguments.items():
        if (annotation := annotations.get(name, _MISSING)) not in (_MISSING, Any):
            bound.arguments[name] = _fitted(name, value, annotation, faults)
    if faults:
        raise _bad_arguments(faults, signature)
    return list(bound.args), dict(bound.kwargs)


def _fitted(name: str, value: Any, annotation: Any, faults: list[dict[str, Any]]) -> Any:
    adapter = _adapter(annotation)
    if adapter is None:
        return value
    try:
        fitted = adapter.validate_python(value)
        # What stands for an Iterable checks its items as they are taken, once; a caller's list is a list.
        return list(fitted) if isinstance(fitted, Iterator) and isinstance(value, list) else fitted
    except ValidationError as error:
        faults += [{"loc": ["body", "kwargs", name, *fault["loc"]], "msg": fault["msg"]} for fault in error.errors()]
    except PydanticUserError:
        pass  # the annotation names what is not there at run time: nothing to measure by
    except Exception as error:
        faults.append({"loc": ["body", "kwargs", name], "msg": f"{type(error).__name__}: {error}"})
    return value


def _bad_arguments(faults: Sequence[Mapping[str, Any]], signature: inspect.Signature) -> ProblemError:
    first = faults[0]
    where = ".".join(str(part) for part in first["loc"][2:])
    detail = f"{where}: {first['msg']}" if where else str(first["msg"])
    return ProblemError("bad-arguments", detail, hint=f"the signature is {signature}"[:500], errors=faults)
