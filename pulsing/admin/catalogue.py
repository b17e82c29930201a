"""The lists of the plane: where each one's rows come from, how they are merged, filtered and linked.

REST and stream answer from here, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from pulsing.admin import merging
from pulsing.admin.fanout import Answers, Fanout
from pulsing.admin.paging import ListQuery, ListSpec, Page, cut, in_order, paged, projected, window_of

Row = dict[str, Any]

DEEP = 500
"""From this offset on nodes are asked for whole rows only of what is shown."""

ACTOR_STATES = ("starting", "running", "restarting", "stopping", "stopped", "failed")
LETTER_REASONS = ("no_actor", "stopped", "mailbox_full", "expired", "node_dead", "decode", "unauth")
ACTOR_KINDS = ("remote", "receive", "mounted", "agent", "process", "threaded", "system")


def in_path(name: str) -> str:
    """A name as one segment of a path: `/` is written `~`."""
    return quote(name.replace("/", "~"), safe=":~")


def from_path(segment: str) -> str:
    """The name that a path segment stands for."""
    return segment.replace("~", "/")


@dataclass(frozen=True)
class Listing:
    """One list.

    Args:
        kind: the inspection that gives its rows.
        spec: what can be asked of it.
        href: where a row's own page is, relative to the prefix; None where there is none.
        merge: how rows of several nodes become one list.
        everywhere: whether every node is asked; else this one alone knows the whole cluster.
        secret: fields that only operators see.
    """

    kind: str
    spec: ListSpec
    href: Callable[[Row], str | None] | None = None
    merge: Callable[[Sequence[Row]], list[Row]] = list
    everywhere: bool = True
    secret: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    windowed: bool = False
    """whether nodes choose the rows of a window themselves"""
    past: str | None = None
    """the parameter by which nodes are asked for what is over, where the states asked for are all in `over`"""
    over: frozenset[str] = frozenset()

    async def rows(
        self, fanout: Fanout, scope: str = "cluster", nodes: Sequence[str] | None = None, **params: Any
    ) -> tuple[list[Row], Answers]:
        """All rows, and who answered."""
        asked: Sequence[str] | None = [fanout.here] if scope == "node" or not self.everywhere else nodes
        answers = await fanout.ask(self.kind, {**self.params, **params}, asked)
        rows = self.merge(answers.rows())
        if self.href is not None:
            for row in rows:
                row["href"] = self.href(row)
        return rows, answers

    async def page(
        self, fanout: Fanout, query: ListQuery, nodes: Sequence[str] | None = None, *, operator: bool, **params: Any
    ) -> tuple[Page, Answers]:
        """The page that a query asks for, and who answered.

        Raises:
            ProblemError: no node answered.
        """
        asked = {**self.asked_of_nodes(query), **params}
        if self.windowed:
            asked["window"] = window_of(query, self.spec).to_params()
            if query.cursor is None and query.offset >= DEEP and self.past not in asked:
                return await self._deep_page(fanout, query, nodes, {**asked, "bare": True})
        rows, answers = await self.rows(fanout, query.scope, nodes, **asked)
        answers.require_one()
        rows = self.shown_to(rows, operator=operator)
        if not self.windowed:
            return paged(rows, query, self.spec), answers
        total, filtered = answers.sum_of("total"), answers.sum_of("filtered")
        return cut(in_order(rows, query, self.spec), total, filtered, query, self.spec), answers

    async def _deep_page(
        self, fanout: Fanout, query: ListQuery, nodes: Sequence[str] | None, asked: Mapping[str, Any]
    ) -> tuple[Page, Answers]:
        """A page far down: nodes tell the order of what stands before it, and of the page alone whole rows."""
        bare, answers = await self.rows(fanout, query.scope, nodes, **asked)
        answers.require_one()
        total, filtered = answers.sum_of("total"), answers.sum_of("filtered")
        order = cut(in_order(bare, query, self.spec), total, filtered, replace(query, fields=()), self.spec)
        ids = [row["id"] for row in order.rows]
        holders = sorted({id.partition(":")[0] for id in ids})
        whole, told = await self.rows(fanout, nodes=holders, ids=ids) if ids else ([], answers)
        by_id = {row["id"]: projected(row, query, self.spec) for row in whole}
        return replace(order, rows=[by_id[id] for id in ids if id in by_id]), told if told.partial else answers

    def nodes_of(self, query: ListQuery) -> tuple[str, ...] | None:
        """The nodes that a query is about, or None for all."""
        return query.filters.get("node") if self.everywhere and "node" in self.spec.filters else None

    def asked_of_nodes(self, query: ListQuery) -> dict[str, Any]:
        """What nodes must be told of a query: whether it is about what is over."""
        states = set(query.filters.get("state", ()))
        return {self.past: True} if self.past is not None and states and states <= self.over else {}

    def shown_to(self, rows: list[Row], *, operator: bool) -> list[Row]:
        """The rows without what this reader may not see."""
        if operator or not self.secret:
            return rows
        return [hidden(row, self.secret) for row in rows]


class NodeListing(Listing):
    """The list of nodes: each speaks for itself, and of those that are silent the members' list speaks."""

    async def rows(
        self, fanout: Fanout, scope: str = "cluster", nodes: Sequence[str] | None = None, **params: Any
    ) -> tuple[list[Row], Answers]:
        rows, answers = await super().rows(fanout, scope, nodes, **params)
        members = {row["id"]: row for row in await fanout.ask_here("members")} if fanout.offers("members") else {}
        spoke = {row["id"] for row in rows}
        rows = [_known_node(row, members.get(row["id"], {}), fanout.here) for row in rows]
        if scope == "cluster" and nodes is None:
            silent = [_silent_node(member) for node, member in members.items() if node not in spoke]
            rows = [*rows, *silent]
        return rows, answers


