"""Rates of counters between two looks."""

from __future__ import annotations

from typing import Any

from pulsing.cli.top import VIEWS, Ranking, rank, with_rates

ACTORS = VIEWS[Ranking.actors]


def actor(number: int, messages: int, errors: int = 0) -> dict[str, Any]:
    return {"id": f"1:{number}", "messages_total": messages, "errors_total": errors}


def test_a_rate_is_what_a_counter_grew_by_in_a_second() -> None:
    [row] = with_rates([actor(1, 30, 1)], [actor(1, 10)], ACTORS, 2.0)
    assert (row["msg_s"], row["err_s"]) == (10.0, 0.5)


def test_what_was_not_there_before_has_no_rate_and_a_counter_that_began_anew_has_none_below_zero() -> None:
    new, restarted = with_rates([actor(1, 30), actor(2, 5)], [actor(2, 100)], ACTORS, 1.0)
    assert (new["msg_s"], restarted["msg_s"]) == (None, 0)


def test_methods_of_one_name_in_two_classes_are_two() -> None:
    before = [
        {"class": "A", "method": "run", "messages_total": 1},
        {"class": "B", "method": "run", "messages_total": 2},
    ]
    now = [{"class": "A", "method": "run", "messages_total": 4}, {"class": "B", "method": "run", "messages_total": 2}]
    assert [row["msg_s"] for row in with_rates(now, before, VIEWS[Ranking.methods], 1.0)] == [3.0, 0.0]


def test_numbers_are_ranked_from_the_greatest_and_texts_from_a() -> None:
    rows: list[dict[str, Any]] = [{"name": "b", "n": 1}, {"name": "a", "n": None}, {"name": "c", "n": 3}]
    assert [row["name"] for row in rank(rows, "n")] == ["c", "b", "a"]
    assert [row["name"] for row in rank(rows, "name")] == ["a", "b", "c"]
    assert [row["name"] for row in rank(rows, "-name")] == ["c", "b", "a"]


def test_every_rate_has_a_column() -> None:
    for view in VIEWS.values():
        assert set(view.rates) <= set(view.columns)
        assert view.order in view.columns
