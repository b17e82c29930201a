"""Signatures as JSON schema: complete where annotations are, honest where they are not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pulsing.admin.problems import ProblemError
from pulsing.admin.signatures import check_arguments, return_schema, signature_schema

if TYPE_CHECKING:
    from somewhere import NotThere  # type: ignore[import-not-found]


@dataclass
class Point:
    x: int
    y: int = 0


class Odd:
    """A class that no schema can describe."""


def rich(
    at: dt.datetime,
    point: Point,
    /,
    mode: Literal["fast", "slow"] = "fast",
    *rest: int,
    odd: Odd | None = None,
    limit: int | None = None,
    **more: Any,
) -> list[Point]:
    """Do it.

    Args:
        at: when
        mode (str): how
    """
    return [point]


def broken(x: NotThere | None, y: int = 1) -> None:
    """Has an annotation that does not exist at run time."""


def test_parameters_become_properties_in_order() -> None:
    schema = signature_schema(rich)
    assert list(schema["properties"]) == ["at", "point", "mode", "odd", "limit"]
    assert schema["required"] == ["at", "point"]
    assert schema["x-positional"] == ["at", "point", "mode"]
    assert (schema["x-varargs"], schema["additionalProperties"]) == ("rest", True)
    assert schema["properties"]["at"]["format"] == "date-time"
    assert schema["properties"]["at"]["description"] == "when"
    assert schema["properties"]["mode"] == {
        "title": "mode", "default": "fast", "enum": ["fast", "slow"], "type": "string", "description": "how",
    }  # fmt: skip
    assert "Odd" in schema["properties"]["odd"]["x-python-type"]


def test_an_annotation_that_is_not_there_hides_nothing_else() -> None:
    schema = signature_schema(broken)
    assert schema["required"] == ["x"]
    assert schema["properties"]["x"]["x-python-type"] == "NotThere | None"
    assert (schema["properties"]["y"]["default"], schema["properties"]["y"]["type"]) == (1, "integer")


def test_an_annotation_that_is_not_there_refuses_nothing() -> None:
    assert check_arguments(broken, 0, ["anything"], {"y": 2}) == (["anything", 2], {})
    with pytest.raises(ProblemError, match=r"y: .*integer"):
        check_arguments(broken, 0, ["anything"], {"y": "much"})


def test_what_has_no_signature_takes_anything() -> None:
    assert signature_schema(dict.get)["type"] == "object"
    assert signature_schema(type)["additionalProperties"] is True


def test_returns_are_described_where_they_are_annotated() -> None:
    returned = return_schema(rich)
    assert returned is not None
    assert returned["type"] == "array"
    assert return_schema(lambda: 1) is None


def test_arguments_are_made_to_fit() -> None:
    args, kwargs = check_arguments(rich, 0, ["2024-01-02T03:04:05Z", {"x": 1}], {"limit": "3", "extra": {}})
    assert args[0] == dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)
    assert args[1] == Point(1)
    assert kwargs == {"limit": 3, "extra": {}}


BAD: list[tuple[list[Any], dict[str, Any], str]] = [
    ([], {}, "at"),
    (["yesterday-ish", {"x": 1}], {}, "at"),
    (["2024-01-02", {"y": 1}], {}, "point"),
    (["2024-01-02", {"x": 1}, "sideways"], {}, "mode"),
    (["2024-01-02", {"x": 1}], {"limit": "many"}, "limit"),
]


@pytest.mark.parametrize(("args", "kwargs", "named"), BAD)
def test_what_does_not_fit_is_named(args: list[Any], kwargs: dict[str, Any], named: str) -> None:
    with pytest.raises(ProblemError) as caught:
        check_arguments(rich, 0, args, kwargs)
    assert caught.value.slug == "bad-arguments"
    assert named in caught.value.detail


def test_a_list_for_an_iterable_is_checked_and_stays_a_list() -> None:
    def total(numbers: Iterable[int]) -> int:
        return sum(numbers)

    assert check_arguments(total, 0, [[1, "2"]], {}) == ([[1, 2]], {})
    with pytest.raises(ProblemError, match=r"numbers\.1: .*integer"):
        check_arguments(total, 0, [[1, "x"]], {})


def test_a_function_in_the_place_of_a_type_is_not_called() -> None:
    def odd(x: print) -> None:  # type: ignore[valid-type]
        pass

    assert check_arguments(odd, 0, [3], {}) == ([3], {})
