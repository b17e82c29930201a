"""The JSON view of Python values: both ways without loss where it can be, cut and said so where it cannot."""

from __future__ import annotations

import datetime as dt
import math
import sys
import uuid
from collections import namedtuple
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsing.admin.problems import ProblemError
from pulsing.admin.replies import encode
from pulsing.admin.values import MAX_ELEMENTS, from_json, to_json
from pulsing.ids import ActorId


@dataclass(frozen=True)
class Point:
    x: int
    y: Any


class Colour(Enum):
    RED = 1


Pair = namedtuple("Pair", "left right")

KNOWN: dict[str, type] = {f"{__name__}.{cls.__qualname__}": cls for cls in (Point, Colour, Pair)}


def back(view: Any) -> Any:
    return from_json(view, resolve=KNOWN.get, make_ref=ActorId.from_str)


VALUES: list[Any] = [
    None,
    True,
    0,
    -(2**53),
    2**53 + 1,
    10**300,
    1.5,
    math.inf,
    "text",
    b"bytes",
    [1, [2, "3"]],
    (1, (2,)),
    {1, 2},
    {"a": {"b": 1}},
    {1: "one", (2, 3): "two"},
    {"$set": "no set"},
    dt.datetime(2024, 1, 2, 3, 4, 5, 6, dt.timezone.utc),
    dt.date(2024, 1, 2),
    dt.time(1, 2, 3),
    dt.timedelta(days=1, microseconds=5),
    Decimal("1.10"),
    uuid.UUID(int=7),
    Path("/a/b"),
    complex(1, math.inf),
    Point(1, [Point(2, None)]),
    Pair(1, "x"),
    Colour.RED,
    ActorId.of(1, 2),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_equal_and_of_its_type(value: Any) -> None:
    view, truncated = to_json(value)
    again = back(view)
    assert (again, type(again), truncated) == (value, type(value), False)


def test_not_a_number_comes_back_as_itself() -> None:
    assert math.isnan(back(to_json(math.nan)[0]))


_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
_hashable = st.none() | st.booleans() | st.integers() | st.text() | st.binary()
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_hashable, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(_values)
def test_any_plain_value_comes_back_equal(value: Any) -> None:
    view, truncated = to_json(value)
    encode(view)
    if not truncated:
        assert back(view) == value


def test_what_is_too_much_is_cut_and_said() -> None:
    many, cut = to_json(list(range(MAX_ELEMENTS + 5)))
    assert (len(many), many[-1], cut) == (MAX_ELEMENTS + 1, {"$more": 5}, True)
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    assert to_json(deep)[1]
    assert to_json("x" * 100_000) == ("x" * 65_536, True)
    wide, cut = to_json([[0] * 1_000] * 1_000)
    assert cut
    assert len(encode(wide)) < 1_000_000


def test_arrays_show_their_head_and_anything_else_its_repr() -> None:
    view, cut = to_json(np.zeros((3, 40), dtype="<f4"))
    assert (view["$array"]["shape"], len(view["$array"]["head"]), cut) == ([3, 40], 32, True)
    assert to_json(np.float64(1.5)) == (1.5, False)

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    assert "Broken" in to_json(Broken())[0]["$repr"]
    assert to_json(object())[0]["type"] == "builtins.object"


class Unkind:
    """Raises whatever is done with it, as a client that turns every attribute into a request may."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class UnkindMapping(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("closed")


@dataclass
class Holder:
    first: int
    second: Any


def test_an_object_that_raises_when_it_is_looked_at_is_described_and_hides_nothing_else() -> None:
    view, _ = to_json([1, Unkind(), Holder(2, Unkind()), UnkindMapping(a=1)])

    assert view[0] == 1
    assert "Unkind" in view[1]["$repr"]
    assert (view[2]["fields"]["first"], "Unkind" in view[2]["fields"]["second"]["type"]) == (2, True)
    assert "a" in view[3]["$repr"]


def test_what_is_too_deep_is_described_by_a_few_of_its_elements() -> None:
    deep: Any = list(range(1_000_000))
    for _ in range(17):
        deep = [deep]
    view, cut = to_json(deep)
    for _ in range(17):
        (view,) = view

    assert (cut, view["$repr"]) == (True, "[0, 1, 2, 3, 4, 5, ...]")


BAD_VIEWS: list[Any] = [
    {"$int": 1},
    {"$int": "x"},
    {"$bytes": "%"},
    {"$set": [[1]]},
    {"$dict": [1]},
    {"$tuple": "x"},
    {"$type": "os.PathLike", "fields": {}},
    {"$type": f"{__name__}.Point", "fields": {"z": 1}},
    {"$type": f"{__name__}.Point"},
    {"$enum": f"{__name__}.Point.RED"},
    {"$enum": f"{__name__}.Colour.BLUE"},
    {"$array": {}},
    {"$repr": "x"},
    {"$more": 1},
    {"$nothing": 1},
    {"$int": "1", "also": 2},
    {"$actor": "x"},
    {"$complex": [1]},
]

FAULTS: list[tuple[Any, str]] = [
    ({"$decimal": "ten"}, "$decimal: 'ten' is no number"),
    ({"$timedelta": "1s"}, "$timedelta: expected seconds"),
    ({"$complex": "1+2j"}, "$complex: expected [real, imaginary]"),
    ({"$repr": "x", "type": "y"}, "$repr is not a form that can be sent"),
    ({"$int": "1", "also": 2}, "$int stands alone"),
]


@pytest.mark.parametrize(("view", "said"), FAULTS, ids=repr)
def test_what_is_said_of_a_malformed_form_is_about_the_form(view: Any, said: str) -> None:
    with pytest.raises(ProblemError) as caught:
        back(view)
    assert caught.value.detail == said


@pytest.mark.parametrize("view", BAD_VIEWS, ids=repr)
def test_a_form_that_cannot_be_read_names_its_place(view: Any) -> None:
    with pytest.raises(ProblemError) as caught:
        back({"args": [view]})
    assert caught.value.slug == "bad-value"
    assert caught.value.errors[0]["loc"][:3] == ["body", "args", 0]


@pytest.mark.parametrize("form", ["$set", "$dict"])
def test_keys_that_were_made_to_collide_are_refused(form: str) -> None:
    numbers = [{"$int": str(number * sys.hash_info.modulus)} for number in range(1, 1_000)]
    items = numbers if form == "$set" else [[number, 0] for number in numbers]
    with pytest.raises(ProblemError) as caught:
        back({"a": {form: items}})
    assert (caught.value.slug, caught.value.errors[0]["loc"]) == ("bad-value", ["body", "a"])
    assert len(back({form: items[:200]})) == 200
    assert len(back({"$set": list(range(10_000))})) == 10_000
