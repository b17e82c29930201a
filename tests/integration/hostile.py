"""An attacker with sockets, the node that it attacks, and an honest node that goes on calling it meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pulsing as pul
from pulsing.ids import ActorId, NodeId
from pulsing.node.credentials import find_credentials
from pulsing.node.gate import LinkGate
from pulsing.testing import wait_until
from pulsing.transport import Connection, Limits
from pulsing.transport.websocket import WebSocketTransport
from pulsing.wire.codec import FrameCodec
from pulsing.wire.frames import Frame
from pulsing.wire.handshake import Terms
from pulsing.wire.registry import TypeRegistry
from pulsing.wire.values import Codec

MIB = 1024 * 1024
MEMORY_ALLOWED = 128 * MIB
STALL_ALLOWED_S = 2.0
"""A quarter of a second was promised; other processes of a busy machine may keep the loop waiting for longer."""


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
    process = subprocess.Popen(  # noqa: ASYNC220 - it is not waited for before the end
        [sys.executable, str(victim)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
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
