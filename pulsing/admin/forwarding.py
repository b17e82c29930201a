"""What a proxy in front says of the request that it passes on, believed only where the proxy is trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network


@dataclass(frozen=True)
class Forwarded:
    """What the first client asked for, as far as it is known."""

    client: str
    host: list[str]
    scheme: str
    prefix: str
    """what the proxy took away from the beginning of the path"""

    @property
    def base_url(self) -> str:
        """Where the client sees the app."""
        return f"{self.scheme}://{self.host[0] if self.host else ''}{self.prefix}"


class Proxies:
    """The proxies that are trusted, by address or network."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._networks = [ip_network(text, strict=False) for text in trusted]

    def read(self, client: str, scheme: str, headers: Mapping[str, list[str]]) -> Forwarded:
        """What a request says of its way; `headers` by their names in small letters."""
        host = headers.get("host", [])
        if not self.trusts(client):
            return Forwarded(client, host, scheme, "")
        prefix = _last(headers, "x-forwarded-prefix").rstrip("/")
        return Forwarded(
            client=self._first_stranger(headers, client),
            host=[_last(headers, "x-forwarded-host")] if "x-forwarded-host" in headers else host,
            scheme="https" if _last(headers, "x-forwarded-proto").lower() == "https" else scheme,
            prefix=prefix if prefix.startswith("/") else "",
        )

    def trusts(self, client: str) -> bool:
        """Whether an address is that of a trusted proxy."""
        try:
            address = ip_address(client)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _first_stranger(self, headers: Mapping[str, list[str]], client: str) -> str:
        # Each proxy appends whom it heard; what stands before the first stranger anybody may have written.
        hops = [hop.strip() for value in headers.get("x-forwarded-for", ()) for hop in value.split(",")]
        for hop in reversed(hops):
            if not self.trusts(hop):
                return hop[:64]
        return client


def _last(headers: Mapping[str, list[str]], name: str) -> str:
    values = headers.get(name)
    return values[-1].split(",")[-1].strip() if values else ""
