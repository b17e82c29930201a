"""Actors out of what is no decorated class: instances, factories, and objects mounted as they are."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pulsing.core.actor_class import ActorClass
from pulsing.core.classes import actor_class_of
from pulsing.core.mailbox import MailboxOptions
from pulsing.core.methods import method_table
from pulsing.core.ref import ActorRef
from pulsing.core.spec import CellSpec, full_name, is_internal, missing_accessors, source_file
from pulsing.core.supervision import RestartPolicy
from pulsing.modules import module_of

if TYPE_CHECKING:
    from pulsing.core.system import System


def spawn_any(system: System, actor: Any, *, name: str | None, public: bool, options: Mapping[str, Any]) -> ActorRef:
    """Make an actor of an instance or of a factory; the rules of `ActorSystem.spawn`.

    Raises:
        TypeError: neither an instance that can be an actor nor a factory without required arguments.
        ValueError: an option makes no sense, or an instance cannot be copied for its restarts.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if isinstance(actor, ActorClass):
        merged = actor.with_options(**given) if given else actor
        return merged._spawn_here(system, (), {}, name, public)
    if isinstance(actor, type) or (_is_factory(actor) and not hasattr(actor, "receive")):
        return _spawn_factory(system, actor, name, public, given)
    spec = _spec_of_instance(actor, given)
    factory = None
    if spec.policy.restarts:
        factory = _copies_of(actor)
    return _start(system, actor, spec, name, public, factory)


def _is_factory(actor: Any) -> bool:
    return inspect.isroutine(actor) or isinstance(actor, functools.partial)


def _spawn_factory(
    system: System, factory: Callable[[], Any], name: str | None, public: bool, given: dict[str, Any]
) -> ActorRef:
    try:
        actor = factory()
    except TypeError as error:
        # Asked only now: to read a signature takes several times as long as all the rest of a spawn.
        if _needs_arguments(factory):
            raise TypeError(
                f"a factory is called without arguments, but {factory!r} needs some: use functools.partial"
            ) from error
        raise
    return _start(system, actor, _spec_of_instance(actor, given), name, public, factory)


def _start(
    system: System, actor: Any, spec: CellSpec, name: str | None, public: bool, factory: Callable[[], Any] | None
) -> ActorRef:
    ref = system.start_actor(actor, spec, name=name, public=public, factory=factory).ref
    if spec.card is not None and (known := actor_class_of(type(actor))) is not None:
        known._note_spawn(name)
    return ref


def _needs_arguments(factory: Callable[[], Any]) -> bool:
    try:
        inspect.signature(factory).bind()
    except (TypeError, ValueError):
        return True
    return False


def _spec_of_instance(actor: Any, options: dict[str, Any]) -> CellSpec:
    cls: type = type(actor)
    known = actor_class_of(cls)
    if known is not None:
        return known.with_options(**options)._spec if options else known._spec
    if not callable(getattr(actor, "receive", None)):
        raise TypeError(
            f"{cls.__name__} has no receive method: decorate the class with @remote, "
            "or make the object an actor as it is with mount"
        )
    return _receive_spec(cls, options) if options else _plain_spec(cls)


@functools.lru_cache(maxsize=4096)
def _plain_spec(cls: Any) -> CellSpec:
    # Without options, as most are spawned: to find out how a class runs takes as long as all the rest of a spawn.
    return _receive_spec(cls, {})


def _receive_spec(cls: type, chosen: Mapping[str, Any]) -> CellSpec:
    return CellSpec(
        class_name=full_name(cls),
        module=module_of(cls),
        kind="receive",
        table=None,
        policy=RestartPolicy.of(chosen),
        mailbox=MailboxOptions.of(chosen.get("mailbox")),
        max_concurrency=1,
        internal=is_internal(cls),
        file=source_file(cls),
        injected=missing_accessors(cls),
    )


def mounted_spec(cls: type) -> CellSpec:
    """How an object that was mounted as it is runs as an actor."""
    return CellSpec(
        class_name=full_name(cls),
        module=module_of(cls),
        kind="mounted",
        table=method_table(cls),
        file=source_file(cls),
        injected=() if hasattr(cls, "delayed") else ("delayed",),
    )


def _copies_of(actor: Any) -> Callable[[], Any]:
    """A factory that gives copies of the state that `actor` has now."""
    try:
        kept = copy.deepcopy(actor)
    except Exception as error:
        raise ValueError(
            f"{type(actor).__name__} cannot be copied for its restarts ({error}): "
            "spawn a factory instead, for example the class"
        ) from error
    return lambda: copy.deepcopy(kept)


def not_default(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from the defaults of `function`: the others must not override those of a class."""
    defaults = function.__kwdefaults__ or {}
    return {key: value for key, value in options.items() if not _is_default(value, defaults[key])}


def _is_default(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)
