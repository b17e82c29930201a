"""Actors of one process: what they are, how they are spawned, called, supervised and stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pulsing.core.actor import Actor, ActorContext, current_actor
from pulsing.core.actor_class import ActorClass
from pulsing.core.helpers import mount, unmount
from pulsing.core.lifecycle import Terminated
from pulsing.core.mailbox import MailboxOptions
from pulsing.core.messages import Message, StreamMessage
from pulsing.core.proxy import ActorProxy
from pulsing.core.ref import ActorRef
from pulsing.core.remote import remote, resolve
from pulsing.core.service import (
    PYTHON_ACTOR_SERVICE_NAME,
    PythonActorService,
    PythonActorServiceProxy,
    SystemActorProxy,
    get_python_actor_service,
    get_system_actor,
)
from pulsing.core.streams import StreamReader, StreamWriter
from pulsing.core.timers import DEFAULT_ASK_TIMEOUT
from pulsing.exceptions import PulsingActorError, PulsingError, PulsingRuntimeError
from pulsing.ids import ActorId, NodeId

if TYPE_CHECKING:
    from pulsing.config import SystemConfig as SystemConfig
    from pulsing.runtime import ActorSystem as ActorSystem
    from pulsing.runtime import get_system as get_system
    from pulsing.runtime import init as init
    from pulsing.runtime import is_initialized as is_initialized
    from pulsing.runtime import shutdown as shutdown

__all__ = [
    "DEFAULT_ASK_TIMEOUT",
    "PYTHON_ACTOR_SERVICE_NAME",
    "Actor",
    "ActorClass",
    "ActorContext",
    "ActorId",
    "ActorProxy",
    "ActorRef",
    "ActorSystem",
    "MailboxOptions",
    "Message",
    "NodeId",
    "PulsingActorError",
    "PulsingError",
    "PulsingRuntimeError",
    "PythonActorService",
    "PythonActorServiceProxy",
    "StreamMessage",
    "StreamReader",
    "StreamWriter",
    "SystemActorProxy",
    "SystemConfig",
    "Terminated",
    "as_any",
    "current_actor",
    "get_python_actor_service",
    "get_system",
    "get_system_actor",
    "init",
    "is_initialized",
    "mount",
    "remote",
    "resolve",
    "shutdown",
    "unmount",
]

# The system that users hold is put together above this package, from actors, links and cluster. Its names are part of
# this package's public face all the same, and are reached when they are asked for.
_FROM_RUNTIME = frozenset({"ActorSystem", "get_system", "init", "is_initialized", "shutdown"})


def __getattr__(name: str) -> Any:
    if name in _FROM_RUNTIME:
        from pulsing import runtime

        # Kept, so that the next look-up does not come here: every spawn asks for the system.
        value = globals()[name] = getattr(runtime, name)
        return value
    if name == "SystemConfig":
        from pulsing.config import SystemConfig

        return SystemConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def as_any(ref: ActorRef | ActorProxy) -> ActorProxy:
    """An untyped proxy of a ref or of another proxy."""
    return ref.as_any()
