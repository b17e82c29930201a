"""Answers as JSON, written once and never with a byte that is no UTF-8."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


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
