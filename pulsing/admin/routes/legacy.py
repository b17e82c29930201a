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
from pulsing.admin.visit import visit_of

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
    """The actors of this node; the files of their classes for operators."""
    plane, known = plane_of(request), visit_of(request).known
    cells = [cell for cell in plane.system.registry if all or _is_users(cell)]
    shown = [{**_actor(cell), **({} if known.may("operator") else {"file": None})} for cell in cells]
    return reply(shown, headers=_successor("api/v1/actors"))


def _is_users(cell: Any) -> bool:
    name = str(cell.path or "").removeprefix("actors/")
    return bool(name) and not cell.spec.internal and not name.startswith(("_", "system/"))


def _actor(cell: Any) -> dict[str, Any]:
    module, name = cell.spec.home
    return {
        "name": str(cell.path or cell.actor_id).removeprefix("actors/"),
        "type": "system" if cell.spec.internal else "user",
        "actor_id": str(cell.actor_id).replace(":", ""),
        "class": name,
        "module": module,
        "file": cell.spec.file or None,
    }
