"""Topics: list, look at, publish to, look on at."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import Field
from starlette.responses import Response

from pulsing.admin.calls import read_values
from pulsing.admin.catalogue import TOPICS, from_path
from pulsing.admin.documents import answers, lists, streams
from pulsing.admin.plane import Plane, answer_list, plane_of
from pulsing.admin.problems import ProblemError
from pulsing.admin.replies import EventStream, empty, encode, reply
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import Input, Row, TopicDetail, TopicRow
from pulsing.admin.subjects import find_topic
from pulsing.admin.tail import Sampler
from pulsing.admin.visit import visit_of
from pulsing.streaming.administration import evict_subscriber, publish_message, tail_topic
from pulsing.streaming.names import check_topic

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
    message = read_values(order.message, plane.system, "message")
    outcome = await publish_message(
        plane.system, name, message, order.mode, order.timeout, create=create, sender_id=WRITER
    )
    if outcome is None:
        raise ProblemError("topic-not-found", f"no topic {name[:200]!r}")
    return reply(outcome)


def _check(name: str) -> None:
    try:
        check_topic(name)
    except ValueError as error:
        raise ProblemError("bad-name", str(error)) from error


@topics.get("/topics/{topic}/tail", role="operator", **streams())
async def tail(
    request: Request,
    topic: str,
    rate: Annotated[float, Query(gt=0, le=1000)] = 50.0,
    contains: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """Look on at what is published: no subscriber, not counted, never waited for."""
    plane, name = plane_of(request), from_path(topic)
    await find_topic(plane.fanout, name)
    release = plane.feed.occupy()
    frames = _tail_frames(plane, name, Sampler(rate, plane.clock, plane.payloads), contains)
    token = visit_of(request).token
    return EventStream(frames, release, lambda: plane.knows(token))


async def _tail_frames(plane: Plane, name: str, sampler: Sampler, contains: str) -> AsyncGenerator[bytes, None]:
    yield b": looking on\n\n"
    async for message in tail_topic(plane.system, name):
        for event, body in sampler.take(message, contains):
            yield f"event: {event}\ndata: ".encode() + encode(body) + b"\n\n"


@topics.delete("/topics/{topic}/subscribers/{id}", role="operator", action="topic.evict", **answers(None, 204))
async def evict(request: Request, topic: str, id: str) -> Response:
    """Remove a subscriber; a reader that is alive subscribes again."""
    plane, name = plane_of(request), from_path(topic)
    visit_of(request).target = f"{name} {id}"[:256]
    await find_topic(plane.fanout, name)
    if not await evict_subscriber(plane.system, name, from_path(id)):
        raise ProblemError("subscriber-not-found", f"the topic has no subscriber {id[:200]!r}")
    return empty()
