"""A short look at values of users: bounded in size and in work whatever they are, and without what their keys call
secret."""

from __future__ import annotations

import enum
import fnmatch
import re
import reprlib
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

HIDDEN = "•••"
HIDDEN_KEYS = ("*token*", "*password*", "*secret*", "*api_key*")
"""What stands under a key or an argument's name that fits one of these is not shown."""

_LOGIN = re.compile(r"(?<=://)[^/?#\s]*@")
"""The name and the password in an address, which may contain an @ themselves."""
_PARAMETER = re.compile(r"([?&]([^=&#?\s]{1,64})=)[^&#\s'\"]+")
"""A parameter of an address; without an end of its name the time that is taken would be quadratic."""
_SECRET = re.compile("token|password|secret|api_key", re.IGNORECASE)

_PLAIN = ("builtins", "datetime", "decimal", "uuid", "pathlib", "fractions", "pulsing.ids", "pulsing.core")
"""Modules whose objects show themselves in few words."""


def without_logins(text: str) -> str:
    """A text whose addresses are without that by which something is opened: `redis://•••@host`, `unix:///s?password=•••`."""
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    return _PARAMETER.sub(lambda found: f"{found[1]}{HIDDEN}" if _SECRET.search(found[2]) else found[0], text)


class Preview(reprlib.Repr):
    """Writes values and calls as short texts.

    Args:
        limit: bytes of a text, at most.
        hidden: patterns of keys, upper and lower case alike.
    """

    def __init__(self, limit: int, hidden: Sequence[str] = HIDDEN_KEYS) -> None:
        super().__init__()
        self.maxstring = self.maxother = limit // 2
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 8
        self.maxlevel = 4
        self._limit = limit
        self.hide(hidden)

    def hide(self, patterns: Sequence[str]) -> None:
        """Hide from now on what stands under keys that fit one of these, and nothing else."""
        self._hidden = re.compile("|".join(fnmatch.translate(pattern.casefold()) for pattern in patterns) or r"(?!)")

    def value(self, value: Any) -> str:
        """One value."""
        return self.text(self.repr(value))

    def call(self, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> str:
        """The arguments of a call, separated by commas."""
        named = [f"{name}={self._unless_hidden(name, value)}" for name, value in (kwargs or {}).items()]
        return self.text(", ".join([*map(self.repr, args), *named]))

    def without_secrets(self, value: Any) -> Any:
        """A copy of plain values in which nothing stands that is not to be shown."""
        if isinstance(value, Mapping):
            return {key: HIDDEN if self._hides(key) else self.without_secrets(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.without_secrets(item) for item in value]
        return without_logins(value) if isinstance(value, str) else value

    def text(self, text: str) -> str:
        """The beginning of a text that may be too long, and hold secrets."""
        text = without_logins(text)
        encoded = text.encode("utf-8", "replace")
        return text if len(encoded) <= self._limit else encoded[: self._limit - 3].decode("utf-8", "ignore") + "…"

    def repr1(self, x: Any, level: int) -> str:
        try:
            return super().repr1(x, level)
        except Exception:
            return f"<{type(x).__name__} that cannot be shown>"

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        if not x:
            return "{}"
        if level <= 0:
            return "{...}"
        shown = [
            f"{self.repr1(key, level - 1)}: {self._unless_hidden(key, x[key], level - 1)}"
            for key in islice(x, self.maxdict)
        ]
        return f"{{{', '.join(shown)}{', ...' if len(x) > self.maxdict else ''}}}"

    def repr_set(self, x: Any, level: int) -> str:
        return self._unordered("{", "}", x, level) if x else "set()"

    def repr_frozenset(self, x: Any, level: int) -> str:
        return self._unordered("frozenset({", "})", x, level)

    def _unordered(self, opening: str, closing: str, x: Any, level: int) -> str:
        # The library sorts them first, however many they are.
        shown = [self.repr1(each, level - 1) for each in islice(x, self.maxset)] if level > 0 else ["..."]
        return f"{opening}{', '.join(shown)}{', ...' if len(x) > self.maxset and level > 0 else ''}{closing}"

    def repr_bytes(self, x: bytes, level: int) -> str:
        head = repr(bytes(x[: self.maxstring // 4]))
        return head if len(x) <= self.maxstring // 4 else f"{head}… {len(x):,} bytes"

    repr_bytearray = repr_bytes

    def repr_instance(self, x: Any, level: int) -> str:
        kind = type(x)
        if isinstance(x, enum.Enum):
            return f"{kind.__name__}.{x.name}"
        fields = _fields_of(kind)
        if fields is not None:
            if level <= 0:
                return f"{kind.__name__}(...)"
            shown = (f"{name}={self._unless_hidden(name, getattr(x, name, None), level - 1)}" for name in fields)
            return f"{kind.__name__}({', '.join(islice(shown, self.maxdict))})"
        if kind.__module__.startswith(_PLAIN):
            return super().repr_instance(x, level)
        return f"<{kind.__name__}>"

    def _hides(self, key: Any) -> bool:
        return self._hidden.match(str(key)[: self.maxstring].casefold()) is not None

    def _unless_hidden(self, key: Any, value: Any, level: int | None = None) -> str:
        if self._hides(key):
            return HIDDEN
        return self.repr1(value, self.maxlevel if level is None else level)


def _fields_of(kind: type) -> Sequence[str] | None:
    """The fields of a dataclass, a model of pydantic or a named tuple, which say more than its name."""
    for attribute in ("__dataclass_fields__", "model_fields", "_fields"):
        fields = getattr(kind, attribute, None)
        if isinstance(fields, (Mapping, tuple)):
            return [str(name) for name in fields]
    return None
