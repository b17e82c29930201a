"""The classes that `@remote` has made in this process, by name and by type."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pulsing.core.actor_class import ActorClass

T = TypeVar("T")

_by_name: dict[str, ActorClass[Any]] = {}
_by_type: dict[type, ActorClass[Any]] = {}


def register_class(actor_class: ActorClass[T]) -> ActorClass[T]:
    """Let a class be found by its name and its type; a warning, two callers up, for methods that nobody can reach."""
    name = actor_class._cls.__name__
    for hidden in ("ref", "as_any", "with_options"):
        if hidden in actor_class._table.methods:
            warnings.warn(
                f"method {hidden!r} of {name} cannot be called: proxies have a member of that name",
                UserWarning,
                stacklevel=3,
            )
    _by_name[actor_class._class_name] = actor_class
    _by_type[actor_class._cls] = actor_class
    return actor_class


def registered_classes() -> Mapping[str, ActorClass[Any]]:
    """The classes that `@remote` has made, by `module.Class`."""
    return dict(_by_name)


def actor_class_named(class_name: str) -> ActorClass[Any]:
    """The registered class of a name; nothing is imported to find it.

    Raises:
        LookupError: no such class has been registered in this process.
    """
    actor_class = _by_name.get(class_name)
    if actor_class is None:
        raise LookupError(f"Class {class_name!r} not found")
    return actor_class


def actor_class_of(cls: type) -> ActorClass[Any] | None:
    """What `@remote` made of a class, None for one that was not decorated."""
    return _by_type.get(cls)
