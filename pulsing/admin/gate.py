"""The one door of the admin plane: nothing reaches a route, a static file or a 404 without passing it.

In this order: Host, cross-site, open route, rate, credentials, role, read-only. What is unsafe is denied unless
something allows it. The door also counts and limits, sets the security headers, and writes the audit record.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulsing.admin.auth import ActionRate, FailedLogins, Sessions, Tokens
from pulsing.admin.problems import ProblemError
from pulsing.admin.routing import API, Access, Route, RouteTable
from pulsing.admin.settings import AdminSettings, Principal
from pulsing.clock import Clock

logger = logging.getLogger("pulsing.admin")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
JSON_DEPTH = 64

SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; "
        b"require-trusted-types-for 'script'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)

_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9._-]{0,252}))(?::([0-9]{1,5}))?")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "[::1]", "localhost"})

AuditSink = Callable[[dict[str, Any]], None]
RequestSink = Callable[[str, int, float], None]
RefusalSink = Callable[[str], None]


@dataclass
class Visit:
    """One request on its way through the plane: what the door found out, and what the route says for the audit."""

    trace_id: str
    client: str
    method: str
    path: str
    route: Route | None = None
    principal: Principal | None = None
    token: str | None = field(default=None, repr=False)
    target: str | None = None
    parameters: Any = None

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


class AllowedHosts:
    """Which Host header values are ours, so that a name rebound to this address is not."""

    def __init__(self, settings: AdminSettings) -> None:
        self._names = set(_LOOPBACK_NAMES)
        self._exact: set[str] = set()
        self._portless: set[str] = set()
        self._port: int | None = None
        if settings.addr is not None:
            bound = urlsplit(f"//{settings.addr.lower()}")
            self._port = bound.port
            self._names.add(_bracketed(bound.hostname or ""))
        if settings.public_url is not None:
            self._exact.add(urlsplit(settings.public_url.lower()).netloc)
        for host in settings.allowed_hosts:
            name = host.lower()
            if _HOST.fullmatch(name) and re.search(r":[0-9]+$", name.rpartition("]")[2]):
                self._exact.add(name)
            else:
                self._names.add(name)
                self._portless.add(name)

    def permits(self, values: list[str], server_port: int | None) -> bool:
        """Whether the Host headers of a request (there must be exactly one) name this server."""
        if len(values) != 1:
            return False
        value = values[0].lower()
        parsed = _HOST.fullmatch(value)
        if parsed is None:
            return False
        if value in self._exact or value in self._portless:
            return True
        port = self._port or server_port
        given = int(parsed[2]) if parsed[2] else 80
        return parsed[1] in self._names and given == port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True)
class Knock:
    """The parts of a request that decide whether it is let in."""

    method: str
    path: str
    headers: dict[str, list[str]]
    client: str
    server_port: int | None

    @classmethod
    def read(cls, scope: Scope) -> Knock:
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        client = scope.get("client")
        server = scope.get("server")
        return cls(
            method=scope["method"].upper(),
            path=_path_within(scope),
            headers=headers,
            client=client[0] if client else "",
            server_port=server[1] if server else None,
        )

    def header(self, name: str) -> str | None:
        values = self.headers.get(name)
        return values[0] if values else None

    @property
    def token(self) -> str | None:
        """The token of the request; tokens in the query string do not count."""
        if own := self.header("x-pulsing-token"):
            return own
        scheme, _, value = (self.header("authorization") or "").partition(" ")
        return value.strip() or None if scheme.lower() == "bearer" else None

    @property
    def proves_its_site(self) -> bool:
        """Whether the request cannot have been made by a page of another site without its consent."""
        sites = self.headers.get("sec-fetch-site")
        if sites is not None and any(site.lower() == "cross-site" for site in sites):
            return False
        if self.token is not None:
            return True
        if sites is not None:
            return len(sites) == 1 and sites[0].lower() in ("same-origin", "none")
        origins = self.headers.get("origin", [])
        if len(origins) != 1:
            return False
        origin = urlsplit(origins[0].lower())
        return bool(origin.netloc) and origin.netloc == (self.header("host") or "").lower()


def _path_within(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and (path == root or path.startswith(root + "/")):
        return path[len(root) :] or "/"
    return path


class Gate:
    """ASGI middleware ahead of everything else of the admin app."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        table: RouteTable,
        settings: AdminSettings,
        tokens: Tokens,
        sessions: Sessions,
        failed: FailedLogins,
        clock: Clock,
        audit: AuditSink,
        requests: RequestSink,
        refusals: RefusalSink,
    ) -> None:
        self._app = app
        self._table = table
        self._settings = settings
        self._tokens = tokens
        self._sessions = sessions
        self._clock = clock
        self._audit = audit
        self._requests = requests
        self._refusals = refusals
        self._hosts = AllowedHosts(settings)
        self._failed = failed
        self._rate = ActionRate(clock, settings.actions_per_s)
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            await self._visit(scope, receive, send)

    async def _visit(self, scope: Scope, receive: Receive, send: Send) -> None:
        knock = Knock.read(scope)
        visit = Visit(_trace_id(knock), knock.client, knock.method, knock.path)
        scope["pulsing.visit"] = visit
        answer = _Answer(send, visit)
        began = time.perf_counter()
        refused: ProblemError | None = None
        try:
            await self._admit(scope, knock, visit)
            await self._pass_on(scope, knock, visit, receive, answer)
        except ProblemError as problem:
            refused = problem
            await answer.problem(problem)
        except _HeadIsComplete:
            pass
        except Exception as error:
            if answer.status is None:
                logger.exception("%s %s failed, trace %s", knock.method, visit.path, visit.trace_id)
                await answer.problem(ProblemError("internal", "an error in the admin plane; the log has it"))
            elif not isinstance(error, OSError):
                raise
        finally:
            self._conclude(knock, visit, answer, refused, time.perf_counter() - began)

    async def _admit(self, scope: Scope, knock: Knock, visit: Visit) -> None:
        if not self._hosts.permits(knock.headers.get("host", []), knock.server_port):
            raise ProblemError(
                "host",
                "the Host header does not name this server",
                hint="add the name to admin.allowed_hosts if it is yours",
            )
        routes = self._table.find(knock.path)
        route = visit.route = routes.get("GET" if knock.method == "HEAD" else knock.method)
        if knock.method not in SAFE_METHODS and not knock.proves_its_site:
            raise ProblemError(
                "cross-site", "an unsafe request needs a token header or proof that it comes from this origin"
            )
        if route is None or route.access.role is not None:
            visit.principal = await self._identify(scope, knock, visit)
        self._check_route(knock, routes)
        if route is not None:
            self._check_rights(visit, route.access)

    async def _identify(self, scope: Scope, knock: Knock, visit: Visit) -> Principal:
        if self._settings.auth is not None:
            found = await self._settings.auth(Request(scope))
            if found is None:
                raise ProblemError("no-token", "the application around this one does not know you")
            return found
        token = visit.token = knock.token
        if token is None:
            raise ProblemError("no-token", "this address needs a token", hint=_WHERE_TOKENS_ARE)
        principal = self._sessions.principal(token) or self._tokens.principal(token)
        if principal is None:
            count_failure(self._failed, knock.client)
            raise ProblemError("bad-token", "the token is unknown or has expired", hint=_WHERE_TOKENS_ARE)
        return principal

    @staticmethod
    def _check_route(knock: Knock, routes: dict[str, Route]) -> None:
        if not routes:
            raise ProblemError("route-not-found", "there is nothing at this address")
        if knock.method != "OPTIONS" and knock.method not in _allowed(routes):
            allowed = ", ".join(_allowed(routes))
            raise ProblemError(
                "method-not-allowed", f"this address takes {allowed}", headers={"allow": allowed}, allowed=allowed
            )

    def _check_rights(self, visit: Visit, access: Access) -> None:
        if access.role is None:
            return
        if not visit.known.may(access.role):
            raise ProblemError(
                "role", f"this needs the role {access.role}, you are {visit.known.role}", required=access.role
            )
        if access.action is None:
            return
        if self._settings.read_only:
            raise ProblemError("read-only", "the admin plane is read-only", hint="admin.read_only is set")
        if access.action in self._settings.disabled_actions:
            raise ProblemError("action-disabled", f"{access.action} is switched off by admin.disabled_actions")
        if not self._rate.take(visit.known.name):
            raise ProblemError("rate", "too many actions at once", headers={"retry-after": "1"})

    async def _pass_on(self, scope: Scope, knock: Knock, visit: Visit, receive: Receive, answer: _Answer) -> None:
        if knock.method == "OPTIONS":
            allowed = ", ".join(_allowed(self._table.find(knock.path)))
            await answer.empty(204, [(b"allow", allowed.encode())])
            return
        if knock.method == "HEAD":
            scope = {**scope, "method": "GET"}
            answer.headers_only = True
        if knock.method not in SAFE_METHODS:
            body = await read_body(knock, receive, self._settings.body_bytes)
            receive = _replay(body, receive)
        assert visit.route is not None
        if visit.route.access.unbounded or visit.route.access.role is None:
            await self._app(scope, receive, answer)
            return
        if self._in_flight >= self._settings.in_flight:
            raise ProblemError("overloaded", "too many requests at once", headers={"retry-after": "1"})
        self._in_flight += 1
        try:
            await self._app(scope, receive, answer)
        finally:
            self._in_flight -= 1

    def _conclude(
        self, knock: Knock, visit: Visit, answer: _Answer, refused: ProblemError | None, took_s: float
    ) -> None:
        status = answer.status or 499
        self._requests(visit.route.path if visit.route else "none", status, took_s)
        if refused is not None:
            self._refusals(refused.slug)
        action = visit.route.access.action if visit.route else None
        if action is None and (refused is None or not _worth_recording(knock, refused)):
            return
        outcome = "refused" if refused is not None else "ok" if status < 400 else "failed"
        self._audit(
            {
                "at": self._clock.wall(),
                "principal": visit.principal.name if visit.principal else None,
                "role": visit.principal.role if visit.principal else None,
                "client": visit.client,
                "action": action or "request",
                "target": visit.target or f"{knock.method} {visit.path}"[:256],
                "parameters": visit.parameters,
                "reason": (knock.header("x-reason") or "")[:256] or None,
                "outcome": outcome,
                "status": status,
                "took_s": round(took_s, 6),
                "trace_id": visit.trace_id,
            }
        )


