"""Answers as JSON, written once and never with a byte that is no UTF-8."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

KEEP_ALIVE_S = 15.0
STILL_HERE = b": still here\n\n"


def encode(value: Any) -> bytes:
    """JSON as bytes: text that is no Unicode (lone surrogates) as escapes, what JSON has no word for as null.

    Infinities and what is no number would not be JSON: a reader of that would lose the whole of an answer.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        pass
    except (ValueError, TypeError):
        value = _in_json(value)
    return json.dumps(value, separators=(",", ":")).encode()


def _in_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else repr(key): _in_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_in_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else None


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(encode(value), status, headers=dict(headers or {}), media_type="application/json")


def empty() -> Response:
    """An answer that says nothing but that it was done."""
    return Response(status_code=204)


class EventStream(Response):
    """Server-sent events, with a comment where nothing else comes for long.

    Args:
        frames: the frames; closed as soon as the client has gone, wherever it was.
        done: called once when all is over, even where no frame was ever asked for.
        stays: asked before each frame whether the reader may still see it; the answer ends when not.
    """

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        done: Callable[[], None] = lambda: None,
        stays: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(media_type="text/event-stream", headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._frames = frames
        self._done = done
        self._stays = stays

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._pass_on(send, gone)
        finally:
            await _end(gone)
            try:
                await self._frames.aclose()
            finally:
                self._done()

    async def _pass_on(self, send: Send, gone: asyncio.Future[None]) -> None:
        step: asyncio.Future[bytes | None] | None = None
        try:
            while not gone.done():
                step = step or asyncio.ensure_future(_next(self._frames))
                waiting: set[asyncio.Future[Any]] = {step, gone}
                await asyncio.wait(waiting, timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    break
                frame: bytes | None = STILL_HERE
                if not self._stays():
                    frame = None
                elif step.done():
                    frame, step = step.result(), None
                await send({"type": "http.response.body", "body": frame or b"", "more_body": frame is not None})
                if frame is None:
                    break
        finally:
            if step is not None:
                await _end(step)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _next(frames: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(frames, None)


async def _end(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})
