"""Moments as listings show them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulsing.core.system import System


def timestamp(wall: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(wall, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wall_of(system: System, monotonic: float | None) -> str | None:
    """A moment on the node's monotonic clock as RFC 3339."""
    return None if monotonic is None else timestamp(system.clock.wall() - (system.now() - monotonic))