_WHERE_TOKENS_ARE = (
    "send Authorization: Bearer <token>; `pulsing token path` says where it is, `pulsing dashboard` logs in"
)


def count_failure(failed: FailedLogins, client: str) -> None:
    """Count a wrong token or code of an address.

    Raises:
        ProblemError: the address has used up its tries. A right token still works, so that a forgotten page with an
            old one locks nobody out.
    """
    if failed.exceeded(client):
        raise ProblemError("rate", "too many wrong tokens from this address", headers={"retry-after": "60"})
    failed.record(client)


def _worth_recording(knock: Knock, refused: ProblemError) -> bool:
    # Whoever merely looks around without credentials must not push real refusals out of the ring.
    if refused.kind.status in (404, 405):
        return False
    return refused.slug != "no-token" or knock.method not in SAFE_METHODS


def _allowed(routes: dict[str, Route]) -> list[str]:
    methods = set(routes) | {"OPTIONS"}
    return sorted(methods | {"HEAD"} if "GET" in routes else methods)


def _trace_id(knock: Knock) -> str:
    found = _TRACEPARENT.fullmatch(knock.header("traceparent") or "")
    if found and found[1] != "0" * 32 and found[2] != "0" * 16:
        return found[1]
    return secrets.token_hex(16)


class _HeadIsComplete(OSError):
    """Ends the body of an answer to HEAD."""


