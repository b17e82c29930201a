"""The events of all nodes as one stream: others are read while somebody listens, merged as they come, numbered anew."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from pulsing.admin.credible import is_credible
from pulsing.admin.fanout import Fanout
from pulsing.core.events import Event
from pulsing.core.following import Following
from pulsing.core.inspection import event_row
from pulsing.exceptions import PulsingError
from pulsing.ids import NodeId
from pulsing.logs import logger_of

logger = logger_of("pulsing.admin")

KEPT = 5_000
WAITING = 1_000
LINGER_S = 60.0
"""For so long reading goes on when nobody listens any more, so that who comes back has missed nothing."""
LOOK_EVERY_S = 1.0
"""How often nodes are looked for that are not read yet."""

Row = dict[str, Any]
Numbered = tuple[int, Row]
Keep = Callable[[Row], bool]
"""Whether a listener wants an event."""


class Relay:
    """The events of a cluster, as one admin app passes them on."""

    def __init__(self, system: Any, fanout: Fanout) -> None:
        self._system = system
        self._fanout = fanout
        self._ring: deque[Numbered] = deque(maxlen=KEPT)
        self._next = 1
        self._unbroken = 1
        """the first number since which nothing was missed"""
        self._listeners: list[Following[Numbered]] = []
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._stop_local = _nothing
        self._lingering: asyncio.TimerHandle | None = None

    def subscribe(self, keep: Keep) -> Following[Numbered]:
        """Follow the events of the cluster from now on; the first who does makes the others tell theirs."""
        following = Following[Numbered](WAITING, self._leave, lambda numbered: keep(numbered[1]))
        self._listeners.append(following)
        self._linger_no_more()
        if self._keeper is None:
            self._stop_local = self._system.events.listen(self._take_own)
            self._keeper = asyncio.get_running_loop().create_task(self._keep_reading(), name="pulsing-admin-relay")
        return following

    def since(self, number: int, keep: Keep) -> tuple[list[Numbered], bool]:
        """The kept events after a number, and whether nothing between was missed."""
        kept = [n for n in self._ring if n[0] > number and keep(n[1])]
        first = self._ring[0][0] if self._ring else self._next
        return kept, self._unbroken - 1 <= number < self._next and first <= number + 1

    async def close(self) -> None:
        """End every stream and every reading."""
        for listener in list(self._listeners):
            listener.close()
        tasks = [task for task in (self._keeper, *self._readers.values()) if task is not None]
        self._end()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _leave(self, following: Following[Numbered]) -> None:
        self._listeners.remove(following)
        if not self._listeners and self._keeper is not None:
            self._lingering = asyncio.get_running_loop().call_later(LINGER_S, self._end)

    def _linger_no_more(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None

    def _end(self) -> None:
        self._linger_no_more()
        self._stop_local()
        self._stop_local = _nothing
        for task in (self._keeper, *self._readers.values()):
            if task is not None:
                task.cancel()
        self._keeper = None
        self._readers = {}
        self._unbroken = self._next

    async def _keep_reading(self) -> None:
        while True:
            for node in await self._fanout.nodes():
                reader = self._readers.get(node)
                if node != self._fanout.here and (reader is None or reader.done()):
                    self._readers[node] = asyncio.get_running_loop().create_task(
                        self._read(node), name=f"pulsing-admin-relay {node}"
                    )
            await asyncio.sleep(LOOK_EVERY_S)

    async def _read(self, node: str) -> None:
        try:
            actor = await self._system.remote_system(NodeId.from_str(node))
            async with contextlib.aclosing(actor.as_any().follow_events().__aiter__()) as rows:
                async for row in rows:
                    if row and is_credible("events", [row], {}):
                        self._take({**row, "node": node})
        except PulsingError as error:
            # It is tried again as long as the node is a member.
            logger.debug("the events of node %s are not read: %s", node, error)

    def _take_own(self, event: Event) -> None:
        self._take(event_row(self._system, event))

    def _take(self, row: Row) -> None:
        numbered = (self._next, row)
        self._next += 1
        self._ring.append(numbered)
        for listener in self._listeners:
            listener.offer(numbered)


def _nothing() -> None:
    """Nothing is listened to."""
