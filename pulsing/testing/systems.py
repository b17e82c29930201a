"""Systems of actors for one test, which must leave nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pulsing.runtime import ActorSystem, actor_system
from pulsing.testing.leaks import assert_no_leaks


@asynccontextmanager
async def system(**options: Any) -> AsyncIterator[ActorSystem]:
    """A system without sockets, shut down at the end of the block.

    Args:
        options: as for `pulsing.actor_system`.

    Raises:
        AssertionError: the block, or an actor of the system, has left a task, a thread, a file or a process behind.
    """
    async with assert_no_leaks(), await actor_system(**options) as made:
        yield made
