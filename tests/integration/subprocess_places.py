"""Two nodes on a loop in a thread, so that tests can be the sync code that starts programs on them."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import pulsing as pul

T = TypeVar("T")

PYTHON = sys.executable
PROGRAMS = (PYTHON, "sh", "cat", "true", "false", "sleep", "head", "env", "pwd", "no-such-program")


class Places:
    """A node, and another one that lets it start the programs of the tests."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.here: pul.ActorSystem
        self.elsewhere: pul.ActorSystem

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the loop of the nodes."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def keywords(self, place: str) -> dict[str, Any]:
        """How a program is started at a place."""
        if place == "native":
            return {}
        node = (self.here if place == "here" else self.elsewhere).node_id
        return {"system": self.here, "placement": node, "resources": {"num_cpus": 0}}

    async def start(self, programs: Sequence[str], options: dict[str, Any]) -> None:
        """Let the nodes find each other."""
        self.elsewhere = await pul.actor_system("127.0.0.1:0", admin=False, allow_remote_subprocess=programs, **options)
        self.here = await pul.actor_system(
            "127.0.0.1:0", seeds=[self.elsewhere.addr], join_timeout=30.0, admin=False, **options
        )

    async def stop(self) -> None:
        """End both."""
        await self.here.shutdown(drain=0)
        await self.elsewhere.shutdown(drain=0)


@contextmanager
def two_nodes(programs: Sequence[str] = PROGRAMS, **options: Any) -> Iterator[Places]:
    """Both nodes, as long as the block takes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    places = Places(loop)
    try:
        places.do(places.start(programs, options))
        yield places
        places.do(places.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
