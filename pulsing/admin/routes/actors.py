"""Actors: list, look at, spawn, call, stop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from pulsing.admin import calls
from pulsing.admin.catalogue import ACTORS, AGENTS, from_path
from pulsing.admin.classes import checked_constructor, spawnable_class
from pulsing.admin.documents import answers, lists
from pulsing.admin.fanout import Fanout
from pulsing.admin.merging import merge_counts
from pulsing.admin.paging import ListQuery, window_of
from pulsing.admin.plane import Plane, answer_list, flag_of, list_query, plane_of
from pulsing.admin.problems import ProblemError, problem_of
from pulsing.admin.replies import EventStream, reply
from pulsing.admin.routes.cluster import find_node
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import ActorDetail, ActorRow, AgentRow, Input, Row, SpawnRehearsed, Stopped
from pulsing.admin.subjects import actor_id_of, actor_paths, find_actor, is_own, shown_actor, with_ties
from pulsing.admin.visit import visit_of
from pulsing.core.registry import actor_path, check_name
from pulsing.exceptions import ActorNotFound, NameTaken, PulsingRuntimeError
from pulsing.ids import ActorId, NodeId

actors = Routes("actors")

MAX_TELL = MAX_SPAWN = 64 * 1024
ANSWER_S = 5.0
_PROGRAM = "pulsing.subprocess.process.ProcessActor"
_SUMMARY_KEY = "(class|node|state|kind|role)"
SUMMARY_PATTERN = f"^{_SUMMARY_KEY}(,{_SUMMARY_KEY})?$"


@actors.get("/actors", role="viewer", **lists(ActorRow, ACTORS.spec))
async def list_actors(request: Request) -> Response:
    """The actors of the cluster; with `state=stopped` or `failed` the last that ended."""
    return await answer_list(request, ACTORS, system=flag_of(request, "system"))


@actors.get("/actors/summary", role="viewer", openapi_extra={"parameters": ACTORS.spec.parameters()}, **answers(Row))
async def summarise(request: Request, by: Annotated[str, Query(pattern=SUMMARY_PATTERN)] = "class") -> Response:
    """Counts of actors by class, node, state, kind or the role of their agent."""
    keys = by.split(",")
    fanout = plane_of(request).fanout
    query = await list_query(request, ACTORS, without=("by",))
    asked = {"by": keys, "window": window_of(query, ACTORS.spec).to_params(), "system": flag_of(request, "system")}
    found = await fanout.ask("actor_counts", asked, await _nodes_of(fanout, query))
    found.require_one()
    items = [
        {**sums, "key": dict(zip(keys, sums["key"], strict=True))}
        for sums in merge_counts(row for rows in found.values.values() for row in rows)
    ]
    return reply({"by": keys, "items": items, "partial": found.partial, "errors": found.faults})


async def _nodes_of(fanout: Fanout, query: ListQuery) -> list[str]:
    """The nodes that a query about actors is to be asked of."""
    if query.scope == "node":
        return [fanout.here]
    named = ACTORS.nodes_of(query)
    return [node for node in await fanout.nodes() if named is None or node in named]


@actors.get("/actors/{actor}", role="viewer", **answers(ActorDetail))
async def show_actor(request: Request, actor: str, node: str | None = None) -> Response:
    """One actor by id or name."""
    return await _shown(request, await _find(plane_of(request), actor, node))


async def _shown(request: Request, row: dict[str, Any]) -> Response:
    plane = plane_of(request)
    whole = await with_ties(plane.fanout, row)
    return reply(shown_actor(whole, operator=plane.payloads.may_see(visit_of(request).known)))


async def _find(plane: Plane, actor: str, node: str | None = None) -> dict[str, Any]:
    where = (await find_node(plane, node))["id"] if node is not None else None
    row, _ = await find_actor(plane.fanout, from_path(actor), where)
    return row


def _canonical(actor: str) -> str:
    """An actor of a path as the audit calls it, until it is found: a bare name stands under `actors/`."""
    text = from_path(actor)
    return text if actor_id_of(text) is not None else actor_paths(text)[0]


def _label(row: Mapping[str, Any]) -> str:
    return str(row.get("name") or row["id"])


async def _find_live(plane: Plane, actor: str, node: str | None = None) -> dict[str, Any]:
    row = await _find(plane, actor, node)
    if row["state"] in ("stopped", "failed"):
        raise ProblemError("actor-stopped", f"the actor has ended: {(row.get('exit') or {}).get('reason', '')}")
    return row


class Spawn(Input):
    """What to spawn and how."""

    class_: str = Field(alias="class", max_length=500)
    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    name: str | None = Field(default=None, max_length=300)
    public: bool | None = None
    placement: str = Field(default="local", max_length=200)
    restart_policy: str | None = Field(default=None, max_length=20)
    max_restarts: int | None = Field(default=None, ge=0, le=1_000_000)
    min_backoff: float | None = Field(default=None, ge=0, le=3600)
    max_backoff: float | None = Field(default=None, ge=0, le=86400)
    mailbox: int | None = Field(default=None, ge=1, le=10_000_000)
    tags: dict[str, str] = Field(default_factory=dict, max_length=32)

    def options(self) -> dict[str, Any]:
        """The options of the class that this order changes."""
        named = ("restart_policy", "max_restarts", "min_backoff", "max_backoff", "mailbox")
        return {name: value for name in named if (value := getattr(self, name)) is not None}


@actors.post("/actors", role="operator", action="actor.spawn", **answers(ActorRow, 201, others={200: SpawnRehearsed}))
async def spawn(request: Request, order: Spawn, dry_run: bool = False) -> Response:
    """Spawn an actor of a registered class."""
    plane, visit = plane_of(request), visit_of(request)
    await _check_size(request, MAX_SPAWN)
    _check_name(order.name)
    _check_tags(order.tags)
    visit.target = actor_path(order.name) if order.name else order.class_
    visit.parameters = order.model_dump(by_alias=True, exclude_defaults=True)

    async def act() -> Response:
        return await _spawn(plane, order, dry_run)

    return await plane.repeats.once(request, visit.known.name, act)


async def _check_size(request: Request, most: int) -> None:
    if len(await request.body()) > most:
        raise ProblemError("too-large", f"the body has at most {most} bytes here")


def _check_name(name: str | None) -> None:
    if name is None:
        return
    try:
        actor_path(name)
    except ValueError as error:
        raise ProblemError("bad-name", str(error), errors=[{"loc": ["body", "name"], "msg": str(error)}]) from error


async def _spawn(plane: Plane, order: Spawn, dry_run: bool) -> Response:
    actor_class = spawnable_class(order.class_, plane.settings.spawnable)
    given = (
        calls.read_values(order.args, plane.system, "args"),
        calls.read_values(order.kwargs, plane.system, "kwargs"),
    )
    args, kwargs = checked_constructor(actor_class, *given)
    placement = await _placement(plane, order.placement)
    public = order.public if order.public is not None else order.name is not None
    try:
        chosen = actor_class.with_options(
            **order.options(), name=order.name, public=public, system=plane.system, placement=placement
        )
    except ValueError as error:
        raise _does_not_fit(str(error)) from error
    if dry_run:
        await _check_free(plane, order.name, placement)
        return reply({"dry_run": True, "class": order.class_, "name": order.name})
    try:
        proxy = await chosen.spawn(*args, **kwargs)
    except PulsingRuntimeError:
        raise
    except Exception as error:
        # The constructor is the user's: what it raises is about the arguments that it was given.
        raise ProblemError("bad-arguments", f"the constructor raised {type(error).__name__}: {error}") from error
    actor_id = proxy.ref.actor_id
    if order.tags:
        await plane.system.ask_node(actor_id.node_id, "tag_actor", str(actor_id), dict(order.tags))
    row, _ = await find_actor(plane.fanout, str(actor_id))
    return reply(row, 201, {"location": f"actors/{actor_id}"})


async def _check_free(plane: Plane, name: str | None, placement: Any) -> None:
    """Refuse a name that the node has given away; which node `remote` and `ray` choose is seen when they do."""
    if name is None or placement in ("remote", "ray"):
        return
    node = plane.fanout.here if placement in ("local", "process") else str(placement)
    found = await plane.fanout.ask("actor", {"actor": actor_path(name)}, [node])
    found.require_one()
    row = found.values[node]
    if row and row["state"] not in ("stopped", "failed"):
        raise problem_of(NameTaken(row["name"]))


async def _placement(plane: Plane, placement: str) -> Any:
    if placement in ("local", "remote", "process", "ray"):
        return placement
    return NodeId.from_str((await find_node(plane, placement))["id"])


def _does_not_fit(message: str) -> ProblemError:
    return ProblemError("validation", message, errors=[{"loc": ["body"], "msg": message}])


class Call(Input):
    """A method call, or one message for a class with `receive`."""

    method: str | None = Field(default=None, max_length=200)
    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    message: Any = None
    message_type: str | None = Field(default=None, max_length=200)
    timeout: float = Field(default=30.0, gt=0, le=600)


class Tell(Input):
    """A message that nobody waits for."""

    method: str | None = Field(default=None, max_length=200)
    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    message: Any = None
    message_type: str | None = Field(default=None, max_length=200)


@actors.post(
    "/actors/{actor}/call", role="operator", action="actor.call", unbounded=True,
    responses={200: {"description": "How the call went", "content": {"application/json": {}, "text/event-stream": {}}}},
)  # fmt: skip
async def call(request: Request, actor: str, asked: Call) -> Response:
    """Call a method and answer what it gave; a generator streams where the caller accepts events."""
    plane, visit = plane_of(request), visit_of(request)
    visit.target = _canonical(actor)
    visit.parameters = asked.model_dump(exclude_defaults=True)

    async def act() -> Response:
        order = await _order(plane, actor, asked, asked.timeout, visit.trace)
        visit.target = _label(order.actor)
        if order.streams and "text/event-stream" in request.headers.get("accept", ""):
            return EventStream(calls.frames(order))
        return reply(await calls.answer(order))

    if "text/event-stream" in request.headers.get("accept", ""):
        return await act()
    return await plane.repeats.once(request, visit.known.name, act)


async def _order(plane: Plane, actor: str, asked: Call | Tell, timeout: float | None, trace: bytes) -> calls.Order:
    row = await _target(plane, from_path(actor))
    ref = plane.system.bind(ActorId.from_str(row["id"]), row.get("name"))
    args, kwargs, streams = _arguments(plane, row, asked)
    limit = plane.settings.reply_bytes
    return calls.Order(ref, row, asked.method, tuple(args), kwargs, timeout, streams, trace, limit, plane.payloads)


async def _target(plane: Plane, text: str) -> dict[str, Any]:
    """The live actor that a call goes to: of several with the name, the one whose turn it is."""
    if actor_id_of(text) is not None:
        return await _find_live(plane, text)
    for path in actor_paths(text):
        with contextlib.suppress(ActorNotFound, ValueError):
            ref = await plane.system.resolve(path)
            return await _find_live(plane, str(ref.actor_id))
    return await _find_live(plane, text)


def _arguments(plane: Plane, row: dict[str, Any], asked: Call | Tell) -> tuple[list[Any], dict[str, Any], bool]:
    if is_own(row):
        raise ProblemError("forbidden", "the node's own actors are not called from here")
    if asked.method is None:
        if not calls.receives(row):
            raise _does_not_fit("method is missing: only classes with receive take messages")
        return [calls.read_message(asked.message, asked.message_type, plane.system)], {}, False
    kind = calls.method_kind(row, asked.method)
    args, kwargs = calls.checked_arguments(row, asked.method, asked.args, asked.kwargs, plane.system)
    return args, kwargs, kind == "stream"


@actors.post("/actors/{actor}/tell", role="operator", action="actor.tell", **answers(Row, 202))
async def tell(request: Request, actor: str, asked: Tell) -> Response:
    """Send a message that nobody waits for."""
    plane, visit = plane_of(request), visit_of(request)
    visit.target = _canonical(actor)
    visit.parameters = asked.model_dump(exclude_defaults=True)
    await _check_size(request, MAX_TELL)

    async def act() -> Response:
        order = await _order(plane, actor, asked, None, visit.trace)
        visit.target = _label(order.actor)
        with calls.carrying(order.trace):
            sent = order.ref.send(order.method, order.args, order.kwargs)
        await sent
        return reply({"accepted": True, "actor": order.actor["id"], "node": order.actor["node"]}, 202)

    return await plane.repeats.once(request, visit.known.name, act)


@actors.delete("/actors/{actor}", role="operator", action="actor.stop", **answers(Stopped, also=[202]))
async def stop(
    request: Request, actor: str, node: str | None = None, timeout: float = Query(default=30.0, ge=0, le=30)
) -> Response:
    """Stop an actor: its running message finishes, what waits fails, its name is free.

    202 where the running message has not finished after `timeout` seconds; the actor ends when it has.
    """
    plane, visit = plane_of(request), visit_of(request)
    visit.target = _canonical(actor)
    row = await _stoppable(plane, actor, node)
    visit.target = _label(row)
    began = time.perf_counter()
    node_id = ActorId.from_str(row["id"]).node_id
    # It may come through a link and a busy loop: the answer has a little longer than the wait.
    ended = await plane.system.ask_node(node_id, "end_actor", row["id"], timeout, timeout=timeout + ANSWER_S)
    body = {**ended, "took_s": round(time.perf_counter() - began, 6)}
    return reply(body, 200 if ended["stopped"] else 202)


async def _stoppable(plane: Plane, actor: str, node: str | None) -> dict[str, Any]:
    row = await _find_live(plane, actor, node)
    if is_own(row) and not _runs_a_program(row):
        raise ProblemError("forbidden", "the node's own actors cannot be stopped or restarted")
    return row


def _runs_a_program(row: Mapping[str, Any]) -> bool:
    """Whether a user has spawned it to run a program, which may have to be stopped."""
    return bool(row["kind"] != "system" and row["class"] == _PROGRAM)


@actors.post("/actors/{actor}/restart", role="operator", action="actor.restart", **answers(ActorRow))
async def restart(request: Request, actor: str, node: str | None = None) -> Response:
    """Start an actor afresh: same id, name and mailbox, new state."""
    plane, visit = plane_of(request), visit_of(request)
    visit.target = _canonical(actor)
    row = await _stoppable(plane, actor, node)
    visit.target = _label(row)
    actor_id = ActorId.from_str(row["id"])
    try:
        await plane.system.ask_node(actor_id.node_id, "restart_actor", row["id"])
    except PulsingRuntimeError:
        raise
    except Exception as error:
        raise ProblemError(
            "cannot-restart", str(error), hint="only what was spawned from a class or with a restart policy can be"
        ) from error
    found, _ = await find_actor(plane.fanout, row["id"])
    return reply(found)


@actors.get("/actors/{actor}/metadata", role="viewer", **answers(Row))
async def metadata(request: Request, actor: str, node: str | None = None) -> Response:
    """What the actor says of itself: its `metadata()`, its card, its tags."""
    plane = plane_of(request)
    row = await _find_live(plane, actor, node)
    found = await plane.fanout.ask("metadata", {"actor": row["id"]}, [row["node"]])
    found.require_one()
    said = next(iter(found.values.values()))
    if not said:
        raise ProblemError("actor-not-found", "the actor has just ended")
    return reply(said)


@actors.patch("/actors/{actor}/tags", role="operator", action="actor.tag", **answers(Row))
async def tag(request: Request, actor: str, changes: dict[str, str | None], node: str | None = None) -> Response:
    """Set tags, and take away those that are null."""
    plane, visit = plane_of(request), visit_of(request)
    visit.target, visit.parameters = _canonical(actor), changes
    _check_tags(changes)
    row = await _find_live(plane, actor, node)
    visit.target = _label(row)
    kept = {**(row.get("tags") or {}), **changes}
    if sum(value is not None for value in kept.values()) > 32:
        raise _does_not_fit("an actor has at most 32 tags")
    tags = await plane.system.ask_node(ActorId.from_str(row["id"]).node_id, "tag_actor", row["id"], changes)
    return reply({"tags": tags})


def _check_tags(changes: Mapping[str, str | None]) -> None:
    for key, value in changes.items():
        try:
            check_name(key, "tag")
        except ValueError as error:
            raise _does_not_fit(str(error)) from error
        if len(key) > 64 or (value is not None and len(value.encode("utf-8", "surrogatepass")) > 256):
            raise _does_not_fit("a tag has at most 64 characters, its value at most 256 bytes")


@actors.get("/agents", role="viewer", **lists(AgentRow, AGENTS.spec))
async def list_agents(request: Request) -> Response:
    """The live agents with their cards; with `gone=true` the names of those that have ended, too."""
    return await answer_list(request, AGENTS, gone=flag_of(request, "gone"))


@actors.get("/agents/{actor}", role="viewer", **answers(ActorDetail))
async def show_agent(request: Request, actor: str, node: str | None = None) -> Response:
    """One agent: the actor, with its card."""
    plane = plane_of(request)
    row = await _find(plane, actor, node)
    if row["kind"] != "agent" and not row.get("agent"):
        raise ProblemError("actor-not-found", f"no agent {_label(row)!r}", hint=f"it is an actor: {row['href']}")
    return await _shown(request, row)
