"""Real sockets on loopback: what a proven pair can do, and what everybody else cannot."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import logging
import random
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.utils import accept_key

from pulsing.exceptions import AddressInUse, AuthFailed
from pulsing.ids import NodeId
from pulsing.node.credentials import Credentials, Mode, Secret
from pulsing.node.gate import LinkGate
from pulsing.testing import wait_until
from pulsing.transport import Channel, Connection, DialFailed, DialledSelf, Limits
from pulsing.transport.tls import TlsIdentity, unverified_client_context
from pulsing.transport.websocket import WebSocketListener, WebSocketTransport
from pulsing.wire.handshake import Terms

A, B = NodeId(0xA), NodeId(0xB)
CANARY = b"canary-secret-5d0a-canary-secret"
QUICK = Limits(open_timeout=0.1, close_timeout=0.1, refusal_delay=0.2, dial_timeout=2.0)


class Handler:
    """Records what a connection delivers."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.messages: list[bytes] = []
        self.writable: list[bool] = []
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def on_message(self, data: bytes | bytearray) -> None:
        self.messages.append(bytes(data))

    def on_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)

    def on_blocked(self) -> None:
        self.writable.append(False)

    def on_writable(self) -> None:
        self.writable.append(True)

    async def ending(self) -> Exception | None:
        return await asyncio.wait_for(asyncio.shield(self.lost), 5)


class End:
    """One node's transport and the handlers of its connections."""

    def __init__(
        self,
        node_id: NodeId,
        mode: Mode = "token",
        secrets: tuple[bytes, ...] = (CANARY,),
        *,
        cluster: str = "pulsing",
        terms: Terms | None = None,
        limits: Limits = QUICK,
    ) -> None:
        self.handlers: list[Handler] = []
        credentials = Credentials(mode, [Secret(secret) for secret in secrets] if mode != "insecure" else [], cluster)
        self.gate = LinkGate(credentials, node_id, terms or Terms())
        self.transport = WebSocketTransport(self.gate, limits=limits)

    def attach(self, connection: Connection) -> Handler:
        self.handlers.append(Handler(connection))
        return self.handlers[-1]

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1") -> AsyncIterator[WebSocketListener]:
        listener = await self.transport.listen(f"{host}:0", self.attach)
        try:
            yield listener
        finally:
            await listener.close()
            self.abort()

    async def dial(self, addr: str) -> Handler:
        await self.transport.dial(addr, self.attach)
        return self.handlers[-1]

    def abort(self) -> None:
        for handler in self.handlers:
            handler.connection.abort()


@asynccontextmanager
async def pair(a: End, b: End, host: str = "127.0.0.1") -> AsyncIterator[tuple[Handler, Handler]]:
    """A connection from a to b, as each of them sees it."""
    async with b.listening(host) as listener:
        at_a = await a.dial(listener.addr.replace("0.0.0.0", "127.0.0.1"))
        await wait_until(lambda: b.handlers)
        try:
            yield at_a, b.handlers[-1]
        finally:
            a.abort()


