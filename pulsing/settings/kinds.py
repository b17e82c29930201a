"""The kinds of values that settings have: how each is read from text, from a file, and described to a reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True)
class Kind:
    """What values a setting takes. Both readers raise ValueError or TypeError for any other."""

    name: str
    """completes "expected …" """
    from_text: Callable[[str], Any]
    from_file: Callable[[Any], Any]
    schema: Mapping[str, Any]
    """JSON Schema of the value in a file"""


def _flag_of(text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError(word)
    return word in TRUE_WORDS


def _words_of(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))


def _exactly(*types: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) not in types:
            raise TypeError(type(value).__name__)
        return value

    return check


def _number_in_file(value: Any) -> float:
    return float(_exactly(int, float)(value))


def _words_in_file(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return _words_of(value)
    return tuple(_exactly(str)(word) for word in _exactly(list)(value))


def _amounts(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        name, _, amount = word.partition("=")
        if not name or not 0 <= float(amount) < float("inf"):
            raise ValueError(word)
    return words


def _span(text: str) -> str:
    first, _, last = text.partition("-")
    if text and not 0 < int(first) <= int(last) < 65536:
        raise ValueError(text)
    return text


def _tables_in_file(value: Any) -> tuple[dict[str, Any], ...]:
    return tuple(_exactly(dict)(table) for table in _exactly(list)(value))


def _no_text(text: str) -> Any:
    raise ValueError


FLAG = Kind("true or false", _flag_of, _exactly(bool), {"type": "boolean"})
COUNT = Kind("a whole number", int, _exactly(int), {"type": "integer"})
NUMBER = Kind("a number", float, _number_in_file, {"type": "number"})
TEXT = Kind("a text", str, _exactly(str), {"type": "string"})
WORDS = Kind(
    "words with commas between them", _words_of, _words_in_file, {"type": "array", "items": {"type": "string"}}
)
AMOUNTS = Kind(
    "name=amount, with commas between them",
    lambda text: _amounts(_words_of(text)),
    lambda value: _amounts(_words_in_file(value)),
    {"type": "array", "items": {"type": "string"}},
)
PORTS = Kind(
    "the first and the last port, as 7700-7799",
    _span,
    lambda value: _span(_exactly(str)(value)),
    {"type": "string", "pattern": "^([0-9]+-[0-9]+)?$"},
)
TABLES = Kind("a list of tables", _no_text, _tables_in_file, {"type": "array", "items": {"type": "object"}})


def within(kind: Kind, least: float, most: float | None = None) -> Kind:
    """Numbers of a kind that are neither too small nor too large; `most` is None where there is no such bound."""

    def bounded(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def check(given: Any) -> Any:
            value = read(given)
            # Written so that what is no number at all (nan) is refused too.
            if not (least <= value and (most is None or value <= most)):
                raise ValueError(given)
            return value

        return check

    bounds = {"minimum": least} if most is None else {"minimum": least, "maximum": most}
    end = "on" if most is None else f"to {most:,}"
    return Kind(
        f"{kind.name} from {least:,} {end}",
        bounded(kind.from_text),
        bounded(kind.from_file),
        {**kind.schema, **bounds},
    )


def choice(*words: str) -> Kind:
    """One of a few words."""

    def pick(word: Any) -> str:
        if word not in words:
            raise ValueError(word)
        return str(word)

    return Kind(f"{', '.join(words[:-1])} or {words[-1]}", pick, pick, {"enum": list(words)})
