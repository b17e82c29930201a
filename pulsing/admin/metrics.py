"""What Prometheus sees of a node: frozen figures are gathered on the loop and rendered in a worker thread.

Label values are bounded: what comes first keeps its series for life, what is over the cap counts under `_other`, so
that no counter ever falls and sums still hold.
"""

from __future__ import annotations

import asyncio
import fnmatch
import functools
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from pulsing.admin.audit import Audit
from pulsing.admin.families import DETAILED, DETAILED_PREFIX, PREFIX
from pulsing.admin.fanout import Fanout
from pulsing.admin.feed import Feed
from pulsing.admin.loop_lag import LoopLag
from pulsing.admin.occurrences import Occurrences
from pulsing.admin.settings import AdminSettings
from pulsing.admin.sheet import Labels, Sheet, metric_of
from pulsing.admin.traffic import Traffic
from pulsing.agent.usage import USAGE
from pulsing.core.statistics import ClassStatistics, Latency, SystemStatistics
from pulsing.streaming.counters import StreamingStatistics
from pulsing.streaming.inspection import streaming_statistics

OTHER = "_other"
INTERNAL = "_system"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
SHARED_S = 1.0
MAX_OBJECTS = 1_000

_as_openmetrics: Callable[[CollectorRegistry], bytes] = openmetrics.generate_latest

T = TypeVar("T")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Own:
    """The plane's own figures."""

    traffic: Traffic
    audit: Audit
    feed: Feed
    lag: LoopLag


@dataclass(frozen=True)
class Figures:
    """Everything that one rendering shows, gathered at one moment."""

    statistics: SystemStatistics
    node: Row
    queues: Sequence[Row]
    topics: Sequence[Row]
    members: Sequence[Row]
    names: int
    links: Sequence[Row]
    link_totals: Row
    """what was counted of all links so far; empty without a network"""
    traffic: Row
    """what membership said and heard so far; empty without a network"""
    streaming: StreamingStatistics
    tasks: int
    own: Mapping[str, Mapping[Labels, Any]]


