"""Links by the certificates of a site: who is let in, and what is said to everybody else."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pulsing.config import TLSConfig
from pulsing.exceptions import AuthFailed
from pulsing.ids import NodeId
from pulsing.node.credentials import Credentials, Mode, Secret
from pulsing.node.gate import LinkGate
from pulsing.testing import wait_until
from pulsing.transport import Connection, DialFailed
from pulsing.transport.websocket import WebSocketTransport
from pulsing.wire.handshake import Terms
from tests.unit.transport.site import DAY, Site

SECRETS: dict[Mode, bytes] = {"token": bytes(32), "passphrase": b"a phrase of no importance"}


class Keep:
    """Keeps what arrives."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.messages: list[bytes] = []

    def on_message(self, data: bytes | bytearray) -> None:
        self.messages.append(bytes(data))

    def on_lost(self, error: Exception | None) -> None: ...

    def on_blocked(self) -> None: ...

    def on_writable(self) -> None: ...


def node(number: int, tls: TLSConfig | None, mode: Mode = "token", secret: bytes | None = None) -> WebSocketTransport:
    credentials = Credentials(mode, [Secret(secret or SECRETS[mode])])
    return WebSocketTransport(LinkGate(credentials, NodeId(number), Terms()), tls=tls)


@asynccontextmanager
async def linked(
    dialler: WebSocketTransport, acceptor: WebSocketTransport, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[Keep, Keep]]:
    """A link between two nodes, as each of them sees it."""
    accepted: list[Keep] = []
    dialled: list[Keep] = []

    def keep_in(kept: list[Keep]) -> object:
        def attach(connection: Connection) -> Keep:
            kept.append(Keep(connection))
            return kept[-1]

        return attach

    listener = await acceptor.listen("127.0.0.1:0", keep_in(accepted))  # type: ignore[arg-type]
    try:
        await dialler.dial(listener.addr.replace("127.0.0.1", host), keep_in(dialled))  # type: ignore[arg-type]
        await wait_until(lambda: accepted, timeout=10)
        yield dialled[0], accepted[0]
    finally:
        await listener.close()
        for end in (*dialled, *accepted):
            end.connection.abort()


async def refusal(dialler: WebSocketTransport, acceptor: WebSocketTransport, host: str = "127.0.0.1") -> str:
    with pytest.raises(AuthFailed) as refused:
        async with linked(dialler, acceptor, host):
            pass
    return refused.value.hint


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("mode", ["token", "passphrase"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_nodes_with_certificates_of_one_site_are_linked_by_tls(site: Site, mode: Mode, host: str) -> None:
    a, b = (node(number, site.issue("localhost", "127.0.0.1"), mode) for number in (1, 2))
    async with linked(a, b, host) as (at_a, at_b):
        assert at_a.connection.peer.tls and at_b.connection.peer.tls
        at_a.connection.send(b"there")
        await wait_until(lambda: at_b.messages == [b"there"], timeout=10)


async def test_a_certificate_for_another_name_is_not_accepted(site: Site) -> None:
    hint = await refusal(node(1, site.issue("localhost")), node(2, site.issue("elsewhere.example")), "localhost")
    assert "certificate" in hint and "localhost" in hint


async def test_an_acceptor_of_another_authority_is_not_trusted(site: Site, tmp_path: Path) -> None:
    foreign = Site(tmp_path, "foreign").issue("localhost", "127.0.0.1")
    assert "certificate is not accepted" in await refusal(node(1, site.issue("127.0.0.1")), node(2, foreign))


async def test_a_certificate_whose_time_is_over_is_not_accepted(site: Site) -> None:
    old = site.issue("127.0.0.1", lasts=-2 * DAY)
    assert "expired" in await refusal(node(1, site.issue("127.0.0.1")), node(2, old))


async def test_a_dialler_of_another_authority_is_refused_and_told(site: Site, tmp_path: Path) -> None:
    foreign = dataclasses.replace(Site(tmp_path, "foreign").issue("127.0.0.1"), ca=site.ca)
    assert "this node's certificate" in await refusal(node(1, foreign), node(2, site.issue("127.0.0.1")))


async def test_a_dialler_without_a_certificate_is_refused_and_told(site: Site) -> None:
    phrase: Mode = "passphrase"
    with pytest.raises(DialFailed, match="this node's certificate"):
        async with linked(node(1, None, phrase), node(2, site.issue("127.0.0.1"), phrase)):
            pass


async def test_an_acceptor_without_a_certificate_of_the_site_is_not_trusted(site: Site) -> None:
    phrase: Mode = "passphrase"
    hint = await refusal(node(1, site.issue("127.0.0.1"), phrase), node(2, None, phrase))
    assert "certificate is not accepted" in hint


async def test_a_certificate_alone_opens_nothing(site: Site) -> None:
    a, b = (site.issue("127.0.0.1") for _ in "ab")
    assert "cluster.token" in await refusal(node(1, a, secret=b"x" * 32), node(2, b, secret=b"y" * 32))


@pytest.mark.parametrize("file", ["ca", "cert", "key"])
def test_a_file_that_is_missing_or_no_certificate_is_named(site: Site, tmp_path: Path, file: str) -> None:
    config = site.issue("127.0.0.1")
    absent = tmp_path / "absent.pem"
    with pytest.raises(ValueError, match=r"absent\.pem"):
        node(1, dataclasses.replace(config, **{file: absent}))
    absent.write_text("no certificate")
    with pytest.raises(ValueError, match=r"absent\.pem"):
        node(1, dataclasses.replace(config, **{file: absent}))


def test_a_key_of_another_certificate_is_refused(site: Site) -> None:
    mixed = dataclasses.replace(site.issue("a.example"), key=site.issue("b.example").key)
    with pytest.raises(ValueError, match=r"(?i)mismatch"):
        node(1, mixed)
