"""What a proxy says counts where the proxy is trusted, and nowhere else."""

from __future__ import annotations

import pytest

from pulsing.admin.forwarding import Forwarded, Proxies
from pulsing.admin.settings import AdminSettings
from tests.unit.admin.admin_world import API, site

TOLD = {
    "host": ["127.0.0.1:8700"],
    "x-forwarded-for": ["203.0.113.9, 198.51.100.7, 10.0.0.2"],
    "x-forwarded-host": ["apps.example.com"],
    "x-forwarded-proto": ["https"],
    "x-forwarded-prefix": ["/pulsing/"],
}


def test_a_stranger_is_not_believed() -> None:
    read = Proxies(["10.0.0.0/8"]).read("192.0.2.1", "http", TOLD)
    assert read == Forwarded("192.0.2.1", ["127.0.0.1:8700"], "http", "")


def test_a_trusted_proxy_is_and_the_client_is_the_first_stranger_from_behind() -> None:
    read = Proxies(["10.0.0.0/8", "127.0.0.1"]).read("127.0.0.1", "http", TOLD)
    assert read == Forwarded("198.51.100.7", ["apps.example.com"], "https", "/pulsing")
    assert read.base_url == "https://apps.example.com/pulsing"


@pytest.mark.parametrize("wrong", ["nonsense", "10.0.0.0/99", ""])
def test_what_is_no_address_is_refused_when_the_settings_are_made(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear to be"):
        AdminSettings(trusted_proxies=(wrong,))


async def test_the_host_that_a_trusted_proxy_tells_must_still_be_allowed() -> None:
    settings = {"trusted_proxies": ("127.0.0.1",), "allowed_hosts": ("apps.example.com",), "token": "t" * 20}
    async with site(**settings) as world:
        client = await world.client("viewer")
        via = {"X-Forwarded-Host": "apps.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/p"}
        good = await client.get(f"{API}/prometheus/scrape.yml", headers=via)
        evil = await client.get(f"{API}/whoami", headers={"X-Forwarded-Host": "evil.example"})
    assert "url: https://apps.example.com/p/api/v1/prometheus/sd" in good.text
    assert evil.status_code == 421
