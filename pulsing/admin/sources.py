"""What a stream may ask for, and where the answer comes from: each source is asked once a tick."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from pulsing.admin.catalogue import EVENTS, LISTINGS, Listing, from_path
from pulsing.admin.fanout import Answers, Fanout
from pulsing.admin.overview import cluster_view, overview
from pulsing.admin.paging import ListQuery, ListSpec, paged, read_sort
from pulsing.admin.problems import ProblemError
from pulsing.admin.schemas import Input
from pulsing.admin.subjects import find_actor, find_queue, find_topic, shown_actor, with_ties

Row = dict[str, Any]

WINDOWS = ("actors", "agents", "methods", "dead_letters", "nodes", "members", "links", "queues", "topics")
OBJECTS = ("overview", "cluster", "actor", "queue", "topic")
TOPICS = (*WINDOWS, *OBJECTS, "events")
_ID_FIELDS = {"queues": "queue", "queue": "queue", "topics": "topic", "topic": "topic"}


class Subscribe(Input):
    """One subscription, as a client asks for it."""

    sub: str = Field(min_length=1, max_length=16)
    topic: str
    id: str | None = Field(default=None, max_length=600)
    filter: dict[str, str | list[str]] = Field(default_factory=dict)
    search: str = Field(default="", max_length=200)
    sort: str = Field(default="", max_length=200)
    offset: int = Field(default=0, ge=0, le=10_000)
    limit: int = Field(default=100, ge=1, le=200)
    fields: list[str] = Field(default_factory=list, max_length=64)
    scope: str = "cluster"
    system: bool = False
    """whether Pulsing's own are among the actors"""


@dataclass(frozen=True)
class Question:
    """What a subscription asks, apart from whose it is: equal questions are answered once."""

    topic: str
    id: str
    query: ListQuery
    operator: bool
    """whether payloads are part of the answer"""
    key: str
    """the question as text"""
    system: bool = False
    """whether Pulsing's own actors are asked for, too"""

    @classmethod
    def of(cls, asked: Subscribe, *, operator: bool) -> Question:
        """Check what a client asks for.

        Raises:
            ProblemError: an unknown topic, filter or sort key, or a missing id.
        """
        if asked.topic not in TOPICS:
            raise ProblemError("bad-filter", f"no topic {asked.topic[:40]!r}", hint=f"topics: {', '.join(TOPICS)}")
        if asked.topic in ("actor", "queue", "topic") and not asked.id:
            raise ProblemError("bad-filter", f"the topic {asked.topic} needs an id")
        if asked.system and asked.topic != "actors":
            raise ProblemError("bad-filter", f"the topic {asked.topic} has no system= to ask for")
        key = json.dumps([operator, asked.model_dump(exclude={"sub"})], sort_keys=True)
        return cls(asked.topic, asked.id or "", _query(asked), operator, key, asked.system)

    @property
    def appends(self) -> bool:
        """Whether rows are only ever added, so that what is new is told alone."""
        return self.topic == "events"

    @property
    def grows(self) -> bool:
        """Whether rows mostly come in front, so that those alone may be told; what else changes is a delta."""
        return self.topic == "dead_letters" and self.query.offset == 0

    @property
    def id_field(self) -> str:
        """The field that names a row."""
        return _ID_FIELDS.get(self.topic, "id")


def _query(asked: Subscribe) -> ListQuery:
    listing = _listing(asked.topic)
    if listing is None:
        return ListQuery(scope=asked.scope)
    pairs = [(name, value) for name, values in asked.filter.items() for value in _each(values)]
    query = ListQuery.read([*pairs, ("scope", asked.scope)], listing.spec)
    spec: ListSpec = listing.spec
    return ListQuery(
        limit=asked.limit,
        offset=asked.offset,
        sort=read_sort(asked.sort or spec.default_sort or spec.sort[0], spec),
        filters=query.filters,
        search=asked.search.casefold(),
        fields=tuple(asked.fields),
        scope=query.scope,
    )


def _each(values: str | list[str]) -> list[str]:
    return [values] if isinstance(values, str) else values


def _listing(topic: str) -> Listing | None:
    return EVENTS if topic == "events" else LISTINGS.get(topic)


Answer = tuple[Sequence[Row], int, int, Answers]
"""Rows of the window, how many there are, how many fit the filters, and who answered."""


class Sources:
    """The answers of one tick."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._lists: dict[tuple[str, str, str], asyncio.Future[tuple[list[Row], Answers]]] = {}

    async def answer(self, question: Question) -> Answer:
        """Answer one question.

        Raises:
            ProblemError: what it is about does not exist, or no node answered.
        """
        listing = _listing(question.topic)
        if listing is not None:
            return await self._window(question, listing)
        row, answers = await self._object(question)
        return [row], 1, 1, answers

    async def _window(self, question: Question, listing: Listing) -> Answer:
        query = question.query
        if listing.windowed:
            asked = {"operator": question.operator, "system": question.system}
            page, answers = await listing.page(self._fanout, query, None, **asked)
        else:
            rows, answers = await self._rows(listing, query)
            answers.require_one()
            page = paged(listing.shown_to(rows, operator=question.operator), query, listing.spec)
        return page.rows, page.total, page.filtered, answers

    async def _rows(self, listing: Listing, query: ListQuery) -> tuple[list[Row], Answers]:
        params = listing.asked_of_nodes(query)
        key = (listing.kind, query.scope, repr(params))
        if key not in self._lists:
            self._lists[key] = asyncio.ensure_future(listing.rows(self._fanout, query.scope, **params))
        return await self._lists[key]

    async def _object(self, question: Question) -> tuple[Row, Answers]:
        name = from_path(question.id)
        if question.topic == "overview":
            row, answers = await overview(self._fanout)
            return {"id": "overview", **row}, answers
        if question.topic == "cluster":
            return {"id": "cluster", **await cluster_view(self._fanout)}, Answers()
        if question.topic == "queue":
            return await find_queue(self._fanout, name)
        if question.topic == "topic":
            return await find_topic(self._fanout, name)
        row, answers = await find_actor(self._fanout, name)
        row = await with_ties(self._fanout, row)
        return shown_actor(row, operator=question.operator), answers