@asynccontextmanager
async def raw(addr: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare TCP connection."""
    host, port = addr.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def upgrade(*lines: str, path: str = "/v1/link") -> bytes:
    key = base64.b64encode(bytes(16)).decode()
    head = [f"GET {path} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade"]
    head += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode()


async def answer(addr: str, request: bytes) -> bytes:
    async with raw(addr) as (reader, writer):
        writer.write(request)
        return await rest(reader)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other end hangs up."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := await asyncio.wait_for(reader.read(65536), 5):
            received += data
    return bytes(received)


async def proof_of(end: End, addr: str) -> tuple[str, ...]:
    """The headers with which `end` would dial `addr` without TLS."""
    await end.gate.ready()
    host, port = addr.rsplit(":", 1)
    return tuple(f"{k}: {v}" for k, v in end.gate.dial(0).request(end.gate.binding(Channel(host, int(port)))))


def masked(payload: bytes, opcode: int = 2, fin: bool = True) -> bytes:
    size = len(payload)
    head = bytes([opcode | (0x80 if fin else 0)])
    head += bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + struct.pack("!H", size)
    return head + bytes(4) + payload


# What a proven pair can do


@pytest.mark.parametrize(
    ("mode", "host", "tls"),
    [
        ("token", "127.0.0.1", False),
        ("token", "0.0.0.0", True),
        ("passphrase", "127.0.0.1", True),
        ("insecure", "127.0.0.1", False),
        ("token", "[::1]", False),
    ],
)
async def test_messages_travel_both_ways_in_every_mode(mode: Mode, host: str, tls: bool) -> None:
    a, b = End(A, mode), End(B, mode, terms=Terms(control_port=7001))
    async with pair(a, b, host) as (at_a, at_b):
        assert (at_a.connection.peer.node_id, at_b.connection.peer.node_id) == (B, A)
        assert (at_a.connection.peer.control_port, at_b.connection.peer.control_port) == (7001, None)
        assert at_a.connection.peer.tls is at_b.connection.peer.tls is tls
        assert at_a.connection.peer.authenticated is at_b.connection.peer.authenticated is (mode != "insecure")
        at_a.connection.send(b"ping")
        at_b.connection.send([b"po", bytearray(b"n"), memoryview(b"g")])
        await wait_until(lambda: at_a.messages and at_b.messages)
        assert (at_a.messages, at_b.messages) == ([b"pong"], [b"ping"])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 1 << 20, (8 << 20) + 1, 16 << 20])
async def test_a_message_of_any_size_up_to_the_limit_arrives(size: int) -> None:
    message = random.Random(size).randbytes(size)
    async with pair(End(A), End(B)) as (at_a, at_b):
        at_a.connection.send(message)
        at_b.connection.send([message[: size // 2], message[size // 2 :]])
        await wait_until(lambda: at_a.messages and at_b.messages, 10)
        assert at_a.messages == at_b.messages == [message]


async def test_an_oversize_message_is_refused_at_the_sender() -> None:
    async with pair(End(A), End(B)) as (at_a, _):
        with pytest.raises(ValueError, match="over the limit"):
            at_a.connection.send(bytes((16 << 20) + 1))


async def test_an_oversize_message_from_elsewhere_ends_the_connection() -> None:
    small = Limits(max_message=1000, max_fragment=1000)
    async with pair(End(A), End(B, limits=small)) as (at_a, at_b):
        at_a.connection.send(bytes(1001))
        assert "1009" in str(await at_a.ending())
        assert isinstance(await at_b.ending(), ConnectionError)
        assert at_b.messages == []


async def test_pickle_is_agreed_by_both_ends() -> None:
    async with pair(End(A, terms=Terms(pickle=True)), End(B, terms=Terms(pickle=True))) as (at_a, at_b):
        assert at_a.connection.peer.pickle and at_b.connection.peer.pickle
    async with pair(End(A, terms=Terms(pickle=True)), End(B)) as (at_a, at_b):
        assert not at_a.connection.peer.pickle and not at_b.connection.peer.pickle


async def test_messages_sent_before_a_close_arrive_and_both_ends_end_well() -> None:
    async with pair(End(A), End(B)) as (at_a, at_b):
        at_a.connection.send(b"x" * 100_000)
        at_a.connection.close()
        at_a.connection.send(b"too late")
        assert (await at_b.ending(), await at_a.ending()) == (None, None)
        assert at_b.messages == [b"x" * 100_000]


async def test_a_close_for_a_fault_tells_the_other_end_why() -> None:
    async with pair(End(A), End(B)) as (at_a, at_b):
        at_b.connection.close(1002, "bad frame")
        error = await at_a.ending()
        assert "1002" in str(error) and "bad frame" in str(error)
        assert await at_b.ending() is None


async def test_whoever_is_closed_on_for_a_fault_is_not_listened_to_any_more() -> None:
    async with pair(End(A), End(B)) as (at_a, at_b):
        at_b.connection.close(1002, "protocol error")
        at_a.connection.send(b"more")
        assert "1002" in str(await at_a.ending())
        await at_b.ending()
        assert at_b.messages == []


async def test_an_abort_is_a_loss_at_the_other_end() -> None:
    async with pair(End(A), End(B)) as (at_a, at_b):
        at_a.connection.abort()
        assert isinstance(await at_b.ending(), ConnectionError)
        assert await at_a.ending() is None


@pytest.mark.shared_resources  # uvloop keeps a pipe of its own for good
@pytest.mark.parametrize("mode", ["token", "passphrase"])
def test_a_pair_talks_on_uvloop_too(mode: Mode) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def talk() -> None:
        async with pair(End(A, mode), End(B, mode)) as (at_a, at_b):
            at_a.connection.send([bytes(3 << 20), b"end"])
            await wait_until(lambda: at_b.messages)
            at_b.connection.close()
            assert (await at_a.ending(), at_b.messages) == (None, [bytes(3 << 20) + b"end"])

    uvloop.run(talk())


async def test_a_sender_is_told_to_hold_back_and_to_go_on() -> None:
    async with pair(End(A), End(B)) as (at_a, at_b):
        for _ in range(8):
            at_a.connection.send(bytes(4 << 20))
        assert at_a.writable == [False]
        assert at_a.connection.buffered_bytes > 0
        await wait_until(lambda: len(at_b.messages) == 8, 10)
        await wait_until(lambda: at_a.writable[-1])


async def test_a_peer_that_takes_nothing_is_dropped_after_the_write_timeout() -> None:
    a = End(A, limits=Limits(write_timeout=0.2))
    async with pair(a, End(B)) as (at_a, at_b):
        at_b.connection.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(4):
            at_a.connection.send(bytes(8 << 20))
        assert "took nothing" in str(await at_a.ending())


async def test_a_text_message_ends_the_connection() -> None:
    async with pair(End(A), End(B)) as (at_a, at_b):
        at_a.connection.core.send_text(b"text")  # type: ignore[attr-defined]
        at_a.connection.flush()  # type: ignore[attr-defined]
        assert "1003" in str(await at_a.ending())
        assert "text message" in str(await at_b.ending())


async def test_a_closed_listener_keeps_its_connections() -> None:
    b = End(B)
    async with b.listening() as listener:
        a = End(A)
        at_a = await a.dial(listener.addr)
        await wait_until(lambda: b.handlers)
        await listener.close()
        await listener.close()
        at_a.connection.send(b"still here")
        await wait_until(lambda: b.handlers[0].messages)
        with pytest.raises(DialFailed):
            await a.dial(listener.addr)
        a.abort()


async def test_a_taken_port_is_a_typed_error() -> None:
    async with End(B).listening() as listener:
        with pytest.raises(AddressInUse) as caught:
            await End(A).transport.listen(listener.addr, Handler)
        assert caught.value.addr == listener.addr


@pytest.mark.parametrize(("host", "why"), [("192.0.2.1", "[^(]+$"), ("no-such-host.invalid", "the name is not known")])
async def test_an_address_that_is_none_of_this_machine_is_named_by_the_error(host: str, why: str) -> None:
    with pytest.raises(OSError, match=f"cannot listen on {re.escape(host)}: {why}") as caught:
        await End(A).transport.listen(f"{host}:0", Handler)
    assert caught.value.errno == errno.EADDRNOTAVAIL


# Dials that fail


async def test_a_dial_to_nobody_is_refused(free_port: int) -> None:
    with pytest.raises(DialFailed) as caught:
        await End(A).dial(f"127.0.0.1:{free_port}")
    assert caught.value.refused


async def test_a_dial_to_an_unknown_name_fails() -> None:
    with pytest.raises(DialFailed, match="name is not known"):
        await End(A, limits=Limits(dial_timeout=10)).dial("no-such-host.invalid:1")


@pytest.mark.parametrize("mode", ["token", "passphrase"])
async def test_a_dial_to_somebody_silent_is_given_up(mode: Mode) -> None:
    async with _squatter(lambda data: b"") as addr:
        with pytest.raises(DialFailed, match="no answer within") as caught:
            await End(A, mode, limits=Limits(dial_timeout=0.3)).dial(addr)
        assert not caught.value.refused


@pytest.mark.parametrize("noise", [b"SSH-2.0-OpenSSH\r\n", b"\x00" * 100 + b"\n", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_a_dial_to_something_else_fails_without_a_word_about_secrets(noise: bytes) -> None:
    async with _squatter(lambda data: noise) as addr:
        with pytest.raises((DialFailed, AuthFailed)) as caught:
            await End(A, limits=Limits(dial_timeout=0.3)).dial(addr)
        assert CANARY.decode() not in str(caught.value)


async def test_a_rogue_server_without_a_proof_learns_nothing_more() -> None:
    heard: list[bytes] = []

    def reply(data: bytes) -> bytes:
        heard.append(data)
        zeros = f"{B}.{'0' * 64}.{'0' * 64}"
        key = next(line for line in data.decode().split("\r\n") if line.startswith("Sec-WebSocket-Key")).split(": ")[1]
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Accept: {accept_key(key)}", f"Pulsing-Auth: {zeros}", "Pulsing-Link: v=1;pickle=0"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async with _squatter(reply) as addr:
        with pytest.raises(AuthFailed, match="could not prove"):
            await End(A).dial(addr)
    assert len(heard) == 1


@pytest.mark.parametrize("mode", ["token", "passphrase"])
async def test_many_nodes_of_one_machine_may_dial_at_once(mode: Mode) -> None:
    a, b = End(A, mode, limits=Limits(dial_timeout=10)), End(B, mode, limits=Limits())
    await a.gate.ready()
    async with b.listening() as listener:
        await asyncio.gather(*(a.dial(listener.addr) for _ in range(40)))
        a.abort()


async def test_a_node_that_dials_itself_is_told_so_and_not_counted() -> None:
    a = End(A)
    async with a.listening() as listener:
        for _ in range(8):
            with pytest.raises(DialledSelf):
                await a.dial(listener.addr)
        await End(B).dial(listener.addr)


async def test_the_cluster_name_and_the_secret_must_agree() -> None:
    async with End(B).listening() as listener:
        for other in (End(A, secrets=(bytes(32),)), End(A, cluster="elsewhere")):
            with pytest.raises(AuthFailed, match="PULSING_PASSPHRASE"):
                await other.dial(listener.addr)


async def test_a_rotated_secret_is_tried_from_the_newest_to_the_oldest() -> None:
    async with pair(End(A, secrets=(bytes(32), CANARY)), End(B)) as (at_a, _):
        assert at_a.connection.peer.node_id == B


async def test_no_common_version_is_a_typed_error() -> None:
    async with End(B, terms=Terms(versions=(2, 3))).listening() as listener:
        with pytest.raises(AuthFailed, match=r"1-1.*2-3"):
            await End(A).dial(listener.addr)


@pytest.mark.parametrize(
    ("dialler", "acceptor", "text"),
    [
        ("token", "insecure", "the other node runs insecure"),
        ("insecure", "token", "this node runs insecure"),
        ("insecure", "passphrase", "this node runs insecure"),
        ("passphrase", "token", "disagree on TLS"),
        ("passphrase", "insecure", "disagree on TLS"),
    ],
)
async def test_two_modes_do_not_meet(dialler: Mode, acceptor: Mode, text: str) -> None:
    async with End(B, acceptor).listening() as listener:
        with pytest.raises(AuthFailed, match=text):
            await End(A, dialler).dial(listener.addr)


async def test_a_token_node_is_refused_by_a_passphrase_node_on_the_same_machine() -> None:
    async with End(B, "passphrase").listening() as listener:
        with pytest.raises(AuthFailed, match="another secret"):
            await End(A, "token").dial(listener.addr)


# Strangers


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:8000", "null", ""])
async def test_any_origin_is_forbidden(origin: str) -> None:
    async with End(B).listening() as listener:
        got = await answer(listener.addr, upgrade(f"Origin: {origin}", *await proof_of(End(A), listener.addr)))
        assert got.startswith(b"HTTP/1.1 403 ")


async def test_another_path_is_not_found_and_no_upgrade_is_told_what_to_do() -> None:
    async with End(B).listening() as listener:
        assert (await answer(listener.addr, upgrade(path="/"))).startswith(b"HTTP/1.1 404 ")
        assert (await answer(listener.addr, upgrade(path="/v1/link?x"))).startswith(b"HTTP/1.1 404 ")
        plain = await answer(listener.addr, b"GET /v1/link HTTP/1.1\r\nHost: x\r\n\r\n")
        assert plain.startswith(b"HTTP/1.1 426 ")
        post = await answer(listener.addr, b"POST /v1/link HTTP/1.1\r\nHost: x\r\n\r\n")
        # Before its release 17 the library closes without an answer.
        assert post == b"" or post.startswith(b"HTTP/1.1 405 ")


async def test_a_missing_and_a_wrong_proof_get_the_same_answer() -> None:
    async with End(B).listening() as listener:
        wrong = await answer(listener.addr, upgrade(*await proof_of(End(A, secrets=(bytes(32),)), listener.addr)))
        missing = await answer(listener.addr, upgrade())
        malformed = await answer(listener.addr, upgrade("Authorization: Pulsing x", "Pulsing-Link: v=1-1"))
        without_dates = {
            tuple(line for line in got.split(b"\r\n") if not line.startswith(b"Date:"))
            for got in (wrong, missing, malformed)
        }
        assert len(without_dates) == 1
        assert b"HTTP/1.1 401 " in wrong and b"WWW-Authenticate: Pulsing\r\n" in wrong


async def test_too_many_headers_are_refused() -> None:
    async with End(B).listening() as listener:
        got = await answer(listener.addr, upgrade(*(f"X-{number}: y" for number in range(33))))
        assert got.startswith(b"HTTP/1.1 431 ")


async def test_a_replayed_request_gets_no_further_than_its_confirmation() -> None:
    b = End(B)
    async with b.listening() as listener:
        recorded = upgrade(*await proof_of(End(A), listener.addr))
        for guess in (bytes(32), bytes(31), b"", bytes(200)):
            async with raw(listener.addr) as (reader, writer):
                writer.write(recorded)
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
                assert head.startswith(b"HTTP/1.1 101 ")
                writer.write(masked(guess) + masked(b"frames at once"))
                assert (await rest(reader)).startswith(b"\x88"), "a close frame"
        assert b.handlers == []


async def test_frames_right_behind_the_request_are_not_read() -> None:
    b = End(B)
    async with b.listening() as listener:
        got = await answer(listener.addr, upgrade(*await proof_of(End(A), listener.addr)) + masked(bytes(32)))
        assert got == b""
        assert b.handlers == []


async def test_a_confirmation_that_does_not_come_is_not_waited_for() -> None:
    async with End(B).listening() as listener:
        got = await answer(listener.addr, upgrade(*await proof_of(End(A), listener.addr)))
        assert got.startswith(b"HTTP/1.1 101 ")
        assert b"\x03\xf0not confirmed" in got  # close code 1008
        await wait_until(lambda: listener.unproven == 0)


async def test_a_proof_for_another_listener_is_refused() -> None:
    b = End(B)
    async with b.listening() as here, b.listening() as there:
        got = await answer(here.addr, upgrade(*await proof_of(End(A), there.addr)))
        assert got.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("mode", ["token", "passphrase"])
async def test_a_relay_in_the_middle_is_refused_by_the_far_end(mode: Mode) -> None:
    b = End(B, mode)
    async with b.listening() as listener, _relay(listener.addr, tls=mode == "passphrase") as addr:
        with pytest.raises(AuthFailed):
            await End(A, mode).dial(addr)
        assert b.handlers == []


@pytest.mark.parametrize("mode", ["token", "passphrase"])
async def test_somebody_who_says_nothing_is_hung_up_on(mode: Mode) -> None:
    async with End(B, mode).listening() as listener, raw(listener.addr) as (reader, _):
        assert await rest(reader) == b""
        await wait_until(lambda: listener.unproven == 0)


async def test_a_slow_writer_is_hung_up_on() -> None:
    async with End(B).listening() as listener, raw(listener.addr) as (reader, writer):
        hung_up = asyncio.ensure_future(rest(reader))
        for byte in upgrade():
            if hung_up.done():
                break
            writer.write(bytes([byte]))
            await asyncio.wait([hung_up], timeout=0.01)
        assert await hung_up == b""


async def test_an_endless_request_is_cut_off() -> None:
    async with End(B).listening() as listener:
        lines = [f"X-{number}: {'y' * 8000}" for number in range(20)]
        assert b"101" not in await answer(listener.addr, upgrade(*lines))


@pytest.mark.parametrize("mode", ["token", "passphrase"])
async def test_random_bytes_harm_nobody(mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(7)
    b = End(B, mode)
    async with b.listening() as listener:
        openings = [chance.randbytes(chance.randrange(1, 400)) for _ in range(40)]
        openings += [b"\x16\x03\x01\x00\x05abcde", b"\r\n" * 50, b"GET", b"\x00", upgrade()[:-5] + b"\xff\xff\n\n"]
        for opening in openings:
            async with raw(listener.addr) as (_, writer):
                writer.write(opening)
        await End(A, mode).dial(listener.addr)
        await wait_until(lambda: listener.unproven == 0)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_idle_strangers_do_not_keep_an_honest_node_out() -> None:
    patient = Limits(open_timeout=30, close_timeout=0.1)
    async with End(B, limits=patient).listening() as listener, contextlib.AsyncExitStack() as stack:
        for _ in range(100):
            await stack.enter_async_context(raw(listener.addr))
        a = End(A)
        await a.dial(listener.addr)
        assert listener.unproven <= 64
        a.abort()


@pytest.mark.parametrize("mode", ["token", "passphrase"])
async def test_strangers_are_gone_when_the_listener_is_closed(mode: Mode) -> None:
    patient = Limits(open_timeout=30)
    async with End(B, mode, limits=patient).listening() as listener, raw(listener.addr) as (reader, _):
        await wait_until(lambda: listener.unproven == 1)
        await listener.close()
        assert await rest(reader) == b""


async def test_after_five_failures_on_loopback_refusals_are_slow_and_proofs_are_not() -> None:
    slow = Limits(refusal_delay=30, open_timeout=1)
    async with End(B, limits=slow).listening() as listener:
        for _ in range(6):
            assert (await answer(listener.addr, upgrade())).startswith(b"HTTP/1.1 401 ")
        async with raw(listener.addr) as (reader, writer):
            writer.write(upgrade())
            slowly = asyncio.ensure_future(rest(reader))
            a = End(A)
            await a.dial(listener.addr)
            a.abort()
            assert not slowly.done()
            await wait_until(lambda: listener.unproven == 1)
            slowly.cancel()


async def test_a_slow_refusal_comes_in_the_end() -> None:
    async with End(B).listening() as listener:
        answers = [await answer(listener.addr, upgrade()) for _ in range(8)]
        first, late = answers[:6], answers[6:]
        assert all(got.startswith(b"HTTP/1.1 401 ") for got in first)
        assert all(b"\r\n\r\nHTTP/1.1 401 " in got for got in late)


async def test_whoever_is_gone_when_a_slow_refusal_comes_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with End(B, limits=Limits(refusal_delay=0.2, open_timeout=1)).listening() as listener:
        for _ in range(6):
            await answer(listener.addr, upgrade())
        async with raw(listener.addr) as (reader, writer):
            writer.write(upgrade())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 102 ")
        await wait_until(lambda: listener.unproven == 0)
    assert "xception" not in caplog.text


async def test_whoever_asks_in_good_faith_need_not_wait_for_a_slow_refusal() -> None:
    slow = Limits(refusal_delay=30, open_timeout=1)
    async with End(B, limits=slow).listening() as listener:
        for _ in range(6):
            await answer(listener.addr, upgrade())
        with pytest.raises(AuthFailed, match="too many attempts"):
            await End(A, secrets=(b"x" * 32,)).dial(listener.addr)
        rotated = End(A, secrets=(b"x" * 32, CANARY))
        await rotated.dial(listener.addr)
        rotated.abort()


async def test_after_five_failures_another_machine_is_not_read_any_more() -> None:
    async with End(B).listening() as listener:
        listener._keeper.shared = lambda host: False  # type: ignore[method-assign]
        for _ in range(6):
            assert (await answer(listener.addr, upgrade())).startswith(b"HTTP/1.1 401 ")
        assert (await answer(listener.addr, upgrade())).startswith(b"HTTP/1.1 429 ")
        with pytest.raises(AuthFailed, match="too many failed attempts"):
            await End(A).dial(listener.addr)


# Secrets stay secret


async def test_neither_secret_nor_proof_shows_in_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets").setLevel(logging.DEBUG)
    async with pair(End(A), End(B)) as (at_a, at_b):
        with pytest.raises(AuthFailed):
            await End(A, secrets=(bytes(32),)).dial(at_a.connection.peer.addr)
        at_a.connection.close()
        await at_b.ending()
    shown = caplog.text + repr(vars(at_a.connection)) + repr(at_a.connection.peer)
    assert CANARY.decode() not in shown
    assert "Authorization" not in caplog.text


@asynccontextmanager
async def _squatter(reply: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """Somebody else on a port: answers the first bytes of each caller, keeps the connection open."""

    class Squatter(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport
            callers.append(transport)

        def data_received(self, data: bytes) -> None:
            self.transport.write(reply(data))  # type: ignore[attr-defined]

    callers: list[asyncio.BaseTransport] = []
    server = await asyncio.get_running_loop().create_server(Squatter, "127.0.0.1", 0, family=socket.AF_INET)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for caller in callers:
            caller.close()


@asynccontextmanager
async def _relay(target: str, *, tls: bool) -> AsyncIterator[str]:
    """Somebody between a dialler and its target, who reads along and passes everything on."""
    host, port = target.rsplit(":", 1)
    client = unverified_client_context() if tls else None
    passing: list[asyncio.Task[None]] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, int(port), ssl=client)
        passing.extend(map(asyncio.ensure_future, (carry(reader, far_writer), carry(far_reader, writer))))

    server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=TlsIdentity().server_context if tls else None)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*passing), 5)
