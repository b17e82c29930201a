"""The two actors that every node has: one answers questions about the node, one creates actors for other nodes; and the
proxies of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulsing.core.classes import actor_class_named, registered_classes
from pulsing.core.lookup import as_node_id
from pulsing.core.mailbox import MailboxOptions
from pulsing.core.messages import Message
from pulsing.core.methods import method_table
from pulsing.core.parts import from_parts
from pulsing.core.ref import ActorRef
from pulsing.core.registry import lookup_path
from pulsing.core.seams import SYSTEM_ACTOR, SYSTEM_ACTOR_NUMBER
from pulsing.core.spawning import not_default
from pulsing.core.spec import CellSpec, full_name
from pulsing.core.system import System
from pulsing.core.system_actor import SystemActor
from pulsing.exceptions import Forbidden, NodeLeaving, PulsingRuntimeError
from pulsing.ids import ActorId, NodeId

PYTHON_ACTOR_SERVICE_NAME = "system/python_actor_service"
SERVICE_NUMBER = 2

UNBOUNDED = 1 << 30
"""Standing questions of other nodes must not use up the turns of the system actor."""


class SystemActorProxy:
    """Calls of the system actor of one node."""

    def __init__(self, actor_ref: ActorRef) -> None:
        self._ref = actor_ref

    @property
    def ref(self) -> ActorRef:
        """The reference beneath."""
        return self._ref

    async def list_actors(self) -> list[dict[str, Any]]:
        """Every actor of the node: `{"name", "actor_id", "actor_type", "uptime_secs", "metadata"}`."""
        answer = await self._ask("ListActors")
        if answer.get("type") == "Error":
            raise PulsingRuntimeError(answer.get("message", ""))
        actors: list[dict[str, Any]] = answer.get("actors", [])
        return actors

    async def get_metrics(self) -> dict[str, Any]:
        """Counts of the node: actors now, created and stopped, messages, uptime in whole seconds."""
        return await self._ask("GetMetrics")

    async def get_node_info(self) -> dict[str, Any]:
        """Id, address and uptime of the node."""
        return await self._ask("GetNodeInfo")

    async def health_check(self) -> dict[str, Any]:
        """Whether the node is "healthy", or "degraded" because it is about to leave."""
        return await self._ask("HealthCheck")

    async def ping(self) -> dict[str, Any]:
        """The node's id and its wall clock in milliseconds."""
        return await self._ask("Ping")

    async def inspect(self, kind: str, params: Mapping[str, Any] | None = None, *, timeout: float = 30.0) -> Any:
        """Ask the node a named question; see `System.inspect`."""
        return await from_parts(await self._ref.request("inspect_in_parts", (kind, dict(params or {})), None, timeout))

    async def _ask(self, kind: str) -> dict[str, Any]:
        answer = await self._ref.ask(Message.from_json("SystemMessage", {"type": kind}))
        fields: dict[str, Any] = answer.to_json()
        return fields


async def get_system_actor(system: Any, node_id: int | NodeId | None = None) -> SystemActorProxy:
    """The system actor of this node (None) or of another one.

    Raises:
        NodeNotFound: the node is not a member.
    """
    ref = await system.system() if node_id is None else await system.remote_system(node_id)
    return SystemActorProxy(ref)


class PythonActorService:
    """Creates actors of registered classes for other nodes."""

    def __init__(self, system: Any) -> None:
        self._system: System = getattr(system, "inner", system)

    def receive(self, msg: Any) -> Message:
        """Answer "CreateActor" and "ListRegistry" messages with JSON payloads."""
        try:
            if msg.msg_type == "ListRegistry":
                return Message.from_json("Registry", {"classes": self.list_registry()})
            if msg.msg_type != "CreateActor":
                return Message.from_json("Error", {"error": f"Unknown: {msg.msg_type}"})
            order = msg.to_json()
            args, kwargs = order.pop("args", []), order.pop("kwargs", {})
            return Message.from_json("Created", self.create_actor(order.pop("class_name"), args, kwargs, **order))
        except Exception as error:
            return Message.from_json("Error", {"error": str(error)})

    def list_registry(self) -> list[str]:
        """Names of the classes that can be created here."""
        return sorted(name for name, cls in registered_classes().items() if not cls._spec.internal)

    def create_actor(
        self,
        class_name: str,
        args: list[Any] | tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        public: bool = True,
        **options: Any,
    ) -> dict[str, Any]:
        """Create an actor of a registered class.

        Returns:
            `{"actor_id", "node_id", "methods"}`, ids as decimal text.

        Raises:
            PulsingRuntimeError: the class is not registered in this process.
            Forbidden: this node does not create actors for others.
            NodeLeaving: this node is about to end.
        """
        if self._system.draining:
            raise NodeLeaving(self._system.node_id)
        if not self._system.creates_for_others:
            raise Forbidden(f"creating {class_name}", "this node runs without credentials (insecure)")
        try:
            actor_class = actor_class_named(class_name)
        except LookupError as error:
            raise PulsingRuntimeError(str(error.args[0])) from error
        if actor_class._spec.internal:
            raise Forbidden(f"creating {class_name}", "it is one of Pulsing's own classes")
        if isinstance(options.get("mailbox"), (list, tuple)):
            options["mailbox"] = MailboxOptions(*options["mailbox"])
        if options:
            actor_class = actor_class.with_options(**options)
        ref = actor_class._spawn_here(self._system, tuple(args), kwargs, name, public)
        return {
            "actor_id": str(ref.actor_id.id),
            "node_id": str(self._system.node_id.id),
            "methods": actor_class._methods,
        }


