"""What a user types as a value: JSON where it parses as JSON, a string otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pulsing.cli.errors import USAGE, CliError


def parse_value(text: str) -> Any:
    """`3` is a number, `[1]` a list, `true` a truth; what is no JSON is the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_keywords(pairs: Iterable[str]) -> dict[str, Any]:
    """The dictionary of `key=value` words.

    Raises:
        CliError: a word has no `=`, or a key comes twice.
    """
    keywords: dict[str, Any] = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found or not key:
            raise CliError(f"{pair!r} is not key=value", hint="a positional argument is --arg VALUE", exit_code=USAGE)
        if key in keywords:
            raise CliError(f"{key!r} is given twice", exit_code=USAGE)
        keywords[key] = parse_value(value)
    return keywords


def parse_filters(pairs: Iterable[str]) -> list[tuple[str, str]]:
    """The `field=value` words of `-f`; the same field twice means either value.

    Raises:
        CliError: a word has no `=`.
    """
    filters = [pair.partition("=") for pair in pairs]
    for field, found, value in filters:
        if not found or not field:
            raise CliError(f"{field + found + value!r} is not field=value", exit_code=USAGE)
    return [(field, value) for field, _, value in filters]
