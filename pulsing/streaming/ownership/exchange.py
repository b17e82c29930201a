"""What managers tell each other: a manager that meets a node exchanges all it knows with it before it decides anything.

So a node that has just come does not open again what another one holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from pulsing.core.system import System
from pulsing.exceptions import ActorNotFound, PulsingRuntimeError
from pulsing.logs import logger_of
from pulsing.streaming.ownership.catalogue import Catalogue

logger = logger_of("pulsing.streaming")

MEETING_TIMEOUT_S = 2.0
MEET_AGAIN_AFTER_S = 1.0
WATCH_EVERY_S = 1.0
"""How often a manager that holds something looks who has come; a comparison of two sets."""

Ask = Callable[..., Awaitable[Any]]
"""`ask(node_id, method, *args, timeout=seconds)` of another node's manager."""
Learn = Callable[[Mapping[str, Any]], Awaitable[None]]


class Exchange:
    """The other managers, as one manager knows them.

    Args:
        inner: the node.
        catalogue: what this manager knows.
        ask: calls another manager.
        everything: all that this manager has to tell.
        learn: takes over what another manager tells.
    """

    def __init__(
        self, inner: System, catalogue: Catalogue, ask: Ask, everything: Callable[[], dict[str, Any]], learn: Learn
    ) -> None:
        self._inner = inner
        self._catalogue = catalogue
        self._ask = ask
        self._everything = everything
        self._learn = learn
        self._me = inner.node_id.id
        self.met: set[int] = {self._me}
        self._known_to: dict[int, frozenset[str]] = {}
        """the queues of which each node knew when it was met"""
        self._meetings: dict[int, asyncio.Task[None]] = {}
        self._avoided: dict[int, float] = {}
        self._watching: asyncio.Task[None] | None = None

    def live(self) -> list[int]:
        """The nodes that are alive, as far as this node knows."""
        return self._with_status("Alive", "Suspect") or [self._me]

    def holding(self) -> list[int]:
        """The nodes that may still have what they had: the live ones, and those that are about to leave."""
        return self._with_status("Alive", "Suspect", "Leaving") or [self._me]

    def not_ended(self) -> set[int]:
        """The nodes that may still do something, the silent ones too: all but those that are known to have ended."""
        members = self._inner.members_view()
        return {member.node_id.id for member in members if member.takes_work and not member.ended} | {self._me}

    def owner(self, key: str) -> int:
        """The node that owns a key, as far as this node knows."""
        return self._catalogue.owner(key, self.live(), self.holding())

    def _with_status(self, *statuses: str) -> list[int]:
        members = self._inner.members_view()
        return [member.node_id.id for member in members if member.status in statuses and member.takes_work]

    def start_watching(self) -> None:
        """Meet nodes from now on as they come or return, though nobody asks anything."""
        if self._watching is None:
            self._watching = self._inner.tasks.start(self._watch(), "queue owners")

    async def _watch(self) -> None:
        # Another node may hold what this one holds, and both would go on until somebody asked.
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            await self.meet_all()

    async def meet_all(self) -> None:
        """Exchange knowledge with the nodes that were not here when this one last decided something."""
        live = set(self.live())
        if self.met == live:
            return
        self.met &= live
        now = self._inner.now()
        strangers = [n for n in live - self.met if self._avoided.get(n, 0.0) <= now]
        for node_id in strangers:
            if node_id not in self._meetings:
                self._meetings[node_id] = self._inner.tasks.start(self._meet(node_id), f"meet {node_id:016x}")
        meetings = [self._meetings[node_id] for node_id in strangers]
        if meetings:
            await asyncio.wait(meetings)

    def meet(self, node_id: int, told: Mapping[str, Any]) -> None:
        """Note that another manager has told all it knows, and been told the same."""
        self.met.add(node_id)
        self._known_to[node_id] = frozenset(told["queues"])

    def began_without(self, node_id: int, topic: str) -> bool:
        """Whether another node had nothing of a queue when it was met."""
        return node_id in self.met - {self._me} and topic not in self._known_to.get(node_id, ())

    async def _meet(self, node_id: int) -> None:
        try:
            known = self._everything()
            answer = await self._ask(node_id, "exchange", str(self._me), known, timeout=MEETING_TIMEOUT_S)
            await self._learn(answer)
            self.meet(node_id, answer)
        except ActorNotFound:
            self.met.add(node_id)
        except (PulsingRuntimeError, OSError) as error:
            self._avoided[node_id] = self._inner.now() + MEET_AGAIN_AFTER_S
            if self._inner.log_seldom.due("storage managers"):
                logger.info("storage manager of node %016x does not answer: %s", node_id, error)
        finally:
            self._meetings.pop(node_id, None)

    def spread(self, queues: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
        """Tell all others about queues and keys."""
        others = [node_id for node_id in self.live() if node_id != self._me]
        news = self._catalogue.news(queues, keys)
        if others and any(news.values()):
            self._inner.tasks.start(self._tell_all(others, news), "spread queue news")

    async def _tell_all(self, others: list[int], news: dict[str, Any]) -> None:
        tellings = [self._ask(node_id, "learn", news, timeout=MEETING_TIMEOUT_S) for node_id in others]
        for node_id, answer in zip(others, await asyncio.gather(*tellings, return_exceptions=True), strict=True):
            if isinstance(answer, Exception):
                # It will be met again, and told then, before this node decides anything.
                self.met.discard(node_id)
