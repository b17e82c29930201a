"""What metrics count of events: the events are there anyway, and are read before each scrape."""

from __future__ import annotations

from collections.abc import Mapping

from pulsing.core.events import Event, EventStream

Labels = tuple[str, ...]

STATUS_OF: Mapping[str, str] = {"joined": "alive"}
"""The status of a member after an event that is not called by it."""
STATUSES = frozenset({"alive", "suspect", "leaving", "left", "dead"})


class Occurrences:
    """Counts by metric and labels, since the node started, as far as its ring of events still told."""

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self._seen = 0
        self._status: dict[str, str] = {}
        # From nothing on: a first suspicion alone is no rise to Prometheus, and an alert waits for it.
        self.counts: dict[str, dict[Labels, int]] = {"cluster_member_transitions_total": {("alive", "suspect"): 0}}

    def catch_up(self) -> dict[str, dict[Labels, int]]:
        """Count what has happened since the last call; returns all counts."""
        fresh = self._events.recent(self._events.last_seq - self._seen)
        self._seen = self._events.last_seq
        for event in reversed(fresh):
            self._take(event)
        return self.counts

    def _take(self, event: Event) -> None:
        kind, _, what = event.type.partition(".")
        if kind == "member":
            self._member(event.subject_id, STATUS_OF.get(what, what))
        elif event.type == "topic.subscriber_evicted":
            self._count("topic_evictions_total", (event.subject_name,))
        elif event.type in ("queue.trimmed", "queue.purged"):
            self._count("queue_trimmed_records_total", (event.subject_name,), int(event.data.get("removed") or 0))

    def _member(self, node: str, status: str) -> None:
        before = self._status.get(node, "none")
        if status in STATUSES and status != before:
            self._status[node] = status
            self._count("cluster_member_transitions_total", (before, status))
        if status in ("left", "dead"):
            # A node comes back under another id; those that are gone need no room.
            self._status.pop(node, None)

    def _count(self, metric: str, labels: Labels, by: int = 1) -> None:
        counts = self.counts.setdefault(metric, {})
        counts[labels] = counts.get(labels, 0) + by
