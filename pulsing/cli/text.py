"""Values as text that a terminal shows and does nothing else with."""

from __future__ import annotations

import json
import re
from typing import Any

# Control characters, and those that turn the direction of what follows: a name that a stranger chose must not be able
# to move the cursor or to look like another one.
_ACTIVE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")


def one_line(text: str) -> str:
    """A text with what would act on a terminal written out: an escape becomes `\\x1b`."""
    return _ACTIVE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def inert(text: str) -> str:
    """A text of several lines, each as `one_line` has it; tabs stay."""
    return _ACTIVE.sub(lambda found: found[0] if found[0] in "\n\t" else one_line(found[0]), text)


def to_json(value: Any, indent: int | None = None) -> str:
    """A value as JSON whose strings are inert as well."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _ACTIVE.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)
