"""JSON is found in what models write, and nothing that they write raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsing.agent import extract_field, parse_json

NONE = object()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"name": "test"}', {"name": "test"}),
        ("  [1, 2]\n", [1, 2]),
        ("null", None),
        ("0", 0),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('```JSON {"a": 1}```', {"a": 1}),
        ('```\n{"a": 1}\n```\nAnd that is all.', {"a": 1}),
        ('```json\n{"a": 1}', {"a": 1}),
        (None, NONE),
        ("", NONE),
        (" \n\t", NONE),
        ("invalid", NONE),
        ('Here you are: {"a": 1}', NONE),
        ('Here you are:\n```json\n{"a": 1}\n```', NONE),
        ("```", NONE),
        ("``````", NONE),
        ("```python\n1\n```", NONE),
        ('{"a": 1', NONE),
        ("[" * 100_000, NONE),
        ("1" * 5_000, NONE),
    ],
)
def test_json_is_taken_from_a_text_or_from_the_block_it_begins_with(text: str | None, value: Any) -> None:
    assert parse_json(text, NONE) == value


def test_the_fallback_is_none_by_default() -> None:
    assert parse_json("prose") is None


@given(st.text(alphabet='`{}[]":,json0 \n\u00a0') | st.text())
def test_no_text_raises(text: str) -> None:
    parse_json(text)
    extract_field(text, "a")


def test_a_reply_that_cannot_be_shown_as_text_is_no_json() -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert parse_json(Mute(), NONE) == NONE  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"score": 8}', 8),
        ('```json\n{"score": null}\n```', None),
        ('{"other": 8}', NONE),
        ("[8]", NONE),
        ("8", NONE),
        ("prose", NONE),
        (None, NONE),
    ],
)
def test_a_field_is_taken_from_an_object_only(text: str | None, value: Any) -> None:
    assert extract_field(text, "score", NONE) == value
