"""The shapes of what the admin plane reads and answers: one model a row, used by REST, stream and inspectors alike.

A layer offers its rows by `system.inspectors[kind] = fn(params)`. The function answers for this node only, in plain
JSON-able values, and leaves out (or sets to None) what it does not know.

| kind | params | value |
|---|---|---|
| node | `detail` | `NodeRow`; with `detail` true `NodeDetail` |
| actors | `system` (default false), `ended` (default false), `window` | list of `ActorRow`; with `ended` true the last
  ends; with a window (`pulsing.core.window`) `{"rows", "total", "filtered"}` of that part alone |
| metadata | `actor` | what the actor's `metadata()` says, its card and its tags, or None |
| checks | | list of the checks that fail, with `name`, `status`, `since_at`; offered by nodes with an admin app |
| class | `class` | signatures and defaults of `ClassDetail`, or None where the class is not registered |
| actor | `actor`: id, path or bare name | `ActorDetail`, or None where it is not on this node |
| classes | | list of `ClassRow`, registered classes and classes of live actors |
| methods | | list of `MethodRow` |
| agents | | list of `AgentRow` |
| queues | | list of `QueueRow` with this node's buckets only in its numbers |
| queue | `queue` | `QueueDetail`, or None |
| queue_messages | `queue`, `bucket_id`, `offset`, `limit`, `order`, `contains` | `Peek`, or None; moves no reader |
| topics | | list of `TopicRow` of the brokers on this node |
| topic | `topic` | `TopicDetail`, or None |
| cluster | none | `ClusterView` as this node sees it |
| members | `detail` | list of `MemberRow` as this node sees it |
| names | | list of `NameRow`, whole cluster, as this node knows it |
| links | `closed` | list of `LinkRow` |
| events | `limit` | list of `EventRow`, newest first |
| dead_letters | `limit` | list of `DeadLetterRow`, newest first |

Times are RFC 3339 in UTC with milliseconds in `*_at`, durations seconds in `*_s`, ids text. Classes are
`module.Class`, actor names full paths. `href` is filled in by the admin plane.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ActorState = Literal["starting", "running", "restarting", "stopping", "stopped", "failed"]
ActorKind = Literal["remote", "receive", "mounted", "agent", "process", "threaded", "system"]
MemberStatus = Literal["alive", "suspect", "leaving", "dead", "left"]
LinkState = Literal["open", "redialling", "closed"]


class Row(BaseModel):
    """Base of what is answered: unknown fields pass, so that a newer node may say more than this one knows."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class Input(BaseModel):
    """Base of what is taken: unknown fields are errors, and so are values of another type that could be bent to fit."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, strict=True)


# Problems and lists


class ProblemError(Row):
    """One fault of the input."""

    loc: list[str | int]
    msg: str


class Problem(Row):
    """An RFC 9457 problem."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None
    hint: str | None = None
    trace_id: str | None = None
    errors: list[ProblemError] = Field(default_factory=list)


class NodeFault(Row):
    """A node that did not answer, and why."""

    node: str
    type: str
    detail: str


class NodesAsked(Row):
    """How many nodes were asked, and how many answered."""

    asked: int
    answered: int


class Page(Row):
    """What every list has beside its items."""

    total: int
    filtered: int
    returned: int
    limit: int
    offset: int
    next: str | None = None
    scope: Literal["cluster", "node"] = "cluster"
    nodes: NodesAsked
    partial: bool
    errors: list[NodeFault]
    took_ms: float


# Nodes, cluster, links


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


# Actors, classes, methods, agents


class ActorRow(Row):
    """One actor in a list."""

    id: str
    name: str | None = None
    class_: str = Field(alias="class")
    kind: ActorKind
    node: str
    state: ActorState
    busy: bool = False
    public: bool = False
    mailbox: int = 0
    mailbox_oldest_s: float | None = None
    messages_total: int = 0
    errors_total: int = 0
    handle_total_s: float | None = None
    handle_mean_s: float | None = None
    handle_max_s: float | None = None
    restarts: int = 0
    created_at: str | None = None
    age_s: float | None = None
    last_message_at: str | None = None
    tags: dict[str, str] | None = None
    agent: dict[str, Any] | None = None
    href: str | None = None


class MethodName(Row):
    """A method that may be called."""

    name: str
    kind: Literal["method", "async", "stream"]


class ActorPolicy(Row):
    """How an actor is supervised."""

    restart_policy: str
    max_restarts: int | None = None
    restart_window_s: float | None = None
    min_backoff: float | None = None
    max_backoff: float | None = None
    restarts_left: int | None = None
    next_restart_at: str | None = None


