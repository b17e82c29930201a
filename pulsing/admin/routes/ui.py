"""The dashboard's files; they hold no data and need no credentials."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from pulsing.admin.plane import plane_of
from pulsing.admin.problems import ProblemError
from pulsing.admin.routing import Routes

ui = Routes("ui", prefix="")


@ui.get("/ui", role=None, include_in_schema=False)
async def without_slash(request: Request) -> Response:
    """Relative addresses in the page need the slash."""
    return RedirectResponse("ui/", 307)


@ui.get("/ui/{path:path}", role=None, include_in_schema=False)
async def file(request: Request, path: str) -> Response:
    """One file of the dashboard."""
    found = plane_of(request).files.find(path or "index.html")
    if found is None:
        raise ProblemError("route-not-found", "the dashboard has no such file")
    headers = {"etag": found.etag, "cache-control": "no-cache"}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers=headers, media_type=found.media_type)
