"""The decorator `@remote`, and finding by name what it spawned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from pulsing.core.actor import Actor as Actor
from pulsing.core.actor_class import ActorClass as ActorClass
from pulsing.core.actor_class import inner_system
from pulsing.core.classes import register_class
from pulsing.core.mailbox import MailboxOptions
from pulsing.core.proxy import ActorProxy
from pulsing.core.registry import lookup_path
from pulsing.ids import NodeId

T = TypeVar("T")


@overload
def remote(cls: type[T]) -> ActorClass[T]: ...
@overload
def remote(
    cls: None = None,
    *,
    restart_policy: str = "never",
    max_restarts: int = 3,
    min_backoff: float = 0.1,
    max_backoff: float = 30.0,
    restart_window: float = 60.0,
    max_concurrency: int = 1000,
    threaded: bool = False,
    cancellable: bool = False,
    mailbox: MailboxOptions | int | None = None,
) -> Callable[[type[T]], ActorClass[T]]: ...
def remote(cls: type[T] | None = None, **options: Any) -> Any:
    """Make a class whose instances can be spawned as actors; a decorator, with or without parentheses.

    Args:
        cls: the class.
        options: those of `ActorClass`.

    Returns:
        An `ActorClass`.

    Raises:
        TypeError: not a class, or an unknown option.
        ValueError: an option makes no sense.
    """
    if cls is None:
        return lambda decorated: remote(decorated, **options)
    if not isinstance(cls, type):
        raise TypeError(f"@remote takes a class, not {cls!r}")
    return register_class(ActorClass(cls, **options))


async def resolve(
    name: str,
    *,
    cls: Any = None,
    node_id: int | NodeId | None = None,
    timeout: float | None = None,
) -> ActorProxy:
    """Find a live actor by name and return a proxy pinned to it.

    Args:
        name: bare name or path.
        cls: a class, or what `@remote` made of it, for a typed proxy; None for an untyped one.
        node_id: look on this node only.
        timeout: seconds to wait for the name to appear; None or 0 looks once.

    Raises:
        ActorNotFound: nobody has the name (in time).
        NodeNotFound: the node is unknown, or does not have the name.
        NotInitialized: there is no process-wide system.
        ValueError: the name breaks the grammar.
    """
    ref = await inner_system(None).resolve(name, node_id=node_id, timeout=timeout)
    return ref.as_any() if cls is None else ref.as_type(cls)


def get_actor_metadata(name: str) -> dict[str, str] | None:
    """Class, module and file of a named actor of the process-wide system, None for an unknown name."""
    from pulsing.core import get_system, is_initialized

    if not is_initialized():
        return None
    cell = get_system().inner.registry.by_path(lookup_path(name))
    if cell is None:
        return None
    module, _ = cell.spec.home
    return {"python_class": cell.spec.class_name, "python_module": module, "python_file": cell.spec.file}
