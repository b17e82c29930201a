"""The control port of real nodes: who gets in, what a member may do there, and what happens without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from random import Random

import pytest

import pulsing as pul
from pulsing.cluster import joining
from pulsing.cluster.control import CONTROL_LIMITS, CONTROL_PATH
from pulsing.cluster.member import Member
from pulsing.cluster.messages import Ack, Gossip, Rumour, Sync, encode
from pulsing.exceptions import AddressInUse, AuthFailed, JoinTimeout
from pulsing.ids import NodeId
from pulsing.node.credentials import find_credentials
from pulsing.node.gate import LinkGate
from pulsing.testing import wait_until
from pulsing.transport import Connection
from pulsing.transport.websocket import WebSocketTransport
from pulsing.wire.handshake import Terms

DEADLINE_S = 30.0
SILENT_ID = NodeId(0x1234)


class Silent:
    """Somebody who listens, and says only what a test says."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.ended = asyncio.Event()

    def on_message(self, data: bytes | bytearray) -> None:
        pass

    def on_lost(self, error: Exception | None) -> None:
        self.ended.set()

    def on_blocked(self) -> None:
        pass

    def on_writable(self) -> None:
        pass


async def node(addr: str = "127.0.0.1:0", **options: object) -> pul.ActorSystem:
    return await pul.actor_system(addr, admin=False, **options)  # type: ignore[arg-type]


async def control_port_of(seed: pul.ActorSystem) -> int:
    """What a node announces to those who prove themselves at its node port."""
    connection = await WebSocketTransport(LinkGate(find_credentials(), SILENT_ID, Terms())).dial(seed.addr, Silent)
    port = connection.peer.control_port
    connection.abort()
    assert port is not None
    return port


@asynccontextmanager
async def false_member(victim: pul.ActorSystem) -> AsyncIterator[Silent]:
    """A line to the control port of a node, by somebody who knows the secret."""
    gate = LinkGate(find_credentials(), SILENT_ID, Terms())
    transport = WebSocketTransport(gate, path=CONTROL_PATH)
    opened: list[Silent] = []

    def attach(connection: Connection) -> Silent:
        opened.append(Silent(connection))
        return opened[0]

    await transport.dial(f"127.0.0.1:{await control_port_of(victim)}", attach)
    try:
        yield opened[0]
    finally:
        opened[0].connection.abort()
        await opened[0].ended.wait()


