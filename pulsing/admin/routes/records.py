"""For administrators: the audit trail and the settings."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import Request
from starlette.responses import Response

from pulsing.admin.audit import HIDDEN
from pulsing.admin.catalogue import Listing
from pulsing.admin.documents import lists
from pulsing.admin.paging import ListSpec
from pulsing.admin.plane import plane_of, select_own, since_of
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import AuditRow, ConfigRow
from pulsing.admin.settings import AdminSettings

records = Routes("administration")

AUDIT = Listing(
    "audit",
    ListSpec(
        sort=("seq", "at", "principal", "action", "outcome", "status", "took_s"),
        default_sort="-seq",
        filters={"action": None, "principal": None, "outcome": ("ok", "refused", "failed"), "target": None},
        search=("target", "action", "principal"),
        id="seq",
        extra=("since",),
    ),
)
CONFIG = Listing("config", ListSpec(sort=("key",), filters={}, search=("key", "doc"), id="key"))

SECRETS = frozenset({"token", "tokens"})


@records.get("/audit", role="admin", **lists(AuditRow, AUDIT.spec))
async def audit(request: Request) -> Response:
    """Actions and refusals, newest first."""
    recent = since_of(request)
    return select_own(request, AUDIT, [row for row in plane_of(request).audit if recent(row)])


@records.get("/config", role="admin", **lists(ConfigRow, CONFIG.spec))
async def config(request: Request) -> Response:
    """The settings of this admin app; secrets are hidden."""
    return select_own(request, CONFIG, config_rows(plane_of(request).settings))


def config_rows(settings: AdminSettings) -> list[dict[str, Any]]:
    """One row a setting."""
    defaults = {f.name: f.default for f in dataclasses.fields(AdminSettings)}
    rows = []
    for name, default in defaults.items():
        value = getattr(settings, name)
        if name == "auth":
            continue
        changed = value != default
        shown = HIDDEN if name in SECRETS and value else _plain(value)
        rows.append(
            {
                "key": f"admin.{name}",
                "value": shown,
                "default": _plain(default),
                "source": "argument" if changed else "default",
                "type": type(value).__name__,
                "restart_required": True,
            }
        )
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, (frozenset, tuple)):
        return sorted(map(str, value))
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
