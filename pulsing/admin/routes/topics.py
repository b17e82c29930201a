"""Topics: list, look at, publish to."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import Request
from pydantic import Field
from starlette.responses import Response

from pulsing.admin.calls import read_values
from pulsing.admin.catalogue import TOPICS, from_path
from pulsing.admin.documents import answers, lists
from pulsing.admin.gate import visit_of
from pulsing.admin.plane import Plane, answer_list, plane_of
from pulsing.admin.problems import ProblemError
from pulsing.admin.replies import reply
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import Input, Row, TopicDetail, TopicRow
from pulsing.admin.subjects import find_topic
from pulsing.core.registry import check_name

topics = Routes("topics")

WRITER = "admin"


@topics.get("/topics", role="viewer", **lists(TopicRow, TOPICS.spec))
async def list_topics(request: Request) -> Response:
    """The topics of the cluster."""
    return await answer_list(request, TOPICS)


@topics.get("/topics/{topic}", role="viewer", **answers(TopicDetail))
async def show_topic(request: Request, topic: str) -> Response:
    """One topic with its subscribers."""
    row, _ = await find_topic(plane_of(request).fanout, from_path(topic))
    return reply(row)


class Publish(Input):
    """A message to publish."""

    message: Any
    mode: Literal["fire_and_forget", "wait_all_acks", "wait_any_ack", "best_effort"] = "fire_and_forget"
    timeout: float | None = Field(default=None, ge=0, le=60)


@topics.post("/topics/{topic}/messages", role="operator", action="topic.publish", **answers(Row))
async def publish(request: Request, topic: str, order: Publish, create: bool = False) -> Response:
    """Publish one message and say who got it."""
    plane, visit = plane_of(request), visit_of(request)
    name = visit.target = from_path(topic)
    visit.parameters = order.model_dump(exclude_defaults=True)

    async def act() -> Response:
        return await _publish(plane, name, order, create)

    return await plane.repeats.once(request, visit.known.name, act)


async def _publish(plane: Plane, name: str, order: Publish, create: bool) -> Response:
    if create:
        _check(name)
    else:
        await find_topic(plane.fanout, name)
    writer = await plane.system.topic.write(name, writer_id=WRITER)
    timed_out = False
    try:
        result = await writer.publish(read_values(order.message, plane.system), mode=order.mode, timeout=order.timeout)
    except (TimeoutError, asyncio.TimeoutError) as error:
        result, timed_out = getattr(error, "result", None), True
        if result is None:
            raise ProblemError("deadline-exceeded", str(error), maybe_executed=True) from error
    return reply(
        {
            "success": result.success,
            "delivered": result.delivered,
            "failed": result.failed,
            "subscriber_count": result.subscriber_count,
            "failed_subscribers": result.failed_subscribers,
            "timed_out": timed_out,
        }
    )


def _check(name: str) -> None:
    try:
        check_name(name, "topic")
    except ValueError as error:
        raise ProblemError("bad-name", str(error)) from error
