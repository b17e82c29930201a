"""Serves the admin app on a listener of its own, on the system's loop, and leaves nothing behind when it stops.

The socket is bound before anything else, so that a taken address is an error of the caller and not of a task.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import logging
import socket
from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from pulsing.admin.app import create_admin_app
from pulsing.admin.plane import Plane
from pulsing.admin.reach import check_reach, reachable_as
from pulsing.admin.settings import AdminSettings, Principal
from pulsing.exceptions import AddressInUse

logger = logging.getLogger("pulsing.admin")

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORTS = range(8700, 8800)
BACKLOG = 128
GRACE_S = 2


class AdminServer:
    """A running admin app."""

    def __init__(self, plane: Plane, server: uvicorn.Server, serving: asyncio.Task[None], url: str) -> None:
        self._plane = plane
        self._server = server
        self._serving = serving
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


async def start_admin(system: Any, settings: AdminSettings | None = None) -> AdminServer:
    """Serve the admin app of a system.

    Returns:
        The running server; its listener takes connections.

    Raises:
        AddressInUse: the address that was given is taken, or no port from 8700 to 8799 is free.
        ValueError: a routable address with nothing but the automatic token.
    """
    settings = settings or AdminSettings()
    check_reach(settings)
    listener = bind(settings.addr)
    try:
        settings = dataclasses.replace(settings, addr=_text_of(listener))
        app = create_admin_app(system, settings)
        server = _Server(_config(app))
        serving = asyncio.get_running_loop().create_task(server.serve([listener]), name="pulsing-admin-server")
        await _until_started(server, serving)
    except BaseException:
        listener.close()
        raise
    app.state.plane.history.start()
    url = (settings.public_url or f"http://{settings.addr}").rstrip("/")
    running = AdminServer(app.state.plane, server, serving, url)
    _announce(running, settings)
    return running


def bind(addr: str | None) -> socket.socket:
    """A listening socket: exactly at `addr`, or at the first free default port.

    Raises:
        AddressInUse
        ValueError: the address cannot be read.
    """
    if addr is not None:
        host, port = _read(addr)
        return _bound(host, port)
    for port in DEFAULT_PORTS:
        with contextlib.suppress(AddressInUse):
            return _bound(DEFAULT_HOST, port)
    raise AddressInUse(f"{DEFAULT_HOST}:{DEFAULT_PORTS[0]}-{DEFAULT_PORTS[-1]}")


def _read(addr: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{addr}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None or parts.path:
        raise ValueError(f"invalid socket address syntax: {addr!r}; expected host:port")
    return host, port


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(f"{host}:{port}") from error
        raise
    return listener


def _text_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=256,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=16 * 1024,
        http="h11",
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
