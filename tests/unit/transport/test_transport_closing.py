"""A listener that closes while others dial: whoever has come just then is hung up on, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import gc
import resource
import socket
import warnings

import pytest

from pulsing.ids import NodeId
from pulsing.node.credentials import Credentials, Mode, Secret
from pulsing.node.gate import LinkGate
from pulsing.testing import wait_until
from pulsing.transport import Connection, ConnectionHandler
from pulsing.transport.address import split_address
from pulsing.transport.websocket import WebSocketTransport
from pulsing.wire.handshake import Terms

DIALS = 20


def nobody(connection: Connection) -> ConnectionHandler:
    raise AssertionError("nobody here proves anything")


async def hung_up_on(sock: socket.socket) -> bool:
    try:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 100), 5) == b""
    except ConnectionResetError:
        return True
    finally:
        sock.close()


async def dials_during_close(mode: Mode, turns: int) -> list[bool]:
    """Whether each of some dials was hung up on by a listener that was closed so many turns of the loop after them."""
    gate = LinkGate(Credentials(mode, [Secret(b"secret" * 6)], "pulsing"), NodeId(1), Terms())
    listener = await WebSocketTransport(gate).listen("127.0.0.1:0", nobody)
    await asyncio.sleep(0)
    dials = [socket.create_connection(split_address(listener.addr)) for _ in range(DIALS)]
    for dial in dials:
        dial.setblocking(False)
    for _ in range(turns):
        await asyncio.sleep(0)
    await listener.close()
    assert listener.unproven == 0
    return [await hung_up_on(dial) for dial in dials]


@pytest.mark.parametrize("mode", ["token", "passphrase"])
@pytest.mark.parametrize("turns", range(8))
async def test_whoever_dials_while_a_listener_closes_is_hung_up_on(mode: Mode, turns: int) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        assert all(await dials_during_close(mode, turns))
        gc.collect()
    assert [str(one.message) for one in seen] == []


@pytest.mark.shared_resources  # uvloop keeps a pipe of its own for good
def test_whoever_dials_while_a_listener_closes_is_hung_up_on_by_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop")
    for turns in range(4):
        assert all(uvloop.run(dials_during_close("passphrase", turns)))


async def test_a_listener_without_descriptors_takes_in_whoever_waited_when_it_has_some_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = LinkGate(Credentials("token", [Secret(b"secret" * 6)], "pulsing"), NodeId(1), Terms())
    listener = await WebSocketTransport(gate).listen("127.0.0.1:0", nobody)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.create_connection(split_address(listener.addr)) as dial:
        # The next descriptor that is asked for is one too many.
        resource.setrlimit(resource.RLIMIT_NOFILE, (dial.fileno() + 1, hard))
        try:
            await wait_until(lambda: "cannot accept connections" in caplog.text, 5)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await wait_until(lambda: listener.unproven == 1, 5)
        await listener.close()
        dial.setblocking(False)
        assert await hung_up_on(dial)
