"""Dashboards for Grafana, made from a table of panels: what each shows, in PromQL over this package's metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pulsing.admin.families import PREFIX

COLUMNS = 24
WIDTH = 8
HEIGHT = 8
SCHEMA = 39
"""The version of Grafana's format that these dashboards are written in; newer versions migrate them."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CHOSEN = 'cluster=~"$cluster",instance=~"$instance"'
"""What limits a metric to the clusters and nodes that are chosen at the top of a dashboard."""
_METRIC = re.compile(rf"\b((?:{PREFIX}|process_)\w+)(\{{)?")


class Panel(NamedTuple):
    """One chart: its title, the unit of its axis, and its expressions by legend."""

    title: str
    unit: str
    series: Mapping[str, str]


class Dashboard(NamedTuple):
    """One dashboard, and the page of our own that it leads to."""

    title: str
    page: str
    panels: Sequence[Panel]


def _rate(metric: str, by: str = "") -> str:
    return f"sum by ({by}) (rate({PREFIX}{metric}[$__rate_interval]))"


def _sum(metric: str, by: str = "") -> str:
    return f"sum by ({by}) ({PREFIX}{metric})"


def _most(metric: str, by: str = "") -> str:
    return f"max by ({by}) ({PREFIX}{metric})"


def _quantile(q: float, metric: str, by: str = "") -> str:
    buckets = f"sum by ({', '.join(filter(None, ('le', by)))}) (rate({PREFIX}{metric}_bucket[$__rate_interval]))"
    return f"histogram_quantile({q:g}, {buckets})"


_MESSAGES = Panel("Messages handled", "ops", {"{{instance}}": _rate("actor_messages_total", "instance")})
_ERRORS = Panel("Errors", "ops", {"{{class}}": _rate("actor_errors_total", "class")})

