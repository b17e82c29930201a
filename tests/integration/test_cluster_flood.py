"""A member that floods another with all that costs it something: the others, and calls, do not suffer."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from pulsing.cluster.control import CONTROL_PATH
from pulsing.cluster.member import Member
from pulsing.cluster.messages import Delta, Gossip, Message, Ping, PingReq, Pull, Rumour, Sync, Versions, encode
from pulsing.cluster.names import Change, Entry
from pulsing.ids import NodeId
from pulsing.node.credentials import find_credentials
from pulsing.node.gate import LinkGate
from pulsing.transport import Connection
from pulsing.transport.websocket import WebSocketTransport
from pulsing.wire.handshake import Terms
from tests.integration.cluster_process import Process, processes

FLOODER = NodeId(0x1234)
LINES, LINE_S = 3, 1.5
MORE_MIB = 100
"""What a flood may cost at the most: the largest map of names that a node takes is as large."""


class Pipe:
    """The end of a line that only sends, as much as the other end takes."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._may_send = asyncio.Event()
        self._may_send.set()
        self.connection: Connection

    def attach(self, connection: Connection) -> Pipe:
        self.connection = connection
        return self

    async def pour(self, payloads: Sequence[bytes]) -> None:
        """Send these over and over until the line ends."""
        for payload in itertools.cycle(payloads):
            await self._may_send.wait()
            if self.ended.is_set():
                return
            self.connection.send(payload)
            await asyncio.sleep(0)

    def on_message(self, data: bytes | bytearray) -> None:
        pass

    def on_lost(self, error: Exception | None) -> None:
        self.ended.set()
        self._may_send.set()

    def on_blocked(self) -> None:
        self._may_send.clear()

    def on_writable(self) -> None:
        self._may_send.set()


async def flood(addr: str, victim: int, others: list[int], noticed: asyncio.Event) -> None:
    """Send as fast as the victim reads, over one line after the other, until it has noticed."""
    gate = LinkGate(find_credentials(), FLOODER, Terms())
    asking = Pipe()
    at_node = await WebSocketTransport(gate).dial(addr, asking.attach)
    at_control = f"{addr.rpartition(':')[0]}:{at_node.peer.control_port}"
    at_node.abort()
    await asking.ended.wait()
    payloads = [encode(message) for message in lies(victim, others)]
    for number in itertools.count():
        if number >= LINES and noticed.is_set():
            return
        line = Pipe()
        await WebSocketTransport(gate, path=CONTROL_PATH).dial(at_control, line.attach)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(line.pour(payloads), LINE_S)
        line.connection.abort()
        await line.ended.wait()


def lies(victim: int, others: list[int]) -> Iterator[Message]:
    """One message of each kind, as large as it may be."""
    chance = Random(1)
    me = Rumour(Member(FLOODER.id, "127.0.0.1:9"), FLOODER.id)
    made_up = [chance.getrandbits(63) | 1 for _ in range(900)]
    yield Sync((me,), reply=True)
    for other in others:
        yield Gossip(tuple(Rumour(Member(other, "127.0.0.1:9", "dead"), by) for by in made_up))
        yield Gossip(tuple(Rumour(Member(other, "127.0.0.1:9", "suspect"), by) for by in made_up))
        yield Versions(((other, 2**60),))
        yield PingReq(1, other)
    yield Sync(tuple(Rumour(Member(node_id, "127.0.0.1:9", "dead"), FLOODER.id) for node_id in made_up), reply=True)
    yield Versions(tuple((node_id, 5) for node_id in made_up))
    yield Pull(victim, 0)
    yield Ping(1, 0)
    for start in range(0, 4000, 400):
        names = (Change(start + n + 1, f"false-{start + n}", Entry(1, "False")) for n in range(400))
        yield Delta(FLOODER.id, start, start + 400, False, start == 3600, tuple(names))


async def test_a_flood_of_lies_takes_neither_members_nor_names_nor_calls_from_others() -> None:
    async with processes(3) as nodes:
        victim, *_ = nodes
        for number, node in enumerate(nodes):
            await node.tell(do="spawn", name=f"keeper{number}")
        await nodes[2].ask("names", lambda line: line["count"] == 3)
        before = resident_mib(victim)
        ids = [int(node.id, 16) for node in nodes]
        noticed = asyncio.Event()
        attack = asyncio.ensure_future(flood(victim.addr, ids[0], ids[1:], noticed))
        calls = 0
        while not attack.done():
            await nodes[1].ask("call", lambda line: "answer" in line, name="keeper0")
            calls += 1
            if not noticed.is_set() and (await victim.ask("traffic", lambda line: True))["dropped"]:
                noticed.set()
        await attack
        assert calls > 5
        for node in nodes:
            rows = await node.ask("rows", lambda line: True)
            assert {row["id"] for row in rows["rows"] if row["status"] == "alive"} >= {n.id for n in nodes}
            await node.ask("names", lambda line: line["count"] == 3)
            assert not [
                line for line in node.seen if line["kind"] == "member.dead" and line["id"] in {n.id for n in nodes}
            ]
        assert resident_mib(victim) < before + MORE_MIB


def resident_mib(process: Process) -> float:
    """The memory that a process has."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
