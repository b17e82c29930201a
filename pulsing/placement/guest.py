"""The one actor that a process was started for, and what its node at home orders."""

from __future__ import annotations

import asyncio
import hmac
import os
from dataclasses import replace
from typing import Any

from pulsing.core.actor_class import ActorClass
from pulsing.core.cell import Cell
from pulsing.core.lifecycle import Terminated
from pulsing.core.mailbox import MailboxOptions
from pulsing.core.system import System
from pulsing.exceptions import Forbidden, PulsingRuntimeError
from pulsing.ids import ActorId
from pulsing.logs import logger_of
from pulsing.node.references import teach
from pulsing.wire.registry import default_registry
from pulsing.wire.values import Codec

logger = logger_of("pulsing.placement")

GUEST = "system/guest"
GUEST_NUMBER = 15
"""The number of this actor on its node, so that its id follows from the node's."""


def codec_of(system: System, allow_pickle: bool) -> Codec:
    """What carries constructor arguments; the same on both sides."""
    registry = default_registry.child()
    teach(registry, system)
    return Codec(registry, allow_pickle=allow_pickle)


class Guest:
    """Carries out the orders of the actor's own node; nobody else knows the key.

    Args:
        system: the node of this process.
        actor_id: the actor's id, by which it goes at home too.
        key: stands in each order.
        loaded: the actor's class, or why there is none.
        codec: reads the constructor's arguments.
    """

    def __init__(
        self,
        system: System,
        actor_id: ActorId,
        key: bytes,
        loaded: ActorClass[Any] | PulsingRuntimeError,
        codec: Codec,
    ) -> None:
        self.ready = asyncio.Event()
        """Whether this node has all that actors may want of it; the one at home hears of it before that."""
        self.over = asyncio.Event()
        """Whether there is nothing more to do in this process."""
        self._system = system
        self._actor_id = actor_id
        self._key = key
        self._loaded = loaded
        self._codec = codec
        self._cell: Cell | None = None
        self._end: asyncio.Future[Terminated] = system.loop.create_future()

    async def create(self, key: bytes, arguments: bytes, name: str | None, options: dict[str, Any]) -> int:
        """Construct the actor; returns the number of this process."""
        self._check(key)
        await self.ready.wait()
        if self._cell is not None:
            raise Forbidden("creating a second actor", "this process was started for one")
        if isinstance(self._loaded, PulsingRuntimeError):
            raise self._loaded
        args, kwargs = self._codec.decode(arguments)
        # Restarts are the business of the node at home, which outlives this process.
        mailbox = MailboxOptions(*options.pop("mailbox"))
        actor_class = self._loaded.with_options(**options, mailbox=mailbox, restart_policy="never")
        actor = actor_class._cls(*args, **kwargs)
        # Listings show the actor at home, where its name and its restarts are.
        spec = replace(actor_class._spec, internal=True)
        self._cell = self._system.start_actor(actor, spec, actor_id=self._actor_id)
        # It knows its name, but this node does not hold it: who looks for the name is to find the one at home.
        self._cell.path = self._cell.ref.name = name
        self._cell.watch(self._end.set_result)
        return os.getpid()

    async def wait_for_end(self, key: bytes) -> BaseException | None:
        """Answer when the actor has ended, with the error if it failed."""
        self._check(key)
        return (await asyncio.shield(self._end)).error

    async def stop(self, key: bytes, reason: str, timeout: float | None) -> None:
        """Stop the actor as its own node would."""
        self._check(key)
        if self._cell is not None:
            await self._cell.stop(reason, timeout)

    async def said(self, key: bytes) -> dict[str, str]:
        """What the actor says of itself."""
        self._check(key)
        return {} if self._cell is None else await self._cell.read_metadata()

    def _check(self, key: bytes) -> None:
        if not hmac.compare_digest(key, self._key):
            raise Forbidden("an order to the process of an actor", "it comes from the actor's own node only")
