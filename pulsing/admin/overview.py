"""The whole cluster on one page: totals, the busiest mailboxes, the methods that matter, the last events."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Sequence
from typing import Any

from pulsing.admin.catalogue import ACTORS, AGENTS, EVENTS, LINKS, METHODS, NODES, QUEUES, TOPICS, Listing
from pulsing.admin.fanout import Answers, Fanout
from pulsing.admin.paging import ListQuery
from pulsing.core.class_rows import percentiles
from pulsing.core.statistics import Latency

Row = dict[str, Any]

TOP = 10
LAST_EVENTS = 20
_BUSIEST = ListQuery(limit=TOP, sort=(("mailbox", True),))
_OLDEST = ListQuery(limit=1, sort=(("mailbox_oldest_s", True),))
_BUSY_FIELDS = ("id", "name", "class", "node", "mailbox", "mailbox_oldest_s", "href")


async def cluster_view(fanout: Fanout) -> Row:
    """The cluster as this node sees it; a node without one is a cluster of itself."""
    if fanout.offers("cluster"):
        return dict(await fanout.ask_here("cluster"))
    return {"name": "pulsing", "mode": "standalone", "size": 1, "by_status": {"alive": 1}, "agreed": True, "seeds": []}


async def overview(fanout: Fanout) -> tuple[Row, Answers]:
    """Everything that the first page shows, in one answer."""
    asked = (METHODS, AGENTS, QUEUES, TOPICS, LINKS)
    # All at once: a node that does not answer costs its deadline once.
    waiting = asyncio.gather(
        ACTORS.page(fanout, _BUSIEST, operator=False, waiting=True),
        ACTORS.page(fanout, _OLDEST, operator=False, waiting=True),
    )
    cluster, ((busiest, _), (oldest, _)), (nodes, answers), lists, events, (checks, times) = await asyncio.gather(
        cluster_view(fanout),
        waiting,
        NODES.rows(fanout),
        asyncio.gather(*(_rows(fanout, listing) for listing in asked)),
        _rows(fanout, EVENTS, limit=LAST_EVENTS),
        asyncio.gather(fanout.ask("checks"), fanout.ask("latency")),
    )
    methods, agents, queues, topics, links = lists
    here = next((row for row in nodes if row.get("self")), {})
    return {
        "cluster": {name: cluster.get(name) for name in ("name", "mode", "size", "by_status", "agreed")},
        "node": {name: here.get(name) for name in ("id", "name", "uptime_s", "version", "started_at")},
        "totals": {
            **_totals(nodes, agents, queues, topics, links),
            "mailbox_oldest_s": _most(oldest.rows, "mailbox_oldest_s"),
        },
        "latency": _latency([one for one in times.values.values() if one]),
        "busiest": [{name: row.get(name) for name in _BUSY_FIELDS} for row in busiest.rows if row.get("mailbox")],
        "methods": _top_methods(methods),
        "checks": _with_names(checks.rows(), nodes),
        "events": sorted(events, key=lambda row: str(row["at"]), reverse=True)[:LAST_EVENTS],
        "partial": answers.partial,
        "errors": answers.faults,
    }, answers


def _with_names(rows: Sequence[Row], nodes: Sequence[Row]) -> list[Row]:
    """Rows with the names of the nodes that they are about."""
    names = {node["id"]: node.get("name") for node in nodes}
    return [{**row, "node_name": names.get(row["node"])} for row in rows]


async def _rows(fanout: Fanout, listing: Listing, **params: Any) -> list[Row]:
    rows, _ = await listing.rows(fanout, **params)
    return rows


def _totals(
    nodes: Sequence[Row],
    agents: Sequence[Row],
    queues: Sequence[Row],
    topics: Sequence[Row],
    links: Sequence[Row],
) -> Row:
    return {
        "nodes": len(nodes),
        "actors": _sum(nodes, "actors"),
        "agents": len(agents),
        "messages_total": _sum(nodes, "messages_total"),
        "errors_total": _sum(nodes, "errors_total"),
        "restarts_total": _sum(nodes, "restarts_total"),
        "dead_letters_total": _sum(nodes, "dead_letters_total"),
        "mailbox_messages": _sum(nodes, "mailbox_messages"),
        "queues": len(queues),
        "queue_records": _sum(queues, "records"),
        "queue_puts_total": _sum(queues, "put_total"),
        "queue_reads_total": _sum(queues, "read_total"),
        "queue_max_lag": _most(queues, "max_lag") or 0,
        "topics": len(topics),
        "subscribers": _sum(topics, "subscribers"),
        "publishes_total": _sum(topics, "published_total"),
        "deliveries_total": _sum(topics, "delivered_total"),
        "links": len(links),
        "rss_bytes": _sum(nodes, "rss_bytes"),
        "cpu_s_total": _sum(nodes, "cpu_s_total"),
    }


def _latency(times: Sequence[Row]) -> Row:
    """Percentiles of the last minute over all nodes; the maximum is that since the nodes started."""
    return {f"{kind}_s": _percentiles([(t[kind], t[f"{kind}_max_s"]) for t in times]) for kind in ("handle", "wait")}


def _percentiles(histograms: Sequence[tuple[Sequence[int], float]]) -> Row:
    counts = tuple(map(sum, zip(*(counts for counts, _ in histograms), strict=True)))
    if not any(counts):
        return {"p50": None, "p95": None, "p99": None, "max": None}
    return percentiles(Latency(counts, 0.0, max(longest for _, longest in histograms)))


def _sum(rows: Iterable[Row], field: str) -> Any:
    return sum(row[field] for row in rows if row.get(field) is not None)


def _most(rows: Iterable[Row], field: str) -> Any:
    return max((row[field] for row in rows if row.get(field) is not None), default=None)


def _top_methods(methods: Sequence[Row]) -> dict[str, list[Row]]:
    called = [row for row in methods if row.get("messages_total")]
    return {
        "by_calls": heapq.nlargest(TOP, called, key=lambda row: row["messages_total"]),
        "by_latency": heapq.nlargest(TOP, called, key=lambda row: (row.get("handle_s") or {}).get("p99") or 0),
        "by_errors": heapq.nlargest(
            TOP, (row for row in called if row.get("errors_total")), key=lambda row: row["errors_total"]
        ),
    }
