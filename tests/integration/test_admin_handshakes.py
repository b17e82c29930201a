"""Connections to the admin plane that begin no TLS: they end, and keep nobody out meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

import pulsing as pul
from pulsing.admin import handshakes
from pulsing.admin.server import AdminServer, start_admin
from pulsing.admin.settings import AdminSettings
from tests.integration.test_admin_server import self_signed

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[AdminServer, ssl.SSLContext]]:
    certificate, key = self_signed(folder)
    settings = AdminSettings(addr="127.0.0.1:0", token="handshake-token-0123456789", tls_cert=certificate, tls_key=key)
    async with await pul.actor_system() as system:
        server = await start_admin(system, settings)
        try:
            yield server, ssl.create_default_context(cafile=str(certificate))
        finally:
            await server.stop()


@asynccontextmanager
async def silent(server: AdminServer, count: int) -> AsyncIterator[list[Peer]]:
    made = [await asyncio.open_connection(*_address_of(server)) for _ in range(count)]
    try:
        yield made
    finally:
        for _, writer in made:
            writer.transport.abort()


def _address_of(server: AdminServer) -> tuple[str, int]:
    host, port = server.url.removeprefix("https://").split(":")
    return host, int(port)


async def _is_ended(peer: Peer) -> None:
    try:
        assert await asyncio.wait_for(peer[0].read(1), 20) == b""
    except ConnectionError:
        pass


async def test_connections_that_begin_no_tls_are_few_and_keep_nobody_out(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, trusting), silent(server, handshakes.MOST + 30) as peers:
        for peer in peers[:30]:
            await _is_ended(peer)
        async with httpx.AsyncClient(base_url=server.url, verify=trusting) as client:
            assert (await client.get("/health/live")).status_code == 200
        assert not any(reader.at_eof() for reader, _ in peers[-30:])


async def test_a_handshake_that_does_not_come_ends_its_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshakes, "HANDSHAKE_S", 0.2)
    async with served(tmp_path) as (server, _), silent(server, 3) as peers:
        peers[1][1].write(b"\x16\x03\x01")  # a handshake that is not finished
        peers[2][1].write(b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n")
        for peer in peers:
            await _is_ended(peer)


async def test_whoever_shakes_hands_when_the_server_stops_is_not_left_waiting(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, _), silent(server, 1) as (peer,):
        await server.stop()
        await _is_ended(peer)


async def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, trusting):
        client = Client(trusting)
        await client.ask(server)
        assert await client.answer() == b"HTTP/1.1 200 OK"
        client.writer.close()


async def test_a_connection_whose_goodbye_is_not_answered_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "HANDSHAKE_S", 0.2)
    async with served(tmp_path) as (server, trusting):
        client = Client(trusting)
        await client.ask(server, b"Connection: close\r\n")
        await client.answer()
        await asyncio.wait_for(client.reader.read(), 20)
        client.writer.close()


class Client:
    """A client of its own making, which sends its request with the last words of the handshake."""

    def __init__(self, trusting: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = trusting.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def ask(self, server: AdminServer, headers: bytes = b"") -> None:
        host, port = _address_of(server)
        self.reader, self.writer = await asyncio.open_connection(host, port)
        while not self._is_shaken():
            self.writer.write(self._outgoing.read())
            self._incoming.write(await self.reader.read(65_536))
        self._tls.write(b"GET /health/live HTTP/1.1\r\nHost: %s:%d\r\n%s\r\n" % (host.encode(), port, headers))
        self.writer.write(self._outgoing.read())

    def _is_shaken(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    async def answer(self) -> bytes:
        """The first line."""
        line = b""
        while len(line) < 15:
            self._incoming.write(await self.reader.read(65_536))
            with contextlib.suppress(ssl.SSLWantReadError):  # so far it was a ticket for the next session
                line += self._tls.read(15)
        return line
