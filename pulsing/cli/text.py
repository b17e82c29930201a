"""Values as text that a terminal shows and does nothing else with."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pulsing.logs import ACTIVE, one_line


def inert(text: str) -> str:
    """A text of several lines, each as `one_line` has it; tabs stay."""
    return ACTIVE.sub(lambda found: found[0] if found[0] in "\n\t" else one_line(found[0]), text)


def to_json(value: Any, indent: int | None = None, default: Callable[[Any], Any] | None = None) -> str:
    """A value as JSON whose strings are inert as well; `default` is that of `json.dumps`."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=default)
    return ACTIVE.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)
