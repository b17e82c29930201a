"""Waits for queues that nobody has set up yet: once for all on this node who wait for the same one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pulsing.exceptions import PulsingError
from pulsing.streaming.ownership.declarations import Declarations
from pulsing.tasks import TaskScope

LOOK_AGAIN_S = 2.0
"""How long the home of a queue is waited at before it is looked who the home is."""
TRY_AGAIN_S = 0.1
"""How long after an answer did not come it is looked again."""

Look = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""The settings of a queue, None if there are none; also given how whoever waits would set it up."""
WaitAtHome = Callable[[str, float], Awaitable[Any]]
"""Waits up to so many seconds where a queue is set up."""


class Lookout:
    """Those on this node who wait for a queue.

    Args:
        tasks: the node's.
        declarations: told when a queue is set up, and tells those who wait.
        look: for the settings of a queue.
        wait_at_home: until a queue is set up.
    """

    def __init__(self, tasks: TaskScope, declarations: Declarations, look: Look, wait_at_home: WaitAtHome) -> None:
        self._tasks = tasks
        self._declarations = declarations
        self._look = look
        self._wait_at_home = wait_at_home
        self._waiting: Counter[str] = Counter()
        self._watches: dict[str, asyncio.Task[None]] = {}

    async def wait(self, topic: str, wanted: Mapping[str, Any], timeout: float) -> None:
        """Wait until a queue is set up, or its settings cannot be had, or `timeout` seconds are over."""
        watch = self._watches.get(topic)
        if watch is None or watch.done():
            self._watches[topic] = self._tasks.start(self._watch(topic, wanted), f"wait for queue {topic}")
        self._waiting[topic] += 1
        try:
            await self._declarations.wait(topic, timeout)
        finally:
            self._waiting[topic] -= 1
            if not self._waiting[topic]:
                del self._waiting[topic]
                self._watches.pop(topic).cancel()

    async def _watch(self, topic: str, wanted: Mapping[str, Any]) -> None:
        try:
            while await self._look(topic, wanted) is None:
                await self._wait_at_home(topic, LOOK_AGAIN_S)
        except PulsingError:
            await asyncio.sleep(TRY_AGAIN_S)  # whoever waits looks for itself then, and meets what there is to meet
        self._declarations.announce(topic)
