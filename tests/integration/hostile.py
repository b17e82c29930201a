"""An attacker with sockets, the node that it attacks, and an honest node that goes on calling it meanwhile."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pulsing as pul
from pulsing.ids import ActorId, NodeId
from pulsing.node.credentials import find_credentials
from pulsing.node.gate import LinkGate
from pulsing.testing import wait_until
from pulsing.transport import Channel, Connection, Limits
from pulsing.transport.websocket import WebSocketTransport
from pulsing.wire.codec import FrameCodec
from pulsing.wire.frames import Frame
from pulsing.wire.handshake import Terms
from pulsing.wire.registry import TypeRegistry
from pulsing.wire.values import Codec

MIB = 1024 * 1024
MEMORY_ALLOWED = 128 * MIB
SIGNS_OF_HARM = ("xception in callback", "never retrieved", "Fatal error", "never awaited", "xception ignored")
STALL_ALLOWED_S = 0.5
"""Of the processor, for a busy machine may keep any loop waiting. Twice of what was promised: not all are as fast."""


class Siege:
    """A node under attack, seen from outside.

    Attributes:
        addr: where it listens.
        witness: an actor of it, called over the honest link.
        actor_number: the same actor, as frames name it.
        calls: how many honest calls were answered.
    """

    def __init__(self, addr: str, witness: Any, actor: ActorId) -> None:
        self.addr = addr
        self.witness = witness
        self.actor_number = actor.id
        self.calls = 0
        self.memory_before = 0
        self.worst_stall_s = 0.0

    async def keep_calling(self) -> None:
        """Call the witness without a pause; a call that fails fails the test."""
        while True:
            number = self.calls
            assert await self.witness.echo(number) == number
            self.calls += 1
            await asyncio.sleep(0.002)

    async def check(self) -> None:
        """Honest calls are answered, memory and loop are within what was promised."""
        answered = self.calls
        await wait_until(lambda: self.calls >= answered + 3, timeout=20)
        self.worst_stall_s = max(self.worst_stall_s, await self.witness.stalled())
        assert self.worst_stall_s <= STALL_ALLOWED_S
        grown = await self.witness.memory() - self.memory_before
        print(
            f"worst stall {self.worst_stall_s * 1000:.0f} ms, memory {grown / MIB:+.1f} MiB, {self.calls} honest calls"
        )
        assert grown <= MEMORY_ALLOWED

    @property
    def host(self) -> tuple[str, int]:
        host, _, port = self.addr.rpartition(":")
        return host, int(port)


@asynccontextmanager
async def siege() -> AsyncIterator[Siege]:
    """Start the node, link an honest one to it, and see to it that both are well in the end."""
    victim = Path(__file__).with_name("hostile_victim.py")
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - read when the process has ended
    process = subprocess.Popen(  # noqa: ASYNC220 - it is not waited for before the end
        [sys.executable, str(victim)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(pul.__file__).parents[1])},
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        addr, _, actor = json.loads(await asyncio.to_thread(process.stdout.readline))
        async with await pul.actor_system("127.0.0.1:0", seeds=[addr], admin=False) as friend:
            actor_id = ActorId.from_str(actor)
            witness = (await friend.refer(actor_id)).as_any()
            under = Siege(addr, witness, actor_id)
            await witness.stalled()
            under.memory_before = await witness.memory()
            calling = asyncio.ensure_future(under.keep_calling())
            try:
                yield under
                await under.check()
                assert process.poll() is None
            finally:
                calling.cancel()
                # A call that failed is the story to tell.
                with contextlib.suppress(asyncio.CancelledError):
                    await calling
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        with log:
            log.seek(0)
            said = log.read()
    harm = [row for row in said.splitlines() if any(sign in row for sign in SIGNS_OF_HARM)]
    assert not harm, harm


class Rogue:
    """A peer that knows the secret and keeps no rule."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.received: list[Frame] = []
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._codec = FrameCodec(Codec(TypeRegistry()))

    def on_message(self, data: bytes | bytearray) -> None:
        self.received += self._codec.decode(bytes(data))

    def on_lost(self, error: Exception | None) -> None:
        self.ended.set_result(error)

    def on_blocked(self) -> None: ...

    def on_writable(self) -> None: ...

    def encoded(self, frame: Frame) -> bytes:
        """The head of a frame."""
        return self._codec.encode(frame).head

    def send(self, message: bytes) -> None:
        """Send one message, of whatever bytes."""
        self.connection.send(message)

    def say(self, *frames: Frame) -> None:
        """Send frames that are well-formed, whatever they mean."""
        self.connection.send([self.encoded(frame) for frame in frames])

    async def cut_off(self) -> Exception | None:
        """Why the other end has ended the link."""
        return await asyncio.wait_for(asyncio.shield(self.ended), 20)


@asynccontextmanager
async def rogue(addr: str, limits: Limits | None = None) -> AsyncIterator[Rogue]:
    """A proven link of a node that nobody knows."""
    gate = LinkGate(find_credentials(), NodeId(secrets.randbits(63) | 1), Terms())
    made: list[Rogue] = []

    def attach(connection: Connection) -> Rogue:
        made.append(Rogue(connection))
        return made[0]

    connection = await WebSocketTransport(gate, limits=limits).dial(addr, attach)
    try:
        yield made[0]
    finally:
        connection.abort()
        await made[0].cut_off()


class Line:
    """A proven link on which every byte is the attacker's own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def frame(self, head: int, payload: bytes = b"", *, masked: bool = True) -> None:
        """Write one WebSocket frame, by the mask of zeros."""
        size, mask = len(payload), 0x80 if masked else 0
        if size < 126:
            self.writer.write(bytes((head, mask | size)))
        else:
            self.writer.write(bytes((head, mask | 127)) + size.to_bytes(8, "big"))
        self.writer.write((bytes(4) if masked else b"") + payload)

    async def end(self) -> int:
        """The code with which the other end closes; 0 where it just hangs up."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while data := await asyncio.wait_for(self.reader.read(65536), 20):
                received = (received + data)[-200:]
        at = received.rfind(b"\x88")
        return int.from_bytes(received[at + 2 : at + 4], "big") if at >= 0 else 0


@asynccontextmanager
async def line(addr: str, *headers: str) -> AsyncIterator[Line]:
    """Open a link by hand, with further headers in its request."""
    host, _, port = addr.rpartition(":")
    gate = LinkGate(find_credentials(), NodeId(secrets.randbits(63) | 1), Terms())
    await gate.ready()
    proof = gate.dial(0)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        proofs = [f"{name}: {value}" for name, value in proof.request(gate.binding(Channel(host, int(port))))]
        writer.write(upgrade(*proofs, *headers))
        answer = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode()
        fields = [(name, value.strip()) for name, _, value in (row.partition(":") for row in answer.split("\r\n")[1:])]
        assert proof.receive(int(answer.split()[1]), fields).accepted
        assert proof.confirmation is not None
        opened = Line(reader, writer)
        opened.frame(0x82, proof.confirmation)
        yield opened
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def upgrade(*lines: str, first: str = "GET /v1/link HTTP/1.1") -> bytes:
    """A request for a WebSocket."""
    key = base64.b64encode(bytes(16)).decode()
    head = [first, "Host: x", "Upgrade: websocket", "Connection: Upgrade"]
    head += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")


async def answer(addr: str, request: bytes) -> bytes:
    """All that comes back for some bytes, until the other end hangs up."""
    host, _, port = addr.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    received = b""
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            while data := await asyncio.wait_for(reader.read(65536), 20):
                received += data
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return received
