"""Whether a request means this server by its Host header, so that a foreign name bound to this address is no way in."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pulsing.admin.settings import AdminSettings

_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9._-]{0,252}))(?::([0-9]{1,5}))?")
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "[::1]", "localhost"})


class AllowedHosts:
    """Which Host header values are ours, so that a name rebound to this address is not."""

    def __init__(self, settings: AdminSettings) -> None:
        self._names = set(_LOOPBACK_NAMES)
        self._exact: set[str] = set()
        self._portless: set[str] = set()
        self._port: int | None = None
        self._usual_port = 80 if settings.tls_cert is None else 443
        if settings.addr is not None:
            bound = urlsplit(f"//{settings.addr.lower()}")
            self._port = bound.port
            self._names.add(_bracketed(bound.hostname or ""))
        if settings.public_url is not None:
            self._exact.add(urlsplit(settings.public_url.lower()).netloc)
        for host in settings.allowed_hosts:
            name = host.lower()
            if _HOST.fullmatch(name) and re.search(r":[0-9]+$", name.rpartition("]")[2]):
                self._exact.add(name)
            else:
                self._names.add(_bracketed(name))
                self._portless.add(_bracketed(name))

    def permits(self, values: list[str], server_port: int | None) -> bool:
        """Whether the Host headers of a request (there must be exactly one) name this server."""
        if len(values) != 1:
            return False
        value = values[0].lower()
        parsed = _HOST.fullmatch(value)
        if parsed is None:
            return False
        if value in self._exact or value in self._portless:
            return True
        port = self._port or server_port
        given = int(parsed[2]) if parsed[2] else self._usual_port
        return parsed[1] in self._names and given == port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
