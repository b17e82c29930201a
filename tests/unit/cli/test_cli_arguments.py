"""Values as they are typed."""

from __future__ import annotations

from typing import Any

import pytest

from pulsing.cli.arguments import parse_filters, parse_keywords, parse_value
from pulsing.cli.errors import USAGE, CliError


@pytest.mark.parametrize(
    ("typed", "value"),
    [("3", 3), ("1.5", 1.5), ("true", True), ("[1, 2]", [1, 2]), ("hello", "hello"), ('"3"', "3"), ("", "")],
)
def test_what_is_no_json_is_a_string(typed: str, value: Any) -> None:
    assert parse_value(typed) == value


def test_keywords_may_hold_equals_signs() -> None:
    assert parse_keywords(["size=3", "rule=a=b"]) == {"size": 3, "rule": "a=b"}


@pytest.mark.parametrize(
    ("words", "complaint"), [(["size"], "'size' is not key=value"), (["a=1", "a=2"], "'a' is given twice")]
)
def test_a_word_that_is_no_keyword_is_a_mistake_of_usage(words: list[str], complaint: str) -> None:
    with pytest.raises(CliError, match=complaint) as caught:
        parse_keywords(words)
    assert caught.value.exit_code == USAGE


def test_a_filter_may_name_the_same_field_twice() -> None:
    assert parse_filters(["state=running", "state=failed"]) == [("state", "running"), ("state", "failed")]
