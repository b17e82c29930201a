"""What `@remote` makes of a class: it goes on being the class, and spawns its instances as actors."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pulsing.core.actor import Actor
from pulsing.core.classes import actor_class_named
from pulsing.core.home import at_home, send_home
from pulsing.core.mailbox import MailboxOptions
from pulsing.core.methods import method_table
from pulsing.core.proxy import ActorProxy, proxy_of_table
from pulsing.core.ref import ActorRef
from pulsing.core.spec import CellSpec, full_name, is_internal, missing_accessors, source_file
from pulsing.core.supervision import RestartPolicy
from pulsing.ids import NodeId
from pulsing.logs import logger_of
from pulsing.modules import module_of

if TYPE_CHECKING:
    from pulsing.core.system import System

T = TypeVar("T")

_SPAWN_KEYWORDS = ("name", "public", "system", "placement")

_OWN_ATTRIBUTES = frozenset(
    ("_card", "_cls", "_fixed", "_options", "_spec", "_table", "__wrapped__", *functools.WRAPPER_ASSIGNMENTS)
)
"""Attributes of an `ActorClass` itself; all others are the class's."""

logger = logger_of("pulsing.actor")


class ActorClass(Generic[T]):
    """A class whose instances can be spawned as actors; calling it makes a plain instance, no actor.

    `isinstance`, subclassing, and class attributes work as on the class itself. A subclass must be decorated again
    to be spawned.

    Args:
        cls: the user's class.
        restart_policy: "never", "on-failure" or "always".
        max_restarts: restarts granted within `restart_window` seconds.
        min_backoff, max_backoff: bounds in seconds of the delay before a restart.
        max_concurrency: async methods that may be in progress at once; 1 makes the actor take one message at a time.
        threaded: run sync methods in a worker thread of the actor, one at a time.
        cancellable: a caller's cancel, or the end of its time, also cancels the async method that runs for it.
        mailbox: capacity, or `MailboxOptions`.

    Raises:
        ValueError: an option makes no sense.
    """

    def __init__(
        self,
        cls: type[T],
        restart_policy: str = "never",
        max_restarts: int = 3,
        min_backoff: float = 0.1,
        max_backoff: float = 30.0,
        restart_window: float = 60.0,
        max_concurrency: int = 1000,
        threaded: bool = False,
        cancellable: bool = False,
        mailbox: MailboxOptions | int | None = None,
    ) -> None:
        self._cls = cls
        self._options: dict[str, Any] = {
            "restart_policy": restart_policy,
            "max_restarts": max_restarts,
            "min_backoff": min_backoff,
            "max_backoff": max_backoff,
            "restart_window": restart_window,
            "max_concurrency": max_concurrency,
            "threaded": threaded,
            "cancellable": cancellable,
            "mailbox": mailbox,
        }
        self._fixed: dict[str, Any] = {}
        self._table = method_table(cls)
        self._card: Mapping[str, Any] | None = None
        self._spec = self._build_spec()
        functools.update_wrapper(self, cls, updated=())

    @property
    def _class_name(self) -> str:
        return self._spec.class_name

    @property
    def _methods(self) -> list[str]:
        return sorted(self._table.names)

    @property
    def _async_methods(self) -> set[str]:
        return set(self._table.async_names)

    async def spawn(self, *args: Any, **kwargs: Any) -> ActorProxy:
        """Construct an instance and make it an actor.

        Args:
            args, kwargs: for the constructor, which runs here and now; what it raises reaches the caller unchanged.
                Awaited on another loop than the system's, all this happens on the system's.
            name: name of the actor; None (the default) for an anonymous one.
            public: whether other nodes may resolve the name; by default, if there is a name.
            system: the system to spawn on; the process-wide one by default.
            placement: "local" (the default), "remote", "process", "ray", or the id of a node.

        Returns:
            A typed proxy of the actor.

        Raises:
            NameTaken: an actor of the node has the name.
            NotInitialized: there is no process-wide system.
            ValueError: an invalid name or placement.
            WrongLoop: the system's loop does not run.
        """
        chosen = {key: self._fixed[key] if key in self._fixed else kwargs.pop(key, None) for key in _SPAWN_KEYWORDS}
        system = inner_system(chosen["system"])
        if at_home(system):
            return await self._spawn(system, chosen, args, kwargs)
        return await send_home(system, lambda: self._spawn(system, chosen, args, kwargs))

    async def _spawn(
        self, system: System, chosen: Mapping[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> ActorProxy:
        name, public = chosen["name"], chosen["public"]
        placement = "local" if chosen["placement"] is None else chosen["placement"]
        public = name is not None if public is None else public
        if placement == "local" or (_node_of(placement) == system.node_id):
            ref = self._spawn_here(system, args, kwargs, name, public)
        else:
            ref = await self._spawn_elsewhere(system, placement, args, kwargs, name, public)
            self._note_spawn(name)
        return proxy_of_table(ref, self._table)

    def _note_spawn(self, name: str | None) -> None:
        """Called after each spawn with the name as it was written; for classes that keep a list of their actors."""

    def _spawn_here(
        self, system: System, args: tuple[Any, ...], kwargs: dict[str, Any], name: str | None, public: bool
    ) -> ActorRef:
        system.check_name(name, public)
        actor = self._cls(*args, **kwargs)
        factory = functools.partial(self._cls, *args, **kwargs)
        ref = system.start_actor(actor, self._spec, name=name, public=public, factory=factory).ref
        self._note_spawn(name)
        return ref

    async def _spawn_elsewhere(
        self,
        system: System,
        placement: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None,
        public: bool,
    ) -> ActorRef:
        from pulsing.core.service import create_on, pick_other_node

        elsewhere = system.placements.get(placement) if isinstance(placement, str) else None
        if elsewhere is not None:
            return await elsewhere.spawn(self, args, kwargs, name, public)
        if placement == "remote":
            target = pick_other_node(system)
            if target is None:
                if system.log_seldom.due(f"no other node {self._class_name}"):
                    logger.warning("%s: there is no other node to place it on, so it lives here", self._class_name)
                return self._spawn_here(system, args, kwargs, name, public)
        else:
            target = _node_of(placement)
        if target is None:
            raise ValueError(
                f"Invalid placement {placement!r}. Use 'local', 'remote', 'process', 'ray', or an int node_id."
            )
        options = dict(self._options)
        if options["mailbox"] is not None:
            options["mailbox"] = (self._spec.mailbox.capacity, self._spec.mailbox.policy)
        return await create_on(system, target, self._spec.class_name, args, kwargs, name, public, options)

    async def resolve(
        self,
        name: str,
        *,
        system: Any = None,
        node_id: int | NodeId | None = None,
        timeout: float | None = None,
    ) -> ActorProxy:
        """Find a live actor by name and return a typed proxy; rules and errors of `pulsing.resolve`."""
        ref = await inner_system(system).resolve(name, node_id=node_id, timeout=timeout)
        return proxy_of_table(ref, self._table)

    def with_options(self, **options: Any) -> ActorClass[T]:
        """A copy with other defaults.

        Takes every option of `remote`, and `name`, `public`, `system`, `placement`, `resources`. A keyword of `spawn`
        that is set here is no longer taken by `spawn`, so that the constructor may have an argument of that name.

        Raises:
            TypeError: an unknown option.
            ValueError: an option makes no sense.
        """
        unknown = options.keys() - self._options.keys() - set(_SPAWN_KEYWORDS) - {"resources"}
        if unknown:
            raise TypeError(f"unknown option {sorted(unknown)[0]!r}")
        changed = {**self._options, **{key: options[key] for key in options if key in self._options}}
        derived = ActorClass(self._cls, **changed)
        derived._fixed = {**self._fixed, **{key: options[key] for key in options if key not in self._options}}
        derived._set_card(self._card)
        return derived

    def __getitem__(self, parameters: Any) -> Any:
        """The class with its type parameters, for annotations."""
        return self._cls[parameters]  # type: ignore[index]

    def __call__(self, *args: Any, **kwargs: Any) -> T:
        return self._cls(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_cls":
            raise AttributeError(name)
        return getattr(self._cls, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN_ATTRIBUTES or "_spec" not in self.__dict__:
            object.__setattr__(self, name, value)
        else:
            setattr(self._cls, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._cls, name)

    def __or__(self, other: Any) -> Any:
        return self._cls | _plain_class(other)

    def __ror__(self, other: Any) -> Any:
        return _plain_class(other) | self._cls

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._cls)

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self._cls)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type[T]]:
        return (self._cls,)

    def __reduce__(self) -> Any:
        return actor_class_named, (self._spec.class_name,)

    def __repr__(self) -> str:
        return f"<actor class {self._spec.class_name}>"

    def _set_card(self, card: Mapping[str, Any] | None) -> None:
        """Give the class an agent's card, which its actors carry to all listings."""
        self._card = card
        self._spec = self._build_spec()

    def _build_spec(self) -> CellSpec:
        cls, options = self._cls, self._options
        concurrency = options["max_concurrency"]
        if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
            raise ValueError(f"max_concurrency is at least 1, got {concurrency!r}")
        for name in ("threaded", "cancellable"):
            if not isinstance(options[name], bool):
                raise ValueError(f"{name} is True or False, and not {options[name]!r}")
        receives = issubclass(cls, Actor)
        return CellSpec(
            class_name=full_name(cls),
            module=module_of(cls),
            kind="agent" if self._card is not None else "receive" if receives else "remote",
            table=None if receives else self._table,
            policy=RestartPolicy.of(options),
            mailbox=MailboxOptions.of(options["mailbox"]),
            max_concurrency=1 if receives else concurrency,
            threaded=options["threaded"],
            cancellable=options["cancellable"],
            internal=is_internal(cls),
            file=source_file(cls),
            card=self._card,
            injected=missing_accessors(cls),
        )


def _plain_class(annotation: Any) -> Any:
    return annotation._cls if isinstance(annotation, ActorClass) else annotation


def inner_system(system: Any) -> System:
    """The core system behind what a user may pass, the process-wide one for None."""
    if system is None:
        from pulsing.core import get_system

        return get_system().inner
    inner: System | None = getattr(system, "inner", system)
    if not hasattr(inner, "start_actor"):
        raise TypeError(f"system= takes a system of actors, not {system!r}")
    return cast("System", inner)


def _node_of(placement: Any) -> NodeId | None:
    if isinstance(placement, NodeId):
        return placement
    if isinstance(placement, int) and not isinstance(placement, bool):
        return NodeId(placement)
    return None
