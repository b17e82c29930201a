"""Spoilt messages of membership from somebody who knows the secret: the line ends, and the node goes on.

PULSING_FUZZ_MEMBERSHIP=10000 pytest tests/fuzz/test_fuzz_membership.py --timeout 3600
PULSING_FUZZ_SEED=7 …                                          other changes
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pulsing.cluster.control import CONTROL_LIMITS, CONTROL_PATH
from pulsing.cluster.member import Member
from pulsing.cluster.messages import Ack, Gossip, Nack, Ping, PingReq, Pull, Rumour, Sync, Versions, encode
from pulsing.ids import NodeId
from pulsing.node.credentials import find_credentials
from pulsing.node.gate import LinkGate
from pulsing.testing import wait_until
from pulsing.transport import Connection
from pulsing.transport.websocket import WebSocketTransport
from pulsing.wire.handshake import Terms
from tests.campaigns.noted import note
from tests.integration.hostile import Siege, rogue, siege

SEED = int(os.environ.get("PULSING_FUZZ_SEED", "1"))
INPUTS = int(os.environ.get("PULSING_FUZZ_MEMBERSHIP", "400"))
A_LINE = 20
NO_MESSAGE = b"\xc1"


class Liar:
    """Somebody at the control port who listens to nothing."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.ended = False

    def on_message(self, data: bytes | bytearray) -> None: ...

    def on_lost(self, error: Exception | None) -> None:
        self.ended = True

    def on_blocked(self) -> None: ...

    def on_writable(self) -> None: ...


@asynccontextmanager
async def liar(control_addr: str) -> AsyncIterator[Liar]:
    gate = LinkGate(find_credentials(), NodeId(secrets.randbits(63) | 1), Terms())
    made: list[Liar] = []

    def attach(connection: Connection) -> Liar:
        made.append(Liar(connection))
        return made[0]

    connection = await WebSocketTransport(gate, path=CONTROL_PATH, limits=CONTROL_LIMITS).dial(control_addr, attach)
    try:
        yield made[0]
    finally:
        connection.abort()
        await wait_until(lambda: made[0].ended)


def messages(chance: random.Random) -> list[bytes]:
    """One of each kind, about members that nobody knows."""

    def rumour() -> Rumour:
        status: Any = chance.choice(("alive", "suspect", "dead", "left"))
        return Rumour(Member(chance.getrandbits(63) | 1, "127.0.0.1:9", status, chance.getrandbits(20)), 1)

    return [
        encode(message)
        for message in (
            Ping(chance.getrandbits(20), 5),
            Ack(1, 5),
            PingReq(3, chance.getrandbits(63) | 1),
            Nack(4),
            Gossip(tuple(rumour() for _ in range(8))),
            Sync(tuple(rumour() for _ in range(30)), reply=True),
            Versions(tuple((chance.getrandbits(63) | 1, 7) for _ in range(20))),
            Pull(chance.getrandbits(63) | 1, 0),
        )
    ]


def spoilt(chance: random.Random, payload: bytes) -> bytes:
    """A message with a few bytes changed, left out, repeated or put in."""
    data = bytearray(payload)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(data)) if data else 0
        what = chance.randrange(4)
        if what == 0 and data:
            data[at] ^= 1 << chance.randrange(8)
        elif what == 1:
            data[at : at + 4] = chance.choice((b"\xff" * 4, b"\xdd\xff\xff\xff\xff", b"\xc1", chance.randbytes(4)))
        elif what == 2:
            del data[at:]
        else:
            data[at:at] = chance.choice((b"\x91", b"\x81", data[at : at + 60])) * chance.randrange(1, 2000)
    return bytes(data[: CONTROL_LIMITS.max_message])


async def control_port_of(under: Siege) -> str:
    async with rogue(under.addr) as peer:
        return f"{under.host[0]}:{peer.connection.peer.control_port}"


@pytest.mark.timeout(120 + INPUTS // 5)
async def test_a_node_that_gets_spoilt_messages_of_membership_goes_on_answering_others() -> None:
    chance = random.Random(SEED)
    async with siege() as under:
        control_addr = await control_port_of(under)
        for _ in range(INPUTS // A_LINE):
            async with liar(control_addr) as peer:
                for _ in range(A_LINE):
                    peer.connection.send(spoilt(chance, chance.choice(messages(chance))))
                peer.connection.send(NO_MESSAGE)
                await wait_until(lambda peer=peer: peer.ended, timeout=20)  # type: ignore[misc]
        await under.check()
        note(membership_messages_to_a_live_node=INPUTS, honest_calls_beside_membership=under.calls)
