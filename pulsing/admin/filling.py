"""How figures become metrics: what is counted under which name, with which labels."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence

from pulsing.admin.caps import Caps
from pulsing.admin.catalogue import LETTER_REASONS
from pulsing.admin.figures import Figures, Row
from pulsing.admin.sheet import Labels, Sheet
from pulsing.core.statistics import ClassStatistics, Latency
from pulsing.streaming.counters import StreamingStatistics

INTERNAL = "_system"

_CAUSES = ("failure", "always")
"""Why actors are restarted, but by an operator."""
_STATUSES = ("alive", "suspect", "leaving", "dead")


def fill(sheet: Sheet, figures: Figures, caps: Caps) -> None:
    """Put all figures onto a sheet; what they have more of than the caps allow is put together."""
    _node(sheet, figures)
    _classes(sheet, figures.statistics.classes, caps)
    _queues(sheet, figures.queues, caps)
    if figures.topics is not None:
        _topics(sheet, figures.topics, caps)
    _cluster(sheet, figures)
    _streaming_times(sheet, figures.streaming)
    _network(sheet, figures.link_totals, figures.traffic)
    _occurrences(sheet, figures.occurrences, caps)
    for name, values in figures.own.items():
        for labels, value in values.items():
            if isinstance(value, Latency):
                sheet.observe(name, labels, value)
            else:
                sheet.add(name, labels, value)
    for label, over in caps.over.items():
        sheet.add("metrics_capped_total", (label,), over)


def _node(sheet: Sheet, figures: Figures) -> None:
    node, statistics = figures.node, figures.statistics
    version = str(node.get("version") or _version())
    sheet.add("build_info", (version, platform.python_version(), figures.loop), 1)
    identity = (statistics.node_id, str(node.get("name") or ""), str(node.get("cluster") or ""), statistics.addr)
    sheet.add("node_info", identity, 1)
    sheet.add("node_start_time_seconds", (), statistics.started_at)
    sheet.add("tasks", (), figures.tasks)
    sheet.add("asks_inflight", (), statistics.asks_inflight)
    for labels, latency in statistics.asks.items():
        sheet.observe("ask_seconds", labels, latency)
    for kind, n in statistics.messages_by_kind.items():
        sheet.add("messages_total", (kind,), n)
    # From nothing on, as restarts below: a first step alone is no rise to Prometheus, and alerts wait for one.
    for reason, n in {**dict.fromkeys(LETTER_REASONS, 0), **statistics.dead_letters_by_reason}.items():
        sheet.add("dead_letters_total", (reason,), n)


def _classes(sheet: Sheet, classes: Sequence[ClassStatistics], caps: Caps) -> None:
    shown = [c for c in classes if not c.internal]
    admitted = caps.classes.admit((c.name,) for c in shown)
    pair = caps.pairs.admit((c.name, m.method) for c in shown for m in c.methods)
    for one in classes:
        (name,) = (INTERNAL,) if one.internal else admitted((one.name,))
        _class(sheet, one, name)
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


def _class(sheet: Sheet, one: ClassStatistics, name: str) -> None:
    for state, n in one.actors_by_state.items():
        sheet.add("actors", (name, state), n)
    sheet.add("actors_spawned_total", (name,), one.spawned)
    for reason, n in one.stopped.items():
        sheet.add("actors_stopped_total", (name, reason), n)
    for cause, n in {**({} if one.internal else dict.fromkeys(_CAUSES, 0)), **one.restarts}.items():
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


def _queues(sheet: Sheet, rows: Sequence[Row], caps: Caps) -> None:
    admitted = caps.queues.admit((str(row["queue"]),) for row in rows)
    for row in rows:
        labels = admitted((str(row["queue"]),))
        buckets = row.get("open_buckets") or 0
        sheet.add("queues", (str(row.get("backend") or ""),), int(buckets > 0))
        sheet.add("queue_buckets", labels, buckets)
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


def _streaming_times(sheet: Sheet, statistics: StreamingStatistics) -> None:
    for labels, latency in statistics.operations.items():
        sheet.observe("queue_operation_seconds", labels, latency)
    for mode, latency in statistics.publications.items():
        sheet.observe("topic_publish_seconds", (mode,), latency)
    sheet.add("queue_redirects_total", (), statistics.redirects)


def _network(sheet: Sheet, links: Row, traffic: Row) -> None:
    if links:
        for direction in ("in", "out"):
            sheet.add("links", (direction, "open"), 0)
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


def _topics(sheet: Sheet, rows: Sequence[Row], caps: Caps) -> None:
    sheet.add("topics", (), len(rows))
    admitted = caps.topics.admit((str(row["topic"]),) for row in rows)
    for row in rows:
        labels = admitted((str(row["topic"]),))
        sheet.add("topic_subscribers", labels, row.get("subscribers"))
        sheet.add("topic_slow_subscribers", labels, row.get("slow_subscribers"))
        for mode, n in (row.get("by_mode") or {}).items():
            sheet.add("topic_published_messages_total", (*labels, str(mode)), n)
        for outcome, name in (("ok", "delivered_total"), ("failed", "failed_total"), ("dropped", "dropped_total")):
            sheet.add("topic_deliveries_total", (*labels, outcome), row.get(name))


def _cluster(sheet: Sheet, figures: Figures) -> None:
    if figures.members:
        for status in _STATUSES:
            sheet.add("cluster_members", (status,), 0)
    for member in figures.members:
        sheet.add("cluster_members", (str(member["status"]),), 1)
    sheet.add("names", (), figures.names)
    for link in figures.links:
        sheet.add("links", (str(link["direction"]), str(link["state"])), 1)
        sheet.most("link_pending_frames", (), link.get("pending_frames"))
        sheet.most("link_pending_bytes", (), link.get("pending_bytes"))


def _occurrences(sheet: Sheet, occurrences: Mapping[str, Mapping[Labels, int]], caps: Caps) -> None:
    capped = {"queue_trimmed_records_total": caps.queues, "topic_evictions_total": caps.topics}
    for name, counts in occurrences.items():
        shown = capped[name].admit(counts) if name in capped else _as_it_is
        for labels, n in counts.items():
            sheet.add(name, shown(labels), n)


def _as_it_is(labels: Labels) -> Labels:
    return labels


def _version() -> str:
    from importlib.metadata import version

    return version("pulsing") if "pulsing" in sys.modules else ""