def _known_node(row: Row, member: Row, here: str) -> Row:
    # The cluster knows nodes by the names that they were given; a node alone has its host's.
    name = member.get("name") or row.get("name")
    return {**row, "name": name, "status": member.get("status", "alive"), "self": row["id"] == here}


def _silent_node(member: Row) -> Row:
    known = {name: member.get(name) for name in ("id", "name", "addr", "status", "admin_url", "version")}
    return {**known, "self": False, "href": f"nodes/{member['id']}"}


def hidden(row: Row, names: Sequence[str]) -> Row:
    """A row whose payloads a viewer does not see."""
    shown = {name: None if name in names else value for name, value in row.items()}
    return {**shown, "redacted": True} if any(row.get(name) is not None for name in names) else shown


NODES = NodeListing(
    "node",
    ListSpec(
        sort=(
            "name", "id", "addr", "status", "uptime_s", "cpu_ratio", "rss_bytes", "actors", "mailbox_messages",
            "messages_total", "errors_total", "links", "queues", "topics",
        ),
        filters={"status": None, "name": None},
        search=("name", "id", "addr"),
    ),
    href=lambda row: f"nodes/{row['id']}",
    merge=merging.without_node,
)  # fmt: skip
MEMBERS = Listing(
    "members",
    ListSpec(
        sort=("name", "id", "addr", "status", "incarnation", "since_at", "rtt_s", "last_heard_s"),
        filters={"status": ("alive", "suspect", "leaving", "dead", "left")},
        search=("name", "id", "addr"),
    ),
    href=lambda row: f"cluster/members/{row['id']}",
    merge=merging.without_node,
    everywhere=False,
)
NAMES = Listing(
    "names",
    ListSpec(
        sort=("name",), filters={"conflict": ("true", "false")}, search=("name",), id="name", extra=("prefix", "system")
    ),
    href=lambda row: f"names/{in_path(row['name'])}",
    merge=merging.without_node,
    everywhere=False,
)
LINKS = Listing(
    "links",
    ListSpec(
        sort=(
            "id", "peer", "addr", "direction", "state", "opened_at", "rtt_s", "frames_in_total", "frames_out_total",
            "bytes_in_total", "bytes_out_total", "pending_frames", "pending_bytes", "pending_asks", "reconnects",
        ),
        filters={"state": ("open", "redialling", "closed"), "direction": ("in", "out"), "peer": None, "node": None},
        search=("peer", "peer_name", "addr"),
    ),
    href=lambda row: f"links/{in_path(str(row['id']))}",
    past="closed",
    over=frozenset({"closed"}),
)  # fmt: skip
ACTORS = Listing(
    "actors",
    ListSpec(
        sort=(
            "name", "id", "class", "kind", "node", "state", "busy", "public", "mailbox", "mailbox_oldest_s",
            "messages_total", "rate", "errors_total", "handle_total_s", "handle_mean_s", "handle_max_s", "restarts",
            "created_at", "age_s", "last_message_at",
        ),
        filters={
            "class": None, "node": None, "state": ACTOR_STATES, "kind": ACTOR_KINDS, "public": ("true", "false"),
            "busy": ("true", "false"), "tag": None, "agent": None, "name": None,
        },
        search=("name", "id", "class"),
        extra=("system",),
    ),
    href=lambda row: f"actors/{row['id']}",
    windowed=True,
    past="ended",
    over=frozenset({"stopped", "failed"}),
)  # fmt: skip
CLASSES = Listing(
    "classes",
    ListSpec(
        sort=("class", "kind", "actors", "messages_total", "errors_total", "restarts_total"),
        filters={"kind": ("remote", "receive", "agent", "mounted"), "spawnable": ("true", "false")},
        search=("class", "doc"),
        id="class",
    ),
    href=lambda row: f"classes/{in_path(row['class'])}",
    merge=merging.merge_classes,
)
METHODS = Listing(
    "methods",
    ListSpec(
        sort=("class", "method", "kind", "messages_total", "errors_total", "handle_total_s", "handle_s.p50",
              "handle_s.p95", "handle_s.p99", "handle_s.max", "long_turns_total", "streams_open"),
        filters={"class": None, "method": None},
        search=("class", "method"),
    ),
    merge=merging.merge_methods,
)  # fmt: skip
AGENTS = Listing(
    "agents",
    ListSpec(
        sort=("name", "id", "class", "role", "node", "state", "messages_total", "errors_total", "handle_mean_s",
              "last_message_at"),
        filters={"role": None, "tag": None, "node": None, "state": ACTOR_STATES},
        search=("role", "goal", "name"),
        extra=("gone",),
    ),
    href=lambda row: None if row.get("gone") else f"agents/{row['id']}",
    merge=merging.without_living,
    secret=("last_message",),
)  # fmt: skip
QUEUES = Listing(
    "queues",
    ListSpec(
        sort=("queue", "backend", "num_buckets", "records", "bytes", "put_total", "read_total", "oldest_s", "readers",
              "max_lag", "state"),
        filters={"backend": None, "state": ("ok", "degraded", "unavailable")},
        search=("queue",),
        id="queue",
    ),
    href=lambda row: f"queues/{in_path(row['queue'])}",
    merge=merging.merge_queues,
)  # fmt: skip
TOPICS = Listing(
    "topics",
    ListSpec(
        sort=("topic", "node", "subscribers", "slow_subscribers", "published_total", "delivered_total",
              "failed_total", "last_published_at"),
        filters={"node": None, "state": ("ok", "unavailable")},
        search=("topic",),
        id="topic",
    ),
    href=lambda row: f"topics/{in_path(row['topic'])}",
    merge=merging.merge_topics,
)  # fmt: skip
EVENTS = Listing(
    "events",
    ListSpec(
        sort=("at", "type", "node"),
        default_sort="-at",
        filters={"type": None, "node": None, "subject": None},
        search=("type", "subject"),
        extra=("since",),
    ),
    merge=lambda rows: [{**row, "id": f"{row['node']}.{row['id']}"} for row in rows],
    params={"limit": 1_000},
)
DEAD_LETTERS = Listing(
    "dead_letters",
    ListSpec(
        sort=("at", "reason", "node", "kind", "method", "bytes"),
        default_sort="-at",
        filters={"reason": LETTER_REASONS, "recipient": None, "class": None, "node": None},
        search=("method", "reason", "recipient"),
        extra=("since",),
    ),
    href=lambda row: f"dead-letters/{in_path(str(row['id']))}",
    secret=("preview",),
    params={"limit": 1_000},
)

LISTINGS: Mapping[str, Listing] = {
    "nodes": NODES,
    "members": MEMBERS,
    "links": LINKS,
    "actors": ACTORS,
    "methods": METHODS,
    "agents": AGENTS,
    "queues": QUEUES,
    "topics": TOPICS,
    "dead_letters": DEAD_LETTERS,
}
