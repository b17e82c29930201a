"""Answers as JSON, written once and never with a byte that is no UTF-8."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send


def encode(value: Any) -> bytes:
    """JSON as bytes; text that is no Unicode (lone surrogates) is written as escapes."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(encode(value), status, headers=dict(headers or {}), media_type="application/json")


def empty() -> Response:
    """An answer that says nothing but that it was done."""
    return Response(status_code=204)


class EventStream(StreamingResponse):
    """Server-sent events.

    Args:
        frames: the frames; closed when the client has gone, wherever it was.
        done: called once when all is over, even where no frame was ever asked for.
    """

    def __init__(self, frames: AsyncGenerator[bytes, None], done: Callable[[], None] = lambda: None) -> None:
        super().__init__(frames, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
        self._frames = frames
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            try:
                await self._frames.aclose()
            finally:
                self._done()
