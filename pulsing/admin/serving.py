"""Switches the admin plane of a system on: the address is taken at once, the rest is loaded behind it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any

from pulsing.admin.door import Door, open_door
from pulsing.admin.environment import settings_from
from pulsing.admin.run_file import RunningNode, leave_note, runtime_directory
from pulsing.exceptions import AddressInUse
from pulsing.logs import logger_of
from pulsing.settings import Settings, resolve
from pulsing.transport.threads import in_own_thread

if TYPE_CHECKING:
    from pulsing.admin.server import AdminServer

logger = logger_of("pulsing.admin")


async def serve_admin(system: Any, addr: str | None, chosen: Settings | None = None) -> None:
    """Serve the admin app of a system until it ends, and let the other nodes know where.

    Returns as soon as the address is taken; requests are answered when the app has been loaded, well within a second.

    Args:
        system: an ActorSystem.
        addr: "host:port", taken exactly; None for 127.0.0.1:8700 or the next free port.
        chosen: the settings of the system; None: as environment and file say.

    Raises:
        AddressInUse: the address that was given is taken.
        ValueError: a routable address with nothing but the automatic token.
    """
    settings = settings_from(resolve(os.environ) if chosen is None else chosen, addr=addr)
    try:
        door = open_door(settings)
    except AddressInUse:
        if settings.addr is not None:
            raise
        logger.warning("no admin app: every port from 8700 to 8799 is taken")
        return
    inner = system.inner
    inner.admin_url = door.url
    inner.admin_server = serving = asyncio.get_running_loop().create_task(_load(door, system), name="pulsing-admin")
    inner.closing.append(lambda: _stop(serving))
    inner.announce(admin_url=door.url)
    _leave_note(inner, door.url)


async def login_link(system: Any) -> str | None:
    """A link to the dashboard that logs in once, within 15 minutes; None where no admin app is served."""
    serving = getattr(system.inner, "admin_server", None)
    return None if serving is None else str((await asyncio.shield(serving)).login_url())


async def _load(door: Door, system: Any) -> AdminServer:
    """Load the web framework beside the loop, and serve."""
    try:
        await in_own_thread("pulsing-admin-load", _import_server)
        from pulsing.admin.server import serve_on

        return await serve_on(door, system)
    except Exception:
        logger.exception("the admin app cannot be served")
        door.listener.close()
        raise
    except asyncio.CancelledError:
        door.listener.close()
        raise


def _import_server() -> None:
    try:
        import pulsing.admin.server
    except SystemError:
        # Some Pythons count the depth of syntax trees for all threads together: an import that parses fails when
        # another thread parses at the same moment. The same import succeeds the next time.
        import pulsing.admin.server  # noqa: F401 - the import is the work


async def _stop(serving: asyncio.Task[AdminServer]) -> None:
    await asyncio.wait([serving])
    if not serving.cancelled() and serving.exception() is None:
        with contextlib.suppress(Exception):
            await serving.result().stop()


def _leave_note(inner: Any, url: str) -> None:
    note = leave_note(runtime_directory(os.environ), RunningNode(os.getpid(), url, inner.node_name))

    async def take_away() -> None:
        if note is not None:
            note.unlink(missing_ok=True)

    inner.closing.append(take_away)
