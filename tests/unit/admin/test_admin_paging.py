"""Lists: filters, search, several sort keys, and walks that meet every row once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsing.admin.paging import ListQuery, ListSpec, Page, paged
from pulsing.admin.problems import ProblemError

SPEC = ListSpec(
    sort=("name", "n", "class"), filters={"class": None, "state": ("up", "down"), "tag": None}, search=("name",)
)


def rows(count: int = 25) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{number:03}",
            "name": f"row-{number % 7}",
            "n": None if number % 5 == 0 else number % 3,
            "class": "A" if number % 2 else "B",
            "state": "up" if number < 20 else "down",
            "tags": {"team": "a"} if number % 4 == 0 else {},
        }
        for number in range(count)
    ]


def ask(given: list[dict[str, Any]] | None = None, **params: Any) -> Page:
    pairs = [(k, v) for k, vs in params.items() for v in (vs if isinstance(vs, list) else [vs])]
    return paged(rows() if given is None else given, ListQuery.read([(k, str(v)) for k, v in pairs], SPEC), SPEC)


def test_the_same_filter_twice_means_or_and_different_ones_mean_and() -> None:
    assert ask(state=["up", "down"]).filtered == 25
    assert ask(None, state="down", **{"class": "A"}).filtered == 2
    assert ask(tag="team:a").filtered == ask(tag="team").filtered == 7
    assert ask(tag="team:b").filtered == 0


def test_search_ignores_case() -> None:
    assert ask(search="ROW-3").filtered == 4


@pytest.mark.parametrize("sort", ["name", "-name", "-n,name", "n,-class,name"])
@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_a_walk_by_cursor_meets_every_row_once_and_in_order(sort: str, limit: int) -> None:
    met: list[str] = []
    cursor: dict[str, Any] = {}
    for _ in range(100):
        window = ask(None, sort=sort, limit=limit, **cursor)
        met += [row["id"] for row in window.rows]
        if window.next is None:
            break
        cursor = {"cursor": window.next}
    assert met == [row["id"] for row in ask(sort=sort, limit=1000).rows]
    assert len(met) == len(set(met)) == 25


@given(st.lists(st.integers(0, 5) | st.none() | st.text(max_size=2), max_size=30), st.integers(1, 10))
def test_a_walk_over_values_of_any_kind_meets_every_row_once(values: list[Any], limit: int) -> None:
    given = [{"id": str(index), "n": value} for index, value in enumerate(values)]
    met: list[str] = []
    cursor: dict[str, Any] = {}
    for _ in range(100):
        window = ask(given, sort="-n", limit=limit, **cursor)
        met += [row["id"] for row in window.rows]
        if window.next is None:
            break
        cursor = {"cursor": window.next}
    assert sorted(met) == sorted(row["id"] for row in given)


def test_rows_without_a_value_come_last_in_either_direction() -> None:
    assert [ask(sort=sort).rows[-1]["n"] for sort in ("n", "-n")] == [None, None]


def test_a_window_by_offset_is_the_same_part_of_the_whole() -> None:
    whole = ask(sort="-n,name", limit=100).rows
    assert ask(sort="-n,name", offset=5, limit=3).rows == whole[5:8]


def test_fields_cut_rows_but_never_the_id() -> None:
    assert set(ask(fields="name").rows[0]) == {"id", "name"}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"sort": "surprise"}, "bad-sort"),
    ({"sort": "--name"}, "bad-sort"),
    ({"sort": " name"}, "bad-sort"),
    ({"sort": "name,"}, "bad-sort"),
    ({"sort": "\r"}, "bad-sort"),
    ({"sort": "name,n,class,name,n"}, "bad-sort"),
    ({"limit": 0}, "bad-filter"),
    ({"limit": 1001}, "bad-filter"),
    ({"limit": "x"}, "bad-filter"),
    ({"limit": "٣"}, "bad-filter"),
    ({"limit": [1, 2]}, "bad-filter"),
    ({"offset": 9_950}, "bad-filter"),
    ({"offset": -1}, "bad-filter"),
    ({"state": "sideways"}, "bad-filter"),
    ({"scope": "galaxy"}, "bad-filter"),
    ({"colour": "red"}, "bad-filter"),
    ({"class": ["A"] * 101}, "bad-filter"),
    ({"cursor": "x"}, "bad-cursor"),
    ({"cursor": "W10"}, "bad-cursor"),
    ({"cursor": "é"}, "bad-cursor"),
]


@pytest.mark.parametrize(("params", "slug"), BAD)
def test_what_cannot_be_asked_is_refused(params: dict[str, Any], slug: str) -> None:
    with pytest.raises(ProblemError) as caught:
        ask(**params)
    assert caught.value.slug == slug


def test_a_cursor_of_other_filters_is_refused() -> None:
    cursor = ask(limit=2, state="up").next
    with pytest.raises(ProblemError) as caught:
        ask(limit=2, state="down", cursor=cursor)
    assert caught.value.slug == "bad-cursor"
