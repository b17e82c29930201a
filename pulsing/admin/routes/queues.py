"""Queues: list, look at, look into, set up, put to, trim, delete."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from pulsing.admin.backend_options import check_backend_options
from pulsing.admin.calls import read_values
from pulsing.admin.catalogue import QUEUES, from_path
from pulsing.admin.documents import answers, lists
from pulsing.admin.plane import Plane, answer_list, plane_of
from pulsing.admin.problems import ProblemError
from pulsing.admin.replies import reply
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import Input, Peek, QueueDetail, QueueRow, Row
from pulsing.admin.subjects import find_queue
from pulsing.admin.visit import visit_of
from pulsing.exceptions import PulsingRuntimeError
from pulsing.streaming import Queue, list_backends
from pulsing.streaming.administration import (
    QueueBusy,
    create_queue,
    delete_queue,
    flush_queue,
    open_queue,
    purge_queue,
    trim_queue,
)
from pulsing.streaming.names import MAX_BUCKETS, check_topic
from pulsing.streaming.ownership.catalogue import QueueDiffers

queues = Routes("queues")


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
    contains: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """Look at records without moving any reader."""
    plane, name = plane_of(request), from_path(queue)
    row, _ = await find_queue(plane.fanout, name)
    _check_bucket(bucket_id, row["num_buckets"])
    asked = {
        "queue": name,
        "bucket_id": bucket_id,
        "offset": offset,
        "limit": limit,
        "order": order,
        "contains": contains,
    }
    found = await plane.fanout.ask("queue_messages", asked)
    found.require_one()
    parts = [part for part in found.values.values() if part]
    items = [item for part in parts for item in part["items"]]
    items.sort(
        key=lambda item: (str(item.get("at") or ""), item["bucket_id"], item["offset"]), reverse=order == "newest"
    )
    scanned = {"scanned": sum(part.get("scanned", 0) for part in parts)} if contains else {}
    return reply(
        {
            "items": [_shown(plane, item) for item in items],
            "buckets": {key: value for part in parts for key, value in part.get("buckets", {}).items()},
            "next_offset": {key: value for part in parts for key, value in part.get("next_offset", {}).items()},
            **scanned,
            "partial": found.partial,
            "errors": found.faults,
        }
    )


def _check_bucket(bucket_id: int | None, num_buckets: int) -> None:
    if bucket_id is not None and bucket_id >= num_buckets:
        raise ProblemError("bucket-not-found", f"no bucket {bucket_id}: the queue has {num_buckets}, from 0 on")


def _shown(plane: Plane, item: Mapping[str, Any]) -> dict[str, Any]:
    record, truncated = plane.payloads.view(item["record"])
    shown = {**item, "record": record, "truncated": truncated or bool(item.get("truncated"))}
    return {**shown, "redacted": True} if record is None else shown


class Create(Input):
    """The settings of a queue."""

    num_buckets: int = Field(default=4, ge=1, le=MAX_BUCKETS)
    bucket_column: str = Field(default="id", min_length=1, max_length=200)
    backend: str = Field(default="memory", max_length=100)
    batch_size: int = Field(default=100, ge=1, le=100_000)
    backend_options: dict[str, Any] | None = None


@queues.put("/queues/{queue}", role="operator", action="queue.create", **answers(QueueRow, also=[201]))
async def create(request: Request, queue: str, order: Create) -> Response:
    """Fix the settings of a queue, as a first put would."""
    plane, visit = plane_of(request), visit_of(request)
    name = visit.target = _checked(from_path(queue))
    visit.parameters = order.model_dump(exclude_defaults=True)
    _check_backend(order)
    try:
        made = await create_queue(plane.system, name, **order.model_dump())
    except QueueDiffers as error:
        raise ProblemError("queue-differs", str(error)) from error
    except PulsingRuntimeError:
        raise
    except (ValueError, TypeError) as error:
        raise _does_not_fit(str(error)) from error
    row, _ = await find_queue(plane.fanout, name)
    return reply(row, 201 if made else 200)


def _check_backend(order: Create) -> None:
    if order.backend not in list_backends():
        raise _does_not_fit(f"no backend {order.backend[:80]!r}; there are {', '.join(list_backends())}")
    if any("path" in str(key).lower() for key in order.backend_options or {}):
        raise _does_not_fit("a path is never taken from here")
    check_backend_options(order.backend, order.backend_options or {})


def _does_not_fit(message: str) -> ProblemError:
    return ProblemError("validation", message, errors=[{"loc": ["body"], "msg": message}])


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
    opened = await _open(plane, name, create=create)
    records = read_values(order.records, plane.system, "records")
    column = opened.bucket_column
    missing = [index for index, record in enumerate(records) if column not in record]
    if missing:
        message = f"the bucket column {column!r} is missing"
        faults = [{"loc": ["body", "records", index], "msg": message} for index in missing[:20]]
        raise ProblemError("validation", f"record {missing[0]}: {message}", errors=faults)
    try:
        results = await opened.put(records)
    except PulsingRuntimeError as error:
        if (partly := getattr(error, "results", None)) is None:
            raise
        written = sum(result["status"] == "ok" for result in partly)
        raise ProblemError("bucket-unavailable", str(error), count=written, results=partly) from error
    except ValueError as error:
        raise _does_not_fit(str(error)) from error
    return reply({"count": len(results), "results": results}, 201)


async def _open(plane: Plane, name: str, *, create: bool = False) -> Queue:
    """The queue as it was set up.

    Raises:
        ProblemError: `queue-not-found`, with a hint.
    """
    if create:
        _checked(name)
    opened = await open_queue(plane.system, name) if _is_name(name) else None
    if opened is None and create:
        await create_queue(plane.system, name)
        opened = await open_queue(plane.system, name)
    if opened is None:
        await find_queue(plane.fanout, name)
        raise ProblemError("queue-not-found", f"no queue {name[:200]!r}")
    return opened


def _is_name(name: str) -> bool:
    try:
        check_topic(name)
    except ValueError:
        return False
    return True


def _checked(name: str) -> str:
    try:
        return check_topic(name, "queue")
    except ValueError as error:
        raise ProblemError("bad-name", str(error)) from error


@queues.post("/queues/{queue}/flush", role="operator", action="queue.flush", **answers(Row))
async def flush(request: Request, queue: str) -> Response:
    """Store what has been put so far."""
    name = visit_of(request).target = from_path(queue)
    opened = await _open(plane_of(request), name)
    return reply({"buckets": await flush_queue(opened)})


class Trim(Input):
    """How much to remove; one of the three."""

    keep_last: int | None = Field(default=None, ge=0, le=1 << 62)
    before_offset: int | None = Field(default=None, ge=0, le=1 << 62)
    before_at: dt.datetime | None = Field(default=None, strict=False)
    bucket_id: int | None = Field(default=None, ge=0, le=1 << 20)


@queues.post("/queues/{queue}/trim", role="operator", action="queue.trim", **answers(Row))
async def trim(request: Request, queue: str, order: Trim, dry_run: bool = False) -> Response:
    """Remove the oldest records; offsets stay as they are."""
    visit = visit_of(request)
    name = visit.target = from_path(queue)
    visit.parameters = order.model_dump(mode="json", exclude_defaults=True)
    ways = [order.keep_last, order.before_offset, order.before_at]
    if sum(way is not None for way in ways) != 1:
        raise _does_not_fit("give one of keep_last, before_offset and before_at")
    opened = await _open(plane_of(request), name)
    _check_bucket(order.bucket_id, opened.num_buckets)
    answer = await trim_queue(
        opened,
        keep_last=order.keep_last,
        before_offset=order.before_offset,
        before_at=order.before_at.timestamp() if order.before_at else None,
        bucket_id=order.bucket_id,
        dry_run=dry_run,
    )
    return reply({**answer, "dry_run": True} if dry_run else answer)


@queues.post("/queues/{queue}/purge", role="operator", action="queue.purge", **answers(Row))
async def purge(request: Request, queue: str, dry_run: bool = False) -> Response:
    """Remove every record that there is now."""
    name = visit_of(request).target = from_path(queue)
    answer = await purge_queue(await _open(plane_of(request), name), dry_run=dry_run)
    return reply({**answer, "dry_run": True} if dry_run else answer)


@queues.delete("/queues/{queue}", role="operator", action="queue.delete", **answers(Row))
async def delete(
    request: Request, queue: str, if_empty: bool = False, if_unused: bool = False, dry_run: bool = False
) -> Response:
    """Remove a queue with its records."""
    name = visit_of(request).target = from_path(queue)
    opened = await _open(plane_of(request), name)
    try:
        answer = await delete_queue(opened, if_empty=if_empty, if_unused=if_unused, dry_run=dry_run)
    except QueueBusy as error:
        raise ProblemError(f"queue-{error.reason}", str(error)) from error
    return reply({**answer, "dry_run": True} if dry_run else answer)
