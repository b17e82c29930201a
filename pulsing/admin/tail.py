"""What an onlooker of a topic is shown: at most so many messages a second, and how many were left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pulsing.admin.payloads import Payloads
from pulsing.clock import Clock
from pulsing.core.moments import timestamp

TELL_SKIPPED_EVERY_S = 1.0


class Sampler:
    """Lets messages through at a rate.

    Args:
        rate: messages a second, and at once.
        clock: where time comes from.
        payloads: how much of a message is shown; what is looked for is looked for in that.
    """

    def __init__(self, rate: float, clock: Clock, payloads: Payloads) -> None:
        self._rate = rate
        self._payloads = payloads
        self._clock = clock
        self._left = max(1.0, rate)
        self._at = clock.monotonic()
        self._skipped = 0
        self._since = clock.wall()
        self._told_at = clock.monotonic()

    def take(self, message: Mapping[str, Any], contains: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """What is shown for one message of the broker: events with their bodies."""
        if "skipped" in message:
            self._skip(message["skipped"])
        else:
            view, truncated = self._payloads.view(message["value"])
            text = json.dumps(view, ensure_ascii=False)
            if contains in text:
                if self._allowed():
                    yield "message", self._shown(message, view, len(text), truncated)
                else:
                    self._skip(1)
        yield from self._told()

    @staticmethod
    def _shown(message: Mapping[str, Any], view: Any, size: int, truncated: bool) -> dict[str, Any]:
        about = {"n": message["n"], "at": timestamp(message["at"]), "sender": message["sender"]}
        return {**about, "bytes": size, "value": view, "truncated": truncated}

    def _allowed(self) -> bool:
        now = self._clock.monotonic()
        self._left = min(max(1.0, self._rate), self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _skip(self, count: int) -> None:
        if not self._skipped:
            self._since = self._clock.wall()
        self._skipped += count

    def _told(self) -> Iterator[tuple[str, dict[str, Any]]]:
        now = self._clock.monotonic()
        if self._skipped and now - self._told_at >= TELL_SKIPPED_EVERY_S:
            count, self._skipped, self._told_at = self._skipped, 0, now
            yield "skipped", {"count": count, "since": timestamp(self._since)}
