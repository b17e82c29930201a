"""Probes, without credentials and without figures; and what the front door says of itself."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from pulsing.admin.documents import answers
from pulsing.admin.plane import plane_of
from pulsing.admin.replies import reply
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import Row

probes = Routes("health", prefix="")


class Probe(Row):
    """The answer of a probe."""

    status: str
    checks: list[str] | None = None


@probes.get("/", role=None, include_in_schema=False)
async def front_door(request: Request) -> Response:
    """Where to go from here."""
    plane = plane_of(request)
    if plane.settings.ui_enabled and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("ui/", 307)
    shown = {"ui": "ui/"} if plane.settings.ui_enabled else {}
    return reply({**shown, "api": "api/v1/", "metrics": "metrics", "health": "health/live"})


@probes.get("/health/live", role=None, **answers(Probe))
async def live(request: Request) -> Response:
    """Whether the process answers."""
    return reply({"status": "ok"})


@probes.get("/health/startup", role=None, **answers(Probe))
async def startup(request: Request) -> Response:
    """Whether the node has started."""
    return reply({"status": "ok"})


@probes.get("/health/ready", role=None, **answers(Probe))
async def ready(request: Request) -> Response:
    """Whether the node takes work."""
    plane = plane_of(request)
    failing = [
        name
        for name, fine in (("running", not plane.system.stopped), ("draining", not plane.system.draining))
        if not fine
    ]
    if failing:
        return reply({"status": "not_ready", "checks": failing}, 503)
    return reply({"status": "ready"})
