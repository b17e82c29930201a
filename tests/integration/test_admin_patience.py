"""Connections to the admin plane that say nothing, or not all: they end, and keep nobody out meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import httpx
import pytest

import pulsing as pul
from pulsing.admin import patience
from pulsing.admin.door import open_door
from pulsing.admin.patience import PatientProtocol
from pulsing.admin.server import AdminServer, serve_on
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
LARGE = "/api/v1/openapi.json"
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def served() -> AsyncIterator[AdminServer]:
    async with await pul.actor_system() as system:
        door = open_door(AdminSettings(addr="127.0.0.1:0", token=TOKEN))
        # So that little is on its way: of what is sent and not read, most waits in the server.
        door.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        server = await serve_on(door, system)
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


@asynccontextmanager
async def not_reading(server: AdminServer, count: int) -> AsyncIterator[list[socket.socket]]:
    """Connections that ask for more than there is room for, twice, and take nothing of it."""
    loop = asyncio.get_running_loop()
    host, port = server.url.removeprefix("http://").split(":")
    request = f"GET {LARGE} HTTP/1.1\r\nHost: {host}:{port}\r\nX-Pulsing-Token: {TOKEN}\r\n\r\n".encode()
    made: list[socket.socket] = []
    try:
        for number in range(1, count + 1):
            made.append(sock := socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await loop.sock_connect(sock, (host, int(port)))
            await loop.sock_sendall(sock, request)
            await _until(partial(_held_up, server, number))
            await loop.sock_sendall(sock, request)
        yield made
    finally:
        for sock in made:
            sock.close()


def open_ones(server: AdminServer) -> set[PatientProtocol]:
    return cast("set[PatientProtocol]", server._server.server_state.connections)


def _held_up(server: AdminServer, count: int) -> bool:
    return sum(one.flow.write_paused for one in open_ones(server)) == count


async def _until(held: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not held():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), 20)


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


async def test_answers_that_nobody_reads_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulsing.admin.server.MAX_CONNECTIONS", 8)
    async with served() as server, not_reading(server, 7):
        for _ in range(3):
            async with httpx.AsyncClient(base_url=server.url) as client:
                assert (await client.get("/health/live")).status_code == 200


async def test_answers_that_nobody_reads_end_their_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "UNREAD_S", 0.2)
    async with served() as server, not_reading(server, 1):
        await _until(lambda: not open_ones(server))


async def test_an_answer_that_is_read_slowly_is_waited_for() -> None:
    loop = asyncio.get_running_loop()
    async with served() as server, not_reading(server, 1) as [sock]:
        [connection] = open_ones(server)
        waiting = connection.transport.get_write_buffer_size()
        while connection.transport.get_write_buffer_size() == waiting:
            await loop.sock_recv(sock, 4_096)
        connection.run_out()
        assert open_ones(server) == {connection}
        connection.run_out()
        assert not open_ones(server)


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
