"""Who did what, and what was refused: two bounded rings, a logger of its own, and events.

Whoever has not shown who he is can be refused as often as he likes: he has a ring of his own, and few events.
"""

from __future__ import annotations

import fnmatch
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pulsing.clock import Clock
from pulsing.logs import logger_of

logger = logger_of("pulsing.audit")

HIDDEN = "•••"
MAX_PARAMETERS = 16 * 1024
"""Characters, about, of the parameters of one row: a body has up to a megabyte, and a thousand rows are kept."""
MAX_TEXT = 256
PART = 8
"""What a value counts beside its text."""
STRANGERS_EVENT_EVERY_S = 1.0


def redact(value: Any, patterns: Sequence[str]) -> Any:
    """A copy of a JSON value in which what stands under a key that matches a pattern is hidden, at any depth."""
    if isinstance(value, Mapping):
        return {key: HIDDEN if _matches(key, patterns) else redact(item, patterns) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item, patterns) for item in value]
    return value


def beginning(value: Any) -> Any:
    """A copy of a JSON value as far as a row of the audit has room for it, `$more` in the place of what is missing.

    Texts are left whole, so that what is secret in them can still be seen; see `shortened`.
    """
    return _Beginning().of(value)


class _Beginning:
    def __init__(self) -> None:
        self._room = MAX_PARAMETERS

    def of(self, value: Any) -> Any:
        self._room -= PART + _size(value)
        if isinstance(value, Mapping):
            return self._of_mapping(value)
        return self._of_list(value) if isinstance(value, list) else value

    def _of_mapping(self, value: Mapping[Any, Any]) -> dict[Any, Any]:
        copy: dict[Any, Any] = {}
        for place, (key, item) in enumerate(value.items()):
            if self._room <= 0:
                copy["$more"] = len(value) - place
                break
            self._room -= _size(key)
            copy[key] = self.of(item)
        return copy

    def _of_list(self, value: list[Any]) -> list[Any]:
        copy: list[Any] = []
        for place, item in enumerate(value):
            if self._room <= 0:
                copy.append({"$more": len(value) - place})
                break
            copy.append(self.of(item))
        return copy


def _size(value: Any) -> int:
    if isinstance(value, str):
        return min(len(value), MAX_TEXT)
    return value.bit_length() // 3 if isinstance(value, int) else 0


def shortened(value: Any) -> Any:
    """A copy of a JSON value in which no text, and no key, is long."""
    if isinstance(value, Mapping):
        return {shortened(key): shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    return f"{value[: MAX_TEXT - 1]}…" if isinstance(value, str) and len(value) > MAX_TEXT else value


def _matches(key: Any, patterns: Sequence[str]) -> bool:
    folded = str(key).casefold()
    return any(fnmatch.fnmatchcase(folded, pattern.casefold()) for pattern in patterns)


class Audit:
    """The record of actions and refusals of one admin app.

    Args:
        capacity: rows kept of those who are known; as many of others.
        tell: takes each row, of strangers one a second.
        clock: where time comes from.
    """

    def __init__(self, capacity: int, tell: Callable[[Mapping[str, Any]], None], clock: Clock) -> None:
        self._known: deque[dict[str, Any]] = deque(maxlen=capacity)
        self._strangers: deque[dict[str, Any]] = deque(maxlen=capacity)
        self._tell = tell
        self._clock = clock
        self._strangers_from = clock.monotonic()
        self._next = 1
        self.counts: dict[tuple[str, str], int] = {}

    def record(self, row: Mapping[str, Any]) -> None:
        """Keep one row, log it as one line of JSON and tell it."""
        kept = {"seq": self._next, **row}
        self._next += 1
        key = (str(kept["action"]), str(kept["outcome"]))
        self.counts[key] = self.counts.get(key, 0) + 1
        logger.info("%s", json.dumps(kept))
        if kept["principal"] is not None:
            self._known.append(kept)
            self._tell(kept)
        else:
            self._strangers.append(kept)
            self._tell_of_stranger(kept)

    def _tell_of_stranger(self, kept: Mapping[str, Any]) -> None:
        now = self._clock.monotonic()
        if now >= self._strangers_from:
            self._strangers_from = now + STRANGERS_EVENT_EVERY_S
            self._tell(kept)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows, newest first."""
        return iter(sorted([*self._known, *self._strangers], key=lambda kept: int(kept["seq"]), reverse=True))
