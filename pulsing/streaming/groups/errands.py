"""What a reader has asked of its buckets: a bucket that is silent keeps nobody from what the others have.

What has no answer soon goes on by itself and is not asked once more meanwhile; its answer is of use when it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any

from pulsing.exceptions import PulsingError

PATIENCE_S = 1.0
"""How long whoever asks waits for answers before going on without them, all in all."""
LEAST_PATIENCE_S = 0.1
"""How long each of them may still take after that."""


class Errands:
    """Questions to buckets that have no answer yet, at most one of a kind to each."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Future[None]] = {}

    def begin(self, kind: str, bucket_id: int, work: Coroutine[Any, Any, None]) -> asyncio.Future[None] | None:
        """Ask a bucket, unless it owes the answer to the same question."""
        key = kind, bucket_id
        if key in self._open:
            work.close()
            return None
        errand = self._open[key] = asyncio.ensure_future(work)
        errand.add_done_callback(lambda _: self._ended(key, errand))
        return errand

    def _ended(self, key: tuple[str, int], errand: asyncio.Future[None]) -> None:
        del self._open[key]
        if not errand.cancelled():
            errand.exception()  # so that nothing complains of one that nobody waits for any more

    @property
    def open(self) -> list[asyncio.Future[None]]:
        """Those that have no answer yet."""
        return list(self._open.values())

    def give_up(self) -> None:
        """Wait for no answer any more."""
        for errand in self.open:
            errand.cancel()


async def answers_soon(errands: Collection[asyncio.Future[None]], within: float = PATIENCE_S) -> None:
    """Wait a little for answers, `LEAST_PATIENCE_S` at least.

    Raises:
        PulsingError: all have failed; the error of one of them.
        Exception: one has failed for a reason that is none of ours.
    """
    if not errands:
        return
    done, _ = await asyncio.wait(errands, timeout=max(within, LEAST_PATIENCE_S))
    failures = [error for errand in done if not errand.cancelled() and (error := errand.exception()) is not None]
    for failure in failures:
        if len(failures) == len(errands) or not isinstance(failure, PulsingError):
            raise failure
