"""Strangers at the port of a node, with all that HTTP and WebSocket let them try."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Callable

import pytest

from pulsing.cluster.control import CONTROL_PATH
from tests.integration.hostile import MIB, Line, answer, line, rogue, siege, upgrade

CLAIM = "Authorization: Pulsing " + ".".join(("1" * 16, "2" * 64, "3" * 64))
OFFER = "Pulsing-Link: v=1-1;pickle=0"

REQUESTS: dict[str, bytes] = {
    "a second request behind the first": upgrade(CLAIM, OFFER) + upgrade(CLAIM, OFFER),
    "a body by its length": upgrade(CLAIM, OFFER, "Content-Length: 30") + b"GET /v1/link HTTP/1.1\r\n\r\n",
    "a body in chunks": upgrade(CLAIM, OFFER, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
    "two lengths": upgrade(CLAIM, OFFER, "Content-Length: 0", "Content-Length: 9"),
    "two hosts": upgrade(CLAIM, OFFER, "Host: y"),
    "two claims": upgrade(CLAIM, CLAIM, OFFER),
    "two offers": upgrade(CLAIM, OFFER, OFFER),
    "two keys": upgrade(CLAIM, OFFER, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
    "a folded header": upgrade(CLAIM + "\r\n  more", OFFER),
    "a header without a name": upgrade(": value", CLAIM, OFFER),
    "a space before the colon": upgrade("Authorization : x", OFFER),
    "a zero byte": upgrade("X-A: a\0b", CLAIM, OFFER),
    "bare line feeds": upgrade(CLAIM, OFFER).replace(b"\r\n", b"\n"),
    "forty headers": upgrade(CLAIM, OFFER, *(f"X-{n}: {n}" for n in range(40))),
    "a thousand headers": upgrade(CLAIM, OFFER, *(f"X-{n}: {n}" for n in range(1000))),
    "a header of a megabyte": upgrade("X-A: " + "a" * MIB, CLAIM, OFFER),
    "a path of a megabyte": upgrade(CLAIM, OFFER, first=f"GET /{'a' * MIB} HTTP/1.1"),
    "a POST": upgrade(CLAIM, OFFER, first="POST /v1/link HTTP/1.1"),
    "a CONNECT": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an odd verb": upgrade(CLAIM, OFFER, first="BREW /v1/link HTTP/1.1"),
    "an old HTTP": upgrade(CLAIM, OFFER, first="GET /v1/link HTTP/1.0"),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an absolute address": upgrade(CLAIM, OFFER, first="GET http://evil.example/v1/link HTTP/1.1"),
    "the path of the admin plane": upgrade(CLAIM, OFFER, first="GET /api/v1/cluster HTTP/1.1"),
    "dots in the path": upgrade(CLAIM, OFFER, first="GET /v1/../v1/link HTTP/1.1"),
    "a query": upgrade(CLAIM, OFFER, first="GET /v1/link?a=b HTTP/1.1"),
    "no upgrade": b"GET /v1/link HTTP/1.1\r\nHost: x\r\n\r\n",
    "an old WebSocket": upgrade(CLAIM, OFFER).replace(b"Version: 13", b"Version: 8"),
    "insecure": upgrade("Authorization: Pulsing-Insecure " + "1" * 16, OFFER),
    "a bearer token": upgrade("Authorization: Bearer abc", OFFER),
    **{
        f"origin {origin}": upgrade(CLAIM, OFFER, f"Origin: {origin}")
        for origin in ("http://evil.example", "null", "", "http://127.0.0.1:8700", "file://")
    },
}


@pytest.mark.parametrize("door", ["links", "membership"])
async def test_no_request_without_a_proof_is_upgraded(door: str) -> None:
    async with siege() as under:
        addr, path = under.addr, b"/v1/link"
        if door == "membership":
            async with rogue(under.addr) as peer:
                addr, path = f"127.0.0.1:{peer.connection.peer.control_port}", CONTROL_PATH.encode()
        for what, request in REQUESTS.items():
            received = await answer(addr, request.replace(b"/v1/link", path))
            assert b" 101 " not in received, what
            if what.startswith("origin"):
                assert received.startswith(b"HTTP/1.1 403 "), what
        await under.check()


@pytest.mark.timeout(180)
async def test_random_openings_and_sockets_that_say_nothing_keep_nobody_out() -> None:
    chance = random.Random(5)
    async with siege() as under:
        host, port = under.host
        idle = [await asyncio.open_connection(host, port) for _ in range(500)]
        slow = [await asyncio.open_connection(host, port) for _ in range(50)]
        try:
            for _, writer in slow:
                writer.write(b"GET /v1/link HTTP/1.1\r\n")
            for _ in range(300):
                kind = chance.choice((b"", b"\x16\x03\x01", b"GET /", upgrade(CLAIM)[: chance.randrange(300)]))
                _, writer = await asyncio.open_connection(host, port)
                writer.write(kind + chance.randbytes(chance.randrange(200)))
                writer.transport.abort() if chance.random() < 0.5 else writer.close()
                for _, trickle in slow[:3]:
                    trickle.write(b"X")
            await under.check()
            async with line(under.addr) as honest:
                honest.frame(0x89, b"there?")
                assert (await asyncio.wait_for(honest.reader.readexactly(8), 20))[2:] == b"there?"
            assert under.worst_stall_s < 2
        finally:
            for _, writer in idle + slow:
                writer.transport.abort()


def bomb() -> bytes:
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(bytes(64 * MIB)) + squeezer.flush(zlib.Z_SYNC_FLUSH)


def fragments(opened: Line) -> None:
    opened.frame(0x02, b"")
    for _ in range(5000):
        opened.frame(0x00, b"")


def bytes_one_by_one(opened: Line) -> None:
    opened.frame(0x02, b"a")
    for _ in range(5000):
        opened.frame(0x00, b"a")


def two_messages_at_once(opened: Line) -> None:
    opened.frame(0x02, b"x")
    opened.frame(0x82, b"y")


BREACHES: dict[str, tuple[Callable[[Line], object], int]] = {
    "unmasked": (lambda it: it.frame(0x82, b"x", masked=False), 1002),
    "compressed": (lambda it: it.frame(0xC2, bomb()), 1002),
    "a reserved bit": (lambda it: it.frame(0xA2, b"x"), 1002),
    "a reserved opcode": (lambda it: it.frame(0x83, b"x"), 1002),
    "a reserved control opcode": (lambda it: it.frame(0x8B, b"x"), 1002),
    "a text": (lambda it: it.frame(0x81, b"x"), 1003),
    "a continuation of nothing": (lambda it: it.frame(0x80, b"x"), 1002),
    "a new message within another": (two_messages_at_once, 1002),
    "a ping too long": (lambda it: it.frame(0x89, b"x" * 126), 1002),
    "a ping in fragments": (lambda it: it.frame(0x09, b"x"), 1002),
    "a close of one byte": (lambda it: it.frame(0x88, b"x"), 1002),
    "a close by a code of nobody": (lambda it: it.frame(0x88, b"\x00\x01"), 1002),
    "a message of four gigabytes": (
        lambda it: it.writer.write(b"\x82\xff" + (1 << 32).to_bytes(8, "big") + bytes(4)),
        1009,
    ),
    "a message of more than there is": (lambda it: it.writer.write(b"\x82\xff" + b"\xff" * 12), 1009),
    "fragments of nothing": (fragments, 1009),
    "fragments of a byte": (bytes_one_by_one, 1009),
}


async def test_a_link_that_breaks_the_rules_of_websockets_is_closed_by_the_code_for_it() -> None:
    async with siege() as under:
        for what, (breach, code) in BREACHES.items():
            async with line(under.addr) as opened:
                breach(opened)
                assert (what, await opened.end()) == (what, code)
        await under.check()


async def test_offers_of_compression_are_not_taken_up() -> None:
    offers = ("Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: x")
    async with siege() as under, line(under.addr, *offers) as opened:
        opened.frame(0x89, b"there?")
        assert (await asyncio.wait_for(opened.reader.readexactly(8), 20))[2:] == b"there?"


async def test_floods_of_control_frames_take_nothing_from_others() -> None:
    async with siege() as under:
        async with line(under.addr) as opened:
            for _ in range(20_000):
                opened.frame(0x89, b"x" * 100)
            for _ in range(20_000):
                opened.frame(0x8A, b"x" * 100)
            await under.check()
        async with line(under.addr) as opened:
            for _ in range(1000):
                opened.frame(0x88, b"\x03\xe8")
            await opened.end()
            await under.check()
