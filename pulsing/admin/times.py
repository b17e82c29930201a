"""Moments as text: RFC 3339 in UTC with milliseconds, and how far back somebody wants to look."""

from __future__ import annotations

import datetime as dt
import re


def rfc3339(wall: float) -> str:
    """The text of a wall clock time in seconds since 1970."""
    moment = dt.datetime.fromtimestamp(wall, dt.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_AGE = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def since_text(text: str, now: float) -> str:
    """The moment that `text` means, as `rfc3339` writes it: a moment itself, or an age such as `10m`.

    Raises:
        ValueError: it is neither.
    """
    if age := _AGE.fullmatch(text):
        return rfc3339(max(0.0, now - int(age[1]) * _SECONDS[age[2]]))
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone.utc)
    return rfc3339(moment.timestamp())
