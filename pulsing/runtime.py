"""Puts a system together from actors, links and cluster, and keeps the one that the process shares.

What stands above this module (queues, topics, the admin plane) is reached through `pulsing.layers`, which the top of
the package fills in: the imports keep pointing down.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from pulsing.clock import Clock
from pulsing.config import SystemConfig, TLSConfig, config_from
from pulsing.core.home import at_home, send_home
from pulsing.core.keeping import KeptMessages, Packing
from pulsing.core.mailbox import MailboxOptions
from pulsing.core.ref import ActorRef
from pulsing.core.service import start_system_actors
from pulsing.core.spawning import spawn_any
from pulsing.core.system import System
from pulsing.exceptions import NotInitialized
from pulsing.ids import NodeId
from pulsing.layers import features, preparers, starters
from pulsing.logs import logger_of

if TYPE_CHECKING:
    from pulsing.cluster.joining import Through, TransportFor

logger = logger_of("pulsing")

P = ParamSpec("P")
T = TypeVar("T")


def _of_inner(method: Callable[Concatenate[System, P], T]) -> Callable[Concatenate[ActorSystem, P], T]:
    """The same method of the core system, shown by `help` and to type checkers."""

    @wraps(method)
    def forwarded(self: ActorSystem, /, *args: P.args, **kwargs: P.kwargs) -> T:
        answer: T = getattr(self.inner, method.__name__)(*args, **kwargs)
        return answer

    return forwarded


class ActorSystem:
    """A system of actors with its queues and topics.

    Args:
        inner: the core system, or another ActorSystem to share one with.
    """

    def __init__(self, inner: Any) -> None:
        self.inner: System = getattr(inner, "inner", inner)
        if self.inner.facade is self.inner:
            self.inner.facade = self

    @staticmethod
    async def create(config: SystemConfig, loop: asyncio.AbstractEventLoop | None = None) -> ActorSystem:
        """Start a system.

        Args:
            config: its settings.
            loop: must be the running loop if given.

        Raises:
            ValueError: another loop was given, or an address makes no sense.
            AddressInUse, AuthFailed, JoinTimeout
        """
        if loop is not None and loop is not asyncio.get_running_loop():
            raise ValueError("a system lives on the running loop: call create on that one")
        return await start_system(config)

    async def spawn(
        self,
        actor: Any,
        *,
        name: str | None = None,
        public: bool = False,
        restart_policy: str | None = None,
        max_restarts: int | None = None,
        min_backoff: float | None = None,
        max_backoff: float | None = None,
        restart_window: float | None = None,
        mailbox: MailboxOptions | int | None = None,
    ) -> ActorRef:
        """Make an actor and return its ref as soon as it is registered; `on_start` runs next.

        Args:
            actor: an object with `receive`, an instance of a `@remote` class, or a factory of either: a class, a
                function or a partial that needs no arguments.
            name: its name; None for an anonymous actor.
            public: whether other nodes may resolve the name.
            restart_policy: "never" (the default), "on-failure" or "always". For each restart a factory is
                called again; for an instance, a deep copy of the state that it has now is used.
            max_restarts: restarts granted within `restart_window`; 3 by default.
            min_backoff, max_backoff: bounds in seconds of the delay before a restart; 0.1 and 30 by default.
            restart_window: seconds; 60 by default.
            mailbox: capacity, or `MailboxOptions`; 1,000 messages by default, senders wait.

        Raises:
            NameTaken: an actor of this node has the name.
            TypeError: `actor` is nothing that can be an actor.
            ValueError: an invalid name or option, or an instance that cannot be copied for its restarts.
            SystemStopped: the system was shut down.
        """
        options: dict[str, Any] = {
            "restart_policy": restart_policy,
            "max_restarts": max_restarts,
            "min_backoff": min_backoff,
            "max_backoff": max_backoff,
            "restart_window": restart_window,
            "mailbox": mailbox,
        }
        if not at_home(self.inner):
            return await send_home(self.inner, lambda: self.spawn(actor, name=name, public=public, **options))
        self.inner.check_running()
        return spawn_any(self.inner, actor, name=name, public=public, options=options)

    async def resolve_named(self, name: str, node_id: Any = None, timeout: float | None = None) -> ActorRef:
        """The same as `resolve`."""
        return await self.inner.resolve(name, node_id=node_id, timeout=timeout)

    resolve = _of_inner(System.resolve)
    refer = _of_inner(System.refer)
    stop = _of_inner(System.stop)
    shutdown = _of_inner(System.shutdown)
    drain = _of_inner(System.drain)
    members = _of_inner(System.members)
    system = _of_inner(System.system)
    remote_system = _of_inner(System.remote_system)
    all_named_actors = _of_inner(System.all_named_actors)
    get_named_instances = _of_inner(System.get_named_instances)
    local_actor_names = _of_inner(System.local_actor_names)
    statistics = _of_inner(System.statistics)

    @property
    def streaming(self) -> Any:
        """The same object as `queue`."""
        return self.queue

    @property
    def actor_ref(self) -> Any:
        """The same as `refer`."""
        return self.inner.refer

    async def __aenter__(self) -> ActorSystem:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.inner.shutdown()

    def __getattr__(self, name: str) -> Any:
        if name == "inner":
            raise AttributeError(name)
        if name in features:
            value = self.__dict__[name] = features[name](self)
            return value
        return getattr(self.inner, name)

    def __repr__(self) -> str:
        return repr(self.inner)


async def start_system(
    config: SystemConfig,
    *,
    transport_for: TransportFor | None = None,
    through: Through | None = None,
    clock: Clock | None = None,
    random: random.Random | None = None,
    node_id: NodeId | None = None,
    before_joining: Callable[[System], None] | None = None,
) -> ActorSystem:
    """Start a system; time, chance and network may be given, as tests do.

    A given network has no credentials: it is one that does not leave the process. `through` wraps each way to other
    nodes. `before_joining` is called before the system is known to any other.

    A failure leaves nothing open.
    """
    # Listings are needed by systems, not by programs that only import the package.
    from pulsing.core.inspection import register_inspectors

    inner = System(node_id=node_id, clock=clock, random=random)
    start_system_actors(inner)
    register_inspectors(inner)
    _configure(inner, config)
    system = ActorSystem(inner)
    try:
        if before_joining is not None:
            before_joining(inner)
        for prepare in preparers:
            await prepare(system, config)
        if config.networked:
            from pulsing.cluster.joining import join_network

            await join_network(inner, config, transport_for, through)
        for start in starters:
            await start(system, config)
    except BaseException:
        await inner.shutdown(drain=0)
        raise
    return system


def _configure(inner: System, config: SystemConfig) -> None:
    """Give a system its limits, and how much of what happened it remembers."""
    inner.events.remember(config.events_kept)
    inner.dead_letters.remember(config.letters_kept)
    inner.ended = deque(maxlen=config.ended_kept)
    inner.dead_letters.kept = KeptMessages(inner.clock, lambda: _letter_packing(inner), config.letters_kept_bytes)
    inner.mailbox = MailboxOptions(config.mailbox_capacity)
    inner.mailbox_bytes = config.mailbox_bytes
    inner.deadlines.usual = config.ask_timeout
    inner.tallies["links"] = lambda: 0
    inner.limits = {
        "mailbox": config.mailbox_capacity,
        "mailbox_bytes": config.mailbox_bytes,
        "user_bytes": config.user_bytes,
        "public_names": config.public_names,
        "ask_timeout": config.ask_timeout,
        "max_message_bytes": config.max_message_bytes,
        "window_frames": config.window_frames,
        "window_bytes": config.window_bytes,
        "pending_asks": config.pending_asks,
        "stream_items": config.stream_items,
    }


def _letter_packing(inner: System) -> Packing:
    # The encoding is needed by the first message that reaches nobody, not by programs that have no links.
    from pulsing.node.keeping import LetterPacking

    return LetterPacking(inner)


async def actor_system(
    addr: str | None = None,
    *,
    seeds: list[str] | None = None,
    passphrase: str | None = None,
    head_addr: str | None = None,
    is_head_node: bool = False,
    advertise: str | None = None,
    control_port: int | None = None,
    cluster: str = "pulsing",
    insecure: bool | None = None,
    allow_pickle: bool | None = None,
    allow_remote_subprocess: Sequence[str] | None = None,
    join_timeout: float | None = None,
    admin: bool | None = None,
    admin_addr: str | None = None,
    passphrase_file: str | Path | None = None,
    token_file: str | Path | Sequence[str | Path] | None = None,
    tls: TLSConfig | None = None,
) -> ActorSystem:
    """Start an independent system; the process-wide one is untouched. Also an async context manager.

    Args:
        addr: where to listen, "host:port" or "[v6]:port", port 0 for any free one; None for no listener.
        seeds: addresses to join through, "host:port" or "dns://name:port". Unreachable ones are tried again.
        passphrase: encrypts links and must be the same on all nodes; else `PULSING_PASSPHRASE`, else the user's
            token file.
        head_addr: join the cluster of this head node.
        is_head_node: be the head node.
        advertise: address that others dial when it differs from `addr`.
        control_port: port on which membership listens, on the same interface; by default any free one.
        cluster: name of the cluster; nodes of another name are refused.
        insecure: no credentials at all.
        allow_pickle: agree to pickled values on links whose other end agrees too; else `PULSING_ALLOW_PICKLE`, else
            not.
        allow_remote_subprocess: programs that other nodes may start here, by name or absolute path; else none.
        join_timeout: seconds within which a seed must have answered; None to go on alone.
        admin: whether the admin plane is served; by default, when the node has an address.
        admin_addr: where; by default 127.0.0.1:8700, or the next free port.
        passphrase_file: a file whose first line is the passphrase; after `passphrase` and `PULSING_PASSPHRASE`.
        token_file: instead of the user's own; several while tokens are changed, the new one first.
        tls: certificates of the site's own authority; the proof of the secret is asked for as well.

    Raises:
        ValueError: an address or a combination makes no sense.
        AddressInUse, AuthFailed, JoinTimeout
    """
    return await start_system(
        config_from(
            addr=addr,
            seeds=seeds or (),
            passphrase=passphrase,
            head_addr=head_addr,
            is_head_node=is_head_node,
            advertise=advertise,
            control_port=control_port,
            cluster=cluster,
            insecure=insecure,
            allow_pickle=allow_pickle,
            allow_remote_subprocess=None if allow_remote_subprocess is None else tuple(allow_remote_subprocess),
            join_timeout=join_timeout,
            admin=admin,
            admin_addr=admin_addr,
            passphrase_file=passphrase_file,
            token_file=tuple(token_file) if isinstance(token_file, (list, tuple)) else token_file,
            tls=tls,
        )
    )


class _Shared:
    """The system that the process shares, and the start of it that may be under way."""

    def __init__(self) -> None:
        self.system: ActorSystem | None = None
        self.arguments: dict[str, Any] = {}
        self.later: Callable[[], object] | None = None
        """starts the system for whoever asks for it first"""
        self.starting: asyncio.Task[ActorSystem] | None = None
        self.waiting = 0
        """callers of `init` who wait for that start"""

    def forget(self) -> None:
        """Start anew, as in a forked child, where no loop of the parent runs."""
        self.__init__()  # type: ignore[misc]

    async def start(self, arguments: dict[str, Any]) -> ActorSystem:
        """Start the system, or wait for a start that is under way; it ends when the last who waits has gone."""
        if self.starting is None or self.starting.get_loop() is not asyncio.get_running_loop():
            self.starting = asyncio.ensure_future(self._start(arguments))
        starting = self.starting
        self.waiting += 1
        try:
            return await asyncio.shield(starting)
        finally:
            self.waiting -= 1
            if not self.waiting and not starting.done():
                starting.cancel()
                await asyncio.wait([starting])

    async def _start(self, arguments: dict[str, Any]) -> ActorSystem:
        try:
            self.system = await actor_system(**arguments)
            self.arguments = arguments
            return self.system
        finally:
            self.starting = None


_shared = _Shared()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared.forget)


async def init(
    addr: str | None = None,
    *,
    seeds: list[str] | None = None,
    passphrase: str | None = None,
    head_addr: str | None = None,
    is_head_node: bool = False,
    **options: Any,
) -> ActorSystem:
    """Start the process-wide system on the running loop, or return the one that there is.

    Args:
        addr, seeds, passphrase, head_addr, is_head_node, options: as for `actor_system`; ignored, with a warning in
            the log where they differ, when there is a system already.

    Raises:
        ValueError: an address or a combination makes no sense.
        AddressInUse, AuthFailed, JoinTimeout
    """
    arguments = {
        "addr": addr,
        "seeds": seeds,
        "passphrase": passphrase,
        "head_addr": head_addr,
        "is_head_node": is_head_node,
        **options,
    }
    if is_initialized():
        if any(value and _shared.arguments.get(key) != value for key, value in arguments.items()):
            logger.warning("init was called again with other arguments; they are ignored")
        return get_system()
    if _shared.system is not None:
        if not _shared.system.inner.stopped:
            logger.warning("the event loop of the earlier system is closed; starting a new one")
        _shared.system = None
    return await _shared.start(arguments)


async def shutdown() -> None:
    """Shut the process-wide system down; nothing to do when there is none."""
    system = _shared.system
    _shared.later = None
    if system is None or not is_initialized():
        _shared.system = None
        return
    inner = system.inner
    try:
        if inner.loop is asyncio.get_running_loop():
            await inner.shutdown()
        elif inner.loop.is_running():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(inner.shutdown(), inner.loop))
    finally:
        if _shared.system is system:
            _shared.system = None


def share(system: ActorSystem) -> None:
    """Make a system the one that the process shares, as `init` does with the one that it starts."""
    _shared.system = system


def share_when_asked(start: Callable[[], object]) -> None:
    """Have the first who asks for the process-wide system start and share it, in a thread that waits for that."""
    _shared.later = start


def get_system() -> ActorSystem:
    """The process-wide system.

    Raises:
        NotInitialized: `init` has not been called.
    """
    if _shared.later is not None and not is_initialized():
        _shared.later()
        _shared.later = None
    if _shared.system is None or not is_initialized():
        raise NotInitialized()
    return _shared.system


def is_initialized() -> bool:
    """Whether there is a process-wide system that has not been shut down, and whose loop is alive."""
    system = _shared.system
    return system is not None and not system.inner.stopped and not system.inner.loop.is_closed()
