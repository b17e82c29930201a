"""Switches the admin plane of a system on: the address is taken at once, the rest is loaded behind it."""

from __future__ import annotations

import logging
from typing import Any

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
    from pulsing.admin.server import start_admin
    from pulsing.admin.settings import AdminSettings

    inner = system.inner
    try:
        server = await start_admin(system, AdminSettings(addr=addr))
    except AddressInUse:
        if addr is not None:
            raise
        logger.warning("no admin app: every port from 8700 to 8799 is taken")
        return
    inner.admin_url = server.url
    inner.closing.append(server.stop)
    inner.announce(admin_url=server.url)
