"""A node of a user's program, with one actor that all such nodes have, until a signal ends it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pulsing as pul
from pulsing.core.helpers import spawn_and_run


class Worker(pul.Actor):
    """Takes a moment for each message."""

    async def receive(self, msg: Any) -> Any:
        await asyncio.sleep(0.005)
        return msg


if __name__ == "__main__":
    addr, *seeds = sys.argv[1:]
    asyncio.run(spawn_and_run(Worker(), "worker", addr, seeds))
