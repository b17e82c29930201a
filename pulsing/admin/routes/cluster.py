"""The cluster: overview, nodes, members, names, links."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from pulsing.admin.catalogue import LINKS, MEMBERS, NAMES, NODES, from_path
from pulsing.admin.documents import answers, lists
from pulsing.admin.history import SERIES, joint_series
from pulsing.admin.overview import cluster_view, overview
from pulsing.admin.plane import Plane, answer_kept, answer_list, flag_of, plane_of
from pulsing.admin.problems import ProblemError
from pulsing.admin.replies import reply
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import ClusterView, Input, Joined, LinkRow, MemberRow, NameRow, NodeDetail, NodeRow, Row
from pulsing.admin.subjects import actor_paths, did_you_mean
from pulsing.admin.visit import visit_of
from pulsing.cluster import parse_address
from pulsing.core.spec import is_internal_class

cluster = Routes("cluster")

JOIN_S = 10.0
SEED_LOOK_S = 0.05

_NAME = f"({'|'.join(SERIES)})"
NAMES_PATTERN = f"^{_NAME}(,{_NAME})*$"


@cluster.get("/overview", role="viewer", **answers(Row))
async def show_overview(request: Request) -> Response:
    """The whole cluster on one page."""
    row, _ = await overview(plane_of(request).fanout)
    return reply(row)


@cluster.get("/nodes", role="viewer", **lists(NodeRow, NODES.spec))
async def list_nodes(request: Request) -> Response:
    """The nodes, each as it sees itself."""
    return await answer_list(request, NODES)


@cluster.get("/nodes/{node}", role="viewer", **answers(NodeDetail))
async def show_node(request: Request, node: str) -> Response:
    """One node by id or name."""
    plane = plane_of(request)
    row = await find_node(plane, node)
    found, _ = await NODES.rows(plane.fanout, nodes=[row["id"]], detail=True)
    return reply(found[0] if found else row)


async def find_node(plane: Plane, text: str) -> dict[str, Any]:
    """The row of a node by id or name.

    Raises:
        ProblemError: `node-not-found`.
    """
    rows, _ = await NODES.rows(plane.fanout)
    for row in rows:
        if text in (row["id"], row.get("name")):
            return row
    known = [str(value) for row in rows for value in (row["id"], row.get("name")) if value]
    raise ProblemError("node-not-found", f"no node {text[:200]!r}", hint=did_you_mean(text, known))


@cluster.get("/cluster", role="viewer", **answers(ClusterView))
async def show_cluster(request: Request) -> Response:
    """The cluster as this node sees it, and whether the others agree."""
    return reply(await cluster_view(plane_of(request).fanout))


@cluster.get("/cluster/members", role="viewer", **lists(MemberRow, MEMBERS.spec))
async def list_members(request: Request) -> Response:
    """The members, as this node sees them."""
    return await answer_list(request, MEMBERS)


@cluster.get("/cluster/members/{node}", role="viewer", **answers(MemberRow))
async def show_member(request: Request, node: str) -> Response:
    """One member by id or name, with its history."""
    rows, _ = await MEMBERS.rows(plane_of(request).fanout, detail=True)
    for row in rows:
        if node in (row["id"], row.get("name")):
            return reply(row)
    raise ProblemError("node-not-found", f"no member {node[:200]!r}")


async def _any_answers(plane: Plane, seeds: list[str]) -> bool:
    """Whether one of some seeds answers; a node that belongs to a cluster has joined somebody before it dials them.

    Waits until one does, or all were tried in vain.
    """
    clock = plane.clock
    asked = {str(parse_address(seed)) for seed in seeds}
    until = clock.monotonic() + JOIN_S
    while clock.monotonic() < until:
        view = await cluster_view(plane.fanout)
        tried = [row.get("reachable") for row in view["seeds"] if row["addr"] in asked]
        if any(tried) or not tried:
            return bool(tried)
        if all(reached is False for reached in tried):
            return False
        await asyncio.sleep(SEED_LOOK_S)
    return False


class Join(Input):
    """Whom to join."""

    seeds: list[str] = Field(min_length=1, max_length=32)


@cluster.post("/cluster/join", role="admin", action="cluster.join", unbounded=True, **answers(Joined))
async def join(request: Request, order: Join) -> Response:
    """Join a cluster through further seeds."""
    plane, visit = plane_of(request), visit_of(request)
    visit.target = ",".join(order.seeds)[:256]
    if plane.system.join_through is None:
        raise ProblemError("not-supported", "this node has no address: nobody can be joined with it")
    try:
        joined = await plane.system.join_through(order.seeds, JOIN_S)
    except ValueError as error:
        raise ProblemError("validation", str(error), errors=[{"loc": ["body", "seeds"], "msg": str(error)}]) from error
    if not joined or not await _any_answers(plane, order.seeds):
        raise ProblemError("join-timeout", f"no seed answered within {JOIN_S:g} s")
    size = sum(row.status in ("Alive", "Suspect", "Leaving") for row in plane.system.members_view())
    return reply({"joined": True, "size": size})


@cluster.get("/names", role="viewer", **lists(NameRow, NAMES.spec))
async def list_names(request: Request) -> Response:
    """The public names and who holds them; with `system=true` those of Pulsing's own actors as well."""
    prefix, system = request.query_params.get("prefix", ""), flag_of(request, "system")

    def wanted(row: dict[str, Any]) -> bool:
        return row["name"].startswith(prefix) and (system or not _is_own(row))

    return await answer_kept(request, NAMES, wanted, prefix=prefix)


