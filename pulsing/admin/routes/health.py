"""Probes, without credentials and without figures; and what the front door says of itself."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from pulsing.admin.catalogue import Listing
from pulsing.admin.documents import answers, lists
from pulsing.admin.paging import ListSpec
from pulsing.admin.plane import Plane, plane_of, select_own
from pulsing.admin.problems import ProblemError
from pulsing.admin.replies import reply
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import CheckRow, Row
from pulsing.admin.subjects import did_you_mean

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


@probes.get("/health/ready", role=None, **answers(Probe, also=[503]))
async def ready(request: Request) -> Response:
    """Whether the node takes work."""
    plane = plane_of(request)
    lag = next((row for row in plane.checks.rows() if row["name"] == "event_loop_lag"), {})
    wanted = {
        "running": not plane.system.stopped,
        "joined": plane.system.has_joined() or await _finds_nobody_else(plane),
        "draining": not plane.system.draining,
        "event_loop_lag": lag.get("status") != "critical",
    }
    failing = [name for name, fine in wanted.items() if not fine]
    if failing:
        return reply({"status": "not_ready", "checks": failing}, 503)
    return reply({"status": "ready"})


async def _finds_nobody_else(plane: Plane) -> bool:
    """Whether all seeds lead to this very node, so that there is nobody to be joined."""
    cluster = await plane.fanout.ask_here("cluster")
    return all(seed["reachable"] for seed in cluster.get("seeds") or ())


checks = Routes("health")

CHECKS = Listing(
    "checks",
    ListSpec(
        sort=("name", "status", "value"),
        filters={"status": ("ok", "warn", "critical", "off")},
        search=("name", "detail"),
        id="name",
    ),
)


@checks.get("/health/checks", role="viewer", **lists(CheckRow, CHECKS.spec))
async def list_checks(request: Request) -> Response:
    """Whether this node is well, check by check."""
    return select_own(request, CHECKS, await _rows(request))


@checks.get("/health/checks/{name}", role="viewer", **answers(CheckRow, also=[503]))
async def show_check(request: Request, name: str) -> Response:
    """One check; 503 when it is critical, so that it can be a probe."""
    rows = {row["name"]: row for row in await _rows(request)}
    if name not in rows:
        raise ProblemError("route-not-found", f"no check {name[:100]!r}", hint=did_you_mean(name, rows))
    return reply(rows[name], 503 if rows[name]["status"] == "critical" else 200)


async def _rows(request: Request) -> list[dict[str, Any]]:
    plane = plane_of(request)
    # An app inside another one has nobody else who would start it.
    plane.history.start()
    if not plane.checks.rows():
        await plane.checks.run(0.0)
    return plane.checks.rows()
