"""For administrators: the audit trail and the settings."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from pulsing.admin.catalogue import Listing
from pulsing.admin.documents import lists
from pulsing.admin.environment import setting_rows
from pulsing.admin.paging import ListSpec
from pulsing.admin.plane import plane_of, select_own, since_of
from pulsing.admin.routing import Routes
from pulsing.admin.schemas import AuditRow, ConfigRow

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


@records.get("/audit", role="admin", **lists(AuditRow, AUDIT.spec))
async def audit(request: Request) -> Response:
    """Actions and refusals, newest first."""
    recent = since_of(request)
    return select_own(request, AUDIT, [row for row in plane_of(request).audit if recent(row)])


@records.get("/config", role="admin", **lists(ConfigRow, CONFIG.spec))
async def config(request: Request) -> Response:
    """The settings of this node and where each comes from; secrets are hidden."""
    return select_own(request, CONFIG, setting_rows(plane_of(request).settings))
