"""What happens: the live stream, events, dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Header, Query, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from pulsing.admin.catalogue import DEAD_LETTERS, EVENTS, from_path
from pulsing.admin.documents import answers, lists, streams
from pulsing.admin.feed import Change
from pulsing.admin.follow import follow
from pulsing.admin.paging import fitting
from pulsing.admin.plane import answer_kept, list_query, plane_of, since_of
from pulsing.admin.problems import ProblemError, input_problem
from pulsing.admin.replay import Replay
from pulsing.admin.replies import EventStream, empty, reply
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import DeadLetterRow, EventRow, ReplayOutcome, Row
from pulsing.admin.sources import Subscribe
from pulsing.admin.subjects import find_actor, is_own
from pulsing.admin.visit import visit_of

happenings = Routes("live")

_SUBSCRIPTIONS: TypeAdapter[list[Subscribe]] = TypeAdapter(list[Subscribe])

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)]


@happenings.get("/stream", role="viewer", **streams())
async def stream(
    request: Request, sub: Annotated[str, Query(max_length=32_768)] = "[]", last_event_id: LastEventId = None
) -> Response:
    """One stream for everything on a page: snapshots, then what changes."""
    plane, visit = plane_of(request), visit_of(request)
    client = plane.feed.open(_subscriptions(sub), visit.known, last_event_id, lambda: plane.knows(visit.token))
    return EventStream(client.frames(), lambda: plane.feed.leave(client))


def _subscriptions(text: str) -> Sequence[Subscribe]:
    try:
        return _SUBSCRIPTIONS.validate_json(text)
    except ValidationError as error:
        raise input_problem([{"loc": ("query", "sub", *e["loc"]), "msg": e["msg"]} for e in error.errors()]) from None


@happenings.post("/stream/{sid}", role="viewer", action=None, **answers(None, 204))
async def change_stream(request: Request, sid: str, change: Change) -> Response:
    """Add and remove subscriptions of an open stream."""
    plane_of(request).feed.change(sid, change, visit_of(request).known)
    return empty()


_EVENTS = lists(EventRow, EVENTS.spec)
_EVENTS["responses"][200]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}


@happenings.get("/events", role="viewer", unbounded=True, **_EVENTS)
async def events(request: Request, last_event_id: LastEventId = None) -> Response:
    """What happened, newest first; or, where the caller accepts events, what happens from now on."""
    if "text/event-stream" not in request.headers.get("accept", ""):
        return await answer_kept(request, EVENTS, since_of(request))
    plane, visit = plane_of(request), visit_of(request)
    query = await list_query(request, EVENTS)

    def wanted(row: dict[str, Any]) -> bool:
        return bool(fitting([row], query, EVENTS.spec))

    following = plane.relay.subscribe(wanted)

    def end() -> None:
        following.close()
        release()

    try:
        release = plane.feed.occupy(following.close)
    except ProblemError:
        following.close()
        raise
    frames = follow(plane.relay, following, plane.epoch, wanted, last_event_id)
    return EventStream(frames, end, lambda: plane.knows(visit.token))


@happenings.get("/dead-letters", role="viewer", **lists(DeadLetterRow, DEAD_LETTERS.spec))
async def dead_letters(request: Request) -> Response:
    """Messages that reached nobody, newest first."""
    return await answer_kept(request, DEAD_LETTERS, since_of(request))


@happenings.get("/dead-letters/{id}", role="viewer", **answers(DeadLetterRow))
async def dead_letter(request: Request, id: str) -> Response:
    """One message that reached nobody."""
    plane = plane_of(request)
    rows, _ = await DEAD_LETTERS.rows(plane.fanout)
    for row in DEAD_LETTERS.shown_to(rows, operator=plane.payloads.may_see(visit_of(request).known)):
        if str(row["id"]) == from_path(id):
            return reply(row)
    raise ProblemError("route-not-found", "no such dead letter is kept")


@happenings.delete("/dead-letters", role="operator", action="dead_letter.clear", **answers(Row))
async def clear_dead_letters(request: Request) -> Response:
    """Forget the kept dead letters of every node."""
    plane = plane_of(request)
    visit_of(request).target = "dead-letters"
    return reply({"cleared": await plane.dead_letters.clear(plane.settings.fanout_s)})


@happenings.post(
    "/dead-letters/replay", role="operator", action="dead_letter.replay", unbounded=True, **answers(ReplayOutcome)
)
async def replay_dead_letters(request: Request, order: Replay, dry_run: bool = False) -> Response:
    """Send dead letters again, as tells; `to` is another actor, by id or name."""
    plane, visit = plane_of(request), visit_of(request)
    visit.target = "dead-letters"
    visit.parameters = order.model_dump(by_alias=True, exclude_defaults=True)
    to = None
    if order.to is not None:
        row, _ = await find_actor(plane.fanout, from_path(order.to))
        if is_own(row):
            raise ProblemError("forbidden", "the node's own actors take no dead letters")
        to = str(row["id"])
    return reply(await plane.dead_letters.replay(order, to, dry_run=dry_run))
