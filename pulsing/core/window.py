"""Which part of a long list is wanted: filters, search, order and a length, as plain values that travel to any node.

The choice is made on the listed objects themselves, so that of ten thousand only the rows that are shown are built.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Field = Callable[[T, str], Any]
"""Gives the value of a field of a listed object."""


@dataclass(frozen=True)
class Window:
    """A part of a list.

    Args:
        filters: exact values by field; several values of a field mean or, several fields mean and.
        search: folded text that one of `search_fields` must contain.
        sort: fields with whether they fall.
        id: the field that names an object; the last tie-break.
        after: sort values and id of the object that the window begins after; None for the beginning.
        limit: how many objects; None for all.
    """

    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    search: str = ""
    search_fields: Sequence[str] = ()
    sort: Sequence[tuple[str, bool]] = ()
    id: str = "id"
    after: Sequence[Any] | None = None
    limit: int | None = None

    def to_params(self) -> dict[str, Any]:
        """The window as plain values."""
        return {
            "filters": {name: list(values) for name, values in self.filters.items()},
            "search": self.search,
            "search_fields": list(self.search_fields),
            "sort": [list(key) for key in self.sort],
            "id": self.id,
            "after": None if self.after is None else list(self.after),
            "limit": self.limit,
        }

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Window:
        """The window that `to_params` wrote."""
        return cls(**{**params, "sort": [(str(name), bool(falling)) for name, falling in params["sort"]]})


@dataclass(frozen=True)
class Selection(Generic[T]):
    """The objects of a window, how many there were, and how many fit the filters."""

    objects: list[T]
    total: int
    filtered: int


def select(objects: Iterable[T], window: Window, of: Field[T]) -> Selection[T]:
    """The part of some objects that a window asks for, in its order."""
    total = 0
    kept = []
    for one in objects:
        total += 1
        if fits(one, window, of):
            kept.append(one)
    wanted = kept
    if window.after is not None:
        begin = _position(window.after, window.sort)
        wanted = [one for one in kept if _order(one, window, of) > begin]
    return Selection(_best(wanted, window, of), total, len(kept))


def _best(objects: list[T], window: Window, of: Field[T]) -> list[T]:
    def order(one: T) -> tuple[Any, ...]:
        return _order(one, window, of)

    # The best few of many cost a tenth of a full sort.
    if window.limit is not None and window.limit < len(objects) // 4:
        return heapq.nsmallest(window.limit, objects, key=order)
    return sorted(objects, key=order)[: window.limit]


def fits(one: T, window: Window, of: Field[T]) -> bool:
    """Whether an object passes the filters and the search."""
    for name, values in window.filters.items():
        if not any(_matches(one, name, value, of) for value in values):
            return False
    if not window.search:
        return True
    return any(window.search in str(of(one, name) or "").casefold() for name in window.search_fields)


def _matches(one: T, name: str, value: str, of: Field[T]) -> bool:
    if name == "tag":
        key, colon, wanted = value.partition(":")
        tags = of(one, "tags") or {}
        return key in tags and (not colon or str(tags[key]) == wanted)
    found = of(one, name)
    if name == "type" and value.endswith("*"):
        return str(found or "").startswith(value[:-1])
    if isinstance(found, bool):
        return value == ("true" if found else "false")
    if isinstance(found, (list, tuple)):
        return value in map(str, found)
    if isinstance(found, Mapping):
        return value in map(str, found.values())
    if name == "name" and isinstance(found, str):
        return value in (found, found.removeprefix("actors/"))
    return str(found) == value if found is not None else value == ""


def _order(one: T, window: Window, of: Field[T]) -> tuple[Any, ...]:
    return (*(_key(of(one, name), falling) for name, falling in window.sort), str(of(one, window.id)))


def _position(after: Sequence[Any], sort: Sequence[tuple[str, bool]]) -> tuple[Any, ...]:
    return (*(_key(value, falling) for value, (_, falling) in zip(after, sort, strict=False)), str(after[-1]))


def _key(value: Any, falling: bool) -> tuple[int, Any]:
    """What values of any kind are compared by: numbers before text, absent ones last in either direction."""
    if value is None:
        return _ABSENT
    if isinstance(value, (int, float)):
        return (0, -value if falling else value)
    text = str(value).casefold()
    return (1, _Falling(text) if falling else text)


_ABSENT = (2, 0)


def scalar(value: Any) -> str | float | int | None:
    """A value as it is sorted: numbers and text as they are, anything else as text."""
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


class _Falling:
    """Text in falling order."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Falling) and self.text == other.text

    def __lt__(self, other: _Falling) -> bool:
        return other.text < self.text

    def __hash__(self) -> int:
        return hash(self.text)
