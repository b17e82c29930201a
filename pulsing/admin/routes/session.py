"""Logging in and out, and what the plane says of itself and of the caller."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from fastapi import Request
from pydantic import ConfigDict, Field, model_validator
from starlette.responses import Response

from pulsing.admin.auth import digest_of
from pulsing.admin.documents import answers
from pulsing.admin.gate import count_failure
from pulsing.admin.plane import Plane, plane_of
from pulsing.admin.problems import ProblemError
from pulsing.admin.replies import empty, encode, reply
from pulsing.admin.routing import API, Routes
from pulsing.admin.schemas import Input, Row
from pulsing.admin.settings import Principal
from pulsing.admin.visit import visit_of
from pulsing.core.moments import timestamp
from pulsing.streaming import list_backends

session = Routes("session")


def _only(name: str) -> dict[str, Any]:
    return {"required": [name], "minProperties": 1, "maxProperties": 1, "properties": {name: {"type": "string"}}}


class Login(Input):
    """A login code or a token; exactly one."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_only("code"), _only("token")]})

    code: str | None = Field(default=None, max_length=512)
    token: str | None = Field(default=None, max_length=512)

    @model_validator(mode="after")
    def _one(self) -> Login:
        if (self.code is None) == (self.token is None):
            raise ValueError("give either code or token")
        return self


class OpenSession(Row):
    """A session that was opened."""

    token: str
    name: str
    role: str
    expires_at: str


class LoginLink(Row):
    """A link that logs in once."""

    url: str
    expires_at: str


@session.post("/session", role=None, action=None, **answers(OpenSession, 201))
async def log_in(request: Request, login: Login) -> Response:
    """Turn a login code or a token into a session token."""
    plane = plane_of(request)
    proven = _proven(plane, login)
    if proven is None:
        count_failure(plane.failed, visit_of(request).client)
        if login.code is not None:
            raise ProblemError(
                "code-used", "the link was used already or is too old", hint="`pulsing dashboard` makes another"
            )
        raise ProblemError("bad-token", "the token is unknown")
    principal, origin = proven
    token, expires = plane.sessions.open(principal, origin)
    return reply(
        {"token": token, "name": principal.name, "role": principal.role, "expires_at": timestamp(expires)}, 201
    )


def _proven(plane: Plane, login: Login) -> tuple[Principal, bytes | None] | None:
    """Who logs in, and the token with which the session ends."""
    if login.code is not None:
        return plane.sessions.use_code(login.code)
    token = login.token or ""
    principal = plane.tokens.principal(token)
    return None if principal is None else (principal, digest_of(token))


@session.delete("/session", role="viewer", action=None, **answers(None, 204))
async def log_out(request: Request) -> Response:
    """End the session of the token that this request carries."""
    token = visit_of(request).token
    if token is not None:
        plane_of(request).sessions.close(token)
    return empty()


@session.post("/session/codes", role="viewer", action="session.code", **answers(LoginLink, 201))
async def make_login_link(request: Request) -> Response:
    """Make a link that logs in once, with the caller's own role."""
    plane = plane_of(request)
    visit = visit_of(request)
    code, expires = plane.sessions.make_code(visit.known, visit.token)
    base = plane.settings.public_url or str(request.base_url)
    return reply({"url": f"{base.rstrip('/')}/ui/#login={code}", "expires_at": timestamp(expires)}, 201)


@session.get("/whoami", role="viewer", **answers(Row))
async def who_am_i(request: Request) -> Response:
    """Who the caller is and what may be done here."""
    plane, principal = plane_of(request), visit_of(request).known
    settings = plane.settings
    node = await plane.fanout.ask_here("node") if plane.fanout.offers("node") else {}
    cluster = await plane.fanout.ask_here("cluster") if plane.fanout.offers("cluster") else {}
    return reply(
        {
            "name": principal.name,
            "role": principal.role,
            "source": principal.source,
            "read_only": settings.read_only,
            "disabled_actions": sorted(settings.disabled_actions),
            "payloads": settings.payloads if principal.may("operator") else "off",
            "node": {"id": plane.fanout.here, "name": node.get("name") or plane.fanout.here},
            "cluster": cluster.get("name", "pulsing"),
            "version": version("pulsing"),
            "features": {
                "detailed_metrics": settings.metrics_enabled and settings.metrics_detailed,
                "logs": False,
                "traces": False,
            },
            "backends": list_backends(),
            "ui": {
                "theme": settings.ui_theme,
                "title": settings.ui_title,
                "show_system": settings.ui_show_system,
            },
            "epoch": plane.epoch,
        }
    )


@session.get("/", role="viewer", **answers(Row))
async def index(request: Request) -> Response:
    """Every route with its method, role and summary."""
    routes = request.app.state.table.routes
    shown = [
        {
            "method": route.method,
            "path": route.path,
            "role": route.access.role,
            "action": route.access.action,
            "summary": route.summary,
        }
        for route in routes
        if route.path.startswith(API)
    ]
    return reply({"routes": shown})


@session.get("/openapi.json", role="viewer", **answers(Row))
async def specification(request: Request) -> Response:
    """The specification of this interface."""
    app = request.app
    if not hasattr(app.state, "specification"):
        # It takes a second of a slow machine, which the loop is not to be held for.
        app.state.specification = asyncio.ensure_future(asyncio.to_thread(lambda: encode(app.openapi())))
    return Response(await asyncio.shield(app.state.specification), media_type="application/json")