async def answer(port: int, *lines: str, path: str = CONTROL_PATH) -> bytes:
    """The status line that a request gets."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = [f"GET {path} HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    writer.write("\r\n".join([*head, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *lines, "", ""]).encode())
    try:
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


async def alive(system: pul.ActorSystem) -> set[str]:
    return {m["node_id"] for m in await system.members() if m["status"] == "Alive"}


async def test_strangers_and_browsers_are_refused_as_at_the_node_port() -> None:
    first = await node()
    port = await control_port_of(first)
    assert b" 401 " in await answer(port)
    assert b" 401 " in await answer(port, f"Authorization: Pulsing {'0' * 16}.{'0' * 64}.{'0' * 64}")
    assert b" 403 " in await answer(port, "Origin: http://127.0.0.1")
    assert b" 404 " in await answer(port, path="/v1/link")
    await first.shutdown(drain=0)


async def test_who_speaks_another_version_is_told_so_at_both_ports_and_counted() -> None:
    first = await node()
    newer = LinkGate(find_credentials(), SILENT_ID, Terms(versions=(8, 9)))
    control_addr = f"127.0.0.1:{await control_port_of(first)}"
    for transport, addr in (
        (WebSocketTransport(newer), first.addr),
        (WebSocketTransport(newer, path=CONTROL_PATH), control_addr),
    ):
        with pytest.raises(AuthFailed, match="no common version: this node speaks 8-9, the other 1-1"):
            await transport.dial(addr, Silent)
    assert (await first.inner.inspect("cluster_traffic"))["refused"] == 1
    assert (await first.inner.inspect("link_totals"))["errors"]["auth"] == 1
    assert len(await first.members()) == 1
    await first.shutdown(drain=0)


async def test_a_node_of_another_version_does_not_join(monkeypatch: pytest.MonkeyPatch) -> None:
    first = await node()
    monkeypatch.setattr(joining, "Terms", partial(Terms, versions=(8, 9)))
    with pytest.raises(AuthFailed, match="no common version: this node speaks 8-9, the other 1-1"):
        await node(seeds=[first.addr], join_timeout=5.0)
    assert len(await first.members()) == 1
    await first.shutdown(drain=0)


async def test_the_port_can_be_chosen_and_a_taken_one_is_told(free_port: int) -> None:
    first = await node(control_port=free_port)
    assert await control_port_of(first) == free_port
    with pytest.raises(AddressInUse, match=str(free_port)):
        await node(control_port=free_port)
    await first.shutdown(drain=0)


async def test_a_seed_whose_control_port_cannot_be_reached_is_told_as_such(free_port: int) -> None:
    transport = WebSocketTransport(LinkGate(find_credentials(), SILENT_ID, Terms(control_port=free_port)))
    listener = await transport.listen("127.0.0.1:0", Silent)
    with pytest.raises(JoinTimeout, match=f"its control port {free_port} cannot be reached: nobody listens there"):
        await node(seeds=[listener.addr], join_timeout=0.5)
    await listener.close()


async def test_a_seed_that_is_a_web_server_is_told_as_such() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(AuthFailed, match=f"{port}.* HTTP status 200"):
        await node(seeds=[f"127.0.0.1:{port}"], join_timeout=0.5)
    server.close()
    await server.wait_closed()


async def test_a_head_comes_back_and_its_workers_find_it(free_port: int) -> None:
    addr = f"127.0.0.1:{free_port}"
    head = await node(addr, is_head_node=True)
    workers = [await node(head_addr=addr) for _ in range(2)]
    await head.shutdown(drain=0)
    head = await node(addr, is_head_node=True)

    async def together() -> bool:
        everybody = {str(system.node_id.id) for system in (head, *workers)}
        return all([await alive(system) == everybody for system in (head, *workers)])

    await wait_until(together, DEADLINE_S)
    for system in (*workers, head):
        await system.shutdown(drain=0)


async def test_a_member_that_lies_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    first = await node()
    second = await node(seeds=[first.addr])
    everybody = {str(first.node_id.id), str(second.node_id.id)}
    dead = Member(second.node_id.id, second.addr, "dead", incarnation=3)
    chance = Random(5)
    made_up = [Rumour(Member(chance.getrandbits(63) | 1, f"127.0.0.1:{9 + n}", "dead"), 1) for n in range(300)]
    async with false_member(first) as liar:
        for _ in range(20):
            liar.connection.send(encode(Gossip((Rumour(dead, SILENT_ID.id),))))
            liar.connection.send(encode(Sync(tuple(made_up), reply=True)))
        for _ in range(5000):
            liar.connection.send(encode(Ack(1, 0)))
        await asyncio.sleep(2.0)  # for a death that might still be on its way
        assert everybody <= await alive(first)
        assert everybody <= await alive(second)
    assert f"node {SILENT_ID} floods this one" in caplog.text
    await second.shutdown(drain=0)
    await first.shutdown(drain=0)


@pytest.mark.parametrize(
    "payload", [bytes(CONTROL_LIMITS.max_message + 1), b"", b"\xc1", b"hello", b"\x91\xa4what", b"\x91" * 60_000]
)
async def test_what_is_no_message_ends_the_line(payload: bytes) -> None:
    first = await node()
    async with false_member(first) as liar:
        liar.connection.send(payload)
        await asyncio.wait_for(liar.ended.wait(), DEADLINE_S)
    assert await alive(first) == {str(first.node_id.id)}
    await first.shutdown(drain=0)
