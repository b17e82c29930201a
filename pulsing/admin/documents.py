"""What the specification says of answers: a model for an object, a page of a model for a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, create_model

from pulsing.admin.paging import ListSpec
from pulsing.admin.schemas import Page


def answers(model: type[BaseModel] | None, status: int = 200, *, also: Sequence[int] = ()) -> dict[str, Any]:
    """Options of a route that answers an object, with `status` or with one of `also`."""
    response: dict[str, Any] = {"description": "Done"}
    if model is not None:
        response["model"] = model
    return {"responses": {code: response for code in (status, *also)}, "status_code": status}


def lists(model: type[BaseModel], spec: ListSpec) -> dict[str, Any]:
    """Options of a route that answers a page of rows."""
    page = create_model(f"{model.__name__}Page", __base__=Page, items=(list[model], ...))  # type: ignore[valid-type]
    page.__doc__ = f"A page of {model.__name__}."
    return {**answers(page), "openapi_extra": {"parameters": spec.parameters()}}


def streams(*, also: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Options of a route that answers server-sent events."""
    content = {"text/event-stream": {"schema": {"type": "string"}}, **(also or {})}
    return {"responses": {200: {"description": "Server-sent events", "content": content}}, "unbounded": True}
