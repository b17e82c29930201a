"""What a bucket remembers of those who read from it: plain readers keep their position to themselves."""

from __future__ import annotations

from dataclasses import dataclass

from pulsing.clock import Clock

READERS_KEPT = 256
FORGET_AFTER_S = 600.0

ReaderInfo = tuple[str, str, tuple[int, ...], int | None, int | None]
"""Id of a reader, its node, its buckets, and its rank and world size where it has them."""


@dataclass(slots=True)
class ReaderTrace:
    """The last that was heard of a reader."""

    info: ReaderInfo
    offset: int = 0
    heard_at: float = 0.0
    """wall clock"""
    waiting: int = 0


class Readers:
    """The readers of one bucket, the last heard of last."""

    def __init__(self, clock: Clock) -> None:
        self._wall = clock.wall
        self._traces: dict[str, ReaderTrace] = {}
        self.waiting_reads = 0

    def asked(self, info: ReaderInfo, offset: int) -> None:
        """Note that a reader asked for records from `offset` on."""
        trace = self._traces.get(info[0])
        if trace is None:
            trace = self._traces[info[0]] = ReaderTrace(info)
            if len(self._traces) > READERS_KEPT:
                self._forget_one()
        trace.offset = offset
        trace.heard_at = self._wall()

    def waiting(self, info: ReaderInfo | None, change: int) -> None:
        """Count a read that begins or ends to wait."""
        self.waiting_reads += change
        trace = None if info is None else self._traces.get(info[0])
        if trace is not None:
            trace.waiting += change

    def known(self) -> list[ReaderTrace]:
        """Readers heard of in the last ten minutes, or waiting."""
        oldest = self._wall() - FORGET_AFTER_S
        self._traces = {
            name: trace for name, trace in self._traces.items() if trace.waiting or trace.heard_at >= oldest
        }
        return list(self._traces.values())

    def behind(self, offset: int) -> int:
        """How many known readers are below an offset."""
        return sum(trace.offset < offset for trace in self.known())

    def _forget_one(self) -> None:
        idle = min(self._traces.values(), key=lambda trace: (trace.waiting > 0, trace.heard_at))
        del self._traces[idle.info[0]]
