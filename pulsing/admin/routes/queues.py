"""Queues: list, look at, look into, put to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from pulsing.admin.audit import redact
from pulsing.admin.calls import read_values
from pulsing.admin.catalogue import QUEUES, from_path
from pulsing.admin.documents import answers, lists
from pulsing.admin.gate import visit_of
from pulsing.admin.plane import Plane, answer_list, plane_of
from pulsing.admin.problems import ProblemError
from pulsing.admin.replies import encode, reply
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import Input, Peek, QueueDetail, QueueRow, Row
from pulsing.admin.subjects import find_queue
from pulsing.admin.values import to_json
from pulsing.core.registry import check_name
from pulsing.exceptions import PulsingRuntimeError

queues = Routes("queues")

OPENED_BY = ("bucket_column", "num_buckets", "batch_size", "backend", "backend_options")


@queues.get("/queues", role="viewer", **lists(QueueRow, QUEUES.spec))
async def list_queues(request: Request) -> Response:
    """The queues of the cluster."""
    return await answer_list(request, QUEUES)


@queues.get("/queues/{queue}", role="viewer", **answers(QueueDetail))
async def show_queue(request: Request, queue: str) -> Response:
    """One queue with its buckets and readers."""
    row, _ = await find_queue(plane_of(request).fanout, from_path(queue))
    return reply(row)


@queues.get("/queues/{queue}/messages", role="operator", **answers(Peek))
async def peek(
    request: Request,
    queue: str,
    bucket_id: int | None = Query(default=None, ge=0, le=1 << 20),
    offset: int | None = Query(default=None, ge=0, le=1 << 62),
    limit: int = Query(default=20, ge=1, le=500),
    order: Literal["oldest", "newest"] = "oldest",
) -> Response:
    """Look at records without moving any reader."""
    plane, name = plane_of(request), from_path(queue)
    await find_queue(plane.fanout, name)
    asked = {"queue": name, "bucket_id": bucket_id, "offset": offset, "limit": limit, "order": order}
    found = await plane.fanout.ask("queue_messages", asked)
    found.require_one()
    parts = [part for part in found.values.values() if part]
    items = [item for part in parts for item in part["items"]]
    items.sort(
        key=lambda item: (str(item.get("at") or ""), item["bucket_id"], item["offset"]), reverse=order == "newest"
    )
    return reply(
        {
            "items": [_shown(plane, item) for item in items],
            "buckets": {key: value for part in parts for key, value in part.get("buckets", {}).items()},
            "next_offset": {key: value for part in parts for key, value in part.get("next_offset", {}).items()},
            "partial": found.partial,
            "errors": found.faults,
        }
    )


def _shown(plane: Plane, item: Mapping[str, Any]) -> dict[str, Any]:
    mode = plane.settings.payloads
    if mode == "off":
        return {**item, "record": None, "redacted": True}
    if mode == "types":
        return {**item, "record": {key: type(value).__name__ for key, value in item["record"].items()}}
    view, truncated = to_json(item["record"])
    if mode == "preview":
        text = encode(view).decode(errors="replace")
        cut = len(text) > plane.settings.preview_bytes
        return {**item, "record": text[: plane.settings.preview_bytes], "truncated": cut or truncated}
    return {
        **item,
        "record": redact(view, plane.settings.redact),
        "truncated": truncated or bool(item.get("truncated")),
    }


class Put(Input):
    """Records to put."""

    records: list[dict[str, Any]] = Field(min_length=1, max_length=1_000)


@queues.post("/queues/{queue}/messages", role="operator", action="queue.put", **answers(Row, 201))
async def put(request: Request, queue: str, order: Put, create: bool = False) -> Response:
    """Put records; all are checked before one is written."""
    plane, visit = plane_of(request), visit_of(request)
    name = from_path(queue)
    visit.target, visit.parameters = name, {"records": len(order.records)}

    async def act() -> Response:
        return await _put(plane, name, order, create)

    return await plane.repeats.once(request, visit.known.name, act)


async def _put(plane: Plane, name: str, order: Put, create: bool) -> Response:
    opened = await _open(plane, name, create)
    records = read_values(order.records, plane.system)
    column = opened.bucket_column
    missing = [index for index, record in enumerate(records) if column not in record]
    if missing:
        faults = [
            {"loc": ["body", "records", index], "msg": f"the bucket column {column!r} is missing"} for index in missing
        ]
        raise ProblemError("validation", f"record {missing[0]} has no {column!r}", errors=faults[:20])
    try:
        results = await opened.put(records)
    except PulsingRuntimeError:
        raise
    except ValueError as error:
        raise ProblemError("validation", str(error)) from error
    return reply({"count": len(results), "results": results}, 201)


async def _open(plane: Plane, name: str, create: bool) -> Any:
    """The queue as it was set up by its first put, so that this one fits."""
    try:
        row, _ = await find_queue(plane.fanout, name)
    except ProblemError:
        if not create:
            raise
        return await plane.system.queue.write(_checked(name))
    return await plane.system.queue.write(name, **{key: row[key] for key in OPENED_BY if row.get(key) is not None})


def _checked(name: str) -> str:
    try:
        return check_name(name, "queue")
    except ValueError as error:
        raise ProblemError("bad-name", str(error)) from error


@queues.post("/queues/{queue}/flush", role="operator", action="queue.flush", **answers(Row))
async def flush(request: Request, queue: str) -> Response:
    """Store what has been put so far."""
    plane, visit = plane_of(request), visit_of(request)
    name = visit.target = from_path(queue)
    opened = await _open(plane, name, create=False)
    row, _ = await find_queue(plane.fanout, name)
    await asyncio.wait_for(opened.flush(), 30.0)
    return reply({"buckets": len(row.get("bucket_rows") or ())})
