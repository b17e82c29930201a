"""Takes the address of the admin plane before anything heavy is loaded, so that a taken one is the caller's error."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from pulsing.admin.reach import check_reach
from pulsing.admin.settings import AdminSettings
from pulsing.descriptors import keep_from_children
from pulsing.exceptions import AddressInUse

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORTS = range(8700, 8800)
BACKLOG = 128


@dataclass(frozen=True)
class Door:
    """A listening socket, and the settings with the address that it has got."""

    listener: socket.socket
    settings: AdminSettings

    @property
    def url(self) -> str:
        """Where browsers and Prometheus reach it, without a path."""
        scheme = "http" if self.settings.tls_cert is None else "https"
        return (self.settings.public_url or f"{scheme}://{self.settings.addr}").rstrip("/")


def open_door(settings: AdminSettings) -> Door:
    """Listen where the settings say. Connections wait until somebody serves them.

    Raises:
        AddressInUse: the address that was given is taken, or no port from 8700 to 8799 is free.
        ValueError: a routable address with nothing but the automatic token, or a certificate that cannot be used.
    """
    if settings.addr is not None:
        _read(settings.addr)
    check_reach(settings)
    tls_context(settings)
    listener = bind(settings.addr)
    return Door(listener, dataclasses.replace(settings, addr=_text_of(listener)))


def tls_context(settings: AdminSettings) -> ssl.SSLContext | None:
    """What the listener shows to its clients; None without a certificate.

    Raises:
        ValueError: the certificate cannot be used.
    """
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:
        raise ValueError(f"admin.tls_cert and admin.tls_key cannot be used: {error}") from error
    return context


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
        keep_from_children(listener.fileno())
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(f"{host}:{port}") from error
        raise
    return listener


def _text_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
