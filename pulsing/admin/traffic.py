"""What the plane itself costs and refuses: requests by route, refusals by reason."""

from __future__ import annotations

from pulsing.core.statistics import LatencyCounters


class Traffic:
    """Counts of one admin app; routes are templates and codes are few, so the tables stay small."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}
        self.seconds: dict[str, LatencyCounters] = {}
        self.refusals: dict[str, int] = {}

    def record(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests[route, status] = self.requests.get((route, status), 0) + 1
        counters = self.seconds.get(route)
        if counters is None:
            counters = self.seconds[route] = LatencyCounters()
        counters.observe(seconds)

    def refuse(self, slug: str) -> None:
        """Count one refused request by its kind of problem."""
        self.refusals[slug] = self.refusals.get(slug, 0) + 1
