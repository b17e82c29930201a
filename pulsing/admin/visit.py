"""One request on its way through the plane: what the door found out, and what the route says for the audit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from pulsing.admin.problems import ProblemError
from pulsing.admin.routing import Route
from pulsing.admin.settings import Principal


@dataclass
class Visit:
    """One request; the door fills it in on the way, and reads it at the end."""

    trace: bytes
    """the context that the request carries, as messages do"""
    client: str
    method: str
    path: str
    base_url: str = ""
    """where the client sees the app"""
    route: Route | None = None
    principal: Principal | None = None
    token: str | None = field(default=None, repr=False)
    target: str | None = None
    parameters: Any = None

    @property
    def trace_id(self) -> str:
        """The trace that the request belongs to, as people read it."""
        return self.trace[:16].hex()

    @property
    def known(self) -> Principal:
        """The principal of a route that is not open."""
        if self.principal is None:
            raise ProblemError("no-token", "credentials are needed here")
        return self.principal


def visit_of(request: Request) -> Visit:
    """The visit that the door opened for a request."""
    visit: Visit = request.scope["pulsing.visit"]
    return visit
