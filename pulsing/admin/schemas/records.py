"""Rows of what happened and how things stand: events, dead letters, audit, checks, settings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pulsing.admin.schemas.base import Row


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
    class_: str | None = Field(default=None, alias="class")
    """the recipient's, to filter by"""
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


class LetterNote(Row):
    """A dead letter that was not sent again, and why."""

    id: str
    why: str


class ReplayOutcome(Row):
    """What became of the dead letters that were to be sent again."""

    replayed: int
    failed: list[LetterNote]
    skipped: list[LetterNote]
    dry_run: bool | None = None


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


class Runbook(Row):
    """What a failing check means, and what to do."""

    meaning: str
    look: list[str]
    """commands that show more"""
    fix: str


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
    runbook: Runbook | None = None


class ConfigRow(Row):
    """One setting."""

    key: str
    value: Any = None
    default: Any = None
    source: Literal["argument", "flag", "env", "file", "default"]
    place: str = ""
    env: str | None = None
    type: str
    doc: str = ""
    restart_required: bool = True
