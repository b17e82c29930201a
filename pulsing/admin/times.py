"""How far back somebody wants to look, as text."""

from __future__ import annotations

import datetime as dt
import re

from pulsing.core.moments import timestamp

_AGE = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def since_text(text: str, now: float) -> str:
    """The moment that `text` means, as `timestamp` writes it: a moment itself, or an age such as `10m`.

    Raises:
        ValueError: it is neither.
    """
    if age := _AGE.fullmatch(text):
        return timestamp(max(0.0, now - int(age[1]) * _SECONDS[age[2]]))
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone.utc)
    return timestamp(moment.timestamp())
