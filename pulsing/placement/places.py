"""Actors in processes of their own, for one system and one kind of placement."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from pulsing.cluster.joining import join_network
from pulsing.config import SystemConfig, TLSConfig
from pulsing.core.actor_class import ActorClass
from pulsing.core.ref import ActorRef
from pulsing.core.registry import actor_path
from pulsing.core.spec import CellSpec
from pulsing.core.system import System
from pulsing.exceptions import PulsingRuntimeError
from pulsing.ids import ActorId, NodeId
from pulsing.node import Node
from pulsing.node.credentials import Credentials, Secret
from pulsing.placement.bootstrap import Bootstrap
from pulsing.placement.guest import codec_of
from pulsing.placement.launcher import Launcher, Process
from pulsing.placement.launchers import launcher_for
from pulsing.placement.origin import origin_of
from pulsing.placement.outpost import START_TIMEOUT_S, Order, Outpost
from pulsing.placement.stand_in import StandIn
from pulsing.tasks import TaskScope
from pulsing.transport.address import join_address, split_address

AT_ONCE = max(2, os.cpu_count() or 1)
"""How many processes may be starting: more of them only take longer, all at the same time."""
CLOSE_GRACE_S = 5.0

_THEIRS = ("restart_policy", "mailbox")
"""Options that the process is not told as they are."""


class Places:
    """Starts the processes of one system.

    Args:
        system: the actors' own node.
        config: how it was started.
        placement: the word for it, "process" or that of an engine.
        opening: held while the system gets links, which is done once for all its placements.

    Raises:
        PulsingRuntimeError: nothing launches such processes here.
    """

    def __init__(self, system: System, config: SystemConfig, placement: str, opening: asyncio.Lock) -> None:
        self.system = system
        self.placement = placement
        self.launcher: Launcher = launcher_for(placement)
        self.starting = asyncio.Semaphore(AT_ONCE)
        self.tasks = TaskScope(f"placement {placement}")
        self._config = config
        self._opening = opening
        self._codec = codec_of(system, config.allow_pickle)
        self._exits: dict[asyncio.Task[str], Process] = {}
        self._roots: tuple[Secret, ...] = ()
        system.closing.append(self.close)

    async def spawn(
        self,
        actor_class: ActorClass[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None,
        public: bool,
    ) -> ActorRef:
        """Make an actor in a process of its own; rules of `ActorClass.spawn`.

        Raises:
            NotSendable: an argument cannot be sent to another process.
            PulsingRuntimeError: no other process can find the class, or none could be started.
        """
        self.system.check_name(name, public)
        order = Order(
            origin_of(actor_class),
            self._codec.encode((args, kwargs)),
            None if name is None else actor_path(name),
            _options(actor_class),
            dict(actor_class._fixed.get("resources") or {}),
        )
        async with self._opening:
            await _open_network(self.system, self._config, self.launcher)
        self._roots = await self.system.credentials.roots()
        return await self._start(order, _spec(actor_class), name, public)

    async def _start(self, order: Order, spec: CellSpec, name: str | None, public: bool) -> ActorRef:
        made: asyncio.Future[None] = self.system.loop.create_future()
        cell = self.system.start_actor(
            Outpost(self, order, made),
            spec,
            name=name,
            public=public,
            factory=lambda: Outpost(self, order),
            make_cell=StandIn,
        )
        cell.watch(lambda _: _give_up(made, cell.stopped_error(maybe_executed=False)))
        try:
            await made
        except asyncio.CancelledError:
            cell.begin_end("stopped", None, 0.0)
            raise
        except Exception:
            await cell.stop(timeout=0.0)
            raise
        return cell.ref

    # --- what outposts need ------------------------------------------------------------------------------------------

    @property
    def node(self) -> Node:
        """The links of the system."""
        node = self.system.router
        assert isinstance(node, Node)
        return node

    def bootstrap(self, node_id: NodeId, actor_id: ActorId, key: bytes, order: Order) -> Bootstrap:
        """What a new process must know."""
        system, credentials = self.system, self.system.credentials
        return Bootstrap(
            node_id=str(node_id),
            parent_id=str(system.node_id),
            parent_addr=system.addr,
            host=split_address(self._config.addr or system.addr)[0],
            node_name=f"{system.node_name}:{order.label.removeprefix('actors/')}",
            actor_id=str(actor_id),
            cluster=credentials.cluster,
            mode=credentials.mode,
            roots=tuple(root.reveal() for root in self._roots),
            tls=_files_of(self._config.tls),
            allow_pickle=self._config.allow_pickle,
            may_create=system.creates_for_others,
            key=key,
            origin=order.origin,
            start_timeout=START_TIMEOUT_S,
            parent_pid=os.getpid(),
            sys_path=tuple(sys.path),
            argv=tuple(sys.argv),
            log_level=logging.getLogger().getEffectiveLevel(),
            uvloop=type(system.loop).__module__.startswith("uvloop"),
        )

    def exit_of(self, process: Process, label: str) -> asyncio.Task[str]:
        """Wait for the end of a process, which comes with that of the system at the latest."""
        exit = self.tasks.start(process.wait(), f"process of {label}")
        self._exits[exit] = process
        exit.add_done_callback(self._exits.pop)
        return exit

    async def wait_for_member(self, node_id: NodeId) -> None:
        """Wait until a node has joined this one."""
        changed = asyncio.Event()
        self.system.member_listeners.append(changed.set)
        try:
            while not any(member.node_id == node_id for member in self.system.members_view()):
                changed.clear()
                await changed.wait()
        finally:
            self.system.member_listeners.remove(changed.set)

    async def close(self) -> None:
        """End all processes that are left; their actors have ended."""
        for process in self._exits.values():
            process.kill()
        if self._exits:
            await asyncio.wait(self._exits, timeout=CLOSE_GRACE_S)
        await self.tasks.close()


def _files_of(tls: TLSConfig | None) -> tuple[str, str, str] | None:
    if tls is None:
        return None
    ca, cert, key = (str(Path(file).absolute()) for file in (tls.ca, tls.cert, tls.key))
    return ca, cert, key


def _give_up(made: asyncio.Future[None], error: Exception) -> None:
    if not made.done():
        made.set_exception(error)


async def _open_network(system: System, config: SystemConfig, launcher: Launcher) -> None:
    """Have links at all: a system without an address gets some of its own, that nobody else can join.

    Raises:
        PulsingRuntimeError: its links do not leave this process.
    """
    if system.router is None:
        system.credentials = Credentials("token", [Secret(secrets.token_bytes(32))], config.cluster)
        await join_network(system, replace(config, addr=join_address(launcher.host, 0)))
    if system.credentials is None:
        raise PulsingRuntimeError("the network of this system is one in memory, which no other process can join")


def _options(actor_class: ActorClass[Any]) -> dict[str, Any]:
    mailbox = actor_class._spec.mailbox
    chosen = {key: value for key, value in actor_class._options.items() if key not in _THEIRS}
    return {**chosen, "mailbox": (mailbox.capacity, mailbox.policy)}


def _spec(actor_class: ActorClass[Any]) -> CellSpec:
    """How the actor is run at home, where nothing of it runs."""
    spec = actor_class._spec
    kind = "agent" if spec.kind == "agent" else "process"
    return replace(spec, kind=kind, threaded=False, injected=())
