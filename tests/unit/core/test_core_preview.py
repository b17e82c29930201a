"""Values of users as short texts."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from pulsing.core.preview import HIDDEN, Preview

LIMIT = 200


@dataclass
class Order:
    item: str
    api_key: str = "hunter2"


class Point(NamedTuple):
    x: int
    y: int


class Model(BaseModel):
    password: str
    size: int


class Colour(enum.Enum):
    RED = 1


class Talkative:
    def __repr__(self) -> str:
        raise AssertionError("nobody needs the words of an object that may have a million")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"id": 1, "tags": ["a", "b"]}, "{'id': 1, 'tags': ['a', 'b']}"),
        ({"nested": [{"Auth_Token": "hunter2"}]}, f"{{'nested': [{{'Auth_Token': {HIDDEN}}}]}}"),
        (Order("pen"), f"Order(item='pen', api_key={HIDDEN})"),
        (Model(password="hunter2", size=3), f"Model(password={HIDDEN}, size=3)"),
        ({"url": "redis://me:hun@ter2@host/0"}, f"{{'url': 'redis://{HIDDEN}@host/0'}}"),
        ({"url": "unix:///s?Password=hunter2&db=1"}, f"{{'url': 'unix:///s?Password={HIDDEN}&db=1'}}"),
        ("https://host/a?x=1&api_key=hunter2#there", f"'https://host/a?x=1&api_key={HIDDEN}#there'"),
        (Point(1, 2), "Point(x=1, y=2)"),
        (Colour.RED, "Colour.RED"),
        (PurePosixPath("/a"), "PurePosixPath('/a')"),
        (Talkative(), "<Talkative>"),
        (set(), "set()"),
        ({3}, "{3}"),
        (frozenset({3}), "frozenset({3})"),
        ({}, "{}"),
        (b"ab", "b'ab'"),
        (b"a" * 1_000_000, f"b'{'a' * 25}'… 1,000,000 bytes"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, 6, 7, ...]"),
        ([[[[[1]]]]], "[[[[[...]]]]]"),
    ],
)
def test_a_value_is_said_in_few_words(value: Any, text: str) -> None:
    assert Preview(LIMIT).value(value) == text


@pytest.mark.parametrize(
    "value",
    ["ü" * 100_000, {"k" * 1_000: "v" * 1_000}, set(range(1_000_000)), 10**100, bytearray(10_000), [Talkative()] * 100],
)
def test_no_text_is_longer_than_its_limit(value: Any) -> None:
    assert len(Preview(LIMIT).value(value).encode()) <= LIMIT


def test_a_call_is_its_arguments() -> None:
    assert Preview(LIMIT).call((1, "a"), {"by": 2, "token": "hunter2"}) == f"1, 'a', by=2, token={HIDDEN}"


def test_what_is_hidden_is_for_its_owner_to_say() -> None:
    preview = Preview(LIMIT)
    preview.hide(["pin"])
    assert preview.value({"PIN": 1234, "token": "shown"}) == f"{{'PIN': {HIDDEN}, 'token': 'shown'}}"


def test_plain_values_are_copied_without_what_is_secret() -> None:
    options = {"url": "redis://:hunter2@host:1", "max": 3, "on": None, "more": [{"Api_Key": "hunter2"}, ("a@b", 1.5)]}
    assert Preview(LIMIT).without_secrets(options) == {
        "url": f"redis://{HIDDEN}@host:1",
        "max": 3,
        "on": None,
        "more": [{"Api_Key": HIDDEN}, ["a@b", 1.5]],
    }
