"""From which value on each check of a node warns, and from which it is critical, unless somebody sets it otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Threshold(NamedTuple):
    """When a check fails: at this value or beyond it; 0 means at anything above 0, None never."""

    warn: float | None
    critical: float | None
    enabled: bool = True


THRESHOLDS: Mapping[str, Threshold] = {
    "event_loop_lag": Threshold(0.1, 1.0),
    "long_turns": Threshold(0.1, 1.0),
    "mailbox_saturation": Threshold(0.8, 1.0),
    "mailbox_wait": Threshold(5.0, 30.0),
    "mailbox_drops": Threshold(0.0, 10.0),
    "error_ratio": Threshold(0.05, 0.5),
    "restart_loop": Threshold(5.0, 20.0),
    "dead_letters": Threshold(1.0, 100.0),
    "ask_timeouts": Threshold(0.01, 0.2),
    "members": Threshold(0.0, 0.5),
    "agreement": Threshold(15.0, 60.0),
    "flapping": Threshold(5.0, 50.0),
    "link_backpressure": Threshold(0.1, 0.5),
    "queue_buckets": Threshold(None, 1.0),
    "queue_lag": Threshold(60.0, 600.0),
    "topic_subscribers": Threshold(1.0, None),
    "file_descriptors": Threshold(0.8, 0.95),
    "disk": Threshold(0.1, 0.02),
    "series_cap": Threshold(1.0, None),
    "scrape_time": Threshold(0.1, None),
}
"""By the name of the check; `disk` is a share that is free, and fails at its threshold or below."""
