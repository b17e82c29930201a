"""What the routes of one admin app share: the system, the settings and the plane's own state."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pulsing.admin.audit import Audit, beginning, redact, shortened
from pulsing.admin.auth import FailedLogins, Sessions, Tokens
from pulsing.admin.catalogue import Listing
from pulsing.admin.checks import Checks
from pulsing.admin.fanout import Answers, Fanout
from pulsing.admin.feed import Feed
from pulsing.admin.figures import Own
from pulsing.admin.history import History
from pulsing.admin.idempotency import Repeats
from pulsing.admin.loop_lag import LoopLag
from pulsing.admin.metrics import Metrics
from pulsing.admin.offers import Offers
from pulsing.admin.paging import ListQuery, Page, paged
from pulsing.admin.payloads import Payloads
from pulsing.admin.problems import ProblemError
from pulsing.admin.relay import Relay
from pulsing.admin.replay import Replayer
from pulsing.admin.replies import encode
from pulsing.admin.revisions import Revisions
from pulsing.admin.settings import AdminSettings
from pulsing.admin.static import Files, dashboard_folder
from pulsing.admin.times import since_text
from pulsing.admin.traffic import Traffic
from pulsing.admin.visit import visit_of
from pulsing.clock import Clock
from pulsing.core.moments import timestamp

Row = dict[str, Any]


class Plane:
    """The state of one admin app; made by `create_admin_app`, ended by `close`."""

    def __init__(self, system: Any, settings: AdminSettings, clock: Clock) -> None:
        self.system = system
        self.settings = settings
        self.clock = clock
        self.files = Files(dashboard_folder())
        self.epoch = secrets.token_hex(4)
        self.tokens = Tokens(settings)
        self.sessions = Sessions(clock, settings.session_hours * 3600, self.tokens.has)
        self.failed = FailedLogins(clock)
        self.traffic = Traffic()
        self.repeats = Repeats(clock)
        self.revisions = Revisions()
        self.audit = Audit(settings.audit_capacity, self._tell_action, clock)
        self.fanout = Fanout(system, settings.fanout_s)
        self.dead_letters = Replayer(system, self.fanout, clock)
        self.payloads = Payloads(settings)
        for preview in (system.preview, system.dead_letters.preview):
            preview.hide(settings.redact)
        self.relay = Relay(system, self.fanout)
        self.feed = Feed(self.fanout, settings, clock, self.epoch, self.payloads)
        self.lag = lag = LoopLag(clock)
        own = Own(self.traffic, self.audit, self.feed, lag, self._failing)
        self.metrics = Metrics(system, self.fanout, settings, own)
        self.checks = Checks(self.fanout, system, self.metrics, clock, settings.thresholds)
        self.history = History(self.fanout, system, clock, lag, self.checks.run, keeps=settings.history_enabled)
        self._offers = Offers(system.inspectors, self)

    def knows(self, token: str | None) -> bool:
        """Whether a token that let somebody in still would; whoever came without one is known to the app around."""
        if token is None:
            return True
        return (self.sessions.principal(token) or self.tokens.principal(token)) is not None

    def record_audit(self, row: Mapping[str, Any]) -> None:
        """Write one audit row, its parameters redacted and no longer than a row may be."""
        shown = self.system.preview.without_secrets(beginning(row["parameters"]))
        parameters = redact(shown, self.settings.redact)
        self.audit.record({**row, "at": timestamp(row["at"]), "parameters": shortened(parameters)})

    def _failing(self) -> dict[str, bool]:
        return {row["name"]: row["status"] in ("warn", "critical") for row in self.checks.rows()}

    async def close(self) -> None:
        """End every stream and what feeds it."""
        self._offers.take_back()
        await self.feed.close()
        await self.relay.close()
        await self.history.close()
        self.metrics.close()

    def _tell_action(self, row: Mapping[str, Any]) -> None:
        if row["action"] == "request":
            return
        data = {name: row[name] for name in ("action", "principal", "target", "outcome", "reason")}
        self.system.events.publish(
            "admin.action", kind="admin", name=str(row["action"]), data=data, trace_id=row["trace_id"]
        )


def plane_of(request: Request) -> Plane:
    """The plane of the app that a request came to."""
    plane: Plane = request.app.state.plane
    return plane


def flag_of(request: Request, name: str) -> bool:
    """Whether a flag of a list is set.

    Raises:
        ProblemError: it is neither true nor false.
    """
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise ProblemError("bad-filter", f"{name} is true or false")
    return text == "true"


def since_of(request: Request) -> Callable[[Row], bool]:
    """Whether a row with a time is not older than the `since` of a request.

    Raises:
        ProblemError: it is neither a moment nor an age.
    """
    text = request.query_params.get("since")
    if not text:
        return lambda row: True
    try:
        since = since_text(text, plane_of(request).clock.wall())
    except (ValueError, OverflowError) as error:
        raise ProblemError("bad-filter", "since is a moment in RFC 3339, or an age such as 10m") from error
    return lambda row: str(row["at"]) >= since


async def list_query(request: Request, listing: Listing, *, without: Collection[str] = ()) -> ListQuery:
    """What a request asks of a list; the nodes that it names stand by their ids.

    Args:
        request: with the query parameters.
        listing: the list.
        without: parameters that are not about the list.

    Raises:
        ProblemError: a parameter, sort key, filter value or cursor that the list does not know.
    """
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] not in without]
    if "node" in listing.spec.filters and any(name == "node" for name, _ in pairs):
        ids = await plane_of(request).fanout.ids_by_name()
        pairs = [(name, id) for name, value in pairs for id in (ids.get(value, [value]) if name == "node" else [value])]
    return ListQuery.read(pairs, listing.spec)


async def answer_list(request: Request, listing: Listing, **params: Any) -> Response:
    """Answer a list route."""
    plane = plane_of(request)
    began = time.perf_counter()
    query = await list_query(request, listing)
    nodes = listing.nodes_of(query)
    if nodes is not None:
        known = await plane.fanout.nodes()
        nodes = tuple(node for node in known if node in nodes)
    operator = plane.payloads.may_see(visit_of(request).known)
    page, answers = await listing.page(plane.fanout, query, nodes, operator=operator, **params)
    return reply_list(request, body_of(page, query, answers), time.perf_counter() - began)


async def answer_kept(request: Request, listing: Listing, keep: Callable[[Row], bool], **params: Any) -> Response:
    """Answer a list route whose rows must also pass `keep`."""
    plane = plane_of(request)
    began = time.perf_counter()
    query = await list_query(request, listing)
    rows, answers = await listing.rows(plane.fanout, query.scope, **params)
    answers.require_one()
    operator = plane.payloads.may_see(visit_of(request).known)
    rows = listing.shown_to([row for row in rows if keep(row)], operator=operator)
    return reply_list(request, body_of(paged(rows, query, listing.spec), query, answers), time.perf_counter() - began)


def reply_list(request: Request, body: dict[str, Any], took_s: float) -> Response:
    """A list on its way out: nothing but its tag where the client has the same one already."""
    text = encode(body)
    tag = f'W/"{hashlib.sha256(text).hexdigest()[:20]}"'
    known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers={"etag": tag})
    revision = plane_of(request).revisions.of(f"{request.url.path}?{request.url.query}", tag)
    # How long it took is no part of what was asked for, and would make each answer another one.
    text = text[:-1] + f',"revision":{revision},"took_ms":{round(took_s * 1000, 3)}}}'.encode()
    return Response(text, headers={"etag": tag}, media_type="application/json")


def body_of(page: Page, query: ListQuery, answers: Answers) -> dict[str, Any]:
    """The body of a list answer."""
    return {
        "items": page.rows,
        "total": page.total,
        "filtered": page.filtered,
        "returned": len(page.rows),
        "limit": query.limit,
        "offset": query.offset,
        "next": page.next,
        "scope": query.scope,
        "nodes": {"asked": answers.asked, "answered": len(answers.values)},
        "partial": answers.partial,
        "errors": answers.faults,
    }


def select_own(request: Request, listing: Listing, rows: Sequence[Row]) -> Response:
    """Answer a list whose rows this app keeps itself."""
    query = ListQuery.read(request.query_params.multi_items(), listing.spec)
    here = plane_of(request).fanout.here
    return reply_list(request, body_of(paged(rows, query, listing.spec), query, Answers({here: rows}, asked=1)), 0.0)
