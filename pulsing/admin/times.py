"""Moments as text: RFC 3339 in UTC with milliseconds."""

from __future__ import annotations

import datetime as dt


def rfc3339(wall: float) -> str:
    """The text of a wall clock time in seconds since 1970."""
    moment = dt.datetime.fromtimestamp(wall, dt.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
