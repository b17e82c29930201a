"""How Python values look in JSON, both ways: plain where JSON has the type, `{"$type": …}` forms where it has not.

Nothing is imported, unpickled or evaluated: a class comes in only through the registry that is passed in.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import math
import reprlib
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from pulsing.admin.problems import ProblemError
from pulsing.ids import ActorId
from pulsing.modules import module_of

MAX_DEPTH = 16
MAX_ELEMENTS = 1_000
MAX_TEXT = 64 * 1024
MAX_REPR = 512
MAX_HEAD = 32
MAX_NODES = 100_000
MAX_ONE_HASH = 256
SAFE_INT = 1 << 53

_SHORT = reprlib.Repr()
"""What is too deep may be a list of millions, of which a few show what it is."""
_SHORT.maxstring = _SHORT.maxother = MAX_REPR

Resolve = Callable[[str], type | None]
"""Gives the registered class of a wire name, or None."""

MakeRef = Callable[[str], Any]
"""Gives the reference to an actor by the text of its id."""


def to_json(value: Any) -> tuple[Any, bool]:
    """The JSON view of a value.

    Returns:
        The view, and whether anything had to be cut.
    """
    writer = _Writer()
    return writer.view(value, 0), writer.truncated


class _Writer:
    def __init__(self) -> None:
        self.truncated = False
        self._left = MAX_NODES

    def view(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if value is None or value is True or value is False:
            return value
        if depth > MAX_DEPTH or self._left < 0:
            self.truncated = True
            return _described(value)
        try:
            return self._written(value, depth)
        except Exception:
            return _described(value)  # whatever an object does when it is looked at

    def _written(self, value: Any, depth: int) -> Any:
        if isinstance(value, Enum):
            return {"$enum": f"{_class_name(type(value))}.{value.name}"}
        for kind, write in _WRITERS:
            if isinstance(value, kind):
                return write(self, value, depth)
        return self._other(value, depth)

    def text(self, value: str, _: int = 0) -> str:
        if len(value) > MAX_TEXT:
            self.truncated = True
            return str(value[:MAX_TEXT])
        return str(value)

    def integer(self, value: int, _: int) -> Any:
        if -SAFE_INT <= value <= SAFE_INT:
            return int(value)
        return {"$int": hex(value)} if value.bit_length() > 10_000 else {"$int": str(value)}

    def real(self, value: float, _: int) -> Any:
        return float(value) if math.isfinite(value) else {"$float": str(float(value))}

    def data(self, value: bytes, _: int) -> Any:
        if len(value) > MAX_TEXT:
            self.truncated = True
        return {"$bytes": base64.b64encode(bytes(value[:MAX_TEXT])).decode()}

    def many(self, values: Any, depth: int) -> list[Any]:
        size = len(values)
        out = []
        for index, item in enumerate(values):
            if index == MAX_ELEMENTS or self._left < 0:
                self.truncated = True
                out.append({"$more": size - index})
                break
            out.append(self.view(item, depth + 1))
        return out

    def pair(self, value: Any, depth: int) -> Any:
        if hasattr(value, "_asdict"):
            return self._typed(value, value._asdict(), depth)
        return {"$tuple": self.many(value, depth)}

    def mapping(self, value: Mapping[Any, Any], depth: int) -> Any:
        if not all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {"$dict": self.many([list(item) for item in value.items()], depth)}
        out: dict[str, Any] = {}
        for index, (key, item) in enumerate(value.items()):
            if index == MAX_ELEMENTS or self._left < 0:
                self.truncated = True
                out["$more"] = len(value) - index
                break
            out[self.text(key)] = self.view(item, depth + 1)
        return out

    def _typed(self, value: Any, fields: Mapping[str, Any], depth: int) -> Any:
        return {"$type": _class_name(type(value)), "fields": self.mapping(fields, depth + 1)}

    def _other(self, value: Any, depth: int) -> Any:
        if (actor_id := _actor_id_of(value)) is not None:
            return {"$actor": str(actor_id)}
        if hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "tolist"):
            return self._array(value, depth)
        fields = _fields_of(value)
        return _described(value) if fields is None else self._typed(value, fields, depth)

    def _array(self, value: Any, depth: int) -> Any:
        if getattr(value, "ndim", 0) == 0:
            return self.view(value.item(), depth + 1)
        if value.size > MAX_HEAD:
            self.truncated = True
        head = value.ravel()[:MAX_HEAD].tolist()
        return {"$array": {"dtype": value.dtype.str, "shape": list(value.shape), "head": self.many(head, depth)}}


_WRITERS: Sequence[tuple[type | tuple[type, ...], Callable[[Any, Any, int], Any]]] = (
    (str, _Writer.text),
    (int, _Writer.integer),
    (float, _Writer.real),
    (Mapping, _Writer.mapping),
    (list, _Writer.many),
    (tuple, _Writer.pair),
    ((bytes, bytearray, memoryview), _Writer.data),
    ((set, frozenset), lambda w, v, d: {"$set": w.many(sorted(v, key=repr), d)}),
    (dt.datetime, lambda w, v, d: {"$datetime": v.isoformat()}),
    (dt.date, lambda w, v, d: {"$date": v.isoformat()}),
    (dt.time, lambda w, v, d: {"$time": v.isoformat()}),
    (dt.timedelta, lambda w, v, d: {"$timedelta": v.total_seconds()}),
    (Decimal, lambda w, v, d: {"$decimal": str(v)}),
    (uuid.UUID, lambda w, v, d: {"$uuid": str(v)}),
    (PurePath, lambda w, v, d: {"$path": w.text(str(v))}),
    (complex, lambda w, v, d: {"$complex": [w.real(v.real, d), w.real(v.imag, d)]}),
    (ActorId, lambda w, v, d: {"$actor": str(v)}),
)


def _actor_id_of(value: Any) -> ActorId | None:
    # Read from the classes: a proxy answers to any public attribute with a method call.
    ref = value.ref if isinstance(getattr(type(value), "ref", None), property) else value
    found = getattr(ref, "actor_id", None) if hasattr(type(ref), "actor_id") else None
    return found if isinstance(found, ActorId) else None


def _fields_of(value: Any) -> Mapping[str, Any] | None:
    cls = type(value)
    if dataclasses.is_dataclass(cls):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(cls)}
    if isinstance(getattr(cls, "model_fields", None), Mapping):
        return {name: getattr(value, name) for name in cls.model_fields}
    if hasattr(cls, "__attrs_attrs__"):
        return {a.name: getattr(value, a.name) for a in cls.__attrs_attrs__}
    return None


def _class_name(cls: type) -> str:
    return f"{module_of(cls)}.{cls.__qualname__}"


def _described(value: Any) -> dict[str, Any]:
    try:
        text = _SHORT.repr(value)
    except Exception:
        text = object.__repr__(value)
    return {"$repr": text[:MAX_REPR], "type": _class_name(type(value))}


def from_json(view: Any, *, resolve: Resolve, make_ref: MakeRef, at: Sequence[str | int] = ()) -> Any:
    """The Python value of a JSON view, which stands `at` this place of the body.

    Raises:
        ProblemError: `bad-value`, naming the place, for a form that is unknown, malformed or one way only.
    """
    return _Reader(resolve, make_ref).value(view, tuple(at))


class _Reader:
    def __init__(self, resolve: Resolve, make_ref: MakeRef) -> None:
        self._resolve = resolve
        self._make_ref = make_ref

    def value(self, view: Any, at: tuple[str | int, ...]) -> Any:
        if isinstance(view, list):
            return [self.value(item, (*at, index)) for index, item in enumerate(view)]
        if not isinstance(view, dict):
            return view
        form = next((key for key in view if key.startswith("$")), None)
        if form is None:
            return {key: self.value(item, (*at, key)) for key, item in view.items()}
        return self._form(form, view, at)

    def _form(self, form: str, view: dict[str, Any], at: tuple[str | int, ...]) -> Any:
        if form not in _FORMS:
            raise _bad(at, f"{form} is not a form that can be sent")
        expected = {"$type", "fields"} if form == "$type" else {form}
        if set(view) != expected:
            raise _bad(at, f"{form} stands {'with fields only' if form == '$type' else 'alone'}")
        try:
            if form == "$type":
                return self._build(view["$type"], view["fields"], at)
            if form in _READERS:
                return _READERS[form](view[form])
            return self._composed(form, view[form], (*at, form))
        except (ValueError, TypeError, KeyError, ArithmeticError, InvalidOperation, AttributeError) as error:
            raise _bad(at, f"{form}: {error}") from error

    def _composed(self, form: str, inner: Any, at: tuple[str | int, ...]) -> Any:
        if form == "$actor":
            return self._make_ref(_text(inner))
        if form == "$enum":
            return self._member(_text(inner), at)
        items = self.value(inner, at)
        if not isinstance(items, list):
            raise _bad(at, f"{form} holds a list")
        if form == "$tuple":
            return tuple(items)
        if form == "$set":
            return set(_scattered(items))
        pairs = [(key, item) for key, item in items]
        _scattered([key for key, _ in pairs])
        return dict(pairs)

    def _build(self, name: Any, fields: Any, at: tuple[str | int, ...]) -> Any:
        cls = self._resolve(_text(name))
        if cls is None:
            raise _bad(at, f"no registered class {name!r}")
        if not isinstance(fields, dict):
            raise _bad(at, "fields is an object")
        given = {key: self.value(item, (*at, "fields", key)) for key, item in fields.items()}
        return cls(**given)

    def _member(self, name: str, at: tuple[str | int, ...]) -> Any:
        class_name, _, member = name.rpartition(".")
        cls = self._resolve(class_name)
        if cls is None or not issubclass(cls, Enum):
            raise _bad(at, f"no registered enum {class_name!r}")
        return cls[member]


def _scattered(keys: Sequence[Any]) -> Sequence[Any]:
    """Let keys pass unless they were made to meet in one slot of a hash table, where each is compared to all."""
    if len(keys) > MAX_ONE_HASH and max(Counter(map(hash, keys)).values()) > MAX_ONE_HASH:
        raise ValueError(f"more than {MAX_ONE_HASH} keys have the same hash")
    return keys


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected text")
    return value


def _decimal(value: Any) -> Decimal:
    try:
        return Decimal(_text(value))
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is no number") from error


def _timedelta(value: Any) -> dt.timedelta:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("expected seconds")
    return dt.timedelta(seconds=value)


def _complex(value: Any) -> complex:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("expected [real, imaginary]")
    real, imaginary = value
    parts = [float(p["$float"]) if isinstance(p, dict) else float(p) for p in (real, imaginary)]
    return complex(*parts)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "$int": lambda v: int(_text(v), 0),
    "$float": lambda v: float(_text(v)),
    "$bytes": lambda v: base64.b64decode(_text(v), validate=True),
    "$datetime": lambda v: dt.datetime.fromisoformat(_text(v)),
    "$date": lambda v: dt.date.fromisoformat(_text(v)),
    "$time": lambda v: dt.time.fromisoformat(_text(v)),
    "$timedelta": _timedelta,
    "$decimal": _decimal,
    "$uuid": lambda v: uuid.UUID(_text(v)),
    "$path": lambda v: Path(_text(v)),
    "$complex": _complex,
}

_FORMS = {"$type", "$actor", "$enum", "$tuple", "$set", "$dict", *_READERS}


def _bad(at: tuple[str | int, ...], message: str) -> ProblemError:
    return ProblemError("bad-value", message, errors=[{"loc": ["body", *at], "msg": message}])
