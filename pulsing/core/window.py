"""Which part of a long list is wanted: filters, search, order and a length, as plain values that travel to any node.

The choice is made on the listed objects themselves, so that of ten thousand only the rows that are shown are built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Read = Callable[[str], Callable[[T], Any]]
"""Gives, for the name of a field, the function that reads it from a listed object."""


@dataclass(frozen=True)
class Window:
    """A part of a list.

    Args:
        filters: exact values by field; several values of a field mean or, several fields mean and.
        search: folded text that one of `search_fields` must contain.
        sort: fields with whether they fall.
        after: sort values and id of the object that the window begins after; None for the beginning.
        limit: how many objects; None for all.
    """

    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    search: str = ""
    search_fields: Sequence[str] = ()
    sort: Sequence[tuple[str, bool]] = ()
    after: Sequence[Any] | None = None
    limit: int | None = None

    def to_params(self) -> dict[str, Any]:
        """The window as plain values."""
        return {
            "filters": {name: list(values) for name, values in self.filters.items()},
            "search": self.search,
            "search_fields": list(self.search_fields),
            "sort": [list(key) for key in self.sort],
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


def select(
    objects: Iterable[T], window: Window, read: Read[T], id_of: Callable[[T], Any], id_key: Callable[[str], Any] = str
) -> Selection[T]:
    """The part of some objects that a window asks for, in its order.

    Args:
        objects: all of them.
        window: what is wanted.
        read: how their fields are read.
        id_of: what orders objects whose sort keys are equal.
        id_key: the same for the text of an id.
    """
    everything = list(objects)
    kept = everything if not (window.filters or window.search) else fitting(everything, window, read)
    keys = [*((read(name), falling) for name, falling in window.sort), (id_of, False)]
    wanted = kept
    if window.after is not None:
        begin = _position(window.after, window.sort, id_key)
        wanted = [one for one in kept if _order(one, keys) > begin]
    return Selection(_best(wanted, keys, window.limit), len(everything), len(kept))


Keys = Sequence[tuple[Callable[[T], Any], bool]]
"""How objects are compared: readers, and whether what they read falls."""


def _best(objects: list[T], keys: Keys[T], limit: int | None) -> list[T]:
    """The first so many objects in order; of many, all but the best are looked at by their first key alone."""
    if limit is None or limit >= len(objects) // 4:
        return sorted(objects, key=lambda one: _order(one, keys))[:limit]
    if limit == 0:
        return []
    (read, falling), *others = keys
    values = _comparable(list(map(read, objects)), falling)
    # A heap is a little quicker in a random order, and two hundred times slower where each comes before the last one.
    last = sorted(values)[limit - 1]
    better = [one for one, value in zip(objects, values, strict=True) if value < last]
    chosen = sorted(better, key=lambda one: _order(one, keys))
    equal = [one for one, value in zip(objects, values, strict=True) if value == last]
    return chosen + (_best(equal, others, limit - len(better)) if others else equal[: limit - len(better)])


def _comparable(values: list[Any], falling: bool) -> list[Any]:
    if set(map(type, values)) <= _NUMBERS:
        return [-value for value in values] if falling else values
    return [_key(value, falling) for value in values]


_NUMBERS = {int, float}


def fitting(objects: Iterable[T], window: Window, read: Read[T]) -> list[T]:
    """The objects that pass the filters and the search."""
    tests = [_test(name, values, read) for name, values in window.filters.items()]
    if window.search:
        fields = [read(name) for name in window.search_fields]
        tests.append(lambda one: any(window.search in _searched(field(one)) for field in fields))
    return [one for one in objects if all(test(one) for test in tests)]


def _test(name: str, values: Sequence[str], read: Read[T]) -> Callable[[T], bool]:
    field = read("tags" if name == "tag" else name)
    return lambda one: any(_matches(field(one), name, value) for value in values)


def _matches(found: Any, name: str, value: str) -> bool:
    if name == "tag":
        key, colon, wanted = value.partition(":")
        tags = found or {}
        return key in tags and (not colon or str(tags[key]) == wanted)
    if name == "type" and value.endswith("*"):
        return str(found or "").startswith(value[:-1])
    if isinstance(found, bool):
        return value == ("true" if found else "false")
    if isinstance(found, (list, tuple)):
        return value in map(str, found)
    if isinstance(found, Mapping):
        return any(_names(str(each), value) for each in found.values())
    if name in ("name", "target") and isinstance(found, str):
        return _names(found, value)
    return str(found) == value if found is not None else value == ""


def _names(found: str, value: str) -> bool:
    return value in (found, found.removeprefix("actors/"))


def _searched(found: Any) -> str:
    text = " ".join(map(str, found.values())) if isinstance(found, Mapping) else str(found or "")
    return text.casefold()


def _order(one: T, keys: Keys[T]) -> tuple[Any, ...]:
    *sort, (id_of, _) = keys
    return (*(_key(read(one), falling) for read, falling in sort), id_of(one))


def _position(after: Sequence[Any], sort: Sequence[tuple[str, bool]], id_key: Callable[[str], Any]) -> tuple[Any, ...]:
    return (*(_key(value, falling) for value, (_, falling) in zip(after, sort, strict=False)), id_key(str(after[-1])))


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
