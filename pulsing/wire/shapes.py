"""How objects of a class are taken apart and built again, for the kinds of class that describe their own fields.

Nothing but the class itself is looked at: dataclasses, enumerations, named tuples, pydantic and attrs classes say
what their fields are, and are built by their normal constructors.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, NamedTuple

_CONTAINERS = (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset)


class Shape(NamedTuple):
    """The two directions of one class."""

    encode: Callable[[Any], Any]
    """Object to a value made of sendable parts."""

    decode: Callable[[Any], Any]
    """That value to an equal object; raises ValueError or TypeError where it does not fit."""


@functools.lru_cache(maxsize=4096)
def shape_of(cls: type) -> Shape | None:
    """Tell how objects of `cls` travel, or None where the class does not describe itself."""
    if issubclass(cls, enum.Enum):
        return _enum_shape(cls)
    if issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_field_defaults"):
        return _named_tuple_shape(cls)
    if issubclass(cls, _CONTAINERS):
        # Its content as a container would be lost behind its fields.
        return None
    if dataclasses.is_dataclass(cls):
        return _dataclass_shape(cls)
    if "__attrs_attrs__" in vars(cls):
        return _attrs_shape(cls)
    if hasattr(cls, "model_fields") and hasattr(cls, "model_validate"):
        return _pydantic_shape(cls)
    return None


def _enum_shape(cls: type[enum.Enum]) -> Shape:
    if issubclass(cls, enum.Flag):
        # A union of flags has a value and no name of its own.
        return Shape(lambda member: member.value, cls)
    return Shape(lambda member: member.name, lambda name: cls[name])


def _named_tuple_shape(cls: type) -> Shape:
    names: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
    known = set(names)

    def decode(content: Any) -> Any:
        return cls(**_known(cls, content, known))

    return Shape(lambda value: dict(zip(names, value, strict=True)), decode)


def _dataclass_shape(cls: type) -> Shape | None:
    if any(_is_required_initvar(field) for field in cls.__dataclass_fields__.values()):  # type: ignore[attr-defined]
        # The object does not keep what its constructor would have to be given.
        return None
    fields = dataclasses.fields(cls)
    return _fields_shape(
        cls,
        {field.name: field.name for field in fields if field.init},
        [field.name for field in fields if not field.init],
    )


def _is_required_initvar(field: dataclasses.Field[Any]) -> bool:
    return (
        field._field_type is dataclasses._FIELD_INITVAR  # type: ignore[attr-defined]
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    )


def _attrs_shape(cls: type) -> Shape:
    attributes = cls.__attrs_attrs__  # type: ignore[attr-defined]
    return _fields_shape(
        cls,
        {attribute.name: attribute.alias for attribute in attributes if attribute.init},
        [attribute.name for attribute in attributes if not attribute.init],
    )


def _fields_shape(cls: type, arguments: Mapping[str, str], computed: Iterable[str]) -> Shape:
    """The shape of a class whose fields are constructor arguments, or set by the object itself (`computed`)."""
    computed = tuple(computed)
    names = {*arguments, *computed}

    def encode(value: Any) -> dict[str, Any]:
        content = {name: getattr(value, name) for name in arguments}
        for name in computed:
            if hasattr(value, name):
                content[name] = getattr(value, name)
        return content

    def decode(content: Any) -> Any:
        content = _known(cls, content, names)
        value = cls(**{arguments[name]: field for name, field in content.items() if name in arguments})
        for name in computed:
            if name in content:
                # Frozen classes refuse plain assignment.
                object.__setattr__(value, name, content[name])
        return value

    return Shape(encode, decode)


def _pydantic_shape(cls: Any) -> Shape:
    fields = cls.model_fields
    by_name = cls.model_config.get("populate_by_name") or cls.model_config.get("validate_by_name")
    arguments = {
        name: field.validation_alias if isinstance(field.validation_alias, str) and not by_name else name
        for name, field in fields.items()
    }
    open_ended = cls.model_config.get("extra") == "allow"

    def encode(value: Any) -> list[Any]:
        content = {name: getattr(value, name) for name in fields}
        content.update(value.model_extra or {})
        return [content, sorted(value.model_fields_set)]

    def decode(content: Any) -> Any:
        given, names_set = content
        if type(names_set) is not list:
            raise TypeError("the names of the fields that were set are a list")
        if not open_ended:
            _known(cls, given, fields.keys())
        value = cls(**{arguments.get(name, name): field for name, field in given.items()})
        value.__pydantic_fields_set__.intersection_update(names_set)
        return value

    return Shape(encode, decode)


def _known(cls: type, content: Any, names: Set[str]) -> dict[str, Any]:
    """Check that `content` is a map of fields that the class has."""
    if type(content) is not dict:
        raise TypeError(f"the content of {cls.__qualname__} is a map of fields, got {type(content).__name__}")
    if not content.keys() <= names:
        unknown = content.keys() - names
        raise ValueError(f"{cls.__qualname__} has no field {', '.join(sorted(map(repr, unknown)))}")
    return content
