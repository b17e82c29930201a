"""Classes of actors and their methods."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from pulsing.admin.catalogue import CLASSES, METHODS, from_path
from pulsing.admin.classes import why_not_spawnable
from pulsing.admin.documents import answers, lists
from pulsing.admin.plane import answer_list, plane_of
from pulsing.admin.problems import ProblemError
from pulsing.admin.replies import reply
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import ClassDetail, ClassRow, MethodRow
from pulsing.admin.subjects import did_you_mean
from pulsing.admin.visit import visit_of

classes = Routes("classes")


@classes.get("/classes", role="viewer", **lists(ClassRow, CLASSES.spec))
async def list_classes(request: Request) -> Response:
    """The classes of actors in the cluster."""
    return await answer_list(request, CLASSES)


@classes.get("/classes/{class_name}", role="viewer", **answers(ClassDetail))
async def show_class(request: Request, class_name: str) -> Response:
    """One class with the signatures of its constructor and methods."""
    plane = plane_of(request)
    name = from_path(class_name)
    rows, faults = await CLASSES.rows(plane.fanout)
    faults.require_one()
    row = next((row for row in rows if row["class"] == name), None)
    if row is None:
        raise ProblemError(
            "class-not-found", f"no class {name[:200]!r}", hint=did_you_mean(name, [r["class"] for r in rows])
        )
    holders = [node for node in await plane.fanout.nodes() if node in row["nodes"]]
    described = await plane.fanout.ask("class", {"class": name}, holders)
    detail: dict[str, Any] = next((found for found in described.values.values() if found), {"methods": []})
    counted, _ = await METHODS.rows(plane.fanout)
    by_method = {m["method"]: m for m in counted if m["class"] == name}
    methods = [{**method, **_counts(by_method.get(method["name"], {}))} for method in detail["methods"]]
    shown = {**row, **detail, "methods": methods}
    if not visit_of(request).known.may("operator"):
        shown.pop("source", None)
    if shown.get("spawnable") and (reason := why_not_spawnable(name, plane.settings.spawnable)):
        shown |= {"spawnable": False, "why_not": reason}
    return reply(shown)


def _counts(row: dict[str, Any]) -> dict[str, Any]:
    counts = {name: row.get(name, 0) for name in ("messages_total", "errors_total")}
    return {**counts, "handle_s": row.get("handle_s")}


@classes.get("/methods", role="viewer", **lists(MethodRow, METHODS.spec))
async def list_methods(request: Request) -> Response:
    """Every method that was called, with its latency."""
    return await answer_list(request, METHODS)
