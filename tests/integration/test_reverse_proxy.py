"""The proxies of the page on proxies, configured as it is written there, in front of a node."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import httpx
import pytest

import pulsing as pul
from pulsing.testing import wait_until

PAGE = (Path(__file__).parents[2] / "docs/how-to/reverse-proxy.md").read_text()
TOKEN = "proxy-token-0123456789"
PUBLIC_URL = "https://ops.example.org/pulsing"

Configure = Callable[[Path, int, int], Sequence[str]]


def block(begin: str) -> str:
    """The block of the page that begins so."""
    found = re.search(rf"^```\n({re.escape(begin)}.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def nginx(folder: Path, port: int, admin_port: int) -> Sequence[str]:
    """Write a whole configuration around what the page shows; returns the command."""
    location = block("location").replace("127.0.0.1:8700", f"127.0.0.1:{admin_port}")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"""
        daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
        events {{}}
        http {{
            access_log off; client_body_temp_path {folder}/body; {temporary}
            server {{ listen 127.0.0.1:{port}; {location} }}
        }}
    """)
    return "nginx", "-p", str(folder), "-c", f"{folder}/nginx.conf"


def caddy(folder: Path, port: int, admin_port: int) -> Sequence[str]:
    """The site of the page for all names, without a certificate; returns the command."""
    site = block("ops.example.org").replace("127.0.0.1:8700", f"127.0.0.1:{admin_port}")
    site = site.replace("ops.example.org {", f"http://:{port} {{\n    bind 127.0.0.1")
    (folder / "Caddyfile").write_text(f"{{\n    admin off\n    storage file_system {folder}\n}}\n{site}")
    return "caddy", "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest) -> Configure:
    """What writes a proxy's configuration, and says how it is started."""
    configure: Configure = request.param
    name = configure.__name__
    if shutil.which(name) is None and os.environ.get("CI") != "true":
        pytest.skip(f"{name} is not installed")
    return configure


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.asynccontextmanager
async def proxied(proxy: Configure, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a node behind a proxy, that calls it by the name of the page."""
    port, admin_port = free_port(), free_port()
    monkeypatch.setenv("PULSING_ADMIN_TOKEN", TOKEN)
    monkeypatch.setenv("PULSING_ADMIN_PUBLIC_URL", PUBLIC_URL)
    monkeypatch.setenv("PULSING_ADMIN_TRUSTED_PROXIES", "127.0.0.1")
    command = proxy(folder, port, admin_port)
    async with await pul.actor_system(addr="127.0.0.1:0", admin=True, admin_addr=f"127.0.0.1:{admin_port}"):
        with (folder / "log").open("w") as log:
            environment = {**os.environ, "HOME": str(folder)}
            process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, env=environment)
        headers = {"Host": "ops.example.org", "Authorization": f"Bearer {TOKEN}"}
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/pulsing", headers=headers) as client:
                await wait_until(lambda: answers(client), timeout=30)
                yield client
        finally:
            process.terminate()
            await process.wait()


async def answers(client: httpx.AsyncClient) -> bool:
    """Whether the node answers through the proxy."""
    with contextlib.suppress(httpx.TransportError):
        return (await client.get("/health/live")).status_code == 200
    return False


async def test_everything_is_reached_through_the_proxy_of_the_page(
    proxy: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PUBLIC_URL in block("pulsing serve")
    async with proxied(proxy, tmp_path, monkeypatch) as client:
        assert (await client.get("/ui/")).status_code == 200
        assert (await client.get("/api/v1/actors")).status_code == 200
        assert (await client.get("/api/v1/actors", headers={"Authorization": ""})).status_code == 401
        assert (await client.get("/api/v1/actors", headers={"Host": "foreign.example"})).status_code == 421
        async with client.stream("GET", "/api/v1/events", headers={"Accept": "text/event-stream"}) as events:
            assert events.status_code == 200
            assert events.headers["content-type"].startswith("text/event-stream")


async def test_a_host_that_the_caller_claims_to_be_forwarded_is_not_believed(
    proxy: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied(proxy, tmp_path, monkeypatch) as client:
        claimed = {"Host": "foreign.example", "X-Forwarded-Host": "ops.example.org"}
        assert (await client.get("/api/v1/actors", headers=claimed)).status_code == 421