class MailboxDetail(Row):
    """What an actor's mailbox holds and lost."""

    capacity: int | None = None
    policy: str | None = None
    waiting: int | None = None
    dropped_total: int | None = None
    bytes: int | None = None
    wait_mean_s: float | None = None
    wait_max_s: float | None = None


class CurrentCall(Row):
    """A message that is being handled now."""

    method: str | None = None
    sender: str | None = None
    since_s: float | None = None
    trace_id: str | None = None


class ActorError(Row):
    """A failed message of an actor."""

    at: str
    method: str | None = None
    type: str
    message: str | None = None


class ActorExit(Row):
    """How an actor ended."""

    at: str
    reason: str
    error: str | None = None
    traceback: str | None = None


class Commands(Row):
    """The same call in three ways, ready to paste, without the token."""

    curl: str
    python: str
    cli: str


class ActorDetail(ActorRow):
    """One actor on its own page."""

    arguments: Any = None
    methods: list[MethodName] | None = None
    policy: ActorPolicy | None = None
    mailbox_detail: MailboxDetail | None = None
    current: list[CurrentCall] | None = None
    by_method: list[dict[str, Any]] | None = None
    errors: list[ActorError] | None = None
    watchers: list[str] | None = None
    watching: list[str] | None = None
    topics: list[str] | None = None
    queue_readers: list[str] | None = None
    replicas: list[dict[str, Any]] | None = None
    exit: ActorExit | None = None
    metadata: dict[str, Any] | None = None
    commands: Commands | None = None
    redacted: bool | None = None


class ClassRow(Row):
    """One class of actors."""

    class_: str = Field(alias="class")
    doc: str = ""
    kind: Literal["remote", "receive", "agent", "mounted"] = "remote"
    spawnable: bool = False
    why_not: str | None = None
    nodes: list[str] = Field(default_factory=list)
    actors: int = 0
    messages_total: int = 0
    errors_total: int = 0
    restarts_total: int = 0
    href: str | None = None


class MethodRow(Row):
    """One method of one class."""

    class_: str = Field(alias="class")
    method: str
    kind: str | None = None
    messages_total: int = 0
    errors_total: int = 0
    handle_total_s: float | None = None
    handle_s: Percentiles | None = None
    long_turns_total: int | None = None
    streams_open: int | None = None


class ClassMethod(Row):
    """One method in the catalogue, with the JSON schema of its arguments."""

    name: str
    kind: str
    doc: str = ""
    schema_: dict[str, Any] = Field(alias="schema")
    returns: dict[str, Any] | None = None
    messages_total: int = 0
    errors_total: int = 0
    handle_s: Percentiles | None = None


class ClassDetail(ClassRow):
    """One class of actors with its signatures."""

    constructor: dict[str, Any] | None = None
    methods: list[ClassMethod] = Field(default_factory=list)
    agent: dict[str, Any] | None = None
    defaults: dict[str, Any] | None = None
    source: dict[str, Any] | None = None


class AgentRow(Row):
    """One live agent with its card."""

    id: str
    name: str | None = None
    class_: str = Field(alias="class")
    node: str
    role: str = ""
    goal: str = ""
    backstory: str = ""
    tags: dict[str, Any] = Field(default_factory=dict)
    state: str = "running"
    busy: bool = False
    current: CurrentCall | None = None
    messages_total: int = 0
    errors_total: int = 0
    handle_mean_s: float | None = None
    last_message_at: str | None = None
    href: str | None = None


# Queues and topics


class QueueRow(Row):
    """One queue."""

    queue: str
    backend: str | None = None
    durable: bool | None = None
    num_buckets: int | None = None
    bucket_column: str | None = None
    records: int | None = None
    bytes: int | None = None
    put_total: int | None = None
    read_total: int | None = None
    oldest_at: str | None = None
    oldest_s: float | None = None
    readers: int | None = None
    groups: int | None = None
    max_lag: int | None = None
    nodes: list[str] = Field(default_factory=list)
    state: Literal["ok", "degraded", "unavailable"] = "ok"
    href: str | None = None


class BucketRow(Row):
    """One bucket of a queue."""

    bucket_id: int
    node: str
    actor: str | None = None
    state: Literal["ok", "moving", "unavailable"] = "ok"
    earliest: int | None = None
    next: int | None = None
    records: int | None = None
    bytes: int | None = None
    unflushed: int | None = None
    put_total: int | None = None
    read_total: int | None = None
    oldest_at: str | None = None
    generation: int | None = None
    epoch: int | None = None
    waiting_reads: int | None = None


