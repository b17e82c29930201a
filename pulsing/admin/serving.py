"""Switches the admin plane of a system on: the address is taken at once, the rest is loaded behind it."""

from __future__ import annotations

import logging
import os
from typing import Any

from pulsing.admin.run_file import RunningNode, leave_note, runtime_directory
from pulsing.exceptions import AddressInUse

logger = logging.getLogger("pulsing.admin")


async def serve_admin(system: Any, addr: str | None) -> None:
    """Serve the admin app of a system until it ends, and let the other nodes know where.

    Args:
        system: an ActorSystem.
        addr: "host:port", taken exactly; None for 127.0.0.1:8700 or the next free port.

    Raises:
        AddressInUse: the address that was given is taken.
        ValueError: a routable address with nothing but the automatic token.
    """
    from pulsing.admin.environment import settings_from
    from pulsing.admin.server import start_admin

    inner = system.inner
    try:
        settings = settings_from(os.environ, addr=addr)
        server = await start_admin(system, settings)
    except AddressInUse:
        if settings.addr is not None:
            raise
        logger.warning("no admin app: every port from 8700 to 8799 is taken")
        return
    inner.admin_url = server.url
    inner.closing.append(server.stop)
    inner.admin_server = server
    inner.announce(admin_url=server.url)
    _leave_note(inner, server.url)


def login_link(system: Any) -> str | None:
    """A link to the dashboard that logs in once, within 15 minutes; None where no admin app is served."""
    server = getattr(system.inner, "admin_server", None)
    return None if server is None else str(server.login_url())


def _leave_note(inner: Any, url: str) -> None:
    note = leave_note(runtime_directory(os.environ), RunningNode(os.getpid(), url, str(inner.node_id)))

    async def take_away() -> None:
        if note is not None:
            note.unlink(missing_ok=True)

    inner.closing.append(take_away)
