"""Nodes over WebSocket: listeners and dials that lead to proven connections, and to nothing else."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
import ssl
from typing import cast

from websockets.client import ClientProtocol
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

from pulsing.exceptions import AddressInUse, AuthFailed
from pulsing.transport.accepting import Accepting, Guest, Keeper
from pulsing.transport.address import join_address, split_address
from pulsing.transport.base import Attach, DialFailed, DialledSelf
from pulsing.transport.dialling import Dialling, DialRefused, NotUnderstood, TlsMismatch
from pulsing.transport.doorkeeper import Doorkeeper
from pulsing.transport.gate import Gate
from pulsing.transport.limits import Limits
from pulsing.transport.link import WebSocketLink
from pulsing.transport.tls import TlsIdentity, dials_with_tls, listens_with_tls

LINK_PATH = "/v1/link"

# The library logs headers at its lowest level, and ours carry proofs.
_SILENT = logging.Logger("pulsing.transport.websocket", logging.CRITICAL + 1)


class WebSocketTransport:
    """A `pulsing.transport.base.Transport` over TCP, with TLS where the mode of the gate asks for it.

    Args:
        gate: whoever holds the secrets of this node.
        path: the path that is served and dialled.
        limits: the bounds to keep.
    """

    def __init__(self, gate: Gate, *, path: str = LINK_PATH, limits: Limits | None = None) -> None:
        self._gate = gate
        self._path = path
        self._limits = limits or Limits()
        self._tls = TlsIdentity()

    async def listen(self, addr: str, attach: Attach) -> WebSocketListener:
        """Accept connections at `host:port`; port 0 is any free one.

        Raises:
            AddressInUse: somebody else has the port.
            OSError: the address is not one of this machine.
        """
        host, port = split_address(addr)
        await self._gate.ready()
        tls = self._tls if listens_with_tls(self._gate.mode, host) else None
        listener = WebSocketListener(self._gate, self._path, self._limits, tls, attach)
        await listener.open((await _resolve(host, port))[0], port)
        return listener

    async def dial(self, addr: str, attach: Attach) -> WebSocketLink:
        """Open and prove a connection to `host:port`.

        Raises:
            AuthFailed: the two ends do not share a secret, a cluster name, a mode or a version.
            DialledSelf: the address is this node's own.
            DialFailed: nobody answered.
        """
        await self._gate.ready()
        try:
            return await asyncio.wait_for(self._dial(addr, attach), self._limits.dial_timeout)
        except asyncio.TimeoutError:
            raise DialFailed(addr, f"no answer within {self._limits.dial_timeout:g} s") from None

    async def _dial(self, addr: str, attach: Attach) -> WebSocketLink:
        host, port = split_address(addr)
        hosts = await _resolve(host, port, addr)
        failure: NotUnderstood | None = None
        for tls in dials_with_tls(self._gate.mode, host):
            try:
                return await self._dial_by_each_secret(addr, hosts, port, tls, attach)
            except NotUnderstood as error:
                # The plain attempt's story is the one to tell: TLS was only a guess.
                failure = failure or error
        if isinstance(failure, TlsMismatch):
            raise AuthFailed(addr, str(failure))
        raise DialFailed(addr, str(failure))

    async def _dial_by_each_secret(
        self, addr: str, hosts: list[str], port: int, tls: bool, attach: Attach
    ) -> WebSocketLink:
        """Try the secrets from the newest to the oldest, as long as that is what the other end objects to."""
        for attempt in range(self._gate.attempts):
            proof = self._gate.dial(attempt)
            dialling = Dialling(addr, self._gate, proof, attach)
            try:
                return await self._connect(addr, hosts, port, tls, dialling)
            except DialRefused as error:
                verdict = error.verdict
                if self._gate.forget(proof.nonce) or verdict.fault == "itself":
                    raise DialledSelf(addr) from None
                if verdict.fault != "unproven" or attempt + 1 == self._gate.attempts:
                    raise AuthFailed(addr, verdict.reason) from None
            finally:
                self._gate.forget(proof.nonce)
        raise AssertionError("a gate has one attempt at least")

    async def _connect(self, addr: str, hosts: list[str], port: int, tls: bool, dialling: Dialling) -> WebSocketLink:
        link = await self._reach(addr, hosts, port, tls, dialling)
        try:
            return await dialling.result
        except BaseException:
            link.abort()
            raise

    async def _reach(self, addr: str, hosts: list[str], port: int, tls: bool, dialling: Dialling) -> WebSocketLink:
        """Connect to the first of a name's addresses that takes the connection."""
        failures: list[OSError] = []
        for host in hosts:
            try:
                return await self._reach_one(host, port, tls, dialling)
            except ssl.SSLError as error:
                raise TlsMismatch("the two ends disagree on TLS; set the passphrase on both or on none") from error
            except OSError as error:
                failures.append(error)
        refused = all(isinstance(failure, ConnectionRefusedError) for failure in failures)
        raise DialFailed(addr, "nobody listens there" if refused else str(failures[-1]), refused=refused)

    async def _reach_one(self, host: str, port: int, tls: bool, dialling: Dialling) -> WebSocketLink:
        uri = WebSocketURI(tls, host, port, self._path, "", None, None)
        limits = self._limits
        core = ClientProtocol(uri, max_size=(limits.max_message, limits.max_fragment), logger=_SILENT)
        _, link = await asyncio.get_running_loop().create_connection(
            lambda: WebSocketLink(core, limits, dialling),
            host,
            port,
            ssl=self._tls.client_context if tls else None,
            server_hostname="" if tls else None,
        )
        return link


