"""Settings from environment variables: one table of names, so that a misspelt one is an error and not silence."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pulsing.admin.settings import AdminSettings

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("is true or false")
    return word in _TRUE


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))


VARIABLES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "PULSING_ADMIN_ADDR": ("addr", str),
    "PULSING_ADMIN_PUBLIC_URL": ("public_url", str),
    "PULSING_ADMIN_ROOT_PATH": ("root_path", str),
    "PULSING_ADMIN_ALLOWED_HOSTS": ("allowed_hosts", _words),
    "PULSING_ADMIN_TOKEN": ("token", str),
    "PULSING_ADMIN_TOKEN_FILE": ("token_file", Path),
    "PULSING_ADMIN_SESSION_HOURS": ("session_hours", float),
    "PULSING_ADMIN_METRICS_AUTH": ("metrics_auth", str),
    "PULSING_ADMIN_READ_ONLY": ("read_only", _flag),
    "PULSING_ADMIN_DISABLED_ACTIONS": ("disabled_actions", lambda text: frozenset(_words(text))),
    "PULSING_ADMIN_SPAWNABLE": ("spawnable", _words),
    "PULSING_UI_ENABLED": ("ui_enabled", _flag),
    "PULSING_UI_TICK_S": ("tick_s", float),
    "PULSING_ADMIN_TRUSTED_PROXIES": ("trusted_proxies", _words),
    "PULSING_ADMIN_TLS_CERT": ("tls_cert", Path),
    "PULSING_ADMIN_TLS_KEY": ("tls_key", Path),
    "PULSING_PAYLOADS_MODE": ("payloads", str),
    "PULSING_PAYLOADS_PREVIEW_BYTES": ("preview_bytes", int),
    "PULSING_PAYLOADS_REDACT": ("redact", _words),
    "PULSING_METRICS_ENABLED": ("metrics_enabled", _flag),
    "PULSING_METRICS_DETAILED": ("metrics_detailed", _flag),
    "PULSING_METRICS_INCLUDE_DEFAULT_REGISTRY": ("include_default_registry", _flag),
    "PULSING_METRICS_MAX_PAIRS": ("max_pairs", int),
    "PULSING_METRICS_MAX_CLASSES": ("max_classes", int),
    "PULSING_METRICS_MAX_QUEUES": ("max_queues", int),
    "PULSING_METRICS_MAX_TOPICS": ("max_topics", int),
    "PULSING_LIMITS_BODY_BYTES": ("body_bytes", int),
    "PULSING_LIMITS_REPLY_BYTES": ("reply_bytes", int),
    "PULSING_LIMITS_IN_FLIGHT": ("in_flight", int),
    "PULSING_LIMITS_STREAMS": ("streams", int),
    "PULSING_LIMITS_FANOUT_S": ("fanout_s", float),
    "PULSING_LIMITS_ACTIONS_PER_S": ("actions_per_s", float),
    "PULSING_AUDIT_CAPACITY": ("audit_capacity", int),
}
_OURS = ("PULSING_ADMIN_", "PULSING_UI_", "PULSING_PAYLOADS_", "PULSING_METRICS_", "PULSING_LIMITS_", "PULSING_AUDIT_")


def settings_from(environ: Mapping[str, str], **given: Any) -> AdminSettings:
    """The settings that the environment asks for; what is `given` and not None wins.

    Raises:
        ValueError: a variable that means nothing, with the nearest that does, or a value that cannot be read.
    """
    chosen: dict[str, Any] = {}
    for name, text in environ.items():
        if name in VARIABLES:
            key, read = VARIABLES[name]
            chosen[key] = _read(name, text, read)
        elif name.startswith(_OURS):
            near = difflib.get_close_matches(name, VARIABLES, n=1)
            raise ValueError(f"{name} is no setting of the admin plane{f'; did you mean {near[0]}?' if near else ''}")
    chosen |= {key: value for key, value in given.items() if value is not None}
    return dataclasses.replace(AdminSettings(), **chosen)


def _read(name: str, text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except ValueError as error:
        # Never the value: it may be the token.
        raise ValueError(f"{name} cannot be read: {type(error).__name__}") from None
