"""What Prometheus reads: metrics, discovery, a scrape job."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from starlette.responses import PlainTextResponse, Response

from pulsing.admin.alerts import alert_rules
from pulsing.admin.artefacts import discovery, scrape_config
from pulsing.admin.auth import token_path
from pulsing.admin.catalogue import NODES
from pulsing.admin.documents import answers
from pulsing.admin.families import DETAILED
from pulsing.admin.grafana import grafana_json
from pulsing.admin.metrics import MAX_OBJECTS
from pulsing.admin.overview import cluster_view
from pulsing.admin.plane import plane_of
from pulsing.admin.problems import ProblemError
from pulsing.admin.replies import reply
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import Row
from pulsing.admin.settings import AdminSettings
from pulsing.admin.visit import visit_of

prometheus = Routes("prometheus")

_TEXT = {"schema": {"type": "string"}}
_PLAIN: dict[str, Any] = {
    "response_class": PlainTextResponse,
    "responses": {
        200: {"description": "Text", "content": {"text/plain": _TEXT, "application/openmetrics-text": _TEXT}},
    },
}


MAX_GLOB = 256
"""As long as names are: to read a pattern takes time by the square of its length."""

Glob = Annotated[str | None, Query(max_length=MAX_GLOB)]


def metric_routes(settings: AdminSettings) -> Routes:
    """The routes of the metrics themselves, as far as the settings want them."""
    routes = Routes("prometheus", prefix="")
    if settings.metrics_enabled:
        role: Literal["viewer"] | None = None if settings.metrics_auth == "open" else "viewer"
        routes.get("/metrics", role=role, **_PLAIN)(metrics)
        if settings.metrics_detailed:
            routes.get("/metrics/detailed", role="viewer", **_PLAIN)(detailed)
    return routes


async def metrics(request: Request, format: Literal["text", "openmetrics"] | None = None) -> Response:
    """Everything that is counted on this node, with bounded labels."""
    plane = plane_of(request)
    if (
        format is None
        and plane.settings.metrics_openmetrics
        and _prefers_openmetrics(request.headers.get("accept", ""))
    ):
        format = "openmetrics"
    body, content_type = await plane.metrics.render(as_openmetrics=format == "openmetrics")
    return _sent(request, body, content_type)


def _prefers_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics is accepted, and not less than text."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        if media in weights:
            given = next((text[2:] for text in parameters if text.startswith("q=")), "1")
            try:
                weights[media] = max(weights[media], float(given))
            except ValueError:
                continue
    return 0.0 < weights["application/openmetrics-text"] >= weights["text/plain"]


async def detailed(
    request: Request,
    family: Annotated[list[str] | None, Query()] = None,
    actor: Glob = None,
    class_: Annotated[str | None, Query(alias="class", max_length=MAX_GLOB)] = None,
    queue: Glob = None,
    topic: Glob = None,
    limit: Annotated[int, Query(ge=1, le=MAX_OBJECTS)] = MAX_OBJECTS,
) -> Response:
    """Series of single objects, by family."""
    families = list(dict.fromkeys(family or ()))
    if not families or not set(families) <= set(DETAILED):
        known = ", ".join(DETAILED)
        raise ProblemError("bad-filter", "name one or more families", hint=f"families: {known}", allowed=[*DETAILED])
    globs = {"actor": actor, "class": class_, "queue": queue, "topic": topic}
    wanted: Mapping[str, str] = {name: glob for name, glob in globs.items() if glob is not None}
    body, content_type = await plane_of(request).metrics.render_detailed(families, wanted, limit)
    return _sent(request, body, content_type)


def _sent(request: Request, body: bytes, content_type: str) -> Response:
    headers = {"vary": "Accept-Encoding", "content-type": content_type}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(gzip.compress(body, compresslevel=1, mtime=0), headers={**headers, "content-encoding": "gzip"})
    return Response(body, headers=headers)


@prometheus.get("/prometheus/sd", role="viewer")
async def service_discovery(request: Request) -> Response:
    """The nodes of the cluster as targets for http_sd."""
    plane = plane_of(request)
    rows, _ = await NODES.rows(plane.fanout)
    cluster = await cluster_view(plane.fanout)
    targets, omitted = discovery(rows, str(cluster["name"]))
    return reply(targets, headers={"x-pulsing-omitted": str(omitted)})


@prometheus.get("/prometheus/scrape.yml", role="viewer", **_PLAIN)
async def scrape_job(request: Request) -> Response:
    """A scrape job that finds every node from this one."""
    token_file = token_path(plane_of(request).settings) or "/path/to/token"
    return PlainTextResponse(scrape_config(_base_url(request), str(token_file)))


@prometheus.get("/prometheus/alerts.yml", role="viewer", **_PLAIN)
async def alert_file(request: Request) -> Response:
    """Alert rules over the metrics of the nodes."""
    return PlainTextResponse(alert_rules(_base_url(request)))


@prometheus.get("/prometheus/grafana.json", role="viewer", **answers(Row))
async def grafana(
    request: Request, dashboard: Literal["overview", "actors", "streaming", "cluster"] = "overview"
) -> Response:
    """A dashboard to import into Grafana."""
    return Response(grafana_json(dashboard, _base_url(request)), media_type="application/json")


def _base_url(request: Request) -> str:
    return (plane_of(request).settings.public_url or visit_of(request).base_url).rstrip("/")