def _is_own(row: dict[str, Any]) -> bool:
    return all(is_internal_class(each["class"]) for each in row["instances"])


@cluster.get("/names/{name}", role="viewer", **answers(NameRow))
async def show_name(request: Request, name: str) -> Response:
    """One public name."""
    paths = actor_paths(from_path(name))
    rows, _ = await NAMES.rows(plane_of(request).fanout)
    for row in rows:
        if row["name"] in paths:
            return reply(row)
    path = paths[0]
    raise ProblemError("name-not-found", f"no name {path[:300]!r}", hint=did_you_mean(path, [r["name"] for r in rows]))


@cluster.get("/links", role="viewer", **lists(LinkRow, LINKS.spec))
async def list_links(request: Request) -> Response:
    """The links between nodes; closed ones with `state=closed`."""
    return await answer_list(request, LINKS)


@cluster.get("/links/{id}", role="viewer", **answers(LinkRow))
async def show_link(request: Request, id: str) -> Response:
    """One link."""
    fanout = plane_of(request).fanout
    opened, _ = await LINKS.rows(fanout)
    closed, _ = await LINKS.rows(fanout, closed=True)
    for row in (*opened, *closed):
        if str(row["id"]) == from_path(id):
            return reply(row)
    raise ProblemError("link-not-found", f"no link {id[:200]!r}")


@cluster.get("/timeseries", role="viewer", **answers(Row))
async def timeseries(
    request: Request,
    names: Annotated[str, Query(pattern=NAMES_PATTERN)] = "messages_total",
    range: Literal["10m", "6h", "24h"] = "10m",
    scope: Literal["node", "cluster"] = "node",
) -> Response:
    """The last minutes, hours or day in a few numbers, of this node or of all nodes that have an admin app."""
    plane = plane_of(request)
    # An app inside another one has nobody else who would start it.
    plane.history.start()
    wanted = list(dict.fromkeys(names.split(",")))
    if scope == "node":
        return reply(plane.history.series(wanted, range))
    answers = await plane.fanout.ask("history", {"names": wanted, "range": range})
    answers.require_one()
    told = [one for one in answers.values.values() if one]
    return reply({**joint_series(told), "nodes": len(told), "partial": answers.partial, "errors": answers.faults})
