"""What a refused body is told."""

from __future__ import annotations

from pulsing.admin.problems import input_problem


def test_a_body_that_is_not_json_is_told_so() -> None:
    broken = {
        "type": "json_invalid",
        "loc": ("body", 1),
        "msg": "JSON decode error",
        "ctx": {"error": "Expecting value"},
    }
    problem = input_problem([broken])
    assert problem.detail == "the body is not JSON: Expecting value"


def test_a_field_that_does_not_fit_is_named() -> None:
    problem = input_problem([{"type": "missing", "loc": ("body", "class"), "msg": "Field required"}])
    assert problem.detail == "the input does not fit at: class"
