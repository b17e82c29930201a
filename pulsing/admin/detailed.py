"""Metrics of single objects, a bounded number of them, for those who ask by family."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import Metric

from pulsing.admin.caps import OTHER, Caps
from pulsing.admin.families import DETAILED, DETAILED_PREFIX
from pulsing.admin.figures import Gathering, Row
from pulsing.admin.sheet import Labels, metric_of


async def objects(gathering: Gathering, family: str) -> list[dict[str, Any]]:
    """The objects that a family is about, a row each.

    Raises:
        KeyError: there is no such family.
    """
    if family.startswith("actor_"):
        rows = await gathering.ask("actors", {"system": False})
        return [{**row, "actor": row.get("name") or row["id"]} for row in rows]
    if family == "link":
        return [way for row in await gathering.ask("links", {}) for way in _ways(row)]
    kind, detail, part, label = {
        "queue_bucket": ("queues", "queue", "bucket_rows", "bucket"),
        "queue_reader": ("queues", "queue", "reader_rows", "reader"),
        "topic_subscriber": ("topics", "topic", "subscriber_rows", "subscriber"),
    }[family]
    named = {"bucket": "bucket_id", "reader": "reader", "subscriber": "id"}[label]
    rows = []
    for row in await gathering.ask(kind, {}):
        found = await gathering.ask(detail, {detail: row[detail]}) or {}
        rows += [{**one, detail: row[detail], label: one.get(named)} for one in found.get(part) or ()]
    return rows


def series_of(
    family: str, rows: Sequence[dict[str, Any]], globs: Mapping[str, str], limit: int, caps: Caps
) -> Iterator[Metric]:
    """The series of the first `limit` objects that fit `globs`, by label; the others are one, or one a class."""
    labels, series = DETAILED[family]
    shown = [row for row in rows if _fits(row, globs)]
    of_class = caps.classes.admit((str(row["class"]),) for row in shown[limit:]) if "class" in labels else None
    caps.objects += max(0, len(shown) - limit)
    for suffix, (kind, name, help) in series.items():
        values: dict[Labels, float] = {}
        for index, row in enumerate(shown):
            if row.get(name) is None:
                continue
            given = tuple(str(row.get(label)) for label in labels)
            key = given if index < limit else (OTHER, *(of_class(given[1:]) if of_class else (OTHER,)))
            values[key] = values.get(key, 0.0) + float(row[name])
        if values:
            yield metric_of(f"{DETAILED_PREFIX}{family}_{suffix}", kind, help, labels, values)


def _ways(link: Row) -> Iterator[dict[str, Any]]:
    """The two directions of an open link; what waits and how long a round takes is told of the one that leads away."""
    yield {"peer": link["peer"], "direction": "in", "bytes_total": link["bytes_in_total"]}
    away = {"peer": link["peer"], "direction": "out", "bytes_total": link["bytes_out_total"]}
    yield {**away, "pending_bytes": link["pending_bytes"], "rtt_s": link["rtt_s"]}


def _fits(row: Row, globs: Mapping[str, str]) -> bool:
    for name, glob in globs.items():
        if name not in row:
            return False
        text = str(row[name])
        if not (fnmatch.fnmatchcase(text, glob) or fnmatch.fnmatchcase(text.removeprefix("actors/"), glob)):
            return False
    return True
