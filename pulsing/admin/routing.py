"""How routes are declared: none without a role, none that the gate does not know."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute, compile_path

from pulsing.admin.parameters import ONLY_KNOWN
from pulsing.admin.schemas import Problem
from pulsing.admin.settings import ACTIONS, ROLES, Role

API = "/api/v1"

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True)
class Access:
    """Who may use a route, and what the gate must know about it."""

    role: Role | None
    """None: open, no credentials needed"""
    action: str | None = None
    """the word for it in settings and audit; None: it changes nothing"""
    unbounded: bool = False
    """may stay open for long (a stream, a call), so that it is not counted among the requests in flight"""


@dataclass(frozen=True)
class Route:
    """One method of one path, declared."""

    method: str
    path: str
    endpoint: Callable[..., Any]
    access: Access
    summary: str
    options: dict[str, Any] = field(hash=False)


class Routes:
    """The routes of one subject, all under one prefix.

    Args:
        tag: the subject, for the specification.
        prefix: what every path begins with; "" for the root.
    """

    def __init__(self, tag: str, prefix: str = API) -> None:
        self._tag = tag
        self._prefix = prefix
        self._routes: list[Route] = []

    def get(self, path: str, *, role: Role | None, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare a reading route."""
        return self._declare("GET", path, role, None, options)

    def post(
        self, path: str, *, role: Role | None, action: str | None, **options: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare a POST; `action` is its word in settings and audit, None where it changes nothing."""
        return self._declare("POST", path, role, action, options)

    def put(
        self, path: str, *, role: Role | None, action: str | None, **options: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare a PUT."""
        return self._declare("PUT", path, role, action, options)

    def patch(
        self, path: str, *, role: Role | None, action: str | None, **options: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare a PATCH."""
        return self._declare("PATCH", path, role, action, options)

    def delete(
        self, path: str, *, role: Role | None, action: str | None, **options: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare a DELETE."""
        return self._declare("DELETE", path, role, action, options)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def _declare(
        self, method: str, path: str, role: Role | None, action: str | None, options: dict[str, Any]
    ) -> Callable[[Endpoint], Endpoint]:
        if role is not None and role not in ROLES:
            raise ValueError(f"not a role: {role!r}")
        if action is not None and action not in ACTIONS:
            raise ValueError(f"not an action: {action!r}")
        access = Access(role, action, options.pop("unbounded", False))

        def declare(endpoint: Endpoint) -> Endpoint:
            summary = (endpoint.__doc__ or endpoint.__name__).strip().splitlines()[0]
            options.setdefault("tags", [self._tag])
            self._routes.append(Route(method, self._prefix + path, endpoint, access, summary, options))
            return endpoint

        return declare


class RouteTable:
    """All declared routes, as the gate sees them: a path has methods, a method has an access."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = list(routes)
        self._patterns: list[tuple[re.Pattern[str], Route]] = [(compile_path(r.path)[0], r) for r in self.routes]

    def find(self, path: str) -> dict[str, Route]:
        """The routes of a path by method, the first declared winning; empty where there is no such path.

        A path that is declared as it stands is not also one with parameters: `/actors/summary` is no actor.
        """
        matching = [route for pattern, route in self._patterns if pattern.match(path)]
        literal = [route for route in matching if route.path == path]
        found: dict[str, Route] = {}
        for route in literal or matching:
            found.setdefault(route.method, route)
        return found

    def as_served(self) -> list[BaseRoute]:
        """Every route as an app takes it, with its role in the specification."""
        return [_as_served(route) for route in self.routes]

    def check(self, app: FastAPI) -> None:
        """Refuse an app with a route that was not declared here.

        Raises:
            RuntimeError: naming the route.
        """
        declared = {(route.path, route.method) for route in self.routes}
        for route in app.routes:
            path = getattr(route, "path", None)
            methods = getattr(route, "methods", None) or {"*"}
            for method in methods:
                if (path, method) not in declared:
                    raise RuntimeError(f"route {method} {path or route} has no declared role")


@functools.lru_cache(maxsize=256)
def _as_served(route: Route) -> BaseRoute:
    """The route as FastAPI serves it. To make one takes 2 ms, and it holds nothing of an app, so all apps share it."""
    router = APIRouter()
    router.add_api_route(
        route.path,
        route.endpoint,
        methods=[route.method],
        name=f"{route.method.lower()} {route.path}",
        operation_id=_operation_id(route),
        summary=route.summary,
        **_documented(route),
    )
    return router.routes[0]


def _documented(route: Route) -> dict[str, Any]:
    options = dict(route.options)
    extra = {"x-required-role": route.access.role or "none", **options.pop("openapi_extra", {})}
    if route.access.action:
        extra["x-action"] = route.access.action
    if route.access.role is None:
        extra["security"] = []
    problem = {"description": "A problem", "model": Problem, "content": {"application/problem+json": {}}}
    responses = {"4XX": problem, "5XX": problem, **options.pop("responses", {})}
    # Lists read their parameters themselves; at the root other programs ask, with parameters of their own.
    checked = route.path.startswith(API) and "parameters" not in extra
    dependencies = [ONLY_KNOWN] if checked else []
    return {
        "openapi_extra": extra,
        "responses": responses,
        "response_model": None,
        "dependencies": dependencies,
        **options,
    }


def _operation_id(route: Route) -> str:
    words = re.findall(r"[a-z0-9]+", route.path.removeprefix(API).lower())
    where = [] if route.path.startswith(API) else ["root"]
    return "_".join([*where, route.method.lower(), *(words or ["index"])])
