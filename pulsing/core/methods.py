"""Which methods of a class may be called from outside, and of what kind each is: decided once, at decoration.

The table is the whole of what a message can reach. Hooks, private names, properties and anything inherited from
`object` are not in it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SYNC = "sync"
ASYNC = "async"
GENERATOR = "generator"
ASYNC_GENERATOR = "async_generator"

STREAMS = frozenset({GENERATOR, ASYNC_GENERATOR})

HOOKS = frozenset({"on_start", "on_stop", "metadata"})
"""Names that are part of being an actor and are never callable from outside."""


@dataclass(frozen=True, slots=True)
class Method:
    """One callable method."""

    name: str
    kind: str
    """sync, async, generator or async_generator"""
    function: Callable[..., Any]
    """takes the actor as its first argument"""


@dataclass(frozen=True, slots=True, eq=False)
class MethodTable:
    """The callable methods of one class."""

    class_name: str
    """bare name of the class, for messages to people"""
    methods: Mapping[str, Method]
    names: frozenset[str]
    async_names: frozenset[str]
    """methods defined with `async def`, async generators included"""
    stream_names: frozenset[str]
    """methods whose calls can only be iterated over, or awaited to their end"""


def method_table(cls: type) -> MethodTable:
    """The callable methods of a class: public functions, inherited, static and class methods included."""
    return _read_table(cls)


@functools.lru_cache(maxsize=4096)
def _read_table(cls: Any) -> MethodTable:
    methods = {}
    for name in dir(cls):
        if name.startswith("_") or name in HOOKS:
            continue
        if (method := _method(cls, name)) is not None:
            methods[name] = method
    return MethodTable(
        cls.__name__,
        methods,
        names=frozenset(methods),
        async_names=frozenset(m.name for m in methods.values() if m.kind in (ASYNC, ASYNC_GENERATOR)),
        stream_names=frozenset(m.name for m in methods.values() if m.kind == ASYNC_GENERATOR),
    )


def _method(cls: type, name: str) -> Method | None:
    definition = inspect.getattr_static(cls, name)
    if isinstance(definition, staticmethod):
        function = definition.__func__
        return Method(name, kind_of(function), _ignoring_self(function))
    if isinstance(definition, classmethod):
        return Method(name, kind_of(definition.__func__), _on_class(name))
    if inspect.isfunction(definition):
        return Method(name, kind_of(definition), definition)
    if isinstance(definition, type) or not callable(definition):
        return None
    # Callables made by decorators (functools.partialmethod, singledispatchmethod, compiled functions).
    if hasattr(definition, "__get__"):
        return Method(name, kind_of(definition), _bound(name))
    return None


def kind_of(function: Any) -> str:
    """sync, async, generator or async_generator; wrappers made with functools.wraps count as what they wrap is."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isasyncgenfunction(function):
        return ASYNC_GENERATOR
    if inspect.isgeneratorfunction(function):
        return GENERATOR
    return ASYNC if inspect.iscoroutinefunction(function) else SYNC


def _ignoring_self(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _self, *args, **kwargs: function(*args, **kwargs)


def _on_class(name: str) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: getattr(type(self), name)(*args, **kwargs)


def _bound(name: str) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: getattr(self, name)(*args, **kwargs)
