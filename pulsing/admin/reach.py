"""Who can reach the admin app, and whether its credentials are good enough for that."""

from __future__ import annotations

from urllib.parse import urlsplit

from pulsing.admin.settings import AdminSettings
from pulsing.transport.address import is_loopback


def check_reach(settings: AdminSettings) -> None:
    """Refuse settings that show the app to other machines with a token that nobody chose.

    Raises:
        ValueError: naming the settings that would allow it.
    """
    if settings.configured_credentials:
        return
    for address in reachable_as(settings):
        raise ValueError(
            f"{address} is reachable from other machines; set PULSING_ADMIN_TOKEN, admin.token_file or admin.tokens, "
            "or bind to 127.0.0.1"
        )


def reachable_as(settings: AdminSettings) -> list[str]:
    """The addresses under which other machines reach the app."""
    named = [settings.addr, *settings.allowed_hosts]
    if settings.public_url:
        named.append(urlsplit(settings.public_url).netloc)
    return [name for name in named if name and not is_loopback(urlsplit(f"//{name}").hostname or "")]
