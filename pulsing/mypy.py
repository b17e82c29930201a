"""A plugin for mypy: what `@remote` and `@agent` make of a class can be spawned, and mypy sees that.

Mypy does not look at what a class decorator returns: it goes on believing in the plain class, and takes `Counter.spawn`
for an error. Switch the plugin on in the project's settings:

    [tool.mypy]
    plugins = ["pulsing.mypy"]
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import ARG_NAMED_OPT, ARG_POS, ARG_STAR, ARG_STAR2, ArgKind, Argument, Var
from mypy.plugin import ClassDefContext, Plugin
from mypy.plugins.common import add_method_to_class
from mypy.types import AnyType, Instance, Type, TypeOfAny

DECORATORS = frozenset({"pulsing.core.remote.remote", "pulsing.agent.base.agent"})


class PulsingPlugin(Plugin):
    """Gives decorated classes the methods of `ActorClass` that a plain class lacks."""

    def get_class_decorator_hook_2(self, fullname: str) -> Callable[[ClassDefContext], bool] | None:
        return _add_methods if fullname in DECORATORS else None


def _add_methods(context: ClassDefContext) -> bool:
    proxy = _instance(context, "pulsing.core.proxy.ActorProxy")
    actor_class = _instance(context, "pulsing.core.actor_class.ActorClass", Instance(context.cls.info, []))
    text = _instance(context, "builtins.str")
    if proxy is None or actor_class is None or text is None:
        return False
    anything = AnyType(TypeOfAny.explicit)
    rest = [_argument("args", anything, ARG_STAR), _argument("kwargs", anything, ARG_STAR2)]
    found = [_argument("name", text, ARG_POS)]
    found += [_argument(name, anything, ARG_NAMED_OPT) for name in ("system", "node_id", "timeout")]
    _add(context, "spawn", rest, _awaited(context, proxy))
    _add(context, "resolve", found, _awaited(context, proxy))
    _add(context, "with_options", rest[1:], actor_class)
    return True


def _add(context: ClassDefContext, name: str, arguments: list[Argument], result: Type) -> None:
    # A name that the class itself has stays hidden behind that of the actor class, as it is at run time.
    add_method_to_class(context.api, context.cls, name, arguments, result, is_classmethod=True)


def _instance(context: ClassDefContext, fullname: str, *arguments: Type) -> Instance | None:
    return context.api.named_type_or_none(fullname, list(arguments))


def _awaited(context: ClassDefContext, result: Type) -> Type:
    anything = AnyType(TypeOfAny.explicit)
    return context.api.named_type("typing.Coroutine", [anything, anything, result])


def _argument(name: str, annotation: Type, kind: ArgKind) -> Argument:
    return Argument(Var(name, annotation), annotation, None, kind)


def plugin(version: str) -> type[Plugin]:
    """Where mypy enters, whatever its version."""
    return PulsingPlugin
