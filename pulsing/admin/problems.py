"""What went wrong, as RFC 9457 problems: one table of kinds, one exception, one mapping from the framework's errors.

An exception of an actor's own code is no problem; a call answers it as a result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pulsing.exceptions import (
    NotSendable,
    PulsingActorError,
    PulsingBusinessError,
    PulsingRuntimeError,
    PulsingTimeoutError,
    PulsingUnsupportedError,
    nearest_pulsing,
)

MAX_FAULTS = 20
MEDIA_TYPE = "application/problem+json"


class Kind(NamedTuple):
    """A kind of problem: its status, its code and what it is called."""

    status: int
    code: str
    title: str


KINDS: Mapping[str, Kind] = {
    "bad-cursor": Kind(400, "INVALID_ARGUMENT", "The cursor does not fit this list"),
    "bad-sort": Kind(400, "INVALID_ARGUMENT", "Not a sort key of this list"),
    "bad-filter": Kind(400, "INVALID_ARGUMENT", "Not a filter of this list"),
    "bad-name": Kind(400, "INVALID_ARGUMENT", "Not a valid name"),
    "bad-request": Kind(400, "INVALID_ARGUMENT", "The request cannot be read"),
    "validation": Kind(422, "INVALID_ARGUMENT", "The input does not fit"),
    "bad-arguments": Kind(422, "INVALID_ARGUMENT", "The arguments do not fit the signature"),
    "bad-value": Kind(422, "INVALID_ARGUMENT", "A value cannot be read"),
    "no-token": Kind(401, "UNAUTHENTICATED", "Credentials are needed"),
    "bad-token": Kind(401, "UNAUTHENTICATED", "Unknown or expired token"),
    "code-used": Kind(401, "UNAUTHENTICATED", "The login link was used or is too old"),
    "role": Kind(403, "PERMISSION_DENIED", "The role does not allow this"),
    "read-only": Kind(403, "PERMISSION_DENIED", "The admin plane is read-only"),
    "action-disabled": Kind(403, "PERMISSION_DENIED", "This action is switched off"),
    "cross-site": Kind(403, "PERMISSION_DENIED", "The request came from another site"),
    "class-not-spawnable": Kind(403, "PERMISSION_DENIED", "This class may not be spawned from here"),
    "forbidden": Kind(403, "PERMISSION_DENIED", "The node's policy forbids it"),
    "actor-not-found": Kind(404, "NOT_FOUND", "No such actor"),
    "class-not-found": Kind(404, "NOT_FOUND", "No such class"),
    "method-not-found": Kind(404, "NOT_FOUND", "No such method"),
    "node-not-found": Kind(404, "NOT_FOUND", "No such node"),
    "queue-not-found": Kind(404, "NOT_FOUND", "No such queue"),
    "bucket-not-found": Kind(404, "NOT_FOUND", "The queue has no such bucket"),
    "topic-not-found": Kind(404, "NOT_FOUND", "No such topic"),
    "subscriber-not-found": Kind(404, "NOT_FOUND", "No such subscriber"),
    "name-not-found": Kind(404, "NOT_FOUND", "No such name"),
    "link-not-found": Kind(404, "NOT_FOUND", "No such link"),
    "stream-not-found": Kind(404, "NOT_FOUND", "No such stream"),
    "route-not-found": Kind(404, "NOT_FOUND", "No such address"),
    "method-not-allowed": Kind(405, "METHOD_NOT_ALLOWED", "The address does not take this method"),
    "name-taken": Kind(409, "CONFLICT", "The name is taken"),
    "ambiguous-name": Kind(409, "CONFLICT", "Several actors hold this name"),
    "queue-differs": Kind(409, "CONFLICT", "The queue exists with other settings"),
    "queue-not-empty": Kind(409, "CONFLICT", "The queue has records"),
    "queue-in-use": Kind(409, "CONFLICT", "The queue is being read"),
    "cannot-restart": Kind(409, "CONFLICT", "This actor cannot be restarted"),
    "not-supported": Kind(409, "CONFLICT", "The object does not offer this"),
    "data-lost": Kind(409, "CONFLICT", "Records are gone"),
    "idempotency-key-reused": Kind(409, "CONFLICT", "The key was used for another request"),
    "actor-stopped": Kind(410, "GONE", "The actor has stopped"),
    "too-large": Kind(413, "PAYLOAD_TOO_LARGE", "The body is too large"),
    "media-type": Kind(415, "UNSUPPORTED_MEDIA", "The body must be JSON"),
    "host": Kind(421, "MISDIRECTED", "The Host header names another server"),
    "rate": Kind(429, "RATE_LIMITED", "Too many requests"),
    "mailbox-full": Kind(429, "RATE_LIMITED", "The mailbox is full"),
    "too-many-streams": Kind(429, "RATE_LIMITED", "Too many streams are open"),
    "internal": Kind(500, "INTERNAL", "Something went wrong here"),
    "node-dead": Kind(503, "UNAVAILABLE", "The node is dead"),
    "node-leaving": Kind(503, "UNAVAILABLE", "The node is leaving"),
    "link-lost": Kind(503, "UNAVAILABLE", "The link to the node broke"),
    "overloaded": Kind(503, "UNAVAILABLE", "Too much at once"),
    "bucket-unavailable": Kind(503, "UNAVAILABLE", "A bucket has no owner at the moment"),
    "not-owner": Kind(503, "UNAVAILABLE", "The owner could not be found"),
    "join-timeout": Kind(503, "UNAVAILABLE", "No seed answered in time"),
    "system-stopped": Kind(503, "UNAVAILABLE", "The system has been shut down"),
    "unavailable": Kind(503, "UNAVAILABLE", "It could not be done now"),
    "node-timeout": Kind(504, "DEADLINE_EXCEEDED", "The node did not answer in time"),
    "deadline-exceeded": Kind(504, "DEADLINE_EXCEEDED", "It took too long"),
}


class ProblemError(Exception):
    """A request ends with this problem.

    Args:
        slug: a key of `KINDS`.
        detail: what happened, for a person.
        hint: what to do about it.
        errors: faults of the input, each with `loc` and `msg`.
        headers: of the answer, `Retry-After` for example.
        members: extra members of the body, `candidates` for example.
    """

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        hint: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.slug = slug
        self.kind = KINDS[slug]
        self.detail = detail
        self.hint = hint
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.members = members

    def body(self, instance: str | None = None, trace_id: str | None = None) -> dict[str, Any]:
        """The problem as a JSON object; members without a value are absent."""
        found = {
            "type": f"/problems/{self.slug}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.kind.code,
            "hint": self.hint,
            "trace_id": trace_id,
            "errors": self.errors or None,
            **self.members,
        }
        return {name: value for name, value in found.items() if value is not None}

    def encode(self, instance: str | None = None, trace_id: str | None = None) -> bytes:
        """The body as bytes. Text that is no Unicode (lone surrogates) is written as escapes."""
        return json.dumps(self.body(instance, trace_id)).encode("ascii")

    def all_headers(self) -> dict[str, str]:
        """Headers of the answer, the media type included."""
        headers = {"content-type": MEDIA_TYPE, **self.headers}
        if self.kind.status == 401:
            headers["www-authenticate"] = 'Bearer realm="pulsing"'
        return headers


def problem_of(error: PulsingRuntimeError) -> ProblemError:
    """The problem that a framework failure is; its slug is the class name in kebab case where there is such a kind."""
    slug = "bad-value" if isinstance(error, NotSendable) else _kebab(nearest_pulsing(error).__name__)
    members: dict[str, Any] = {}
    if (maybe := getattr(error, "maybe_executed", None)) is not None:
        members["maybe_executed"] = bool(maybe)
    headers = {"retry-after": "1"} if slug == "mailbox-full" else None
    return ProblemError(slug if slug in KINDS else "unavailable", str(error), headers=headers, **members)


def actor_problem(error: PulsingActorError) -> ProblemError:
    """The problem that a failure inside one of Pulsing's own actors is, where an action went through it."""
    if isinstance(error, PulsingBusinessError):
        return ProblemError("bad-value", error.message)
    if isinstance(error, PulsingUnsupportedError):
        return ProblemError("not-supported", str(error))
    if isinstance(error, PulsingTimeoutError):
        return ProblemError("deadline-exceeded", str(error))
    return ProblemError("unavailable", str(error))


def input_problem(errors: Sequence[Mapping[str, Any]]) -> ProblemError:
    """The problem for input that pydantic refused; the refused values are not repeated, and not all faults told."""
    told = errors[:MAX_FAULTS]
    faults = [{"loc": [_plain(part) for part in e.get("loc", ())], "msg": str(e.get("msg", ""))} for e in told]
    if any(e.get("type") == "json_invalid" for e in told):
        return ProblemError(
            "validation", f"the body is not JSON: {errors[0].get('ctx', {}).get('error', '')}", errors=faults
        )
    where = ", ".join(".".join(str(part) for part in fault["loc"][1:]) or "body" for fault in faults[:3])
    return ProblemError("validation", f"the input does not fit at: {where}", errors=faults)


def _plain(part: Any) -> str | int:
    return part if isinstance(part, int) else str(part)


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