DASHBOARDS: Mapping[str, Dashboard] = {
    "overview": Dashboard(
        "Pulsing / Overview",
        "overview",
        (
            Panel("Actors", "short", {"{{instance}}": _sum("actors", "instance")}),
            _MESSAGES,
            _ERRORS,
            Panel(
                "Time in methods", "s", {f"p{q:g}": _quantile(q / 100, "actor_handle_seconds") for q in (50, 95, 99)}
            ),
            Panel(
                "Wait in mailboxes",
                "s",
                {f"p{q:g}": _quantile(q / 100, "actor_mailbox_wait_seconds") for q in (50, 95, 99)},
            ),
            Panel("Loop lag, p99", "s", {"{{instance}}": _quantile(0.99, "event_loop_lag_seconds", "instance")}),
            Panel("Dead letters", "ops", {"{{reason}}": _rate("dead_letters_total", "reason")}),
            Panel("Failing checks", "short", {"{{check}} {{instance}}": f"{PREFIX}check_failing > 0"}),
            Panel("Members", "short", {"{{status}}": _most("cluster_members", "status")}),
            Panel("Processor", "percentunit", {"{{instance}}": "rate(process_cpu_seconds_total[$__rate_interval])"}),
            Panel("Resident memory", "bytes", {"{{instance}}": "process_resident_memory_bytes"}),
            Panel("Open files", "short", {"{{instance}}": "process_open_fds"}),
        ),
    ),
    "actors": Dashboard(
        "Pulsing / Actors",
        "actors",
        (
            Panel("Live actors by class", "short", {"{{class}}": _sum("actors", "class")}),
            Panel("Spawned", "ops", {"{{class}}": _rate("actors_spawned_total", "class")}),
            Panel("Ended", "ops", {"{{class}} {{reason}}": _rate("actors_stopped_total", "class, reason")}),
            Panel(
                "Messages by method", "ops", {"{{class}}.{{method}}": _rate("actor_messages_total", "class, method")}
            ),
            Panel("Handle time by class, p99", "s", {"{{class}}": _quantile(0.99, "actor_handle_seconds", "class")}),
            Panel("Wait by class, p99", "s", {"{{class}}": _quantile(0.99, "actor_mailbox_wait_seconds", "class")}),
            _ERRORS,
            Panel("Restarts", "ops", {"{{class}} {{cause}}": _rate("actor_restarts_total", "class, cause")}),
            Panel("Long turns", "ops", {"{{class}}.{{method}}": _rate("long_turns_total", "class, method")}),
            Panel("Waiting messages", "short", {"{{class}}": _sum("actor_mailbox_messages", "class")}),
            Panel("Fullest mailbox", "short", {"{{class}}": _most("actor_mailbox_max_messages", "class")}),
            Panel("Refused by full mailboxes", "ops", {"{{class}}": _rate("actor_mailbox_dropped_total", "class")}),
        ),
    ),
    "streaming": Dashboard(
        "Pulsing / Queues and topics",
        "queues",
        (
            Panel("Records put", "ops", {"{{queue}}": _rate("queue_put_records_total", "queue")}),
            Panel("Records read", "ops", {"{{queue}}": _rate("queue_read_records_total", "queue")}),
            Panel("Records kept", "short", {"{{queue}}": _sum("queue_records", "queue")}),
            Panel("Lag of the slowest reader", "short", {"{{queue}}": _most("queue_reader_lag_records", "queue")}),
            Panel("Age of the oldest record", "s", {"{{queue}}": _most("queue_oldest_record_seconds", "queue")}),
            Panel("Buckets that cannot be used", "short", {"{{queue}}": _sum("queue_unavailable_buckets", "queue")}),
            Panel(
                "Bucket operations, p99",
                "s",
                {"{{backend}} {{op}}": _quantile(0.99, "queue_operation_seconds", "backend, op")},
            ),
            Panel("Failed operations", "ops", {"{{queue}} {{op}}": _rate("queue_failures_total", "queue, op")}),
            Panel(
                "Messages published",
                "ops",
                {"{{topic}} {{mode}}": _rate("topic_published_messages_total", "topic, mode")},
            ),
            Panel("Deliveries", "ops", {"{{topic}} {{outcome}}": _rate("topic_deliveries_total", "topic, outcome")}),
            Panel("Slow subscribers", "short", {"{{topic}}": _sum("topic_slow_subscribers", "topic")}),
            Panel("Publishing, p99", "s", {"{{mode}}": _quantile(0.99, "topic_publish_seconds", "mode")}),
        ),
    ),
    "cluster": Dashboard(
        "Pulsing / Cluster",
        "cluster",
        (
            Panel("Members as each node sees them", "short", {"{{instance}} {{status}}": f"{PREFIX}cluster_members"}),
            Panel(
                "Changes of status",
                "ops",
                {"{{from}} to {{to}}": _rate("cluster_member_transitions_total", "from, to")},
            ),
            Panel("Names", "short", {"{{instance}}": f"{PREFIX}names"}),
            Panel("Links", "short", {"{{direction}} {{state}}": _sum("links", "direction, state")}),
            Panel(
                "Bytes over links",
                "Bps",
                {"{{instance}} {{direction}}": _rate("link_bytes_total", "instance, direction")},
            ),
            Panel(
                "Frames over links",
                "ops",
                {"{{instance}} {{direction}}": _rate("link_frames_total", "instance, direction")},
            ),
            Panel("Waiting bytes on the fullest link", "bytes", {"{{instance}}": f"{PREFIX}link_pending_bytes"}),
            Panel(
                "Share of time that senders wait",
                "percentunit",
                {"{{instance}}": _rate("link_backpressure_seconds_total", "instance")},
            ),
            Panel("Links closed", "ops", {"{{reason}}": _rate("link_closed_total", "reason")}),
            Panel("Errors on links", "ops", {"{{error}}": _rate("link_errors_total", "error")}),
            Panel("Probes of membership, p99", "s", {"p99": _quantile(0.99, "cluster_probe_rtt_seconds")}),
            Panel("Messages of membership", "ops", {"{{type}}": _rate("cluster_messages_total", "type")}),
            Panel("Admin requests", "ops", {"{{code}}": _rate("admin_requests_total", "code")}),
            Panel("Refused at the admin door", "ops", {"{{reason}}": _rate("admin_auth_failures_total", "reason")}),
            Panel("Rendering of metrics", "s", {"{{instance}} {{endpoint}}": f"{PREFIX}metrics_render_seconds"}),
        ),
    ),
}


def grafana_json(name: str, base_url: str) -> str:
    """One dashboard as a file for Grafana.

    Args:
        name: a key of `DASHBOARDS`.
        base_url: where a node's own dashboard is, to lead there.
    """
    one = DASHBOARDS[name]
    shown = {
        "uid": f"pulsing-{name}",
        "title": one.title,
        "tags": ["pulsing"],
        "schemaVersion": SCHEMA,
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables()},
        "links": [{"title": "Pulsing", "type": "link", "url": f"{base_url}/ui/#/{one.page}", "targetBlank": True}],
        "panels": [_panel(number, panel) for number, panel in enumerate(one.panels)],
    }
    return json.dumps(shown, indent=1) + "\n"


def _variables() -> list[dict[str, Any]]:
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        # Only targets that were found by a node have this label; the others are shown as long as all are.
        _variable("cluster", f"label_values({PREFIX}metrics_render_seconds, cluster)") | {"allValue": ".*"},
        _variable("instance", f'label_values({PREFIX}metrics_render_seconds{{cluster=~"$cluster"}}, instance)'),
    ]


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, COLUMNS // WIDTH)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": _of_chosen(expr), "legendFormat": legend}
            for place, (legend, expr) in enumerate(panel.series.items())
        ],
    }


def _of_chosen(expr: str) -> str:
    """An expression about the chosen nodes alone, where processes of other programs are scraped as well."""
    return _METRIC.sub(lambda found: f"{found[1]}{{{CHOSEN}{',' if found[2] else '}'}", expr)
