"""What Prometheus sees of a node: frozen figures are gathered on the loop and rendered in a worker thread."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from pulsing.admin.caps import Caps
from pulsing.admin.detailed import objects, series_of
from pulsing.admin.families import PREFIX
from pulsing.admin.fanout import Fanout
from pulsing.admin.figures import Gathering, Own
from pulsing.admin.filling import fill
from pulsing.admin.settings import AdminSettings
from pulsing.admin.sheet import Sheet, is_left_out, metric_of
from pulsing.core.statistics import SystemStatistics

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
SHARED_S = 1.0
MAX_OBJECTS = 1_000

_as_openmetrics: Callable[[CollectorRegistry], bytes] = openmetrics.generate_latest

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class _Legacy(Collector):
    """Three metrics under earlier names; a gauge named `_total` is none in OpenMetrics."""

    statistics: SystemStatistics

    def collect(self) -> Iterator[Metric]:
        node = (self.statistics.node_id,)
        for name, help, value in (
            ("actors_total", "Live actors", self.statistics.actors),
            ("actors_created_total", "Actors that were spawned", self.statistics.spawned),
            ("uptime_seconds", "Time since the node began", self.statistics.uptime_s),
        ):
            yield metric_of(PREFIX + name, "gauge", help, ("node_id",), {node: value})


class _UsersOwn(Collector):
    """The metrics that the user's program has in the default registry, without those that we give ourselves."""

    _OURS = (PREFIX, "process_", "python_")

    def collect(self) -> Iterator[Metric]:
        for metric in prometheus_client.REGISTRY.collect():
            if not metric.name.startswith(self._OURS):
                yield metric


@dataclass(frozen=True, eq=False)
class _Wanted(Collector):
    """What another collector has, but for the families that are left out."""

    other: Collector
    exclude: Sequence[str]

    def collect(self) -> Iterator[Metric]:
        for metric in self.other.collect():
            # A counter's family is called without its ending, but its series are not.
            names = (metric.name, f"{metric.name}_total" if metric.type == "counter" else metric.name)
            if not any(is_left_out(name, self.exclude) for name in names):
                yield metric


@dataclass
class _Shared:
    at: float
    body: bytes
    content_type: str


class Metrics:
    """Renders the metrics of one node."""

    def __init__(self, system: Any, fanout: Fanout, settings: AdminSettings, own: Own) -> None:
        self._settings = settings
        self._gathering = Gathering(system, fanout, own)
        self._caps = Caps(settings)
        self._shared: dict[str, _Shared] = {}
        self._worker: ThreadPoolExecutor | None = None
        self._process: list[Collector] | None = None

    @property
    def capped(self) -> int:
        """How many label values are counted under `_other`."""
        return sum(self._caps.over.values())

    @property
    def suspicions(self) -> int:
        """How often this node saw a member suspected."""
        changes = self._gathering.occurrences().get("cluster_member_transitions_total", {})
        return sum(n for (_, to), n in changes.items() if to == "suspect")

    @property
    def render_s(self) -> float | None:
        """How long the last rendering took."""
        return self._gathering.render_s.get("metrics")

    def close(self) -> None:
        """End the worker thread."""
        if self._worker is not None:
            self._worker.shutdown(wait=True, cancel_futures=True)
            self._worker = None

    async def render(self, *, as_openmetrics: bool = False) -> tuple[bytes, str]:
        """The body of `/metrics` and its media type; a body is shared for a second between scrapers."""
        form = OPENMETRICS if as_openmetrics else TEXT
        shared = self._shared.get(form)
        if shared is not None and time.monotonic() - shared.at < SHARED_S:
            return shared.body, form
        began = time.perf_counter()
        figures = await self._gathering.gather()
        exclude = self._settings.metrics_exclude
        sheet = Sheet(exclude)
        fill(sheet, figures, self._caps)
        others: list[Collector] = [*self._process_collectors()]
        if self._settings.legacy_names and not as_openmetrics:
            others.append(_Legacy(figures.statistics))
        if self._settings.include_default_registry:
            others.append(_UsersOwn())
        wanted = [_Wanted(other, exclude) for other in others] if exclude else others
        body = await self.in_worker(functools.partial(_page, sheet, wanted, as_openmetrics))
        self._gathering.render_s["metrics"] = time.perf_counter() - began
        self._shared[form] = _Shared(time.monotonic(), body, form)
        return body, form

    async def render_detailed(self, families: Sequence[str], globs: Mapping[str, str], limit: int) -> tuple[bytes, str]:
        """The body of `/metrics/detailed`: series of single objects, at most `limit` of them a family."""
        began = time.perf_counter()
        metrics: list[Metric] = []
        for family in families:
            metrics += series_of(family, await objects(self._gathering, family), globs, limit, self._caps)
        body = await self.in_worker(functools.partial(prometheus_client.generate_latest, _registry(_Fixed(metrics))))
        self._gathering.render_s["detailed"] = time.perf_counter() - began
        return body, TEXT

    async def in_worker(self, work: Callable[[], T]) -> T:
        """Do something that takes its time in the thread that renders."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "pulsing-metrics")
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _process_collectors(self) -> list[Collector]:
        if self._process is None:
            nowhere = CollectorRegistry(auto_describe=False)
            self._process = [
                ProcessCollector(registry=nowhere),
                PlatformCollector(registry=nowhere),
                GCCollector(registry=nowhere),
            ]
        return self._process


@dataclass(frozen=True, eq=False)
class _Fixed(Collector):
    metrics: Sequence[Metric] = field(default=())

    def collect(self) -> Iterator[Metric]:
        return iter(self.metrics)


def _page(sheet: Sheet, others: Sequence[Collector], as_openmetrics: bool) -> bytes:
    if as_openmetrics:
        return _as_openmetrics(_registry(sheet, *others))
    return sheet.as_text().encode() + prometheus_client.generate_latest(_registry(*others))


def _registry(*collectors: Collector) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return registry
