"""Distributed actors, queues and topics, watched and managed from a browser.

```python
import pulsing as pul

@pul.remote
class Counter:
    def __init__(self, value=0):
        self.value = value

    def incr(self, by=1):
        self.value += by
        return self.value

async def main():
    await pul.init()
    counter = await Counter.spawn(name="counter")
    print(await counter.incr())
    await pul.shutdown()
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pulsing import layers

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from pulsing.config import SystemConfig, TLSConfig
    from pulsing.core import (
        Actor,
        ActorClass,
        ActorId,
        ActorProxy,
        ActorRef,
        MailboxOptions,
        Message,
        NodeId,
        StreamMessage,
        as_any,
        current_actor,
        mount,
        unmount,
    )
    from pulsing.core.remote import remote, resolve
    from pulsing.exceptions import (
        PulsingActorError,
        PulsingBusinessError,
        PulsingError,
        PulsingRuntimeError,
        PulsingSystemError,
        PulsingTimeoutError,
        PulsingUnsupportedError,
    )
    from pulsing.runtime import ActorSystem, actor_system, get_system, init, is_initialized, shutdown
    from pulsing.wire.registry import register_type

    __version__: str

__all__ = [
    "Actor",
    "ActorClass",
    "ActorId",
    "ActorProxy",
    "ActorRef",
    "ActorSystem",
    "MailboxOptions",
    "Message",
    "NodeId",
    "PulsingActorError",
    "PulsingBusinessError",
    "PulsingError",
    "PulsingRuntimeError",
    "PulsingSystemError",
    "PulsingTimeoutError",
    "PulsingUnsupportedError",
    "StreamMessage",
    "TLSConfig",
    "__version__",
    "actor_system",
    "as_any",
    "cleanup_ray",
    "current_actor",
    "get_system",
    "init",
    "init_inside_ray",
    "init_inside_torchrun",
    "is_initialized",
    "mount",
    "queue",
    "refer",
    "register_type",
    "remote",
    "resolve",
    "shutdown",
    "spawn",
    "topic",
    "unmount",
]


async def spawn(
    actor: Any,
    *,
    name: str | None = None,
    public: bool = False,
    restart_policy: str = "never",
    max_restarts: int = 3,
    min_backoff: float = 0.1,
    max_backoff: float = 30.0,
    restart_window: float = 60.0,
    mailbox: MailboxOptions | int | None = None,
) -> ActorRef:
    """Make an actor on the process-wide system; see `ActorSystem.spawn`.

    An option that is left at its default does not override what a decorated class was given.
    """
    from pulsing.core.spawning import not_default
    from pulsing.runtime import get_system

    options = {
        "restart_policy": restart_policy,
        "max_restarts": max_restarts,
        "min_backoff": min_backoff,
        "max_backoff": max_backoff,
        "restart_window": restart_window,
        "mailbox": mailbox,
    }
    return await get_system().spawn(actor, name=name, public=public, **not_default(spawn, options))


async def refer(actorid: ActorId | str | int) -> ActorRef:
    """A ref to a live actor by its id, on any node of the process-wide system's cluster.

    Raises:
        ActorNotFound, NodeNotFound, NodeDead
        ValueError: the text is no id.
    """
    from pulsing.runtime import get_system

    ref: ActorRef = await get_system().refer(actorid)
    return ref


def init_inside_ray() -> Awaitable[ActorSystem]:
    """Start the process-wide system in a process of Ray, in one cluster with those of the others.

    Raises:
        ImportError: Ray is not installed.
        RuntimeError: `ray.init()` has not been called.
        AuthFailed: the other processes use another secret.
    """
    from pulsing.integrations.ray import async_init_in_ray

    return async_init_in_ray()


def cleanup_ray() -> None:
    """Forget the cluster's entry in Ray; nothing to do when there is none.

    Raises:
        ImportError: Ray is not installed.
    """
    from pulsing.integrations.ray import cleanup

    cleanup()


def init_inside_torchrun() -> ActorSystem:
    """Start the process-wide system in a rank of torchrun, in one cluster with those of the other ranks.

    Call it after `torch.distributed.init_process_group()`, in every rank.

    Raises:
        ImportError: torch is not installed.
        RuntimeError: there is no process group.
        JoinTimeout: rank 0 did not come within 60 s, or does not answer.
        AuthFailed: rank 0 uses another secret.
    """
    from pulsing.integrations.torchrun import init_in_torchrun

    return init_in_torchrun()


class _SharedDoor:
    """`pulsing.queue` and `pulsing.topic`: the door of the process-wide system, looked up at each call."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def write(self, topic: str, **options: Any) -> Any:
        """Open for writing; see the system's door of the same name."""
        return await self._door().write(topic, **options)

    async def read(self, topic: str, **options: Any) -> Any:
        """Open for reading; see the system's door of the same name."""
        return await self._door().read(topic, **options)

    def _door(self) -> Any:
        from pulsing.runtime import get_system

        return getattr(get_system(), self._name)


