"""What the specification says of answers: a model for an object, a page of a model for a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from pulsing.admin.paging import ListSpec
from pulsing.admin.schemas import Page


def answers(
    model: type[BaseModel] | None,
    status: int = 200,
    *,
    also: Sequence[int] = (),
    others: Mapping[int, type[BaseModel]] | None = None,
) -> dict[str, Any]:
    """Options of a route that answers an object, with `status` or with one of `also`; or one of `others`."""
    response: dict[str, Any] = {"description": "Done"}
    if model is not None:
        response["model"] = model
    responses = {code: response for code in (status, *also)}
    responses |= {code: {"description": "Done", "model": other} for code, other in (others or {}).items()}
    return {"responses": responses, "status_code": status}


def lists(model: type[BaseModel], spec: ListSpec) -> dict[str, Any]:
    """Options of a route that answers a page of rows."""
    row: Any = _row_in_list(model, spec.id)
    page = create_model(f"{model.__name__}Page", __base__=Page, items=(list[row], ...))
    page.__doc__ = f"A page of {model.__name__}."
    return {**answers(page), "openapi_extra": {"parameters": spec.parameters()}}


def _row_in_list(model: type[BaseModel], key: str) -> type[BaseModel]:
    """A row of which only its name is always there: who asks for a list may ask for few `fields`."""

    def need_the_key(schema: dict[str, Any]) -> None:
        schema["required"] = [key]

    config = ConfigDict(json_schema_extra=need_the_key)
    body = {"__doc__": model.__doc__, "__module__": model.__module__, "model_config": config}
    return type(f"{model.__name__}InList", (model,), body)


def streams(*, also: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Options of a route that answers server-sent events."""
    content = {"text/event-stream": {"schema": {"type": "string"}}, **(also or {})}
    return {"responses": {200: {"description": "Server-sent events", "content": content}}, "unbounded": True}
