"""What all rows and inputs have in common, problems, and what every list has beside its items."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Row(BaseModel):
    """Base of what is answered: unknown fields pass, so that a newer node may say more than this one knows."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class Input(BaseModel):
    """Base of what is taken: unknown fields are errors, and so are values of another type that could be bent to fit."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, strict=True)


class ProblemError(Row):
    """One fault of the input."""

    loc: list[str | int]
    msg: str


class Problem(Row):
    """An RFC 9457 problem."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None
    hint: str | None = None
    trace_id: str | None = None
    errors: list[ProblemError] = Field(default_factory=list)


class NodeFault(Row):
    """A node that did not answer, and why."""

    node: str
    type: str
    detail: str


class NodesAsked(Row):
    """How many nodes were asked, and how many answered."""

    asked: int
    answered: int


class Page(Row):
    """What every list has beside its items."""

    total: int
    filtered: int
    returned: int
    limit: int
    offset: int
    next: str | None = None
    revision: int
    """another number where the list is another than the last time; grows as long as the node runs"""
    scope: Literal["cluster", "node"] = "cluster"
    nodes: NodesAsked
    partial: bool
    errors: list[NodeFault]
    took_ms: float
