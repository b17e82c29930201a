"""Which puts the records of a bucket came from, for those who trace: kept beside the records, never in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from pulsing.exceptions import PulsingError
from pulsing.logs import logger_of
from pulsing.streaming.backends.memory import Record
from pulsing.streaming.bucket_words import Appended

logger = logger_of("pulsing.streaming")

Run = tuple[int, int, bytes]
"""The first of some records side by side, how many they are, and the trace context of their put in 25 bytes."""

MOST_RUNS = 10_000
"""Runs that a bucket keeps in memory; a store that lasts keeps them all."""


class _Bucket(Protocol):
    topic: str
    bucket_id: int
    _backend: Any
    _runs: deque[Run] | None

    def take_traces(self, runs: Sequence[Run]) -> None: ...

    def append(self, records: list[Record]) -> Appended | Awaitable[Appended]: ...


class PutTraces:
    """The part of a bucket that those who trace call."""

    _runs: deque[Run] | None = None
    """those of this process's time; None where nobody has traced"""

    async def append_traced(self: _Bucket, records: list[Record], runs: Sequence[Run]) -> Appended:
        """Store records as `append` does, and keep of which puts they are.

        Args:
            records: the records.
            runs: the contexts of those that are traced, by their places among the records.
        """
        appended = self.append(records)
        first, ground = appended if isinstance(appended, tuple) else await appended
        placed = [(first + place, count, context) for place, count, context in runs]
        # Whoever waits for these records cannot have them yet: from here to there nothing has awaited.
        self.take_traces(placed)
        keep = getattr(self._backend, "keep_traces", None)
        if keep is not None:
            try:
                await keep(placed)
            except PulsingError as error:
                text = "queue %s: bucket %d cannot keep what traces its records belong to: %s"
                logger.warning(text, self.topic, self.bucket_id, error)
        return first, ground

    def take_traces(self: _Bucket, runs: Sequence[Run]) -> None:
        """Remember of which puts some records are."""
        if runs:
            self._runs = self._runs or deque(maxlen=MOST_RUNS)
            self._runs.extend(runs)

    async def traces(self: _Bucket, first: int, end: int) -> list[Run]:
        """The runs that have records from `first` up to before `end`."""
        found = {run[0]: run for run in self._runs or () if overlaps(run, first, end)}
        kept = getattr(self._backend, "kept_traces", None)
        if kept is not None:
            found |= {run[0]: run for run in await kept(first, end)}
        return [found[place] for place in sorted(found)]


def overlaps(run: Run, first: int, end: int) -> bool:
    """Whether a run has records in a stretch."""
    return run[0] < end and run[0] + run[1] > first
