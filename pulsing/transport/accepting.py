"""The acceptor's side of an opening: who may ask, the answer, and the confirmation before anything else is read."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol, TypeAlias

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from pulsing.transport.base import Attach, PeerInfo
from pulsing.transport.doorkeeper import Doorkeeper
from pulsing.transport.gate import Channel, Denied, Gate, Headers, Proven
from pulsing.transport.limits import Limits
from pulsing.transport.link import WebSocketLink

# One masked frame: two bytes of header, four of mask, 32 of proof. Nothing behind it is parsed before it is compared.
_CONFIRMATION_BYTES = 2 + 4 + 32

# Whoever asks in good faith learns at once what the answer will be; to a guesser it tells what a missing 101 tells.
_REFUSED_LATER = b"HTTP/1.1 102 Processing\r\n\r\n"

_TLS_HANDSHAKE = 0x16
_TLS_ALERT_PROTOCOL_VERSION = bytes((0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 70))


class Guest(Protocol):
    """An unproven connection."""

    def turn_away(self) -> None:
        """Drop it to make room."""
        ...


Keeper: TypeAlias = "Doorkeeper[Guest]"


class Accepting:
    """One stranger at the door.

    Args:
        core: its WebSocket protocol.
        gate: whoever holds the secrets.
        keeper: who counts strangers and failures.
        limits: the bounds to keep.
        path: the only path that is served.
        certificate: what this listener shows under TLS.
        attach: who handles the connection once it is proven.
        sock: its socket.
        host: where it comes from.
    """

    def __init__(
        self,
        core: ServerProtocol,
        gate: Gate,
        keeper: Keeper,
        limits: Limits,
        path: str,
        certificate: bytes | None,
        attach: Attach,
        sock: socket.socket,
        host: str,
    ) -> None:
        self._core = core
        self._gate = gate
        self._proof = gate.answer()
        self._keeper = keeper
        self._limits = limits
        self._path = path
        self._certificate = certificate
        self._attach = attach
        self._sock = sock
        self._host = host
        self._link: WebSocketLink
        self._connected = False
        self._received = bytearray()
        self._size = 0
        self._proven: Proven | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._next: Callable[[bytes], None] = self._read_request

    def turn_away(self) -> None:
        """Drop the connection to make room, during its TLS handshake too."""
        if self._connected:
            self._link.abort()
            return
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def connected(self, link: WebSocketLink) -> None:
        """Start the clock."""
        self._link = link
        self._connected = True
        self._start_timer(self._limits.open_timeout, self._too_slow)

    def received(self, data: bytes) -> None:
        """Read on, within what a stranger may send."""
        self._size += len(data)
        if self._size > self._limits.max_opening and self._proven is None:
            self._link.abort()
        else:
            self._next(data)

    def lost(self, error: Exception | None) -> None:
        """The stranger is gone."""
        self._leave()

    def _read_request(self, data: bytes) -> None:
        if self._size == len(data) and data[0] == _TLS_HANDSHAKE:
            self._hang_up_after(_TLS_ALERT_PROTOCOL_VERSION)
            return
        if self._limited() and not self._keeper.shared(self._host):
            self._hang_up_after(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n")
            return
        events = self._link.feed(data)
        if not events:
            return
        if len(events) > 1 or self._core.eof_sent:
            # What follows the request is no part of it, and the core has ended the conversation over it.
            self._link.abort()
            return
        self._keeper.asked(self)
        self._next = self._ignore
        assert isinstance(events[0], Request)
        self._answer(events[0])

    def _answer(self, request: Request) -> None:
        headers = list(request.headers.raw_items())
        response = self._improper(request, headers) or self._core.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._respond(response)
            return
        verdict = self._proof.receive(headers, self._gate.binding(self._channel()))
        if verdict.accepted:
            self._upgrade(response, verdict)
        else:
            self._refuse(verdict)

    def _improper(self, request: Request, headers: Headers) -> Response | None:
        # Browsers always send an Origin with a WebSocket, and nodes never do.
        if any(name.lower() == "origin" for name, _ in headers):
            return self._core.reject(HTTPStatus.FORBIDDEN, "This port is not for browsers.\n")
        if request.path != self._path:
            return self._core.reject(HTTPStatus.NOT_FOUND, "There is nothing here.\n")
        if len(headers) > self._limits.max_headers:
            return self._core.reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Too many headers.\n")
        return None

    def _upgrade(self, response: Response, verdict: Proven) -> None:
        for name, value in verdict.headers:
            response.headers[name] = value
        self._respond(response)
        self._proven = verdict
        if self._proof.confirmation is None:
            self._admit(verdict)
        else:
            self._next = self._read_confirmation

    def _refuse(self, verdict: Denied) -> None:
        if self._proof.own_nonce is not None:
            self._gate.recognise(self._proof.own_nonce)
        response = self._core.reject(verdict.status, verdict.body.decode())
        for name, value in verdict.headers:
            response.headers[name] = value
        if not verdict.counts:
            if verdict.fault == "version":
                self._keeper.speaks_otherwise()
            self._respond(response)
            return
        slowly = self._limited()
        self._keeper.failed(self._host, self._now())
        if slowly:
            # The seat stays taken although the guesser may have left: that is what bounds the guesses.
            self._keeper.hold(self)
            self._link.transport.write(_REFUSED_LATER)
            self._link.transport.pause_reading()
            self._start_timer(self._limits.refusal_delay, self._respond, response)
        else:
            self._respond(response)

    def _read_confirmation(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < _CONFIRMATION_BYTES:
            return
        frame, rest = bytes(self._received[:_CONFIRMATION_BYTES]), bytes(self._received[_CONFIRMATION_BYTES:])
        events = self._link.feed(frame)
        if self._is_confirmation(events) and self._proven is not None:
            self._admit(self._proven)
            if rest:
                self._link.data_received(rest)
        else:
            self._keeper.failed(self._host, self._now())
            self._deny_confirmation()

    def _is_confirmation(self, events: list[Request | Response | Frame]) -> bool:
        if len(events) != 1 or not isinstance(events[0], Frame):
            return False
        frame = events[0]
        return frame.opcode is Opcode.BINARY and frame.fin and self._proof.confirms(bytes(frame.data))

    def _deny_confirmation(self) -> None:
        self._next = self._ignore
        if self._core.state is OPEN:
            self._core.fail(CloseCode.POLICY_VIOLATION, "not confirmed")
        self._link.flush()

    def _admit(self, verdict: Proven) -> None:
        self._leave()
        peer = PeerInfo(
            node_id=verdict.node_id,
            addr=self._link.remote_address,
            pickle=verdict.pickle,
            tls=self._certificate is not None,
            authenticated=verdict.authenticated,
        )
        self._link.open(peer, self._attach)

    def _respond(self, response: Response) -> None:
        self._core.send_response(response)
        self._link.flush()

    def _hang_up_after(self, answer: bytes) -> None:
        self._next = self._ignore
        self._link.transport.write(answer)
        self._link.transport.close()

    def _too_slow(self) -> None:
        if self._proven is None:
            self._link.abort()
        else:
            self._deny_confirmation()

    def _ignore(self, data: bytes) -> None:
        """Whatever follows a request or a refusal is not looked at."""

    def _limited(self) -> bool:
        return self._keeper.limits(self._host, self._now())

    def _channel(self) -> Channel:
        host, port = self._link.transport.get_extra_info("sockname")[:2]
        return Channel(host, port, self._certificate)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _start_timer(self, seconds: float, then: Callable[..., None], *arguments: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, then, *arguments)

    def _leave(self) -> None:
        self._keeper.leave(self)
        if self._timer is not None:
            self._timer.cancel()
