"""What a node tells of itself: what its process costs the machine, and its totals, as one row for listings."""

from __future__ import annotations

import functools
import gc
import heapq
import os
import platform
import resource
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulsing.core.system import System

PACKAGES = (
    "fastapi",
    "msgpack",
    "prometheus-client",
    "pydantic",
    "starlette",
    "uvicorn",
    "uvloop",
    "websockets",
)
RATIO_EVERY_S = 0.5
"""The share of a core is taken over at least this long; shorter spans say nothing."""
TOP_CLASSES = 10


class Vitals:
    """The figures of one node; remembers the last reading of the processor time, of which it makes a share."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._read_at = system.now()
        self._cpu_s = cpu_s()
        self._cpu_ratio: float | None = None

    def row(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The row of this node; with `detail` also collector, limits, packages and classes."""
        system = self._system
        figures = system.statistics()
        shown = [c for c in figures.classes if not c.internal]
        self._measure()
        row = {
            "id": figures.node_id,
            "name": system.node_name,
            "addr": figures.addr,
            "admin_url": getattr(system.facade, "admin_url", None),
            "version": _version("pulsing"),
            "python": platform.python_version(),
            "loop": "uvloop" if type(system.loop).__module__.startswith("uvloop") else "asyncio",
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "uptime_s": figures.uptime_s,
            "cpu_ratio": self._cpu_ratio,
            "cpu_s_total": cpu_s(),
            "rss_bytes": rss_bytes(),
            "fds": _open_files(),
            "fds_max": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            "threads": threading.active_count(),
            "actors": sum(c.actors for c in shown),
            "mailbox_messages": sum(c.mailbox_messages for c in shown),
            "messages_total": sum(c.messages for c in shown),
            "errors_total": sum(c.errors for c in shown),
            "restarts_total": sum(sum(c.restarts.values()) for c in shown),
            "dead_letters_total": sum(figures.dead_letters_by_reason.values()),
            **{name: count() for name, count in system.tallies.items()},
            "draining": system.draining,
        }
        if params.get("detail"):
            top = heapq.nlargest(TOP_CLASSES, shown, key=lambda c: c.messages)
            row["gc"] = [{"collections": g["collections"], "collected": g["collected"]} for g in gc.get_stats()]
            row["limits"] = dict(system.limits)
            row["packages"] = {name: found for name in PACKAGES if (found := _version(name)) is not None}
            row["top_classes"] = [{"class": c.name, "actors": c.actors, "messages_total": c.messages} for c in top]
        return row

    def _measure(self) -> None:
        now, used_s = self._system.now(), cpu_s()
        if now - self._read_at >= RATIO_EVERY_S:
            self._cpu_ratio = (used_s - self._cpu_s) / (now - self._read_at)
            self._read_at, self._cpu_s = now, used_s


def cpu_s() -> float:
    """Seconds of a processor that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_bytes() -> int:
    """Bytes of memory that this process has resident."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        # Elsewhere than on Linux only the peak is to be had: bytes on macOS, kilobytes on the BSDs.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _open_files() -> int | None:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return None


@functools.cache
def _version(package: str) -> str | None:
    # Slow to import, and asked for by those who look only.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None
