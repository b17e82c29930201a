"""Puts the admin app together: routes, gate and state, one object for serving, mounting and tests."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pulsing.admin.gate import Gate
from pulsing.admin.plane import Plane
from pulsing.admin.problems import KINDS, ProblemError, actor_problem, input_problem, problem_of
from pulsing.admin.reach import check_reach
from pulsing.admin.remedies import REMEDIES
from pulsing.admin.routes.actors import actors
from pulsing.admin.routes.classes import classes
from pulsing.admin.routes.cluster import cluster
from pulsing.admin.routes.happenings import happenings
from pulsing.admin.routes.health import checks, probes
from pulsing.admin.routes.legacy import legacy
from pulsing.admin.routes.metrics import metric_routes, prometheus
from pulsing.admin.routes.queues import queues
from pulsing.admin.routes.records import records
from pulsing.admin.routes.session import session
from pulsing.admin.routes.topics import topics
from pulsing.admin.routes.ui import ui
from pulsing.admin.routing import Route, RouteTable
from pulsing.admin.settings import AdminSettings
from pulsing.admin.visit import visit_of
from pulsing.clock import Clock, clock_here
from pulsing.exceptions import PulsingActorError, PulsingRuntimeError


def create_admin_app(system: Any, settings: AdminSettings | None = None, *, clock: Clock | None = None) -> FastAPI:
    """The admin app of one node.

    Serve it, mount it into another app, or call it in tests. `app.state.plane.close()` ends its streams.

    Args:
        system: the actor system.
        settings: how it behaves; the defaults are the safe ones.
        clock: where time comes from; by default the machine's clocks.

    Raises:
        ValueError: other machines could reach it with nothing but the automatic token.
        RuntimeError: a route was added without a role.
    """
    settings = settings or AdminSettings()
    check_reach(settings)
    plane = Plane(system, settings, clock or clock_here())
    table = RouteTable(declared_routes(settings))
    app = FastAPI(
        routes=table.as_served(),
        title="Pulsing",
        version=version("pulsing"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        root_path=settings.root_path,
    )
    app.state.plane = plane
    app.state.table = table
    table.check(app)
    _answer_problems(app)
    app.add_middleware(
        Gate,
        table=table,
        settings=settings,
        tokens=plane.tokens,
        sessions=plane.sessions,
        failed=plane.failed,
        clock=plane.clock,
        audit=plane.record_audit,
        requests=plane.traffic.record,
        refusals=plane.traffic.refuse,
    )
    _complete_specification(app)
    return app


def declared_routes(settings: AdminSettings) -> Iterable[Route]:
    """Every route that an app with these settings has."""
    groups = [
        probes,
        checks,
        session,
        cluster,
        classes,
        actors,
        queues,
        topics,
        happenings,
        records,
        prometheus,
        legacy,
    ]
    if settings.ui_enabled:
        groups.append(ui)
    return [route for group in (*groups, metric_routes(settings)) for route in group]


def _answer_problems(app: FastAPI) -> None:
    async def problem(request: Request, error: Any) -> Response:
        return _response(request, error)

    async def refused_input(request: Request, error: Any) -> Response:
        return _response(request, input_problem(error.errors()))

    async def framework(request: Request, error: Any) -> Response:
        return _response(request, problem_of(error))

    async def inside(request: Request, error: Any) -> Response:
        return _response(request, actor_problem(error))

    async def http(request: Request, error: Any) -> Response:
        return _response(request, ProblemError("bad-request", str(error.detail)))

    app.add_exception_handler(ProblemError, problem)
    app.add_exception_handler(RequestValidationError, refused_input)
    app.add_exception_handler(PulsingRuntimeError, framework)
    app.add_exception_handler(PulsingActorError, inside)
    app.add_exception_handler(HTTPException, http)


def _response(request: Request, problem: ProblemError) -> Response:
    visit = visit_of(request)
    return Response(problem.encode(visit.path, visit.trace_id), problem.kind.status, problem.all_headers())


def _complete_specification(app: FastAPI) -> None:
    specify = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = specify()
            schema.setdefault("components", {})["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Pulsing-Token"},
            }
            schema["security"] = [{"token": []}, {"header": []}]
            schema["x-problems"] = {slug: {**kind._asdict(), "remedy": REMEDIES[slug]} for slug, kind in KINDS.items()}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