queue = _SharedDoor("queue")
topic = _SharedDoor("topic")


def _queue_door(system: ActorSystem) -> Any:
    from pulsing.streaming import QueueAPI

    return QueueAPI(system)


def _topic_door(system: ActorSystem) -> Any:
    from pulsing.streaming import TopicAPI

    return TopicAPI(system)


def _start_inside_ray() -> bool:
    import sys

    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    from pulsing.integrations.ray import init_in_ray

    init_in_ray()
    return True


async def _offer_placements(system: ActorSystem, config: SystemConfig) -> None:
    from pulsing.placement import offer

    offer(system.inner, config)


async def _start_streaming(system: ActorSystem, config: SystemConfig) -> None:
    from pulsing.streaming import start_streaming

    await start_streaming(system, config)


async def _start_subprocess(system: ActorSystem, config: SystemConfig) -> None:
    from pulsing.subprocess.host import start_host
    from pulsing.subprocess.policy import policy_of

    start_host(system.inner, policy_of(config, secure=system.inner.creates_for_others))


async def _start_admin(system: ActorSystem, config: SystemConfig) -> None:
    wanted = config.admin if config.admin is not None else config.networked or config.admin_addr is not None
    if not wanted:
        return
    from pulsing.admin.serving import serve_admin

    await serve_admin(system, config.admin_addr, config.settings)


async def _start_tracing(system: ActorSystem, config: SystemConfig) -> None:
    import os

    from pulsing.logs import logger_of
    from pulsing.tracing import instrument, wanted

    chosen = config.settings
    if (chosen is None or chosen["tracing.mode"].value != "off") and wanted(os.environ):
        try:
            instrument(None if chosen is None else chosen["tracing.ratio"].value)
        except ImportError as error:
            logger_of("pulsing").warning("no spans: %s; pip install pulsing[otel]", error)


layers.environments.append(_start_inside_ray)
layers.features["queue"] = _queue_door
layers.features["topic"] = _topic_door
layers.preparers.append(_start_streaming)
layers.starters += [_offer_placements, _start_subprocess, _start_tracing, _start_admin]

_HOMES = {
    "pulsing.config": ("TLSConfig",),
    "pulsing.core": (
        "Actor", "ActorClass", "ActorId", "ActorProxy", "ActorRef", "MailboxOptions", "Message", "NodeId",
        "StreamMessage", "as_any", "current_actor", "mount", "remote", "resolve", "unmount",
    ),
    "pulsing.exceptions": (
        "PulsingActorError", "PulsingBusinessError", "PulsingError", "PulsingRuntimeError", "PulsingSystemError",
        "PulsingTimeoutError", "PulsingUnsupportedError",
    ),
    "pulsing.runtime": ("ActorSystem", "actor_system", "get_system", "init", "is_initialized", "shutdown"),
    "pulsing.wire.registry": ("register_type",),
}  # fmt: skip
"""Where the names are that are fetched when they are first asked for: a command that talks to a node needs none."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = frozenset({"clock", "config", "core", "exceptions", "ids", "runtime", "tasks"})
"""Those that `import pulsing` makes attributes of the package."""


def __getattr__(name: str) -> Any:
    from importlib import import_module, metadata

    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
    elif name in _MODULES:
        value = import_module(f"pulsing.{name}")
    elif name == "__version__":
        value = metadata.version("pulsing")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Kept, so that the next look-up does not come here.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
