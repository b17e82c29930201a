"""The settings of the admin app out of those of the whole node."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulsing.admin.settings import ROLES, AdminSettings, NamedToken
from pulsing.settings import OPTIONS, THRESHOLDS, Option, Setting, SettingError, Settings, Threshold

FIELDS: Mapping[str, str] = {
    "admin.addr": "addr",
    "admin.public_url": "public_url",
    "admin.root_path": "root_path",
    "admin.allowed_hosts": "allowed_hosts",
    "admin.trusted_proxies": "trusted_proxies",
    "admin.tls_cert": "tls_cert",
    "admin.tls_key": "tls_key",
    "admin.token": "token",
    "admin.token_file": "token_file",
    "admin.tokens": "tokens",
    "admin.session_hours": "session_hours",
    "admin.metrics_auth": "metrics_auth",
    "admin.read_only": "read_only",
    "admin.disabled_actions": "disabled_actions",
    "admin.spawnable": "spawnable",
    "ui.enabled": "ui_enabled",
    "ui.theme": "ui_theme",
    "ui.title": "ui_title",
    "ui.show_system": "ui_show_system",
    "ui.tick_s": "tick_s",
    "payloads.mode": "payloads",
    "payloads.preview_bytes": "preview_bytes",
    "payloads.redact": "redact",
    "metrics.enabled": "metrics_enabled",
    "metrics.detailed": "metrics_detailed",
    "metrics.openmetrics": "metrics_openmetrics",
    "metrics.legacy_names": "legacy_names",
    "metrics.exclude": "metrics_exclude",
    "metrics.include_default_registry": "include_default_registry",
    "metrics.max_pairs": "max_pairs",
    "metrics.max_classes": "max_classes",
    "metrics.max_queues": "max_queues",
    "metrics.max_topics": "max_topics",
    "audit.capacity": "audit_capacity",
    "history.enabled": "history_enabled",
    "limits.body_bytes": "body_bytes",
    "limits.reply_bytes": "reply_bytes",
    "limits.in_flight": "in_flight",
    "limits.streams": "streams",
    "limits.fanout_s": "fanout_s",
    "limits.actions_per_s": "actions_per_s",
}
"""Which field of `AdminSettings` a setting is."""


def settings_from(settings: Settings, **given: Any) -> AdminSettings:
    """How the admin app is to behave; what is `given` and not None wins.

    Raises:
        ValueError: a value makes no sense.
    """
    chosen = {field: _as_field(key, settings[key].value) for key, field in FIELDS.items()}
    chosen["thresholds"] = {check: _threshold(settings, check) for check in THRESHOLDS}
    chosen |= {key: value for key, value in given.items() if value is not None}
    return dataclasses.replace(AdminSettings(), chosen=settings, **chosen)


def _threshold(settings: Settings, check: str) -> Threshold:
    warn, critical, enabled = (settings[f"checks.{check}.{name}"].value for name in Threshold._fields)
    return Threshold(warn, critical, enabled)


def setting_rows(admin: AdminSettings) -> list[dict[str, Any]]:
    """What is in effect, one row a setting, with who chose it; secrets are hidden.

    Of an app that a program made by itself only its own settings are known.
    """
    return [_row(setting) for option in OPTIONS if (setting := _in_effect(option, admin)) is not None]


def _in_effect(option: Option, admin: AdminSettings) -> Setting | None:
    read = None if admin.chosen is None else admin.chosen[option.key]
    if option.key not in FIELDS:
        return read
    value = getattr(admin, FIELDS[option.key])
    if read is not None and _as_field(option.key, read.value) == value:
        return read
    return Setting(option, value, "default" if value == _as_field(option.key, option.default) else "argument")


def _row(setting: Setting) -> dict[str, Any]:
    option = setting.option
    return {
        "key": option.key,
        "value": _plain(setting.shown),
        "default": _plain(option.default),
        "source": setting.source,
        "place": setting.place,
        "env": option.env,
        "type": option.kind.name,
        "doc": option.doc,
        "restart_required": True,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (frozenset, tuple)):
        return sorted(map(str, value))
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _as_field(key: str, value: Any) -> Any:
    match key:
        case "admin.token_file" | "admin.tls_cert" | "admin.tls_key":
            return None if value is None else Path(value).expanduser()
        case "admin.disabled_actions":
            return frozenset(value)
        case "admin.tokens":
            return tuple(_named_token(table) for table in value)
        case _:
            return value


def _named_token(table: Mapping[str, Any]) -> NamedToken:
    if set(table) != {"name", "role", "sha256"}:
        raise SettingError("admin.tokens: each has name, role and sha256, and nothing else")
    if table["role"] not in ROLES:
        raise SettingError(f"admin.tokens: a role is {', '.join(ROLES)}, got {table['role']!r}")
    return NamedToken(**table)
