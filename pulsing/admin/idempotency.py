"""Answers that are given again: a request repeated under the same key does not happen twice."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from pulsing.admin.problems import ProblemError
from pulsing.clock import Clock

KEPT_S = 600.0
MAX_KEYS = 1_000
MAX_BYTES = 32 << 20
"""Of all answers together: one may have 8 MiB."""
MAX_KEY = 64


@dataclass
class _Kept:
    mark: str
    until: float
    answer: asyncio.Future[Response]
    size: int = 0


class Repeats:
    """The answers of the last ten minutes by principal and key; of more than there is room for the newest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def once(self, request: Request, who: str, act: Callable[[], Awaitable[Response]]) -> Response:
        """Act, or give the answer that the same request under the same key was given.

        Raises:
            ProblemError: the key was used for another request, or is too long.
        """
        key = request.headers.get("idempotency-key")
        if key is None:
            return await act()
        if not 0 < len(key) <= MAX_KEY:
            raise ProblemError("bad-request", f"an Idempotency-Key has 1 to {MAX_KEY} characters")
        asked = f"{request.method} {request.url.path}?{request.url.query}".encode() + await request.body()
        mark = hashlib.sha256(asked).hexdigest()
        self._forget_old()
        kept = self._kept.get((who, key))
        if kept is None:
            return await self._first(who, key, mark, act)
        if kept.mark != mark:
            raise ProblemError("idempotency-key-reused", "the key was used for another request")
        return await asyncio.shield(kept.answer)

    async def _first(self, who: str, key: str, mark: str, act: Callable[[], Awaitable[Response]]) -> Response:
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._kept[who, key] = _Kept(mark, self._clock.monotonic() + KEPT_S, answer)
        while len(self._kept) > MAX_KEYS:
            self._kept.popitem(last=False)
        try:
            response = await act()
        except BaseException as error:
            # What failed has not happened: the key is free, and whoever waits for it sees the same failure.
            self._kept.pop((who, key), None)
            if isinstance(error, Exception):
                answer.set_exception(error)
                answer.exception()
            else:
                answer.cancel()
            raise
        answer.set_result(response)
        if (who, key) in self._kept:
            self._kept[who, key].size = len(response.body)
            self._make_room()
        return response

    def _make_room(self) -> None:
        used = sum(kept.size for kept in self._kept.values())
        for key, kept in list(self._kept.items()):
            if used <= MAX_BYTES:
                return
            if kept.size:
                used -= kept.size
                del self._kept[key]

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        while self._kept and next(iter(self._kept.values())).until < now:
            self._kept.popitem(last=False)