class ReaderRow(Row):
    """One reader of a queue, as its buckets remember it."""

    reader: str
    node: str | None = None
    buckets: list[int] = Field(default_factory=list)
    rank: int | None = None
    world_size: int | None = None
    offsets: dict[str, int] = Field(default_factory=dict)
    lag: int | None = None
    oldest_unread_s: float | None = None
    last_read_at: str | None = None
    waiting: bool | None = None


class QueueDetail(QueueRow):
    """One queue with its buckets and readers."""

    batch_size: int | None = None
    backend_options: dict[str, Any] | None = None
    skew: float | None = None
    bucket_rows: list[BucketRow] = Field(default_factory=list)
    reader_rows: list[ReaderRow] = Field(default_factory=list)
    group_rows: list[dict[str, Any]] | None = None
    failures_total: dict[str, int] | None = None


class PeekItem(Row):
    """One record, looked at and left where it is."""

    bucket_id: int
    offset: int
    at: str | None = None
    bytes: int | None = None
    record: Any = None
    truncated: bool = False


class Peek(Row):
    """Records of a queue that were looked at; keys of `buckets` and `next_offset` are bucket numbers as text."""

    items: list[PeekItem]
    buckets: dict[str, dict[str, int]] = Field(default_factory=dict)
    next_offset: dict[str, int] = Field(default_factory=dict)
    partial: bool = False
    errors: list[NodeFault] = Field(default_factory=list)
    redacted: bool | None = None


class TopicRow(Row):
    """One topic."""

    topic: str
    node: str
    state: Literal["ok", "unavailable"] = "ok"
    subscribers: int = 0
    slow_subscribers: int | None = None
    published_total: int = 0
    delivered_total: int = 0
    failed_total: int = 0
    dropped_total: int | None = None
    bytes_total: int | None = None
    last_published_at: str | None = None
    by_mode: dict[str, int] | None = None
    href: str | None = None


class SubscriberRow(Row):
    """One subscriber of a topic."""

    id: str
    actor: str | None = None
    actor_name: str | None = None
    node: str | None = None
    state: Literal["ok", "slow", "failing"] = "ok"
    pending: int | None = None
    delivered_total: int | None = None
    failed_total: int | None = None
    dropped_total: int | None = None
    consecutive_failures: int | None = None
    subscribed_at: str | None = None
    last_delivered_at: str | None = None
    last_error: str | None = None


class TopicDetail(TopicRow):
    """One topic with its subscribers."""

    publish_s: Percentiles | None = None
    subscriber_rows: list[SubscriberRow] = Field(default_factory=list)
    writers: list[dict[str, Any]] | None = None


# What happened


class EventSubject(Row):
    """What an event is about."""

    kind: str
    id: str | None = None
    name: str | None = None


class EventRow(Row):
    """One thing that happened."""

    id: str | None = None
    at: str
    node: str
    type: str
    subject: EventSubject
    data: dict[str, Any] = Field(default_factory=dict)
    trace_id: str | None = None


class Recipient(Row):
    """Whom a dead letter was for."""

    id: str | None = None
    name: str | None = None
    class_: str | None = Field(default=None, alias="class")


class DeadLetterRow(Row):
    """One message that could not be delivered."""

    id: str
    at: str
    node: str
    recipient: Recipient
    sender: str | None = None
    reason: str
    kind: str | None = None
    method: str | None = None
    bytes: int | None = None
    preview: str | None = None
    trace_id: str | None = None
    replayable: bool | None = None
    replays: int | None = None
    redacted: bool | None = None
    href: str | None = None


class AuditRow(Row):
    """One action or refusal."""

    seq: int
    at: str
    principal: str | None
    role: str | None
    client: str | None
    action: str
    target: str | None
    parameters: Any = None
    reason: str | None = None
    outcome: Literal["ok", "refused", "failed"]
    status: int
    took_s: float
    trace_id: str | None = None


class CheckRow(Row):
    """One check of a node."""

    name: str
    status: Literal["ok", "warn", "critical", "off"]
    value: float | None = None
    warn: float | None = None
    critical: float | None = None
    unit: str = ""
    since_at: str | None = None
    detail: str = ""


class ConfigRow(Row):
    """One setting."""

    key: str
    value: Any = None
    default: Any = None
    source: str
    type: str
    restart_required: bool = True
