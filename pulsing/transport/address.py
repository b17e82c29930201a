"""Addresses as people write them: `host:port`, with brackets around an IPv6 host."""

from __future__ import annotations

import ipaddress
import re

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:\[\]/@]+)):([0-9]{1,5})")


def split_address(addr: str) -> tuple[str, int]:
    """The host and the port of `host:port` or `[v6]:port`.

    Raises:
        ValueError: the text is something else.
    """
    match = _ADDRESS.fullmatch(addr)
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"an address is 'host:port' or '[v6]:port', got {addr!r}")
    return match[1] or match[2], int(match[3])


def join_address(host: str, port: int) -> str:
    """The inverse of `split_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine. A name other than `localhost` may be any machine."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback
