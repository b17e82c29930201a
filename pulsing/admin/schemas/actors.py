"""Rows of actors, their classes and methods, and agents."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pulsing.admin.schemas.base import NodeFault, Row
from pulsing.admin.schemas.cluster import Percentiles

ActorState = Literal["starting", "running", "restarting", "stopping", "stopped", "failed"]
ActorKind = Literal["remote", "receive", "mounted", "agent", "process", "threaded", "system"]


class ActorProcess(Row):
    """The process of an actor that has one of its own."""

    placement: str
    node: str
    pid: int | None = None


class SpawnRehearsed(Row):
    """What `dry_run=true` says of an actor that could be spawned."""

    dry_run: Literal[True]
    class_: str = Field(alias="class")
    name: str | None = None


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
    rate: float | None = None
    """messages a second since it was made"""
    errors_total: int = 0
    handle_total_s: float | None = None
    handle_mean_s: float | None = None
    handle_max_s: float | None = None
    wait_total_s: float | None = None
    dropped_total: int | None = None
    restarts: int = 0
    created_at: str | None = None
    age_s: float | None = None
    last_message_at: str | None = None
    tags: dict[str, str] | None = None
    agent: dict[str, Any] | None = None
    process: ActorProcess | None = None
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


class Exchange(Row):
    """A message to an agent, and what became of it."""

    at: str
    method: str
    sender: str | None = None
    said: str | None = None
    """its arguments, at most 512 bytes of them"""
    outcome: str
    """running, ok, stream, told where no answer is wanted, or the type of the error"""
    answer: str | None = None
    took_s: float | None = None


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

    arguments: str | None = None
    """what it was made with, as a short text; for operators"""
    methods: list[MethodName] | None = None
    policy: ActorPolicy | None = None
    mailbox_detail: MailboxDetail | None = None
    current: list[CurrentCall] | None = None
    last_messages: list[Exchange] | None = None
    """of an agent: what others said to it of late, newest first"""
    by_method: list[dict[str, Any]] | None = None
    errors: list[ActorError] | None = None
    watchers: list[str] | None = None
    """ids of the actors, of all nodes, that wait for its end"""
    watching: list[str] | None = None
    """ids of the actors for whose end it waits"""
    topics: list[str] | None = None
    """topics to which it has subscribed, or was subscribed by its name"""
    queue_readers: list[str] | None = None
    """queues of which it has a reader"""
    replicas: list[dict[str, Any]] | None = None
    partial: bool = False
    """whether a node did not say in time what it knows of watchers and topics"""
    unheard: list[NodeFault] = Field(default_factory=list)
    """those nodes"""
    exit: ActorExit | None = None
    metadata: dict[str, Any] | None = None
    commands: Commands | None = None
    redacted: bool | None = None


class Stopped(Row):
    """What became of an actor that was told to stop."""

    stopped: bool
    state: ActorState
    failed_asks: int
    """asks that waited and got no answer"""
    took_s: float


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
    last_message: Exchange | None = None
    gone: bool = False
    """whether only its name and card are left of it"""
    href: str | None = None
