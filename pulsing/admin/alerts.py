"""What a check means and when Prometheus alerts: one table for the checks' runbooks, the alert rules and their page.

An alert has the name of its check in camel case behind `Pulsing`. Where no check of a node can see the fault (a node
that is down), there is an alert alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, NamedTuple

AT_ONCE = "0m"

Severity = Literal["info", "warning", "critical"]


class Alert(NamedTuple):
    """One fault: how Prometheus sees it, what it means, where to look and what to do."""

    expr: str
    for_: str
    severity: Severity
    summary: str
    meaning: str
    look: tuple[str, ...]
    fix: str


ALERTS: Mapping[str, Alert] = {
    "event_loop_lag": Alert(
        "histogram_quantile(0.99, sum by (le, instance) (rate(pulsing_event_loop_lag_seconds_bucket[5m]))) > 0.1",
        "5m",
        "warning",
        "timers on {{ $labels.instance }} come late",
        "Something holds the event loop: every actor of the node waits for it.",
        ("pulsing list methods --sort -long_turns_total", "pulsing list nodes --sort -cpu_ratio", "py-spy dump -p PID"),
        "Await instead of blocking, or declare the class with @remote(threaded=True).",
    ),
    "long_turns": Alert(
        "sum by (class, method) (rate(pulsing_long_turns_total[5m])) > 0.1",
        "5m",
        "warning",
        "{{ $labels.class }}.{{ $labels.method }} holds the loop for over 100 ms",
        "A method computes or blocks on the loop; nothing else of the node runs meanwhile.",
        ("pulsing list methods --sort -long_turns_total", "pulsing events -f --type 'actor.long_turn'"),
        "Move the work to a threaded class, to a process, or cut it into steps with awaits between.",
    ),
    "mailbox_saturation": Alert(
        'pulsing_check_failing{check="mailbox_saturation"} > 0',
        "5m",
        "warning",
        "a mailbox on {{ $labels.instance }} is full or nearly so",
        "An actor gets more than it handles; senders wait, or messages are refused, by the policy of the mailbox.",
        ("pulsing list actors --sort -mailbox", "pulsing get actor ACTOR"),
        "Spawn replicas under the same name, make the method faster, or slow its senders down.",
    ),
    "mailbox_wait": Alert(
        "histogram_quantile(0.99, sum by (le, class) (rate(pulsing_actor_mailbox_wait_seconds_bucket[5m]))) > 1",
        "5m",
        "warning",
        "messages wait for over a second for {{ $labels.class }}",
        "Messages lie in mailboxes for long before their turn comes.",
        ("pulsing list actors --sort -mailbox_oldest_s", "pulsing list methods --sort -handle_total_s"),
        "As for a full mailbox; a method that waits for something slow may be made async so that calls interleave.",
    ),
    "mailbox_drops": Alert(
        "sum by (class) (rate(pulsing_actor_mailbox_dropped_total[5m])) > 0",
        "1m",
        "warning",
        "full mailboxes of {{ $labels.class }} lose messages",
        "The policy of a mailbox is reject or drop_oldest, and it was full.",
        ("pulsing list dead-letters -f reason=mailbox_full", "pulsing list actors --sort -mailbox"),
        "Give the class more replicas, a larger mailbox, or the policy block.",
    ),
    "error_ratio": Alert(
        "sum by (class) (rate(pulsing_actor_errors_total[5m]))"
        " / sum by (class) (rate(pulsing_actor_messages_total[5m])) > 0.05",
        "5m",
        "warning",
        "over 5 % of the messages to {{ $labels.class }} fail",
        "Methods of the class raise.",
        ("pulsing list methods --sort -errors_total", "pulsing get actor ACTOR"),
        "The last errors of an actor, with their type, are on its page; the caller has the traceback.",
    ),
    "restart_loop": Alert(
        "sum by (class) (increase(pulsing_actor_restarts_total[10m])) > 5",
        AT_ONCE,
        "critical",
        "{{ $labels.class }} restarts again and again",
        "Actors of the class fail soon after each start.",
        ("pulsing events -f --type 'actor.*'", "pulsing list actors -f state=failed"),
        "Look at what on_start or the first message needs; a dependency may be gone.",
    ),
    "dead_letters": Alert(
        "sum by (reason) (rate(pulsing_dead_letters_total[5m])) > 1",
        "5m",
        "warning",
        "messages reach nobody: {{ $labels.reason }}",
        "Messages go to actors that have ended, expire before their turn, or do not fit into a mailbox.",
        ("pulsing dead-letters ls", "pulsing list actors -f state=stopped"),
        "Resolve names anew after an actor has ended; replay what matters with `pulsing dead-letters replay`.",
    ),
    "ask_timeouts": Alert(
        'sum(rate(pulsing_ask_seconds_count{outcome="timeout",route="remote"}[5m]))'
        ' / sum(rate(pulsing_ask_seconds_count{route="remote"}[5m])) > 0.01',
        "5m",
        "warning",
        "over 1 % of the calls to other nodes get no answer in time",
        "Callers give up before the other node has answered.",
        (
            "pulsing list links",
            "pulsing list actors --sort -mailbox_oldest_s",
            "pulsing list methods --sort -handle_total_s",
        ),
        "Make the slow method faster, give the calls more time, or mend the network between the nodes.",
    ),
    "members": Alert(
        'max(pulsing_cluster_members{status="dead"}) > 0',
        "2m",
        "warning",
        "a node of the cluster is dead",
        "A node stopped answering without saying that it leaves. Its actors are gone, its names free.",
        ("pulsing cluster members", "pulsing events --type 'member.*' --since 1h"),
        "Look at the host and the log of the node; start it again, it joins under a new id.",
    ),
    "agreement": Alert(
        'max(pulsing_cluster_members{status="alive"}) != min(pulsing_cluster_members{status="alive"})',
        "1m",
        "warning",
        "the nodes do not agree on who is alive",
        "Parts of the network do not reach each other, or gossip is lost.",
        ("pulsing cluster members", "pulsing list links"),
        "Check firewalls and routes between the addresses of the nodes that are seen differently.",
    ),
    "flapping": Alert(
        'sum(increase(pulsing_cluster_member_transitions_total{to="suspect"}[10m])) > 5',
        AT_ONCE,
        "warning",
        "nodes are suspected again and again",
        "Nodes answer late: an overloaded machine, a paused process, a network that loses packets.",
        ("pulsing events --type 'member.*' --since 1h", "pulsing list nodes --sort -cpu_ratio"),
        "Relieve the machine, or give the detector more patience.",
    ),
    "link_backpressure": Alert(
        "rate(pulsing_link_backpressure_seconds_total[5m]) > 0.1",
        "5m",
        "warning",
        "senders on {{ $labels.instance }} wait for links",
        "The other node takes messages more slowly than this one sends them.",
        ("pulsing list links --sort -pending_bytes", "pulsing list actors --sort -mailbox"),
        "Find the actor that is slow on the other side; large values may travel by a queue or a file instead.",
    ),
    "queue_buckets": Alert(
        "sum by (queue) (pulsing_queue_unavailable_buckets) > 0",
        "1m",
        "critical",
        "buckets of {{ $labels.queue }} cannot be used",
        "A bucket moves, or its store cannot be opened.",
        ("pulsing queue info QUEUE", "pulsing events --type 'queue.*' --since 1h"),
        "The log of the node that should own the bucket names the error of its store.",
    ),
    "queue_lag": Alert(
        "deriv(pulsing_queue_reader_lag_records[15m]) > 0 and pulsing_queue_reader_lag_records > 1000",
        "15m",
        "warning",
        "readers of {{ $labels.queue }} fall behind",
        "More records are put than read.",
        ("pulsing queue readers QUEUE", "pulsing queue info QUEUE"),
        "Add readers up to the number of buckets, or make the work for a record faster.",
    ),
    "topic_subscribers": Alert(
        "sum by (topic) (pulsing_topic_slow_subscribers) > 0",
        "10m",
        "warning",
        "subscribers of {{ $labels.topic }} are slow or fail",
        "A subscriber does not take messages as fast as they are published, and some may be dropped for it; or its "
        "last ones failed.",
        ("pulsing topic info TOPIC",),
        "Mend or evict the subscriber: `pulsing topic evict TOPIC ID`.",
    ),
    "file_descriptors": Alert(
        "process_open_fds / process_max_fds > 0.8",
        "5m",
        "warning",
        "{{ $labels.instance }} is running out of file descriptors",
        "Sockets and files of the process come near to what the system allows it.",
        ("pulsing list nodes", "ls /proc/PID/fd | wc -l"),
        "Raise `ulimit -n`, or look for connections that nobody closes.",
    ),
    "disk": Alert(
        'pulsing_check_failing{check="disk"} > 0',
        "5m",
        "critical",
        "the disk of {{ $labels.instance }} is nearly full",
        "Little is free where queues are stored; a store that cannot write refuses what is put.",
        ("pulsing check disk", "pulsing list queues --sort -bytes", "df -h"),
        "Trim queues, bound them by max_records, max_bytes or max_age, or give them a larger disk (queue.base_path).",
    ),
    "series_cap": Alert(
        "increase(pulsing_metrics_capped_total[1h]) > 0",
        AT_ONCE,
        "info",
        "more {{ $labels.label }} values than metrics show",
        "What is over the cap counts under `_other`: sums are right, details are missing.",
        ("pulsing list classes", "pulsing metrics detailed --family actor_messages"),
        "Raise metrics.max_pairs, max_classes, max_queues or max_topics if the details are wanted.",
    ),
    "scrape_time": Alert(
        "pulsing_metrics_render_seconds > 0.1",
        "10m",
        "warning",
        "metrics of {{ $labels.instance }} take long to render",
        "There are many series, or the node has no time.",
        ("pulsing check event_loop_lag", "pulsing list classes"),
        "Lower the caps of the metrics, or scrape less often.",
    ),
    "node_down": Alert(
        'up{job="pulsing"} == 0',
        "1m",
        "critical",
        "{{ $labels.instance }} does not answer Prometheus",
        "The node is down, cannot be reached, or refuses the token. No node can see this of itself.",
        ("pulsing status --endpoint URL", "pulsing cluster members"),
        "Start the node; check `authorization` of the scrape job and the allowed hosts of the admin plane.",
    ),
}


def alert_name(check: str) -> str:
    """How the alert of a check is called."""
    return "Pulsing" + "".join(word.capitalize() for word in check.split("_"))


def alert_rules(base_url: str) -> str:
    """The rules, as a file for Prometheus.

    Args:
        base_url: where a node's own dashboard is; the runbook of an alert is on its page of checks.
    """
    # A JSON string is a YAML string: nothing here needs a YAML library.
    lines = ["# Made from the table of alerts by `python -m pulsing.admin.shipped`.", "groups:"]
    lines += ["  - name: pulsing", "    rules:"]
    for check, alert in ALERTS.items():
        lines += [
            f"      - alert: {alert_name(check)}",
            f"        expr: {json.dumps(alert.expr)}",
            *([] if alert.for_ == AT_ONCE else [f"        for: {alert.for_}"]),
            "        labels:",
            f"          severity: {alert.severity}",
            "        annotations:",
            f"          summary: {json.dumps(alert.summary)}",
            f"          description: {json.dumps(alert.meaning)}",
            f"          runbook_url: {json.dumps(f'{base_url}/ui/#/health')}",
        ]
    return "\n".join(lines) + "\n"


def runbooks() -> str:
    """The page of runbooks, in Markdown."""
    parts = [
        "# Runbooks\n",
        "One section a check. An alert has the name of its check; `pulsing check all` shows what each says now.\n",
    ]
    for check, alert in ALERTS.items():
        look = "\n".join(alert.look)
        after = f" for {alert.for_}" if alert.for_ != AT_ONCE else ""
        parts.append(
            f"## {check}\n\n"
            f"{alert.meaning}\n\n"
            f"Alert `{alert_name(check)}`, {alert.severity}{after}: `{alert.expr}`\n\n"
            f"```\n{look}\n```\n\n"
            f"{alert.fix}\n"
        )
    return "\n".join(parts)
