"""The admin app on its own listener: bound before it is handed over, reachable, and gone without a trace."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from fastapi import FastAPI

import pulsing as pul
from pulsing.admin.app import create_admin_app
from pulsing.admin.door import bind
from pulsing.admin.server import AdminServer, start_admin
from pulsing.admin.settings import AdminSettings
from pulsing.exceptions import AddressInUse

TOKEN = "integration-token-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[tuple[Any, AdminServer, httpx.AsyncClient]]:
    async with await pul.actor_system() as system:
        chosen = {"addr": "127.0.0.1:0", "token": TOKEN, **settings}
        server = await start_admin(system, AdminSettings(**chosen))
        try:
            async with httpx.AsyncClient(base_url=server.url, headers=HEADERS) as client:
                yield system, server, client
        finally:
            await server.stop()


async def test_the_listener_answers_as_soon_as_it_is_handed_over() -> None:
    async with served() as (_, server, client):
        assert (await client.get("/health/live")).json() == {"status": "ok"}
        assert (await client.get("/api/v1/whoami")).json()["role"] == "admin"
        assert (await client.get("/ui/")).headers["content-type"] == "text/html; charset=utf-8"
        assert "server" not in (await client.get("/health/live")).headers
        assert server.url.startswith("http://127.0.0.1:")


async def test_the_start_line_has_a_link_that_logs_in_once_and_no_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pulsing.admin")
    async with served() as (_, server, client):
        [line] = [record.getMessage() for record in caplog.records if record.name == "pulsing.admin"]
        url, _, code = line.removeprefix("admin at ").partition("#login=")
        assert url == f"{server.url}/ui/"
        same_origin = {"Origin": server.url}
        statuses = [
            (await client.post("/api/v1/session", json={"code": code}, headers=same_origin)).status_code
            for _ in range(2)
        ]
    assert statuses == [201, 401]
    assert TOKEN not in caplog.text


async def test_a_given_address_that_is_taken_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        addr = f"127.0.0.1:{taken.getsockname()[1]}"
        async with await pul.actor_system() as system:
            with pytest.raises(AddressInUse, match=addr):
                await start_admin(system, AdminSettings(addr=addr, token=TOKEN))


def test_without_an_address_the_next_free_port_is_taken() -> None:
    first = bind(None)
    second = bind(None)
    try:
        ports = [listener.getsockname()[1] for listener in (first, second)]
        assert ports == sorted(ports)
        assert all(8700 <= port < 8800 for port in ports)
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("addr", ["nowhere", "127.0.0.1", "127.0.0.1:x", ":8700", "127.0.0.1:99999", "a/b:1"])
def test_an_address_that_cannot_be_read_is_refused(addr: str) -> None:
    with pytest.raises(ValueError, match="invalid socket address syntax"):
        bind(addr)


async def test_what_is_no_address_is_not_taken_for_a_routable_one() -> None:
    async with await pul.actor_system() as system:
        with pytest.raises(ValueError, match="invalid socket address syntax: 'nowhere'"):
            await start_admin(system, AdminSettings(addr="nowhere"))


async def test_a_routable_address_without_a_chosen_token_does_not_start() -> None:
    async with await pul.actor_system() as system:
        with pytest.raises(ValueError, match="PULSING_ADMIN_TOKEN"):
            await start_admin(system, AdminSettings(addr="0.0.0.0:0"))


async def test_signals_stay_with_the_program() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with served():
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_stopping_ends_open_streams_and_frees_the_port() -> None:
    async with served() as (_, server, client):
        async with client.stream("GET", '/api/v1/stream?sub=[{"sub":"a","topic":"nodes"}]') as stream:
            lines = stream.aiter_lines()
            while await asyncio.wait_for(anext(lines), 5) != "event: snapshot":
                pass
            stopping = asyncio.create_task(server.stop())
            rest = [line async for line in lines]
            await asyncio.wait_for(stopping, 5)
        assert "event: bye" in rest
        with pytest.raises(httpx.ConnectError):
            await client.get("/health/live")
        await server.stop()


async def test_events_are_followed_by_type_node_and_subject() -> None:
    async with served() as (system, _, client):
        headers = {"Accept": "text/event-stream"}
        wrong = await client.get("/api/v1/events?surprise=1", headers=headers)
        [here] = (await client.get("/api/v1/nodes?fields=name")).json()["items"]
        asked = {"node": here["name"], "subject": "wanted", "type": "actor.*"}
        async with client.stream("GET", "/api/v1/events", params=asked, headers=headers) as stream:
            lines = stream.aiter_lines()
            assert await asyncio.wait_for(anext(lines), 5) == "retry: 2000"
            for name in ("other", "wanted"):
                await system.spawn(Silent(), name=name, public=True)
            told = [await asyncio.wait_for(anext(lines), 5) for _ in range(4)]
    assert wrong.status_code == 400
    assert told[2] == "event: actor.spawned"
    assert json.loads(told[3].removeprefix("data: "))["subject"]["name"] == "actors/wanted"


class Silent(pul.Actor):
    """Hears everything and says nothing."""

    async def receive(self, msg: Any) -> None:
        """Take a message."""


async def test_a_client_that_vanishes_is_forgotten() -> None:
    async with served() as (_, server, client):
        async with client.stream("GET", "/api/v1/stream") as stream:
            await anext(stream.aiter_lines())
            assert server._plane.feed.clients == 1
        for _ in range(200):
            if server._plane.feed.clients == 0:
                break
            await asyncio.sleep(0.01)
        assert server._plane.feed.clients == 0


async def test_a_call_stream_that_is_left_ends_the_generator() -> None:
    closed = asyncio.Event()

    class Endless:
        async def numbers(self) -> AsyncIterator[int]:
            number = 0
            try:
                while True:
                    yield number
                    number += 1
                    await asyncio.sleep(0)
            finally:
                closed.set()

    async with served() as (system, _, client):
        await system.spawn(pul.remote(Endless)(), name="e")
        body, events = {"method": "numbers"}, {"Accept": "text/event-stream"}
        async with client.stream("POST", "/api/v1/actors/e/call", json=body, headers=events) as stream:
            await anext(stream.aiter_lines())
        await asyncio.wait_for(closed.wait(), 5)


async def test_events_are_followed_and_resumed_by_their_number() -> None:
    async with served() as (system, _, client):
        wanted = {"Accept": "text/event-stream"}

        async def first_event(**headers: str) -> dict[str, str]:
            async with client.stream("GET", "/api/v1/events?type=actor.*", headers={**wanted, **headers}) as stream:
                fields: dict[str, str] = {}
                async for line in stream.aiter_lines():
                    if not line and "event" in fields:
                        return fields
                    if ": " in line:
                        name, _, value = line.partition(": ")
                        fields[name] = value
                    if line == "retry: 2000" and not headers:
                        await system.spawn(pul.remote(_Nothing)(), name="one")
                        await system.spawn(pul.remote(_Nothing)(), name="two")
            raise AssertionError("the stream ended")

        first = await first_event()
        second = await first_event(**{"Last-Event-ID": first["id"]})
        lost = await first_event(**{"Last-Event-ID": "deadbeef.1"})
    assert (first["event"], "actors/one" in first["data"]) == ("actor.spawned", True)
    assert "actors/two" in second["data"]
    assert lost["event"] == "gap"


class _Nothing:
    def nothing(self) -> None:
        """Do nothing."""


async def test_the_app_works_mounted_in_another_one() -> None:
    async with await pul.actor_system() as system:
        admin = create_admin_app(system, AdminSettings(token=TOKEN))
        outer = FastAPI()
        outer.mount("/ops/pulsing", admin)
        transport = httpx.ASGITransport(outer)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:9000", headers=HEADERS) as client:
            who = await client.get("/ops/pulsing/api/v1/whoami")
            page = await client.get("/ops/pulsing/ui/")
            nobody = await client.get("/ops/pulsing/api/v1/whoami", headers={"Authorization": ""})
            stopped = await client.delete("/ops/pulsing/api/v1/actors/x")
        await admin.state.plane.close()
    assert [r.status_code for r in (who, page, nobody, stopped)] == [200, 200, 401, 404]


async def test_the_listener_speaks_tls_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    async with await pul.actor_system() as system:
        settings = AdminSettings(addr="127.0.0.1:0", token=TOKEN, tls_cert=certificate, tls_key=key)
        server = await start_admin(system, settings)
        try:
            trusting = ssl.create_default_context(cafile=str(certificate))
            async with httpx.AsyncClient(base_url=server.url, headers=HEADERS, verify=trusting) as client:
                assert (await client.get("/api/v1/whoami")).json()["role"] == "admin"
        finally:
            await server.stop()
    assert server.url.startswith("https://127.0.0.1:")


async def test_a_certificate_that_cannot_be_used_is_an_error_at_the_start(tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path)
    async with await pul.actor_system() as system:
        with pytest.raises(ValueError, match="tls_cert"):
            await start_admin(system, AdminSettings(token=TOKEN, tls_cert=certificate, tls_key=tmp_path / "none"))
    with pytest.raises(ValueError, match="belong together"):
        AdminSettings(tls_cert=certificate)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"
