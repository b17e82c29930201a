"""Connections to the admin plane that say nothing, or not all: they end, and keep nobody out meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

import pulsing as pul
from pulsing.admin import patience
from pulsing.admin.server import AdminServer, start_admin
from pulsing.admin.settings import AdminSettings

TOKEN = "integration-token-0123456789"
CONNECTIONS = 256
HEAD = b"POST /api/v1/session HTTP/1.1\r\nHost: HOST\r\nSec-Fetch-Site: none\r\nContent-Type: application/json\r\n"
UNFINISHED = {
    "nothing": b"",
    "half a head": b"GET /health HTTP/1.1\r\nHost:",
    "half a body": HEAD + b"Content-Length: 1000\r\n\r\n{",
    "a chunk of a body": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
}
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def served() -> AsyncIterator[AdminServer]:
    async with await pul.actor_system() as system:
        server = await start_admin(system, AdminSettings(addr="127.0.0.1:0", token=TOKEN))
        try:
            yield server
        finally:
            await server.stop()


@asynccontextmanager
async def connections(server: AdminServer, count: int, words: bytes) -> AsyncIterator[list[Peer]]:
    host = server.url.removeprefix("http://")
    made = [await asyncio.open_connection(*host.split(":")) for _ in range(count)]
    try:
        for _, writer in made:
            writer.write(words.replace(b"HOST", host.encode()))
        yield made
    finally:
        for _, writer in made:
            writer.transport.abort()


@pytest.mark.parametrize("words", UNFINISHED.values(), ids=UNFINISHED)
async def test_requests_that_do_not_come_keep_nobody_out(words: bytes) -> None:
    async with served() as server, connections(server, CONNECTIONS + 30, words):
        for _ in range(3):
            async with httpx.AsyncClient(base_url=server.url) as client:
                assert (await client.get("/health/live")).status_code == 200
                assert (await client.get("/api/v1/whoami")).status_code == 401


@pytest.mark.parametrize("words", UNFINISHED.values(), ids=UNFINISHED)
async def test_a_request_that_does_not_come_ends_its_connection(words: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.2)
    monkeypatch.setattr(patience, "BODY_S", 0.2)
    async with served() as server, connections(server, 1, words) as [(reader, _)]:
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 20)


async def test_a_stream_is_not_mistaken_for_an_idle_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.2)
    async with served() as server:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
            async with client.stream("GET", "/api/v1/stream") as stream:
                frames = stream.aiter_lines()
                assert "retry" in await anext(frames)
                async with connections(server, CONNECTIONS + 30, b""):
                    async for line in frames:
                        if line == "event: tick":
                            break
            assert (await client.get("/api/v1/whoami")).json()["role"] == "admin"
