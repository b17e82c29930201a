"""Values as text: inert on a terminal, and read back by others as they were."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pulsing.cli.text import inert, to_json
from pulsing.cli.yaml import to_yaml
from pulsing.logs import one_line

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_yaml_is_read_back_as_the_value(value: Any) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


@given(values)
def test_json_is_read_back_as_the_value(value: Any) -> None:
    assert json.loads(to_json(value)) == value
    assert json.loads(to_json(value, indent=2)) == value


def test_lines_and_tabs_stay_where_there_may_be_several() -> None:
    assert inert("a\tb\n\x1b[2J\r\u061c") == "a\tb\n\\x1b[2J\\r\\u061c"


@given(texts)
def test_no_text_acts_on_a_terminal(text: str) -> None:
    for shown in (one_line(text), to_json(text)):
        assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[31mred", r"\x1b[31mred"), ("a\nb", r"a\nb"), ("\u202egnp.exe", r"\u202egnp.exe"), ("ä 漢 😀", "ä 漢 😀")],
)
def test_what_would_act_is_written_out(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_yaml_reads_like_yaml() -> None:
    row = {
        "name": "actors/w",
        "state": "no",
        "tags": {"team": "a"},
        "items": [{"count": 1, "more": []}, [2]],
        "note": None,
    }
    assert to_yaml(row).splitlines() == [
        "name: actors/w",
        'state: "no"',
        "tags:",
        "  team: a",
        "items:",
        "  - count: 1",
        "    more: []",
        "  - - 2",
        "note: null",
    ]
