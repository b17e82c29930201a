"""Every route under every method, Host, origin and credential: what is let in is exactly what the rules allow."""

from __future__ import annotations

import itertools
import re
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from pulsing.admin.gate import Gate
from pulsing.admin.routing import Route
from pulsing.admin.settings import ROLES, AdminSettings
from pulsing.clock import SystemClock
from tests.campaigns.noted import note
from tests.unit.admin.admin_world import NAMED, TOKENS, Site, site

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")
HOSTS = {"good": "127.0.0.1:8700", "foreign": "evil.example:8700"}
ORIGINS: dict[str, dict[str, str]] = {
    "none": {},
    "same": {"origin": "http://127.0.0.1:8700"},
    "foreign": {"origin": "http://evil.example"},
    "null": {"origin": "null"},
    "same-site": {"origin": "http://127.0.0.1:8700", "sec-fetch-site": "same-origin"},
    "cross-site": {"origin": "http://127.0.0.1:8700", "sec-fetch-site": "cross-site"},
}
PROOFS = frozenset({"same", "same-site"})
CREDENTIALS: dict[str, str | None] = {
    "none": None,
    "bad": "wrong-token-0123456789",
    **{str(role): token for role, token in TOKENS.items()},
}


def expected(route: Route | None, path_exists: bool, method: str, host: str, origin: str, who: str) -> int:
    """The rules, told once more."""
    safe = method in ("GET", "HEAD", "OPTIONS")
    if host == "foreign":
        return 421
    if not safe and (origin == "cross-site" or (who == "none" and origin not in PROOFS)):
        return 403
    is_open = route is not None and route.access.role is None
    if not is_open and who in ("none", "bad"):
        return 401
    if method == "OPTIONS":
        return 204 if path_exists else 404
    if route is None:
        return 405 if path_exists else 404
    role = route.access.role
    if role is not None and ROLES.index(who) < ROLES.index(role):
        return 403
    return 200


async def passes(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def gate_of(world: Site) -> Gate:
    """The door of an app, with nothing behind it."""
    plane = world.plane
    settings = AdminSettings(tokens=NAMED, actions_per_s=1e9)
    return Gate(
        passes,
        table=world.app.state.table,
        settings=settings,
        tokens=plane.tokens,
        sessions=plane.sessions,
        failed=plane.failed,
        clock=SystemClock(),
        audit=lambda row: None,
        requests=lambda route, status, seconds: None,
        refusals=lambda slug: None,
    )


async def knock(gate: Gate, client: int, method: str, path: str, headers: dict[str, str]) -> int:
    """The status of one request; each comes from an address of its own."""
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    given = {"content-type": "application/json", "content-length": "2", **headers}
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": (f"client-{client}", 1),
        "server": ("127.0.0.1", 8700),
    }
    await gate(scope, receive, send)
    return status


async def test_the_door_lets_in_what_the_rules_allow_and_nothing_else() -> None:
    async with site() as world:
        gate, table = gate_of(world), world.app.state.table
        declared = {re.sub(r"\{[^}]*\}", "x1", route.path) for route in table.routes}
        paths = [*sorted(declared), "/api/v1/nowhere", "/x"]
        assert len(paths) > 60
        wrong = []
        numbered = enumerate(itertools.product(paths, METHODS, HOSTS, ORIGINS, CREDENTIALS))
        for client, (path, method, host, origin, who) in numbered:
            routes = table.find(path)
            route = routes.get("GET" if method == "HEAD" else method)
            headers = {"host": HOSTS[host], **ORIGINS[origin]}
            if CREDENTIALS[who] is not None:
                headers["authorization"] = f"Bearer {CREDENTIALS[who]}"
            found = await knock(gate, client, method, path, headers)
            if found != expected(route, bool(routes), method, host, origin, who):
                wrong.append((method, path, host, origin, who, found))
        note(requests_to_the_gate=client + 1, wrong_answers_of_the_gate=len(wrong))
        assert wrong == []
