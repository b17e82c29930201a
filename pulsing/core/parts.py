"""Long lists between nodes: their rows travel as texts beside a message, for its structure is bounded.

What is a list, or has one as `rows`, is taken apart and put together a slice at a time, so that neither loop is held.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

LONG = 64
"""Lists of more rows than this go in parts."""

ROWS_AT_ONCE = 500
"""So many rows are one part: some 5 ms."""

_PARTS, _BESIDE = "parts", "beside"


async def in_parts(answer: Any) -> Any:
    """A long answer in parts; any other as it is."""
    rows = answer.get("rows") if isinstance(answer, dict) else answer
    if not isinstance(rows, list) or len(rows) <= LONG:
        return answer
    parts = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        parts.append(json.dumps(rows[start : start + ROWS_AT_ONCE]).encode())
        await asyncio.sleep(0)
    beside = {name: value for name, value in answer.items() if name != "rows"} if isinstance(answer, dict) else None
    return {_PARTS: parts, _BESIDE: beside}


async def from_parts(answer: Any) -> Any:
    """The answer that `in_parts` was given."""
    if not isinstance(answer, Mapping) or _PARTS not in answer:
        return answer
    rows: list[Any] = []
    for part in answer[_PARTS]:
        rows += json.loads(part)
        await asyncio.sleep(0)
    beside = answer[_BESIDE]
    return rows if beside is None else {**beside, "rows": rows}
