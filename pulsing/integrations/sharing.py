"""The process-wide system, started by an engine that knows whom to join: once, whoever asks from whichever thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable

from pulsing.runtime import ActorSystem, get_system, is_initialized, share

_lock = threading.Lock()
_under_way: concurrent.futures.Future[None] | None = None


async def shared_system(start: Callable[[], Awaitable[ActorSystem]]) -> ActorSystem:
    """The process-wide system; where there is none, what `start` makes becomes it.

    Callers that come meanwhile wait for that start, and try by themselves when it fails.
    """
    while not is_initialized():
        other, mine = _claim()
        if mine is None:
            await asyncio.shield(asyncio.wrap_future(other))
            continue
        try:
            share(await start())
        finally:
            _release(mine)
    return get_system()


def _claim() -> tuple[concurrent.futures.Future[None], concurrent.futures.Future[None] | None]:
    global _under_way
    with _lock:
        if _under_way is not None:
            return _under_way, None
        _under_way = concurrent.futures.Future()
        return _under_way, _under_way


def _release(mine: concurrent.futures.Future[None]) -> None:
    global _under_way
    with _lock:
        _under_way = None
    mine.set_result(None)
