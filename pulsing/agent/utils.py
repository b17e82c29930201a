"""JSON out of what a language model wrote."""

from __future__ import annotations

import json
from typing import Any

_FENCE = "```"


def parse_json(content: str | None, fallback: Any = None) -> Any:
    """The value of a text that is JSON, or JSON in a fenced block that the text begins with.

    JSON that follows other text is not looked for. Never raises.

    Args:
        content: the text, or a reply of a model.
        fallback: returned for no text, and for what is no JSON.
    """
    try:
        return json.loads(_unfenced("" if content is None else str(content).strip()))
    except Exception:
        # Most often no JSON; nested too deeply, or a reply that cannot be shown as text.
        return fallback


def extract_field(content: str | None, field: str, fallback: Any = None) -> Any:
    """One field of the JSON object that a text holds; `fallback` where there is no object or no such field."""
    value = parse_json(content)
    return value.get(field, fallback) if isinstance(value, dict) else fallback


def _unfenced(text: str) -> str:
    if not text.startswith(_FENCE):
        return text
    inner = text.split(_FENCE)[1].lstrip()
    return inner[4:].strip() if inner[:4].lower() == "json" else inner
