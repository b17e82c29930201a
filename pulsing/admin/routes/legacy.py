"""Routes in the shapes of the original, kept for programs that already read them."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from pulsing.admin.documents import answers
from pulsing.admin.plane import Plane, plane_of
from pulsing.admin.replies import reply
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import Row

legacy = Routes("legacy", prefix="")


def _successor(path: str) -> dict[str, str]:
    return {"deprecation": "true", "link": f'<{path}>; rel="successor-version"'}


@legacy.get("/health", role=None, deprecated=True, **answers(Row, also=[503]))
async def health(request: Request) -> Response:
    """Whether the node is well; more than that for those who are known."""
    plane = plane_of(request)
    well = not (plane.system.stopped or plane.system.draining)
    body: dict[str, Any] = {"status": "healthy" if well else "unhealthy"}
    if _is_known(plane, request):
        statistics = plane.system.statistics()
        body |= {
            "node_id": statistics.node_id,
            "actors_count": statistics.actors,
            "uptime_secs": int(statistics.uptime_s),
        }
    return reply(body, 200 if well else 503, _successor("health/ready"))


def _is_known(plane: Plane, request: Request) -> bool:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = request.headers.get("x-pulsing-token") or (bearer if scheme.lower() == "bearer" else "")
    return bool(token) and (plane.sessions.principal(token) or plane.tokens.principal(token)) is not None


@legacy.get("/cluster/members", role="viewer", deprecated=True)
async def members(request: Request) -> Response:
    """The members of the cluster."""
    rows = await plane_of(request).system.members()
    shown = [
        {"node_id": f"{int(row['node_id']):016x}", "addr": row["addr"], "status": str(row["status"]).capitalize()}
        for row in rows
    ]
    return reply(shown, headers=_successor("../api/v1/cluster/members"))


@legacy.get("/actors", role="viewer", deprecated=True)
async def actors(request: Request, all: bool = False) -> Response:
    """The actors of this node."""
    plane = plane_of(request)
    rows = await plane.fanout.ask_here("actors", {"system": all})
    shown = [_actor(row) for row in rows if all or _is_users(row)]
    return reply(shown, headers=_successor("api/v1/actors"))


def _is_users(row: dict[str, Any]) -> bool:
    name = str(row.get("name") or "").removeprefix("actors/")
    return bool(name) and row["kind"] != "system" and not name.startswith(("_", "system/"))


def _actor(row: dict[str, Any]) -> dict[str, Any]:
    module, _, name = str(row["class"]).rpartition(".")
    return {
        "name": str(row.get("name") or row["id"]).removeprefix("actors/"),
        "type": "system" if not _is_users(row) and row["kind"] == "system" else "user",
        "actor_id": str(row["id"]).replace(":", ""),
        "class": name,
        "module": module,
        "file": row.get("file"),
    }
