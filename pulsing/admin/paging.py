"""Which rows of a list are shown: filters, search, sort keys, and a window by offset or by cursor.

A cursor is a position, not a number: the sort keys and id of the last row shown, so that a walk by an unchanging
key meets every row that stays exactly once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulsing.admin.problems import ProblemError
from pulsing.core import window
from pulsing.core.window import Window, scalar, select

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 100
MAX_OFFSET = 10_000
MAX_SORT_KEYS = 4
MAX_VALUES = 100
"""Of one filter: each is compared with that field of every row."""

EXTRA: Mapping[str, tuple[dict[str, Any], str]] = {
    "since": ({"type": "string"}, "a moment in RFC 3339, or an age such as 10m"),
    "prefix": ({"type": "string"}, "how names begin"),
    "gone": ({"type": "string", "enum": ["true", "false"]}, "true: names of agents that have ended as well"),
    "system": ({"type": "string", "enum": ["true", "false"]}, "true: Pulsing's own actors as well"),
}
"""The parameters that single lists have beside the common ones: their schema and what they mean."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ListSpec:
    """What can be asked of one list.

    Args:
        sort: the sort keys, `a.b` for `b` in the object `a`; the first is the default order.
        filters: exact filters, each with its allowed values, or None for any.
        search: the fields that `search` looks at.
        id: the field that names a row, the last tie-break.
        default_sort: the order when none is asked for.
        extra: further query parameters that the route reads itself.
    """

    sort: tuple[str, ...]
    filters: Mapping[str, tuple[str, ...] | None]
    search: tuple[str, ...]
    id: str = "id"
    default_sort: str = ""
    extra: tuple[str, ...] = ()

    def parameters(self) -> list[dict[str, Any]]:
        """The query parameters, for the specification."""
        described = [
            _parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
            _parameter("offset", {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0}),
            _parameter("cursor", {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"}, "`next` of the page before"),
            _parameter("sort", {"type": "string", "pattern": self._sort_pattern()}, "up to 4 keys, `-` for falling"),
            _parameter("search", {"type": "string"}, f"part of {', '.join(self.search)}"),
            _parameter("fields", {"type": "string"}, "fields to answer, comma separated"),
            _parameter("scope", {"type": "string", "enum": ["cluster", "node"], "default": "cluster"}),
        ]
        described += [_parameter(name, *EXTRA[name]) for name in self.extra]
        for name, allowed in self.filters.items():
            items: dict[str, Any] = {"type": "string"} if allowed is None else {"type": "string", "enum": [*allowed]}
            schema = {"type": "array", "items": items, "maxItems": MAX_VALUES}
            described.append(_parameter(name, schema, "exact; repeated means or"))
        return described

    def _sort_pattern(self) -> str:
        key = f"-?({'|'.join(map(re.escape, self.sort))})"
        return f"^({key}(,{key}){{0,{MAX_SORT_KEYS - 1}}})?$"


def _parameter(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    parameter = {"name": name, "in": "query", "required": False, "schema": schema}
    return {**parameter, "description": description} if description else parameter


@dataclass(frozen=True)
class ListQuery:
    """What was asked of a list, checked."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    cursor: tuple[Any, ...] | None = None
    sort: tuple[tuple[str, bool], ...] = ()
    """(key, falling)"""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    search: str = ""
    fields: tuple[str, ...] = ()
    scope: str = "cluster"

    @classmethod
    def read(cls, pairs: Iterable[tuple[str, str]], spec: ListSpec) -> ListQuery:
        """Read the query parameters of a request.

        Raises:
            ProblemError: a parameter, sort key, filter value or cursor that this list does not know.
        """
        given: dict[str, list[str]] = {}
        for name, value in pairs:
            given.setdefault(name, []).append(value)
        known = {"limit", "offset", "cursor", "sort", "search", "fields", "scope", *spec.filters, *spec.extra}
        if unknown := sorted(set(given) - known):
            raise ProblemError("bad-filter", f"no parameter {unknown[0]!r}", hint=f"known: {', '.join(sorted(known))}")
        query = cls(
            limit=_number(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
            offset=_number(given, "offset", 0, 0, MAX_OFFSET),
            sort=read_sort(_one(given, "sort") or spec.default_sort or spec.sort[0], spec),
            filters={name: tuple(given[name]) for name in spec.filters if name in given},
            search=(_one(given, "search") or "").casefold(),
            fields=tuple(filter(None, (_one(given, "fields") or "").split(","))),
            scope=_one(given, "scope") or "cluster",
        )
        query._check(spec)
        cursor = _one(given, "cursor")
        return query._continued(cursor) if cursor else query

    def _check(self, spec: ListSpec) -> None:
        if self.scope not in ("cluster", "node"):
            raise ProblemError("bad-filter", "scope is cluster or node")
        if self.offset + self.limit > MAX_OFFSET:
            raise ProblemError(
                "bad-filter", f"offset + limit is at most {MAX_OFFSET}", hint="walk further with `cursor`"
            )
        for name, values in self.filters.items():
            if len(values) > MAX_VALUES:
                raise ProblemError("bad-filter", f"{name} has {len(values)} values, at most {MAX_VALUES} are allowed")
            allowed = spec.filters[name]
            if allowed is not None and (wrong := [value for value in values if value not in allowed]):
                raise ProblemError("bad-filter", f"{name} is one of {', '.join(allowed)}, not {wrong[0]!r}")

    def _continued(self, cursor: str) -> ListQuery:
        try:
            mark, *keys = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except (ValueError, TypeError, binascii.Error, RecursionError) as error:
            raise ProblemError("bad-cursor", "this is no cursor of ours") from error
        if mark != self._mark() or len(keys) != len(self.sort) + 1:
            raise ProblemError("bad-cursor", "the cursor belongs to other filters or another order")
        if not all(key is None or isinstance(key, (str, int, float)) for key in keys):
            raise ProblemError("bad-cursor", "this is no cursor of ours")
        return ListQuery(
            self.limit, self.offset, tuple(keys), self.sort, self.filters, self.search, self.fields, self.scope
        )

    def cursor_after(self, row: Row, spec: ListSpec) -> str:
        """The cursor of the page that begins after `row`."""
        keys = [scalar(_reader(key)(row)) for key, _ in self.sort]
        text = json.dumps([self._mark(), *keys, str(row.get(spec.id))])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _mark(self) -> str:
        asked = json.dumps([sorted(self.filters.items()), self.search, self.sort, self.scope])
        return hashlib.sha256(asked.encode()).hexdigest()[:12]


def read_sort(text: str, spec: ListSpec) -> tuple[tuple[str, bool], ...]:
    """Read `-mailbox,name`; nothing asks for no order.

    Raises:
        ProblemError: too many keys, or one that is not a sort key.
    """
    keys = text.split(",") if text else []
    if len(keys) > MAX_SORT_KEYS:
        raise ProblemError("bad-sort", f"at most {MAX_SORT_KEYS} sort keys")
    for key in keys:
        if key.lstrip("-") not in spec.sort or key.startswith("--"):
            raise ProblemError(
                "bad-sort", f"cannot sort by {key!r}", hint=f"sort keys: {', '.join(spec.sort)}", allowed=[*spec.sort]
            )
    return tuple((key.removeprefix("-"), key.startswith("-")) for key in keys)


def _one(given: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = given.get(name)
    if values is None:
        return None
    if len(values) > 1:
        raise ProblemError("bad-filter", f"{name} was given more than once")
    return values[0]


def _number(given: Mapping[str, Sequence[str]], name: str, default: int, least: int, most: int) -> int:
    text = _one(given, name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or not least <= int(text) <= most:
        raise ProblemError("bad-filter", f"{name} is a number from {least} to {most}")
    return int(text)


@dataclass(frozen=True)
class Page:
    """The rows that are shown, and how many there were."""

    rows: list[dict[str, Any]]
    total: int
    filtered: int
    next: str | None


def window_of(query: ListQuery, spec: ListSpec) -> Window:
    """What a query asks of each node: one row more than is shown tells whether there is a next page."""
    begin = 0 if query.cursor is not None else query.offset
    return Window(
        filters=query.filters,
        search=query.search,
        search_fields=spec.search,
        sort=query.sort,
        after=query.cursor,
        limit=begin + query.limit + 1,
    )


def paged(rows: Sequence[dict[str, Any]], query: ListQuery, spec: ListSpec) -> Page:
    """Filter, sort and cut rows as a query asks for it."""
    found = select(rows, window_of(query, spec), _reader, _id_of(spec))
    return cut(found.objects, found.total, found.filtered, query, spec)


def cut(best: Sequence[dict[str, Any]], total: int, filtered: int, query: ListQuery, spec: ListSpec) -> Page:
    """The page of rows that are in order already and begin where the window does."""
    begin = 0 if query.cursor is not None else query.offset
    shown = list(best[begin : begin + query.limit])
    more = len(best) > begin + query.limit and bool(shown)
    following = query.cursor_after(shown[-1], spec) if more else None
    return Page([projected(row, query, spec) for row in shown], total, filtered, following)


def in_order(rows: Sequence[dict[str, Any]], query: ListQuery, spec: ListSpec) -> list[dict[str, Any]]:
    """Rows of several windows as one in the same order."""
    return select(rows, Window(sort=query.sort), _reader, _id_of(spec)).objects


def fitting(rows: Sequence[dict[str, Any]], query: ListQuery, spec: ListSpec) -> list[dict[str, Any]]:
    """The rows that fit the filters and the search of a query."""
    return window.fitting(rows, window_of(query, spec), _reader)


def _reader(name: str) -> Callable[[Row], Any]:
    outer, dot, inner = name.partition(".")
    return (lambda row: (row.get(outer) or {}).get(inner)) if dot else lambda row: row.get(name)


def _id_of(spec: ListSpec) -> Callable[[Row], str]:
    return lambda row: str(row.get(spec.id))


def projected(row: Mapping[str, Any], query: ListQuery, spec: ListSpec) -> dict[str, Any]:
    """A row with the fields that a query asks for."""
    if not query.fields:
        return dict(row)
    wanted = {spec.id, "id", "href", *query.fields}
    return {name: value for name, value in row.items() if name in wanted}
