"""How much of arguments, results, records and messages anybody is shown, by the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulsing.admin.audit import redact
from pulsing.admin.replies import encode
from pulsing.admin.settings import AdminSettings, Principal
from pulsing.admin.values import to_json


class Payloads:
    """The JSON views of users' values."""

    def __init__(self, settings: AdminSettings) -> None:
        self._mode = settings.payloads
        self._preview_bytes = settings.preview_bytes
        self._hidden_keys = settings.redact

    def may_see(self, who: Principal) -> bool:
        """Whether somebody is shown texts that are part of messages: previews, error messages, arguments."""
        return who.may("operator") and self._mode in ("preview", "full")

    def view(self, value: Any) -> tuple[Any, bool]:
        """A value as it is shown, and whether a part is missing."""
        if self._mode == "off":
            return None, True
        if self._mode == "types":
            return _types(value), True
        view, truncated = to_json(value)
        view = redact(view, self._hidden_keys)
        if self._mode == "full":
            return view, truncated
        text = encode(view)
        if len(text) <= self._preview_bytes:
            return view, truncated
        return text[: self._preview_bytes].decode(errors="ignore"), True


def _types(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): type(item).__name__ for key, item in list(value.items())[:1_000]}
    return type(value).__name__
