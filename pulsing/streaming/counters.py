"""What a node counts of its queues and topics, beside what their own rows tell; buckets and brokers that end leave it.

As in `pulsing.core.statistics`, what is on the way of a message only adds to attributes, and a reader gets a copy.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from pulsing.core.statistics import Latency, LatencyCounters


@dataclass(frozen=True, slots=True)
class StreamingStatistics:
    """The figures of one node's queues and topics since the process started."""

    operations: dict[tuple[str, str], Latency]
    """time that buckets took, by operation (put, get, flush) and name of the store; a get that waits is not timed"""
    publications: dict[str, Latency]
    """time that brokers took to hand a message on, acknowledgements included, by value of `PublishMode`"""
    redirects: int
    """how often this node sent somebody who asked for a bucket or a broker on to its owner"""


class OperationTimes:
    """The times of the buckets with one kind of store."""

    __slots__ = ("flush", "get", "put")

    def __init__(self) -> None:
        self.put = LatencyCounters()
        self.get = LatencyCounters()
        self.flush = LatencyCounters()


class StreamingCounters:
    """The figures of one node under construction."""

    def __init__(self) -> None:
        self.operations: defaultdict[str, OperationTimes] = defaultdict(OperationTimes)
        """by name of the store"""
        self.publications: defaultdict[str, LatencyCounters] = defaultdict(LatencyCounters)
        """by mode"""
        self.redirects = 0

    def snapshot(self) -> StreamingStatistics:
        """The figures now."""
        operations = {
            (operation, backend): times.snapshot()
            for backend, one in self.operations.items()
            for operation, times in (("put", one.put), ("get", one.get), ("flush", one.flush))
        }
        publications = {mode: times.snapshot() for mode, times in self.publications.items()}
        return StreamingStatistics(operations, publications, self.redirects)
