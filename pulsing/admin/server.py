"""Serves the admin app on a listener of its own, on the system's loop, and leaves nothing behind when it stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from functools import partial
from typing import Any, cast

import uvicorn

from pulsing.admin.app import create_admin_app
from pulsing.admin.door import Door, open_door, tls_context
from pulsing.admin.handshakes import Handshakes
from pulsing.admin.patience import PatientProtocol
from pulsing.admin.plane import Plane
from pulsing.admin.reach import reachable_as
from pulsing.admin.settings import AdminSettings, Principal
from pulsing.logs import logger_of

logger = logger_of("pulsing.admin")

GRACE_S = 2
MAX_CONNECTIONS = 256


class AdminServer:
    """A running admin app."""

    def __init__(
        self,
        plane: Plane,
        server: uvicorn.Server,
        serving: asyncio.Task[None],
        handshakes: Handshakes | None,
        url: str,
    ) -> None:
        self._plane = plane
        self._server = server
        self._serving = serving
        self._handshakes = handshakes
        self.url = url
        """where browsers and Prometheus reach it, without a path"""

    def login_url(self) -> str:
        """A link that logs in once, as administrator, within 15 minutes."""
        code, _ = self._plane.sessions.make_code(Principal("token", "admin"))
        return f"{self.url}/ui/#login={code}"

    async def stop(self) -> None:
        """End the streams, let requests in flight finish, close the listener. Idempotent."""
        await self._plane.close()
        self._server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await self._serving
        if self._handshakes is not None:
            self._handshakes.close()


async def start_admin(system: Any, settings: AdminSettings | None = None) -> AdminServer:
    """Serve the admin app of a system.

    Returns:
        The running server; its listener takes connections.

    Raises:
        AddressInUse: the address that was given is taken, or no port from 8700 to 8799 is free.
        ValueError: a routable address with nothing but the automatic token.
    """
    door = open_door(settings or AdminSettings())
    return await serve_on(door, system)


async def serve_on(door: Door, system: Any) -> AdminServer:
    """Serve the admin app of a system at an address that was taken before."""
    try:
        app = create_admin_app(system, door.settings)
        context = tls_context(door.settings)
        handshakes = None if context is None else Handshakes(context)
        server = _Server(_config(app, handshakes))
        serving = asyncio.get_running_loop().create_task(server.serve([door.listener]), name="pulsing-admin-server")
        await _until_started(server, serving)
    except BaseException:
        door.listener.close()
        raise
    app.state.plane.history.start()
    running = AdminServer(app.state.plane, server, serving, handshakes, door.url)
    _announce(running, door.settings)
    return running


def _config(app: Any, handshakes: Handshakes | None) -> uvicorn.Config:
    def protocol(**settings: Any) -> asyncio.Protocol:
        make = partial(PatientProtocol, **settings)
        return make() if handshakes is None else handshakes.before(make)

    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=16 * 1024,
        http=cast("type[asyncio.Protocol]", protocol),
        ws="none",
    )


class _Server(uvicorn.Server):
    """Leaves signals to the program whose process this is."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def _until_started(server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    # uvicorn only tells by a flag that it accepts connections; it is set within a turn or two of the loop.
    while not server.started:
        if serving.done():
            await serving
            raise RuntimeError("the admin server ended before it had started")
        await asyncio.sleep(0)


def _announce(server: AdminServer, settings: AdminSettings) -> None:
    logger.info("admin at %s", server.login_url())
    if reachable_as(settings) and not server.url.startswith("https:"):
        logger.warning("the admin plane at %s is reachable from other machines without TLS", settings.addr)
