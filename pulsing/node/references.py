"""How refs, proxies and messages travel: as values of their own, bound to the system that receives them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from pulsing.core.actor_class import ActorClass
from pulsing.core.classes import registered_classes
from pulsing.core.messages import Message, StreamMessage
from pulsing.core.proxy import ActorProxy, rebuild_proxy
from pulsing.core.ref import ActorRef
from pulsing.core.system import System
from pulsing.exceptions import NotSendable
from pulsing.ids import ActorId
from pulsing.modules import module_of
from pulsing.wire.registry import TypeRegistry

REF_TAG = 64
PROXY_TAG = 65
MESSAGE_TAG = 66

_NAMES = (type(None), list, set, frozenset)


def teach(registry: TypeRegistry, system: System) -> None:
    """Let a registry carry core's own values to and from a system."""

    def read_ref(parts: Any) -> ActorRef:
        actor_id, name = parts
        return system.bind(actor_id if isinstance(actor_id, ActorId) else ActorId(actor_id), name)

    def read_proxy(parts: Any) -> ActorProxy:
        ref, names, async_names, streams, class_name = parts
        if not all(isinstance(methods, _NAMES) for methods in (names, async_names, streams)):
            raise TypeError("the methods of a proxy are given by their names")
        return rebuild_proxy(ref, names, async_names, frozenset(streams), class_name)

    registry.add_extension(REF_TAG, ActorRef, lambda ref: [ref.actor_id, ref.name], read_ref)
    registry.add_extension(PROXY_TAG, ActorProxy, lambda proxy: list(proxy.__reduce__()[1]), read_proxy)
    registry.add_extension(MESSAGE_TAG, (Message, StreamMessage), _write_message, _read_message)
    registry.fallback = class_beside_actors


def _write_message(message: Message) -> list[Any]:
    if message.is_stream:
        raise NotSendable("a stream message", detail="it can only be the answer of receive itself")
    return [message.msg_type, message.payload]


def _read_message(parts: Any) -> Message:
    msg_type, payload = parts
    return Message(msg_type, payload)


def class_beside_actors(wire_name: str) -> type | None:
    """The class of a wire name if it stands in the module of a registered actor class; nothing is imported."""
    module_name, _, qualname = wire_name.partition(":")
    if not any(module_of(cls._cls) == module_name for cls in registered_classes().values()):
        return None
    found: Any = sys.modules.get(module_name)
    for part in qualname.split("."):
        # Not by getattr: a module, or an object in it, may import or do whatever it likes when it is asked for a name.
        found = found._cls if isinstance(found, ActorClass) else found
        found = vars(found).get(part) if isinstance(found, (type, ModuleType)) else None
    return found if isinstance(found, type) and module_of(found) == module_name else None
