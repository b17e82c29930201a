"""The body of an unsafe request: bounded, JSON, and neither nested nor divided without end."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.types import Message, Receive

from pulsing.admin.knock import Knock
from pulsing.admin.problems import ProblemError

JSON_DEPTH = 64
JSON_VALUES = 65_536
"""How many values a body may hold: reading, checking, auditing and answering take microseconds for each."""


async def read_body(knock: Knock, receive: Receive, limit: int) -> bytes:
    """Read the whole body of an unsafe request.

    Raises:
        ProblemError: it is too large, no JSON by its content type, not in UTF-8, nested too deeply, or holds too
            many values.
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
    if json.detect_encoding(body) not in ("utf-8", "utf-8-sig"):
        raise ProblemError("bad-request", "the body must be JSON in UTF-8")
    structure = _structure(body)
    if structure.count(b"[") + structure.count(b",") > JSON_VALUES:
        raise _does_not_fit(f"the body has more than {JSON_VALUES:,} values", "too many values")
    if _depth(structure, JSON_DEPTH) > JSON_DEPTH:
        raise _does_not_fit(f"the body is nested more than {JSON_DEPTH} deep", "nested too deeply")


def _does_not_fit(detail: str, message: str) -> ProblemError:
    return ProblemError("validation", detail, errors=[{"loc": ["body"], "msg": message}])


def json_depth(body: bytes, enough: int) -> int:
    """How deep JSON text is nested; stops counting when it is deeper than `enough`."""
    return _depth(_structure(body), enough)


_ALIKE = bytes.maketrans(b"{}", b"[]")
_NO_STRUCTURE = bytes(set(range(256)) - set(b"[]{},"))


def _structure(body: bytes) -> bytes:
    """The brackets and commas of JSON text, all brackets square ones, without those in strings."""
    # Only whole passes in C: a loop over what is found would hold the event loop for seconds.
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(plain.split(b'"')[::2]).translate(_ALIKE, _NO_STRUCTURE)


def _depth(structure: bytes, enough: int) -> int:
    left = structure.replace(b",", b"")
    for depth in range(enough + 1):
        less = left.replace(b"[]", b"")
        if len(less) == len(left):
            return depth + left.count(b"[")
        left = less
    return enough + 1


def replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    """A `receive` that gives the body again."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> MutableMapping[str, Any]:
        return pending.pop() if pending else await receive()

    return replayed