class PythonActorServiceProxy:
    """Calls of the service of one node that creates actors."""

    def __init__(self, ref: ActorRef) -> None:
        self.ref = ref

    async def list_registry(self) -> list[str]:
        """Names of the classes that can be created there."""
        names: list[str] = await self.ref.request("list_registry", (), None, 30.0)
        return names

    async def create_actor(
        self,
        class_name: str,
        *args: Any,
        name: str | None = None,
        public: bool = True,
        restart_policy: str = "never",
        max_restarts: int = 3,
        min_backoff: float = 0.1,
        max_backoff: float = 30.0,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Create an actor of a registered class there.

        An option that is left at its default does not override what a decorated class was given.

        Returns:
            `{"actor_id", "node_id", "methods"}`, ids as decimal text.

        Raises:
            PulsingRuntimeError: "Class 'x' not found".
        """
        options = {
            "restart_policy": restart_policy,
            "max_restarts": max_restarts,
            "min_backoff": min_backoff,
            "max_backoff": max_backoff,
        }
        call = (class_name, args, kwargs, name, public)
        chosen = not_default(PythonActorServiceProxy.create_actor, options)
        created: dict[str, Any] = await self.ref.request("create_actor", call, chosen, 30.0)
        return created


async def get_python_actor_service(system: Any, node_id: int | NodeId | None = None) -> PythonActorServiceProxy:
    """The service of this node (None) or of another one that creates actors."""
    inner: System = getattr(system, "inner", system)
    target = inner.node_id if node_id is None else as_node_id(node_id)
    inner.check_node(target)
    return PythonActorServiceProxy(inner.bind(ActorId.of(target.id, SERVICE_NUMBER), PYTHON_ACTOR_SERVICE_NAME))


def pick_other_node(system: System) -> NodeId | None:
    """The next live node other than this one, in rotation; None where there is none."""
    others = [
        m.node_id for m in system.members_view() if m.node_id != system.node_id and m.status == "Alive" and m.takes_work
    ]
    if not others:
        return None
    return others[system.lookup.next_turn("placement") % len(others)]


async def create_on(
    system: System,
    node_id: NodeId,
    class_name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    name: str | None,
    public: bool,
    options: dict[str, Any],
) -> ActorRef:
    """Create an actor of a registered class on another node and return its ref.

    Raises:
        NodeLeaving: the node takes no new work; nothing was created.
        PulsingRuntimeError, Forbidden: as of `create_actor`.
    """
    service = await get_python_actor_service(system, node_id)
    call = (class_name, list(args), kwargs, name, public)
    try:
        created = await service.ref.request("create_actor", call, options, 30.0)
    except NodeLeaving as refusal:
        refusal.maybe_executed = False  # it looks at that before anything else
        raise
    return system.bind(ActorId(int(created["actor_id"])), None if name is None else lookup_path(name))


def start_system_actors(system: System) -> None:
    """Give a node its two own actors."""
    for actor, name, number in (
        (SystemActor(system), SYSTEM_ACTOR, SYSTEM_ACTOR_NUMBER),
        (PythonActorService(system), PYTHON_ACTOR_SERVICE_NAME, SERVICE_NUMBER),
    ):
        system.start_actor(actor, system_spec(type(actor)), name=name, number=number)


def system_spec(cls: type) -> CellSpec:
    """How an actor that serves other nodes is run."""
    return CellSpec(full_name(cls), "system", method_table(cls), max_concurrency=UNBOUNDED, internal=True)


__all__ = [
    "PYTHON_ACTOR_SERVICE_NAME",
    "PythonActorService",
    "PythonActorServiceProxy",
    "SystemActorProxy",
    "create_on",
    "get_python_actor_service",
    "get_system_actor",
    "pick_other_node",
    "start_system_actors",
    "system_spec",
]
