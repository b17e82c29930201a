"""What of a request decides whether it is let in."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.types import Scope

from pulsing.admin.forwarding import Proxies
from pulsing.core.trace import NOT_SAMPLED

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


@dataclass(frozen=True)
class Knock:
    """The parts of a request that decide whether it is let in."""

    method: str
    path: str
    headers: dict[str, list[str]] = field(repr=False)
    """not to be shown: a token is among them"""
    client: str
    server_port: int | None
    base_url: str = ""
    """where the client sees the app"""

    @classmethod
    def read(cls, scope: Scope, proxies: Proxies) -> Knock:
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        client = scope.get("client")
        server = scope.get("server")
        told = proxies.read(client[0] if client else "", scope.get("scheme", "http"), headers)
        if told.host:
            headers["host"] = told.host
        return cls(
            method=scope["method"].upper(),
            path=_path_within(scope),
            headers=headers,
            client=told.client,
            server_port=server[1] if server else None,
            base_url=told.base_url + (scope.get("root_path", "") if not told.prefix else ""),
        )

    def header(self, name: str) -> str | None:
        values = self.headers.get(name)
        return values[0] if values else None

    @property
    def token(self) -> str | None:
        """The token of the request; tokens in the query string do not count."""
        if own := self.header("x-pulsing-token"):
            return own
        scheme, _, value = (self.header("authorization") or "").partition(" ")
        return value.strip() or None if scheme.lower() == "bearer" else None

    @property
    def proves_its_site(self) -> bool:
        """Whether the request cannot have been made by a page of another site without its consent."""
        sites = self.headers.get("sec-fetch-site")
        if sites is not None and any(site.lower() == "cross-site" for site in sites):
            return False
        if self.token is not None:
            return True
        if sites is not None:
            return len(sites) == 1 and sites[0].lower() in ("same-origin", "none")
        origins = self.headers.get("origin", [])
        if len(origins) != 1:
            return False
        origin = urlsplit(origins[0].lower())
        return bool(origin.netloc) and origin.netloc == (self.header("host") or "").lower()

    @property
    def trace(self) -> bytes:
        """The context that the request carries, as messages do; a new one, kept by nobody, where it carries none."""
        found = _TRACEPARENT.fullmatch(self.header("traceparent") or "")
        if found and found[1] != "0" * 32 and found[2] != "0" * 16:
            return bytes.fromhex(found[1] + found[2] + found[3])
        return secrets.token_bytes(24) + NOT_SAMPLED


def _path_within(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and (path == root or path.startswith(root + "/")):
        return path[len(root) :] or "/"
    return path
