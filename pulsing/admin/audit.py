"""Who did what, and what was refused: a bounded ring, a logger of its own, and an event a row."""

from __future__ import annotations

import fnmatch
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

logger = logging.getLogger("pulsing.audit")

HIDDEN = "•••"
MAX_TEXT = 256


def redact(value: Any, patterns: Sequence[str]) -> Any:
    """A copy of a JSON value in which what stands under a key that matches a pattern is hidden, at any depth."""
    if isinstance(value, Mapping):
        return {key: HIDDEN if _matches(key, patterns) else redact(item, patterns) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item, patterns) for item in value]
    return value


def _matches(key: Any, patterns: Sequence[str]) -> bool:
    folded = str(key).casefold()
    return any(fnmatch.fnmatchcase(folded, pattern.casefold()) for pattern in patterns)


class Audit:
    """The record of actions and refusals of one admin app."""

    def __init__(self, capacity: int, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._ring: deque[dict[str, Any]] = deque(maxlen=capacity)
        self._tell = tell
        self._next = 1
        self.counts: dict[tuple[str, str], int] = {}

    def record(self, row: Mapping[str, Any]) -> None:
        """Keep one row, log it as one line of JSON and tell it."""
        kept = {"seq": self._next, **row}
        self._next += 1
        self._ring.append(kept)
        key = (str(kept["action"]), str(kept["outcome"]))
        self.counts[key] = self.counts.get(key, 0) + 1
        logger.info("%s", json.dumps(kept))
        self._tell(kept)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows, newest first."""
        return iter(list(self._ring)[::-1])
