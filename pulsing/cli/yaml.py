"""JSON values as YAML, of which only what they need is written: blocks, plain words and strings in quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pulsing.cli.text import to_json

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
# What YAML 1.1 takes for something else than a string.
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


def to_yaml(value: Any) -> str:
    """A value as a YAML document, without a line break at its end."""
    return "\n".join(_lines(value))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _entry(f"{_scalar(key)}:", inner)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _item(inner)
    else:
        yield _scalar(value)


def _entry(head: str, value: Any) -> Iterator[str]:
    if value and isinstance(value, (dict, list)):
        yield head
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{head} {_scalar(value)}"


def _item(value: Any) -> Iterator[str]:
    lines = _lines(value)
    yield f"- {next(lines)}"
    yield from (f"  {line}" for line in lines)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if is_plain else to_json(value)
    text = to_json(value)
    # YAML 1.1 wants a point before the exponent.
    return text.replace("e", ".0e") if isinstance(value, float) and "e" in text and "." not in text else text
