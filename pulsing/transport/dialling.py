"""The dialler's side of an opening: ask for the upgrade, check the answer, confirm."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from websockets.client import ClientProtocol
from websockets.http11 import Response

from pulsing.transport.base import Attach, PeerInfo
from pulsing.transport.gate import Channel, Denied, DialProof, Gate, Proven
from pulsing.transport.link import WebSocketLink

_END_OF_HEADERS = b"\r\n\r\n"
_MAX_HEAD = 64 * 1024


class Dialling:
    """One attempt by one secret.

    Args:
        addr: what was dialled.
        gate: whoever holds the secrets.
        proof: the proof of this attempt.
        attach: who handles the connection.
    """

    def __init__(self, addr: str, gate: Gate, proof: DialProof, attach: Attach) -> None:
        self.result: asyncio.Future[WebSocketLink] = asyncio.get_running_loop().create_future()
        """The open connection, or `DialRefused` or `NotUnderstood`."""
        # An attempt that is cancelled while it connects has nobody left to look at its result.
        self.result.add_done_callback(lambda result: result.cancelled() or result.exception())
        self._addr = addr
        self._gate = gate
        self._proof = proof
        self._attach = attach
        self._link: WebSocketLink
        self._tls = False
        self._head = bytearray()
        self._reading_head = True

    def connected(self, link: WebSocketLink) -> None:
        """Send the request, bound to the channel that turned out to be underneath."""
        self._link = link
        channel = _channel_of(link.transport)
        if channel is None:
            self._give_up(NotUnderstood("it hung up at once"))
            return
        self._tls = channel.certificate is not None
        core = link.core
        assert isinstance(core, ClientProtocol)
        request = core.connect()
        for name, value in self._proof.request(self._gate.binding(channel)):
            request.headers[name] = value
        core.send_request(request)
        link.flush()

    def received(self, data: bytes) -> None:
        """Judge the response once it is complete."""
        events, rest = self._read_head(data) if self._reading_head else (self._link.feed(data), b"")
        if events:
            response = events[0]
            assert isinstance(response, Response)
            self._judge(response, rest)
        elif self._link.core.handshake_exc is not None:
            self._give_up(NotUnderstood("it does not speak the protocol of nodes"))
        elif rest:
            self.received(rest)

    def _read_head(self, data: bytes) -> tuple[Sequence[object], bytes]:
        """Let the core read the headers only: what follows those of an upgrade is for the link's own reader."""
        self._head += data
        head, end, rest = bytes(self._head).partition(_END_OF_HEADERS)
        if not end and len(head) < _MAX_HEAD:
            return (), b""
        self._reading_head = False
        return self._link.feed(head + end), rest

    def _judge(self, response: Response, rest: bytes) -> None:
        verdict = self._proof.receive(response.status_code, list(response.headers.raw_items()))
        if not verdict.accepted:
            self._give_up(DialRefused(verdict))
        elif self._link.core.handshake_exc is not None:
            self._give_up(NotUnderstood("its answer is no upgrade to WebSocket"))
        else:
            self._succeed(verdict)
            if rest:
                self._link.data_received(rest)

    def lost(self, error: Exception | None) -> None:
        """The other end hung up instead of answering."""
        if self._tls and not self._head:
            self._give_up(HungUp("it hung up after the TLS handshake; it may not accept this node's certificate"))
        else:
            self._give_up(NotUnderstood(str(error) if error else "it hung up without an answer"))

    def _succeed(self, verdict: Proven) -> None:
        if self._proof.confirmation is not None:
            self._link.core.send_binary(self._proof.confirmation)
            self._link.flush()
        peer = PeerInfo(
            node_id=verdict.node_id,
            addr=self._addr,
            pickle=verdict.pickle,
            control_port=verdict.control_port,
            tls=self._tls,
            authenticated=verdict.authenticated,
        )
        self._link.open(peer, self._attach)
        if not self.result.done():
            self.result.set_result(self._link)

    def _give_up(self, error: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(error)
        self._link.abort()


class DialRefused(Exception):
    """The other end answered, and there will be no connection."""

    def __init__(self, verdict: Denied) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


class NotUnderstood(Exception):
    """What came back was no answer to the request."""


class HungUp(NotUnderstood):
    """It went away when TLS was through at this end, which is when the acceptor judges the dialler's certificate.

    The alert that would say so is lost: asyncio closes the connection before it has left.
    """


class Untrusted(NotUnderstood):
    """One end speaks TLS and the other does not, or one of them does not accept the other's certificate."""


def _channel_of(transport: asyncio.Transport) -> Channel | None:
    """What the connection runs through; None where it has broken already, which leaves it without an address."""
    peer = transport.get_extra_info("peername")
    if peer is None:
        return None
    host, port = peer[:2]
    tls = transport.get_extra_info("ssl_object")
    return Channel(host, port, None if tls is None else tls.getpeercert(binary_form=True))