class _Answer:
    """Passes an answer on, with the headers that every answer has."""

    def __init__(self, send: Send, visit: Visit) -> None:
        self._send = send
        self._visit = visit
        self.status: int | None = None
        self.headers_only = False
        self._ended = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._send({**message, "headers": [*message.get("headers", []), *self._common(message)]})
        elif self.headers_only and message["type"] == "http.response.body":
            if not self._ended:
                self._ended = True
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            if message.get("more_body"):
                raise _HeadIsComplete
        else:
            await self._send(message)

    async def problem(self, problem: ProblemError) -> None:
        """Answer with a problem, unless an answer has begun."""
        if self.status is not None:
            return
        body = problem.encode(self._visit.path, self._visit.trace_id)
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in problem.all_headers().items()]
        headers.append((b"content-length", str(len(body)).encode()))
        self.headers_only = self._visit.method == "HEAD"
        await self({"type": "http.response.start", "status": problem.kind.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})

    async def empty(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Answer without a body."""
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": b""})

    def _common(self, start: Message) -> list[tuple[bytes, bytes]]:
        given = {name.lower() for name, _ in start.get("headers", [])}
        common = list(SECURITY_HEADERS)
        if self._visit.path.startswith((API, "/metrics")):
            common.append((b"cache-control", b"no-store"))
        common.append((b"traceparent", f"00-{self._visit.trace_id}-{secrets.token_hex(8)}-01".encode()))
        return [(name, value) for name, value in common if name not in given]


async def read_body(knock: Knock, receive: Receive, limit: int) -> bytes:
    """Read the whole body of an unsafe request.

    Raises:
        ProblemError: it is too large, no JSON by its content type, or nested too deeply.
    """
    too_large = ProblemError("too-large", f"a body has at most {limit} bytes")
    declared = knock.header("content-length") or "0"
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ProblemError("bad-request", "the body ended too early")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise too_large
        if not message.get("more_body"):
            break
    body = b"".join(parts)
    if body:
        _check_json(knock, body)
    return body


def _check_json(knock: Knock, body: bytes) -> None:
    types = knock.headers.get("content-type", [])
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
        raise ProblemError("media-type", "the body must be application/json")
    if json_depth(body, JSON_DEPTH) > JSON_DEPTH:
        raise ProblemError(
            "validation",
            f"the body is nested more than {JSON_DEPTH} deep",
            errors=[{"loc": ["body"], "msg": "nested too deeply"}],
        )


# A string that never ends is taken to the end of the text: failing there instead would cost quadratic time.
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


def json_depth(body: bytes, enough: int) -> int:
    """How deep JSON text is nested; stops counting when it is deeper than `enough`."""
    if body.count(b"[") + body.count(b"{") <= enough:
        return 0
    depth = deepest = 0
    for found in _STRUCTURE.finditer(body):
        mark = found[0]
        if mark in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > enough:
                break
        elif mark in (b"]", b"}"):
            depth -= 1
    return deepest


def _replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> MutableMapping[str, Any]:
        return pending.pop() if pending else await receive()

    return replayed
