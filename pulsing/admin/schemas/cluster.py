"""Rows of nodes, members, names and links."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pulsing.admin.schemas.base import Row

MemberStatus = Literal["alive", "suspect", "leaving", "dead", "left"]
LinkState = Literal["open", "redialling", "closed"]


class Percentiles(Row):
    """Estimates in seconds from a histogram; None before the first observation."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


class GcGeneration(Row):
    """One generation of the garbage collector."""

    collections: int
    collected: int


class NodeRow(Row):
    """One process of the cluster, as it sees itself."""

    id: str
    name: str
    addr: str = ""
    admin_url: str | None = None
    status: str = "alive"
    version: str | None = None
    python: str | None = None
    loop: str | None = None
    host: str | None = None
    pid: int | None = None
    started_at: str | None = None
    uptime_s: float | None = None
    cpu_ratio: float | None = None
    cpu_s_total: float | None = None
    rss_bytes: int | None = None
    fds: int | None = None
    fds_max: int | None = None
    threads: int | None = None
    loop_lag_s: Percentiles | None = None
    actors: int | None = None
    mailbox_messages: int | None = None
    messages_total: int | None = None
    errors_total: int | None = None
    restarts_total: int | None = None
    dead_letters_total: int | None = None
    queues: int | None = None
    topics: int | None = None
    links: int | None = None
    draining: bool = False
    self: bool | None = None
    href: str | None = None


class NodeDetail(NodeRow):
    """A node with what is worth reading only on its own page."""

    gc: list[GcGeneration] | None = None
    limits: dict[str, Any] | None = None
    packages: dict[str, str] | None = None
    top_classes: list[dict[str, Any]] | None = None


class SeedRow(Row):
    """An address that a node was told to join by."""

    addr: str
    reachable: bool | None = None
    last_tried_at: str | None = None
    reason: str | None = None


class ClusterView(Row):
    """The cluster as one node sees it."""

    name: str
    mode: Literal["standalone", "gossip", "head"]
    head: str | None = None
    size: int
    by_status: dict[str, int]
    revision: int | None = None
    agreed: bool | None = None
    disagreeing: list[str] | None = None
    tls: bool | None = None
    seeds: list[SeedRow] = Field(default_factory=list)


class MemberRow(Row):
    """One member, as the answering node sees it."""

    id: str
    name: str | None = None
    addr: str = ""
    status: MemberStatus
    incarnation: int | None = None
    since_at: str | None = None
    rtt_s: float | None = None
    last_heard_s: float | None = None
    loop_lag_s: float | None = None
    suspected_by: list[str] | None = None
    names: int | None = None
    admin_url: str | None = None
    version: str | None = None
    history: list[dict[str, Any]] | None = None
    self: bool | None = None
    href: str | None = None


class NameInstance(Row):
    """One actor that holds a name."""

    node: str
    actor: str | None = None
    class_: str | None = Field(default=None, alias="class")
    public: bool | None = None


class NameRow(Row):
    """A name and who holds it."""

    name: str
    instances: list[NameInstance]
    conflict: bool = False
    href: str | None = None


class LinkRow(Row):
    """One connection to another node."""

    id: str
    peer: str | None = None
    peer_name: str | None = None
    addr: str = ""
    direction: Literal["in", "out"]
    state: LinkState
    opened_at: str | None = None
    rtt_s: float | None = None
    tls: bool | None = None
    pickle: bool | None = None
    frames_in_total: int | None = None
    frames_out_total: int | None = None
    bytes_in_total: int | None = None
    bytes_out_total: int | None = None
    pending_frames: int | None = None
    pending_bytes: int | None = None
    pending_asks: int | None = None
    streams: int | None = None
    backpressure_s_total: float | None = None
    reconnects: int | None = None
    last_error: str | None = None
    closed_at: str | None = None
    close_reason: str | None = None
    node: str | None = None
    href: str | None = None


class Joined(Row):
    """That a cluster was joined, and how many nodes it has."""

    joined: bool
    size: int
