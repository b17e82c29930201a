"""A peer that knows the secret and keeps no rule: it loses its link, and nobody else notices."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterable
from typing import Any

import pytest

import pulsing as pul
from pulsing.testing import wait_until
from pulsing.wire.frames import (
    Ask,
    Cancel,
    Credit,
    End,
    Failure,
    Frame,
    FrameTag,
    Full,
    Goodbye,
    Ping,
    Pong,
    Reply,
    Room,
    StreamItem,
    Tell,
)
from pulsing.wire.session import PENDING_ASKS, WINDOW_FRAMES
from tests.integration.hostile import MIB, Rogue, Siege, rogue, siege

Script = Callable[[Siege], Iterable[Frame]]


def asks(first: int, last: int, target: int, method: str = "nothing") -> list[Frame]:
    return [Ask(n, target, method, sequence=n) for n in range(first, last + 1)]


BREACHES: dict[str, Script] = {
    "a reply to an ask that was never made": lambda s: [Reply(1, None)],
    "an end of no stream": lambda s: [End(7)],
    "items of no stream": lambda s: [StreamItem(1, (1,))],
    "a cancel of no request": lambda s: [Cancel(5)],
    "room for messages that were not sent": lambda s: [Credit(0, 1)],
    "credit beyond all numbers": lambda s: [Credit(0, 0xFFFFFFFF)],
    "credit for no stream": lambda s: [Credit(9, 1)],
    "an ask after goodbye": lambda s: [Goodbye("bye"), Ask(1, s.actor_number, "echo", (1,), sequence=1)],
    "goodbye twice": lambda s: [Goodbye("bye"), Goodbye("bye")],
    "one number for two asks": lambda s: [*asks(1, 1, s.actor_number), *asks(1, 1, s.actor_number)],
    "numbers far ahead": lambda s: asks(WINDOW_FRAMES + 2, WINDOW_FRAMES + 2, s.actor_number),
    "more messages than the window takes": lambda s: [
        Tell(s.actor_number, "echo", (n,), sequence=n) for n in range(1, 20 * WINDOW_FRAMES)
    ],
    "more actors without room than there may be": lambda s: [Full(n) for n in range(70_000)],
    "an actor that has room again and never had none": lambda s: [Room(3)],
}


def head(tag: int, size: int) -> bytes:
    return struct.pack(">BI", tag, size)


RAW: dict[str, bytes] = {
    "an unknown tag": head(250, 0),
    "the tag of no frame": head(0, 0),
    "a frame longer than its message": head(int(FrameTag.PING), 4000) + bytes(8),
    "a frame of four gigabytes": head(int(FrameTag.TELL), 0xFFFFFFFF),
    "half a head": b"\x01\x00",
    "a chunk of no transfer": head(int(FrameTag.CHUNK), 8) + bytes(8),
    "frames without number": head(int(FrameTag.PING), 8) * 40_000,
    "sixteen thousand empty chunks": (head(int(FrameTag.CHUNK), 4) + bytes(4)) * 16_000,
}


async def test_a_peer_that_breaks_a_rule_loses_its_link_and_nobody_else_notices() -> None:
    async with siege() as under:
        for what, script in BREACHES.items():
            async with rogue(under.addr) as peer:
                await say_all(peer, list(script(under)))
                assert await peer.cut_off() is not None, what
        for what, message in RAW.items():
            async with rogue(under.addr) as peer:
                peer.send(message)
                assert "1002" in str(await peer.cut_off()), what
        await under.check()


async def say_all(peer: Rogue, frames: list[Frame], at_once: int = 1000) -> None:
    for start in range(0, len(frames), at_once):
        if not peer.ended.done():
            peer.say(*frames[start : start + at_once])
            await asyncio.sleep(0)


def transfer(target: int, sizes: list[int], number: int = 1) -> bytes:
    """The head of a tell whose value is said to lie in attachments that never come."""
    body = struct.pack(">BBIQQ16s", 1 | 128, 4, 0, 0, number, target.to_bytes(16, "big")) + b"echo"
    body += struct.pack(">II", number, len(sizes)) + struct.pack(f">{len(sizes)}I", *sizes) + b"\x91\xc0"
    return head(int(FrameTag.TELL), len(body)) + body


async def test_values_that_are_announced_and_never_come_are_bounded() -> None:
    async with siege() as under:
        for sizes in ([0xFFFFFFFF], [17 * MIB], [1] * 5_000_000, [0], [2**24] * 2):
            async with rogue(under.addr) as peer:
                message = transfer(under.actor_number, sizes)
                if len(message) > 15 * MIB:
                    continue
                peer.send(message)
                assert await peer.cut_off() is not None
        async with rogue(under.addr) as peer:
            chunk = head(int(FrameTag.CHUNK), 4 + 256 * 1024) + struct.pack(">I", 1) + bytes(256 * 1024)
            for number in range(1, 200):
                peer.send(transfer(under.actor_number, [15 * MIB], number))
            for _ in range(40):
                peer.send(chunk)
            await under.check()


def colliding(count: int) -> bytes:
    """A list of one map, whose keys are numbers of more than 64 bits that Python hashes alike."""
    numbers = (((1 << 61) - 1) * number for number in range(16, 16 + count))
    keys = (b"\xc7\x0a\x01" + number.to_bytes(10, "big") for number in numbers)
    return b"\x91\xde" + count.to_bytes(2, "big") + b"".join(key + b"\xc0" for key in keys)


BOMBS: dict[str, bytes] = {
    "a megabyte of maps in a list": b"\xdd\x00\x0f\xff\xf0" + b"\x80" * 0xFFFF0,
    "a list of four thousand million": b"\xdd\xff\xff\xff\xff",
    "a map of four thousand million": b"\xdf\xff\xff\xff\xff",
    "a text of four gigabytes": b"\xdb\xff\xff\xff\xff",
    "lists in lists": b"\x91" * 200_000,
    "maps in maps": b"\x81\xa1a" * 60_000,
    "extensions in extensions": b"\xc7\xff\x01" * 60_000,
    "quarter of a megabyte of maps": b"\xdc\xff\xff" + b"\x80" * 0xFFFF,
    "no msgpack at all": b"\xc1" * 100,
    "a tuple of a range without end": b"\x91\xc7\x0d\x04\xc7\x0a\x0f\x93\x00\xce\x7f\xff\xff\xff\x01",
    "a map whose keys all have the same hash": colliding(18_000),
    "an array of texts of no letters": b"\x91\xc7\x10\x14\x94\xa3<U0\x91\xce\x7f\xff\xff\xff\xa1C\xc4\x00",
}


async def test_values_that_explode_are_refused_before_they_do() -> None:
    async with siege() as under:
        for what, value in BOMBS.items():
            async with rogue(under.addr) as peer:
                for number in range(1, 20):
                    body = struct.pack(">BBIQQ16s", 1, 4, 0, 0, number, under.actor_number.to_bytes(16, "big"))
                    body += b"echo" + value
                    peer.send(head(int(FrameTag.TELL), len(body)) + body)
                peer.say(Ping(1))
                await under.check()
                assert await pong(peer), what


async def pong(peer: Rogue) -> bool:
    """Whether the other end still answers, as it may where one value was bad and its frame was not."""
    await wait_until(lambda: peer.ended.done() or any(type(frame) is Pong for frame in peer.received), timeout=20)
    return True


@pytest.mark.timeout(120)
async def test_floods_within_the_rules_take_nothing_from_others() -> None:
    async with siege() as under:
        async with rogue(under.addr) as peer:
            for _ in range(200):
                peer.say(*(Ping(n) for n in range(1000)))
                await asyncio.sleep(0)
            await under.check()
        async with rogue(under.addr) as peer:
            # A request that is cancelled at once gives no room back before it was looked at.
            for number in range(1, 200):
                peer.say(Ask(number, under.actor_number, "echo", ("x" * 1000,), sequence=number), Cancel(number))
            await under.check()
        async with rogue(under.addr) as peer:
            # Asks whose answers are never read: the window stops the asker, the write deadline the reader.
            peer.connection.transport.pause_reading()  # type: ignore[attr-defined]
            for number in range(1, WINDOW_FRAMES):
                peer.say(Ask(number, under.actor_number, "echo", (b"x" * 8000,), sequence=number))
            await under.check()
        assert PENDING_ASKS > WINDOW_FRAMES
        async with rogue(under.addr) as peer:
            # Actors that have no room, and whose numbers all have the same hash.
            await say_all(peer, [Full(number * ((1 << 61) - 1)) for number in range(1, 8_000)])
            peer.say(Ping(1))
            assert await pong(peer)
            assert not peer.ended.done()
            await under.check()


async def test_links_of_ever_new_nodes_leave_nothing_behind() -> None:
    async with siege() as under:
        for _ in range(100):
            async with rogue(under.addr) as peer:
                peer.say(Ask(1, under.actor_number, "echo", (1,), sequence=1))
        await under.check()


async def test_a_node_forgets_those_who_never_became_members() -> None:
    async with await pul.actor_system("127.0.0.1:0", admin=False) as system:
        node: Any = system.inner.router
        for _ in range(20):
            async with rogue(system.addr) as peer:
                peer.say(Ping(1))
                await pong(peer)
        await wait_until(lambda: not node._peers, timeout=20)


async def test_what_is_meant_for_others_is_not_forwarded() -> None:
    async with siege() as under, rogue(under.addr) as peer:
        elsewhere = (0x1234 << 64) | 1
        peer.say(Ask(1, elsewhere, "echo", (1,), sequence=1), Ask(2, 0, None, (1,), sequence=2))
        await wait_until(lambda: any(type(frame) is Failure for frame in peer.received), timeout=20)
        refusals = [frame.failure for frame in peer.received if type(frame) is Failure]
        assert all("is not an actor of node" in failure.message for failure in refusals)
