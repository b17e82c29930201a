"""The one door of the admin plane: nothing reaches a route, a static file or a 404 without passing it.

In this order: Host, cross-site, open route, rate, credentials, role, read-only. What is unsafe is denied unless
something allows it. The door also counts and limits, sets the security headers, and writes the audit record.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pulsing.admin.answer import Answer, HeadIsComplete
from pulsing.admin.auth import ActionRate, FailedLogins, Sessions, Tokens
from pulsing.admin.body import read_body, replay
from pulsing.admin.forwarding import Proxies
from pulsing.admin.hosts import AllowedHosts
from pulsing.admin.knock import Knock
from pulsing.admin.problems import ProblemError
from pulsing.admin.routing import Access, Route, RouteTable
from pulsing.admin.settings import AdminSettings, Principal
from pulsing.admin.visit import Visit
from pulsing.clock import Clock
from pulsing.logs import logger_of

logger = logger_of("pulsing.admin")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

OPEN_BODY_BYTES = 4_096
"""What the body of a request without credentials may have: a login code or a token, and that is all."""

AuditSink = Callable[[dict[str, Any]], None]
RequestSink = Callable[[str, int, float], None]
RefusalSink = Callable[[str], None]


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
        self._proxies = Proxies(settings.trusted_proxies)
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
        knock = Knock.read(scope, self._proxies)
        visit = Visit(knock.trace, knock.client, knock.method, knock.path, knock.base_url)
        scope["pulsing.visit"] = visit
        answer = Answer(send, visit)
        began = time.perf_counter()
        refused: ProblemError | None = None
        try:
            await self._admit(scope, knock, visit)
            await self._pass_on(scope, knock, visit, receive, answer)
        except ProblemError as problem:
            refused = problem
            await answer.problem(problem)
        except HeadIsComplete:
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
        if "transfer-encoding" in knock.headers and "content-length" in knock.headers:
            # A proxy in front that goes by the other one takes part of the body for the next request, of somebody else.
            raise ProblemError(
                "bad-request", "the body has its length told in two ways", headers={"connection": "close"}
            )
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
                "cross-site",
                "an unsafe request needs a token header or proof that it comes from this origin",
                hint=None if knock.header("authorization") else _WHERE_TOKENS_ARE,
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
                "method-not-allowed",
                f"this address takes {allowed}",
                headers={"allow": allowed},
                allowed=_allowed(routes),
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

    async def _pass_on(self, scope: Scope, knock: Knock, visit: Visit, receive: Receive, answer: Answer) -> None:
        if knock.method == "OPTIONS":
            allowed = ", ".join(_allowed(self._table.find(knock.path)))
            await answer.empty(204, [(b"allow", allowed.encode())])
            return
        if knock.method == "HEAD":
            scope = {**scope, "method": "GET"}
            answer.headers_only = True
        if knock.method not in SAFE_METHODS:
            limit = self._settings.body_bytes
            limit = limit if visit.principal is not None else min(limit, OPEN_BODY_BYTES)
            body = await read_body(knock, receive, limit)
            receive = replay(body, receive)
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
        self, knock: Knock, visit: Visit, answer: Answer, refused: ProblemError | None, took_s: float
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
                "target": (visit.target or f"{knock.method} {visit.path}")[:256],
                "parameters": visit.parameters,
                "reason": _reason(knock),
                "outcome": outcome,
                "status": status,
                "took_s": round(took_s, 6),
                "trace_id": visit.trace_id,
            }
        )


def _reason(knock: Knock) -> str | None:
    """Why, in the words of whoever did it: text beyond ASCII comes as UTF-8, and from old clients as Latin-1."""
    text = knock.header("x-reason") or ""
    with contextlib.suppress(UnicodeError):
        text = text.encode("latin-1").decode()
    return text[:256] or None


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
