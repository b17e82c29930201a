"""The body of an unsafe request: bounded, JSON, and not nested without end."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.types import Message, Receive

from pulsing.admin.knock import Knock
from pulsing.admin.problems import ProblemError

JSON_DEPTH = 64


async def read_body(knock: Knock, receive: Receive, limit: int) -> bytes:
    """Read the whole body of an unsafe request.

    Raises:
        ProblemError: it is too large, no JSON by its content type, or nested too deeply.
    """
    too_large = ProblemError("too-large", f"a body has at most {limit} bytes")
    declared = knock.header("content-length") or "0"
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ProblemError("bad-request", "the body ended too early")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise too_large
        if not message.get("more_body"):
            break
    body = b"".join(parts)
    if body:
        _check_json(knock, body)
    return body


def _check_json(knock: Knock, body: bytes) -> None:
    types = knock.headers.get("content-type", [])
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
        raise ProblemError("media-type", "the body must be application/json")
    if json_depth(body, JSON_DEPTH) > JSON_DEPTH:
        raise ProblemError(
            "validation",
            f"the body is nested more than {JSON_DEPTH} deep",
            errors=[{"loc": ["body"], "msg": "nested too deeply"}],
        )


# A string that never ends is taken to the end of the text: failing there instead would cost quadratic time.
_STRUCTURE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


def json_depth(body: bytes, enough: int) -> int:
    """How deep JSON text is nested; stops counting when it is deeper than `enough`."""
    if body.count(b"[") + body.count(b"{") <= enough:
        return 0
    depth = deepest = 0
    for found in _STRUCTURE.finditer(body):
        mark = found[0]
        if mark in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > enough:
                break
        elif mark in (b"]", b"}"):
            depth -= 1
    return deepest


def replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    """A `receive` that gives the body again."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> MutableMapping[str, Any]:
        return pending.pop() if pending else await receive()

    return replayed