class WebSocketListener:
    """An open port; made by `WebSocketTransport.listen`."""

    def __init__(self, gate: Gate, path: str, limits: Limits, tls: TlsIdentity | None, attach: Attach) -> None:
        self._gate = gate
        self._path = path
        self._limits = limits
        self._tls = tls
        self._attach = attach
        self._keeper: Keeper = Doorkeeper(limits.max_unproven, limits.max_unproven_per_address, limits.max_failures)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._addr = ""

    @property
    def addr(self) -> str:
        """The bound `host:port`, with the real port."""
        return self._addr

    @property
    def unproven(self) -> int:
        """How many connections are open that have proved nothing yet."""
        return len(self._keeper.guests)

    async def open(self, host: str, port: int) -> None:
        """Bind; called once."""
        if self._tls is not None:
            # Make the certificate now, not under the first stranger's clock.
            _ = self._tls.server_context
        try:
            self._server = await asyncio.get_running_loop().create_server(self._greet, host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AddressInUse(join_address(host, port)) from error
            raise
        self._addr = join_address(*self._server.sockets[0].getsockname()[:2])

    async def close(self) -> None:
        """Close the port and whatever is not proven yet; proven connections stay. Idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for guest in self._keeper.guests:
            guest.turn_away()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _greet(self) -> asyncio.Protocol:
        limits = self._limits
        core = ServerProtocol(max_size=(limits.max_message, limits.max_fragment), logger=_SILENT)
        certificate = None if self._tls is None else self._tls.certificate.der
        opening = Accepting(core, self._gate, self._keeper, limits, self._path, certificate, self._attach)
        link = WebSocketLink(core, limits, opening)
        return link if self._tls is None else _TlsGreeting(self, opening, link)

    def enter(self, guest: Guest, host: str) -> None:
        """Take in a stranger, in somebody else's place if need be."""
        displaced = self._keeper.enter(guest, host)
        if displaced is not None:
            displaced.turn_away()

    def replace(self, guest: Guest, by: Guest, host: str) -> None:
        """Go on under another identity."""
        self._keeper.leave(guest)
        self.enter(by, host)

    def leave(self, guest: Guest) -> None:
        """A stranger is gone."""
        self._keeper.leave(guest)

    def start_tls(self, greeting: _TlsGreeting, transport: asyncio.Transport, link: WebSocketLink) -> None:
        """Run the TLS handshake of a stranger."""
        assert self._tls is not None
        task = asyncio.get_running_loop().create_task(
            greeting.run(transport, self._tls.server_context, self._limits.open_timeout, link),
            name=f"pulsing-tls-{self._addr}",
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _TlsGreeting(asyncio.Protocol):
    """A stranger whose TLS handshake is under way; asyncio's own TLS servers would not count it until it is over."""

    def __init__(self, listener: WebSocketListener, opening: Accepting, link: WebSocketLink) -> None:
        self._listener = listener
        self._opening = opening
        self._link = link
        self._early = b""
        self._transport: asyncio.Transport

    def turn_away(self) -> None:
        """Drop the connection to make room."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()
        self._listener.enter(self, self._transport.get_extra_info("peername")[0])
        if not self._transport.is_closing():
            self._listener.start_tls(self, self._transport, self._link)

    def data_received(self, data: bytes) -> None:
        # A quick dialler's request comes with the last message of its TLS handshake.
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.leave(self)

    async def run(
        self, transport: asyncio.Transport, context: ssl.SSLContext, timeout: float, link: WebSocketLink
    ) -> None:
        """Shake hands, then let the opening take over."""
        host = transport.get_extra_info("peername")[0]
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(transport, self, context, server_side=True, ssl_handshake_timeout=timeout)
        except OSError:
            self._listener.leave(self)
            return
        if secured is None or secured.is_closing():
            self._listener.leave(self)
            return
        self._listener.replace(self, self._opening, host)
        secured.set_protocol(link)
        link.connection_made(secured)
        if self._early:
            link.data_received(self._early)


async def _resolve(host: str, port: int, addr: str | None = None) -> list[str]:
    """The numeric addresses of a host, in the system's order."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DialFailed(addr or join_address(host, port), f"the name is not known ({error.strerror})") from None
    return list(dict.fromkeys(cast(str, entry[4][0]) for entry in found))