class Cap:
    """Lets the first `limit` label values through; the rest are one value together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: set[Labels] = set()
        self.over = 0
        """how many values were over the limit, at the most"""

    def admit(self, values: Iterable[Labels]) -> Callable[[Labels], Labels]:
        """The label values to show for each of `values`."""
        over = 0
        for value in values:
            if value in self._kept:
                continue
            if len(self._kept) < self._limit:
                self._kept.add(value)
            else:
                over += 1
        self.over = max(self.over, over)
        return lambda value: value if value in self._kept else tuple(OTHER for _ in value)


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


@dataclass
class _Shared:
    at: float
    body: bytes
    content_type: str


class Metrics:
    """Renders the metrics of one node."""

    def __init__(self, system: Any, fanout: Fanout, settings: AdminSettings, own: Own) -> None:
        self._system = system
        self._fanout = fanout
        self._settings = settings
        self._own = own
        self._pairs = Cap(settings.max_pairs)
        self._classes = Cap(settings.max_classes)
        self._queues = Cap(settings.max_queues)
        self._topics = Cap(settings.max_topics)
        self._occurrences = Occurrences(system.events)
        self._render_s: dict[str, float] = {}
        self._capped_objects = 0
        self.failing: Callable[[], Mapping[str, bool]] = dict
        """Which checks fail, by name"""
        self._shared: dict[str, _Shared] = {}
        self._worker: ThreadPoolExecutor | None = None
        self._process: list[Collector] | None = None

    @property
    def capped(self) -> int:
        """How many label values are counted under `_other`."""
        return self._capped_objects + sum(cap.over for cap in (self._pairs, self._classes, self._queues, self._topics))

    @property
    def suspicions(self) -> int:
        """How often this node saw a member suspected."""
        changes = self._occurrences.catch_up().get("cluster_member_transitions_total", {})
        return sum(n for (_, to), n in changes.items() if to == "suspect")

    @property
    def render_s(self) -> float | None:
        """How long the last rendering took."""
        return self._render_s.get("metrics")

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
        figures = await self._gather()
        others: list[Collector] = [*self._process_collectors()]
        if self._settings.legacy_names and not as_openmetrics:
            others.append(_Legacy(figures.statistics))
        if self._settings.include_default_registry:
            others.append(_UsersOwn())
        body = await self.in_worker(functools.partial(_page, self._sheet(figures), others, as_openmetrics))
        self._render_s["metrics"] = time.perf_counter() - began
        self._shared[form] = _Shared(time.monotonic(), body, form)
        return body, form

    async def render_detailed(self, families: Sequence[str], globs: Mapping[str, str], limit: int) -> tuple[bytes, str]:
        """The body of `/metrics/detailed`: series of single objects, at most `limit` of them a family."""
        began = time.perf_counter()
        metrics: list[Metric] = []
        for family in families:
            metrics += self._detailed(family, await self._objects(family), globs, limit)
        body = await self.in_worker(functools.partial(prometheus_client.generate_latest, _registry(_Fixed(metrics))))
        self._render_s["detailed"] = time.perf_counter() - began
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

    async def _gather(self) -> Figures:
        queues, topics, members, node, cluster, links, link_totals, traffic = [
            await self._ask(kind, {})
            for kind in ("queues", "topics", "members", "node", "cluster", "links", "link_totals", "cluster_traffic")
        ]
        return Figures(
            statistics=self._system.statistics(),
            node={**(node or {}), "cluster": cluster["name"] if cluster else ""},
            queues=queues,
            topics=topics,
            members=members,
            names=len(self._system.names.paths()),
            links=links,
            link_totals=link_totals or {},
            traffic=traffic or {},
            streaming=streaming_statistics(self._system),
            tasks=len(self._system.tasks),
            own=self._own_figures(),
        )

    async def _ask(self, kind: str, params: Mapping[str, Any]) -> Any:
        return await self._fanout.ask_here(kind, params) if self._fanout.offers(kind) else []

    def _own_figures(self) -> dict[str, dict[Labels, Any]]:
        traffic, audit, feed = self._own.traffic, self._own.audit, self._own.feed
        return {
            "admin_requests_total": {(route, str(code)): n for (route, code), n in traffic.requests.items()},
            "admin_request_seconds": {(route,): c.snapshot() for route, c in traffic.seconds.items()},
            "admin_actions_total": {key: n for key, n in audit.counts.items() if key[0] != "request"},
            "admin_auth_failures_total": {(reason,): n for reason, n in traffic.refusals.items()},
            "admin_stream_clients": {(): feed.clients},
            "admin_stream_gaps_total": {(): feed.gaps},
            "llm_requests_total": USAGE.requests(),
            "llm_tokens_total": USAGE.tokens(),
            "check_failing": {(name,): int(fails) for name, fails in self.failing().items()},
            "metrics_render_seconds": {(endpoint,): s for endpoint, s in self._render_s.items()},
            "event_loop_lag_seconds": {(): self._own.lag.seconds.snapshot()},
            "name_resolves_total": {(outcome,): n for outcome, n in self._system.lookup.outcomes.items()},
        }

    def _fill_occurrences(self, sheet: Sheet) -> None:
        caps = {"queue_trimmed_records_total": self._queues, "topic_evictions_total": self._topics}
        for name, counts in self._occurrences.catch_up().items():
            shown = caps[name].admit(counts) if name in caps else _as_it_is
            for labels, n in counts.items():
                sheet.add(name, shown(labels), n)

    def _sheet(self, figures: Figures) -> Sheet:
        sheet = Sheet(self._settings.metrics_exclude)
        self._fill_node(sheet, figures)
        self._fill_classes(sheet, figures.statistics.classes)
        self._fill_queues(sheet, figures.queues)
        self._fill_topics(sheet, figures.topics)
        self._fill_cluster(sheet, figures)
        self._fill_streaming_times(sheet, figures.streaming)
        self._fill_network(sheet, figures.link_totals, figures.traffic)
        self._fill_occurrences(sheet)
        for name, values in figures.own.items():
            for labels, value in values.items():
                if isinstance(value, Latency):
                    sheet.observe(name, labels, value)
                else:
                    sheet.add(name, labels, value)
        caps = {"pair": self._pairs, "class": self._classes, "queue": self._queues, "topic": self._topics}
        for label, cap in caps.items():
            sheet.add("metrics_capped_total", (label,), cap.over)
        sheet.add("metrics_capped_total", ("object",), self._capped_objects)
        return sheet

    def _fill_node(self, sheet: Sheet, figures: Figures) -> None:
        node, statistics = figures.node, figures.statistics
        loop = "uvloop" if type(asyncio.get_running_loop()).__module__.startswith("uvloop") else "asyncio"
        version = str(node.get("version") or _version())
        sheet.add("build_info", (version, platform.python_version(), loop), 1)
        identity = (statistics.node_id, str(node.get("name") or ""), str(node.get("cluster") or ""), statistics.addr)
        sheet.add("node_info", identity, 1)
        sheet.add("node_start_time_seconds", (), statistics.started_at)
        sheet.add("tasks", (), figures.tasks)
        sheet.add("asks_inflight", (), statistics.asks_inflight)
        for labels, latency in statistics.asks.items():
            sheet.observe("ask_seconds", labels, latency)
        for kind, n in statistics.messages_by_kind.items():
            sheet.add("messages_total", (kind,), n)
        for reason, n in statistics.dead_letters_by_reason.items():
            sheet.add("dead_letters_total", (reason,), n)

    def _fill_classes(self, sheet: Sheet, classes: Sequence[ClassStatistics]) -> None:
        shown = [c for c in classes if not c.internal]
        admitted = self._classes.admit((c.name,) for c in shown)
        pair = self._pairs.admit((c.name, m.method) for c in shown for m in c.methods)
        for one in classes:
            (name,) = (INTERNAL,) if one.internal else admitted((one.name,))
            self._fill_class(sheet, one, name)
            for method in one.methods:
                labels = (INTERNAL, INTERNAL) if one.internal else pair((one.name, method.method))
                for outcome in ("ok", "cancelled", "expired"):
                    sheet.add("actor_messages_total", (*labels, outcome), getattr(method, outcome))
                sheet.add("actor_messages_total", (*labels, "error"), method.errors)
                for category in ("business", "system", "timeout", "unsupported"):
                    if n := getattr(method, f"{category}_errors"):
                        sheet.add("actor_errors_total", (*labels, category), n)
                sheet.observe("actor_handle_seconds", labels, method.handle)
                if method.long_turns:
                    sheet.add("long_turns_total", labels, method.long_turns)
                if method.stream_items:
                    sheet.add("stream_items_total", labels, method.stream_items)

    @staticmethod
    def _fill_class(sheet: Sheet, one: ClassStatistics, name: str) -> None:
        for state, n in one.actors_by_state.items():
            sheet.add("actors", (name, state), n)
        sheet.add("actors_spawned_total", (name,), one.spawned)
        for reason, n in one.stopped.items():
            sheet.add("actors_stopped_total", (name, reason), n)
        for cause, n in one.restarts.items():
            sheet.add("actor_restarts_total", (name, cause), n)
        for policy, n in one.dropped.items():
            sheet.add("actor_mailbox_dropped_total", (name, policy), n)
        sheet.observe("actor_mailbox_wait_seconds", (name,), one.wait)
        sheet.add("actor_mailbox_messages", (name,), one.mailbox_messages)
        sheet.most("actor_mailbox_max_messages", (name,), one.mailbox_max_messages)
        sheet.most("actor_mailbox_oldest_seconds", (name,), one.mailbox_oldest_s)
        sheet.add("streams_open", (name,), one.streams_open)
        if one.streams:
            sheet.observe("stream_first_item_seconds", (name,), one.first_item)

    def _fill_queues(self, sheet: Sheet, rows: Sequence[Row]) -> None:
        admitted = self._queues.admit((str(row["queue"]),) for row in rows)
        for row in rows:
            labels = admitted((str(row["queue"]),))
            sheet.add("queues", (str(row.get("backend") or ""),), 1)
            sheet.add("queue_buckets", labels, row.get("num_buckets"))
            sheet.add("queue_records", labels, row.get("records"))
            sheet.add("queue_bytes", labels, row.get("bytes"))
            sheet.most("queue_oldest_record_seconds", labels, row.get("oldest_s"))
            sheet.add("queue_readers", labels, row.get("readers"))
            sheet.most("queue_reader_lag_records", labels, row.get("max_lag"))
            sheet.add("queue_put_records_total", labels, row.get("put_total"))
            sheet.add("queue_read_records_total", labels, row.get("read_total"))
            sheet.add("queue_unavailable_buckets", labels, row.get("unavailable_buckets"))
            sheet.add("queue_unflushed_records", labels, row.get("unflushed"))
            for op, n in (row.get("failures_total") or {}).items():
                sheet.add("queue_failures_total", (*labels, str(op)), n)

    @staticmethod
    def _fill_streaming_times(sheet: Sheet, statistics: StreamingStatistics) -> None:
        for labels, latency in statistics.operations.items():
            sheet.observe("queue_operation_seconds", labels, latency)
        for mode, latency in statistics.publications.items():
            sheet.observe("topic_publish_seconds", (mode,), latency)
        sheet.add("queue_redirects_total", (), statistics.redirects)

    @staticmethod
    def _fill_network(sheet: Sheet, links: Row, traffic: Row) -> None:
        sheet.add("links", ("out", "redialling"), links.get("redialling"))
        sheet.add("link_backpressure_seconds_total", (), links.get("backpressure_s"))
        for name, counted in (
            ("link_frames_total", "frames"),
            ("link_bytes_total", "bytes"),
            ("link_connects_total", "connects"),
            ("link_closed_total", "closed"),
            ("link_errors_total", "errors"),
            ("pickle_payloads_total", "pickled"),
        ):
            for label, n in links.get(counted, {}).items():
                sheet.add(name, (label,), n)
        for kind, by_direction in traffic.get("messages", {}).items():
            for direction, n in by_direction.items():
                sheet.add("cluster_messages_total", (kind, direction), n)
        if round_trips := traffic.get("round_trips"):
            sheet.observe("cluster_probe_rtt_seconds", (), Latency(**round_trips))
        sheet.add("cluster_refutations_total", (), traffic.get("refutations"))
        sheet.add("cluster_messages_total", ("dropped", "in"), traffic.get("dropped"))
        sheet.add("link_errors_total", ("auth",), traffic.get("refused"))
        sheet.add("link_errors_total", ("decode",), traffic.get("bad_messages"))

    def _fill_topics(self, sheet: Sheet, rows: Sequence[Row]) -> None:
        if self._fanout.offers("topics"):
            sheet.add("topics", (), len(rows))
        admitted = self._topics.admit((str(row["topic"]),) for row in rows)
        for row in rows:
            labels = admitted((str(row["topic"]),))
            sheet.add("topic_subscribers", labels, row.get("subscribers"))
            sheet.add("topic_slow_subscribers", labels, row.get("slow_subscribers"))
            for mode, n in (row.get("by_mode") or {}).items():
                sheet.add("topic_published_messages_total", (*labels, str(mode)), n)
            for outcome, name in (("ok", "delivered_total"), ("failed", "failed_total"), ("dropped", "dropped_total")):
                sheet.add("topic_deliveries_total", (*labels, outcome), row.get(name))

    def _fill_cluster(self, sheet: Sheet, figures: Figures) -> None:
        for member in figures.members:
            sheet.add("cluster_members", (str(member["status"]),), 1)
        sheet.add("names", (), figures.names)
        for link in figures.links:
            sheet.add("links", (str(link["direction"]), str(link["state"])), 1)
            sheet.most("link_pending_frames", (), link.get("pending_frames"))
            sheet.most("link_pending_bytes", (), link.get("pending_bytes"))

    async def _objects(self, family: str) -> list[dict[str, Any]]:
        if family.startswith("actor_"):
            rows = await self._ask("actors", {"system": False})
            return [{**row, "actor": row.get("name") or row["id"]} for row in rows]
        if family == "link":
            return [way for row in await self._ask("links", {}) for way in _ways(row)]
        kind, detail, part, label = {
            "queue_bucket": ("queues", "queue", "bucket_rows", "bucket"),
            "queue_reader": ("queues", "queue", "reader_rows", "reader"),
            "topic_subscriber": ("topics", "topic", "subscriber_rows", "subscriber"),
        }[family]
        named = {"bucket": "bucket_id", "reader": "reader", "subscriber": "id"}[label]
        rows = []
        for row in await self._ask(kind, {}):
            found = await self._ask(detail, {detail: row[detail]}) or {}
            rows += [{**one, detail: row[detail], label: one.get(named)} for one in found.get(part) or ()]
        return rows

    def _detailed(
        self, family: str, rows: Sequence[dict[str, Any]], globs: Mapping[str, str], limit: int
    ) -> Iterator[Metric]:
        labels, series = DETAILED[family]
        shown = [row for row in rows if _fits(row, globs)]
        of_class = self._classes.admit((str(row["class"]),) for row in shown[limit:]) if "class" in labels else None
        self._capped_objects += max(0, len(shown) - limit)
        for suffix, (kind, name, help) in series.items():
            values: dict[Labels, float] = {}
            for index, row in enumerate(shown):
                if row.get(name) is None:
                    continue
                given = tuple(str(row.get(label)) for label in labels)
                key = given if index < limit else (OTHER, *(of_class(given[1:]) if of_class else (OTHER,)))
                values[key] = values.get(key, 0.0) + float(row[name])
            if values:
                yield metric_of(f"{DETAILED_PREFIX}{family}_{suffix}", kind, help, labels, values)


@dataclass(frozen=True, eq=False)
class _Fixed(Collector):
    metrics: Sequence[Metric] = field(default=())

    def collect(self) -> Iterator[Metric]:
        return iter(self.metrics)


def _ways(link: Row) -> Iterator[dict[str, Any]]:
    """The two directions of an open link; what waits and how long a round takes is told of the one that leads away."""
    yield {"peer": link["peer"], "direction": "in", "bytes_total": link["bytes_in_total"]}
    away = {"peer": link["peer"], "direction": "out", "bytes_total": link["bytes_out_total"]}
    yield {**away, "pending_bytes": link["pending_bytes"], "rtt_s": link["rtt_s"]}


def _as_it_is(labels: Labels) -> Labels:
    return labels


def _fits(row: Row, globs: Mapping[str, str]) -> bool:
    for name, glob in globs.items():
        if name not in row:
            return False
        text = str(row[name])
        if not (fnmatch.fnmatchcase(text, glob) or fnmatch.fnmatchcase(text.removeprefix("actors/"), glob)):
            return False
    return True


def _page(sheet: Sheet, others: Sequence[Collector], as_openmetrics: bool) -> bytes:
    if as_openmetrics:
        return _as_openmetrics(_registry(sheet, *others))
    return sheet.as_text().encode() + prometheus_client.generate_latest(_registry(*others))


def _registry(*collectors: Collector) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return registry


def _version() -> str:
    from importlib.metadata import version

    return version("pulsing") if "pulsing" in sys.modules else ""
