"""What a refused body is told."""

from __future__ import annotations

from pulsing.admin.problems import KINDS, input_problem
from pulsing.admin.remedies import REMEDIES


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


def test_of_many_faults_the_first_are_told() -> None:
    unknown = [{"type": "extra_forbidden", "loc": ("body", f"k{n}"), "msg": "Extra"} for n in range(60_000)]
    problem = input_problem(unknown)
    assert [fault["loc"][1] for fault in problem.errors] == [f"k{n}" for n in range(20)]
    assert problem.detail == "the input does not fit at: k0, k1, k2"


def test_of_every_problem_it_is_told_what_to_do() -> None:
    assert list(REMEDIES) == list(KINDS)
    assert all(remedy.endswith((".", "?")) for remedy in REMEDIES.values())
