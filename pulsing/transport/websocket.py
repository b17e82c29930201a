"""Nodes over WebSocket: listeners and dials that lead to proven connections, and to nothing else."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import socket
import ssl
from collections.abc import Coroutine
from functools import partial
from typing import cast

from websockets.client import ClientProtocol
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

from pulsing.config import TLSConfig
from pulsing.descriptors import keep_from_children
from pulsing.exceptions import AddressInUse, AuthFailed
from pulsing.logs import logger_of
from pulsing.transport.accepting import Accepting, Keeper
from pulsing.transport.address import join_address, split_address
from pulsing.transport.base import Attach, DialFailed, DialledSelf
from pulsing.transport.dialling import Dialling, DialRefused, HungUp, NotUnderstood, Untrusted
from pulsing.transport.doorkeeper import Doorkeeper
from pulsing.transport.gate import Gate
from pulsing.transport.limits import Limits
from pulsing.transport.link import WebSocketLink
from pulsing.transport.site_tls import SiteTls
from pulsing.transport.threads import in_own_thread
from pulsing.transport.tls import TlsIdentity

LINK_PATH = "/v1/link"

_BACKLOG = 128
_ACCEPT_PAUSE_S = 1.0
_TURNS_TO_LEAVE = 10

_log = logger_of(__name__)

# The library logs headers at its lowest level, and ours carry proofs.
_SILENT = logging.Logger("pulsing.transport.websocket", logging.CRITICAL + 1)


class WebSocketTransport:
    """A `pulsing.transport.base.Transport` over TCP, with TLS where the mode of the gate asks for it.

    Args:
        gate: whoever holds the secrets of this node.
        path: the path that is served and dialled.
        limits: the bounds to keep.
        tls: certificates of the site's own authority; by default encryption is by a throw-away certificate.

    Raises:
        ValueError: the certificates cannot be used.
    """

    def __init__(
        self, gate: Gate, *, path: str = LINK_PATH, limits: Limits | None = None, tls: TLSConfig | None = None
    ) -> None:
        self._gate = gate
        self._path = path
        self._limits = limits or Limits()
        self._tls: TlsIdentity | SiteTls = TlsIdentity() if tls is None else SiteTls(tls)

    async def listen(self, addr: str, attach: Attach) -> WebSocketListener:
        """Accept connections at `host:port`; port 0 is any free one.

        Raises:
            AddressInUse: somebody else has the port.
            OSError: the address is not one of this machine.
        """
        host, port = split_address(addr)
        await self._gate.ready()
        tls = self._tls if self._tls.listens(self._gate.mode, host) else None
        listener = WebSocketListener(self._gate, self._path, self._limits, tls, attach)
        try:
            address, *_ = await _resolve(host, port)
        except DialFailed as failure:
            raise OSError(errno.EADDRNOTAVAIL, f"cannot listen on {host}: {failure.reason}") from None
        listener.open(address, port)
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
            raise DialFailed(addr, f"no answer within {self._limits.dial_timeout:g} s", timed_out=True) from None

    async def _dial(self, addr: str, attach: Attach) -> WebSocketLink:
        host, port = split_address(addr)
        hosts = await _resolve(host, port, addr)
        failure: NotUnderstood | None = None
        for tls in self._tls.dials(self._gate.mode, host):
            try:
                return await self._dial_by_each_secret(addr, hosts, port, tls, attach)
            except NotUnderstood as error:
                # The plain attempt's story is the one to tell: TLS was only a guess.
                failure = failure or error
        if isinstance(failure, Untrusted) or (isinstance(failure, HungUp) and self._tls.verifies):
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
                return await self._reach_one(addr, host, port, tls, dialling)
            except ssl.SSLCertVerificationError as error:
                raise Untrusted(f"its certificate is not accepted: {error.verify_message}") from None
            except ssl.SSLError as error:
                raise Untrusted("the two ends disagree on TLS; set the passphrase on both or on none") from error
            except OSError as error:
                failures.append(error)
        refused = all(isinstance(failure, ConnectionRefusedError) for failure in failures)
        raise DialFailed(addr, "nobody listens there" if refused else _text_of(failures[-1]), refused=refused)

    async def _reach_one(self, addr: str, host: str, port: int, tls: bool, dialling: Dialling) -> WebSocketLink:
        uri = WebSocketURI(tls, host, port, self._path, "", None, None)
        limits = self._limits
        core = ClientProtocol(uri, max_size=(limits.max_message, limits.max_fragment), logger=_SILENT)
        _, link = await asyncio.get_running_loop().create_connection(
            lambda: WebSocketLink(core, limits, dialling),
            host,
            port,
            ssl=self._tls.client_context if tls else None,
            server_hostname=self._tls.server_name(split_address(addr)[0]) if tls else None,
        )
        return link


class WebSocketListener:
    """An open port; made by `WebSocketTransport.listen`."""

    def __init__(
        self, gate: Gate, path: str, limits: Limits, tls: TlsIdentity | SiteTls | None, attach: Attach
    ) -> None:
        self._gate = gate
        self._path = path
        self._limits = limits
        # The certificate is made now, not under the first stranger's clock.
        self._context = None if tls is None else tls.server_context
        self._certificate = None if tls is None else tls.shown
        self._attach = attach
        self._keeper: Keeper = Doorkeeper(limits.max_unproven, limits.max_unproven_per_address, limits.max_failures)
        self._door: socket.socket | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._addr = ""

    @property
    def addr(self) -> str:
        """The bound `host:port`, with the real port."""
        return self._addr

    @property
    def refused(self) -> int:
        """How many strangers could not prove themselves here."""
        return self._keeper.failed_total

    @property
    def unproven(self) -> int:
        """How many connections are open that have proved nothing yet."""
        return len(self._keeper.guests)

    def open(self, host: str, port: int) -> None:
        """Bind; called once."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            door = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AddressInUse(join_address(host, port)) from None
            # What the socket module adds speaks of the port that it was given, which may be of our choice.
            raise OSError(error.errno, f"cannot listen on {host}: {os.strerror(error.errno or 0)}") from None
        door.setblocking(False)
        keep_from_children(door.fileno())
        self._door = door
        self._addr = join_address(*door.getsockname()[:2])
        self._await_guests()

    async def close(self) -> None:
        """Close the port and whatever is not proven yet; proven connections stay. Idempotent."""
        door, self._door = self._door, None
        if door is None:
            return
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(door)
        door.close()
        self._turn_all_away()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Who was being greeted can be hung up on only now, and the loop takes some turns to let go of a connection.
        self._turn_all_away()
        for _ in range(_TURNS_TO_LEAVE):
            if self._keeper.guests:
                await asyncio.sleep(0)

    def _turn_all_away(self) -> None:
        for guest in self._keeper.guests:
            guest.turn_away()

    def _await_guests(self) -> None:
        # Neither a server of asyncio, which shows a TLS connection only after its handshake, when there is nothing left
        # to bound; nor `sock_accept`, which forgets whom it has let in when its caller is cancelled just then.
        if self._door is not None:
            asyncio.get_running_loop().add_reader(self._door, self._accept, self._door)

    def _accept(self, door: socket.socket) -> None:
        """Take in all who are waiting at the door."""
        for _ in range(_BACKLOG):
            try:
                sock, address = door.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.warning("cannot accept connections on %s: %s", self._addr, error.strerror)
                loop = asyncio.get_running_loop()
                loop.remove_reader(door)
                self._pause = loop.call_later(_ACCEPT_PAUSE_S, self._await_guests)
                return
            sock.setblocking(False)
            self._take_in(sock, address[0])

    def _take_in(self, sock: socket.socket, host: str) -> None:
        core = ServerProtocol(max_size=(self._limits.max_message, self._limits.max_fragment), logger=_SILENT)
        opening = Accepting(
            core, self._gate, self._keeper, self._limits, self._path, self._certificate, self._attach, sock, host
        )
        displaced = self._keeper.enter(opening, host)
        if displaced is opening:
            sock.close()
            return
        if displaced is not None:
            displaced.turn_away()
        self._start(self._bring_in(sock, WebSocketLink(core, self._limits, opening), opening), "greet")

    async def _bring_in(self, sock: socket.socket, link: WebSocketLink, opening: Accepting) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: link,
                sock,
                ssl=self._context,
                ssl_handshake_timeout=None if self._context is None else self._limits.open_timeout,
            )
        except OSError as error:
            _log.debug("no TLS on %s: %s", self._addr, error)
            self._keeper.leave(opening)

    def _start(self, work: Coroutine[None, None, None], what: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"pulsing-{what}-{self._addr}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the listener on %s failed", self._addr, exc_info=error)


async def _resolve(host: str, port: int, addr: str | None = None) -> list[str]:
    """The numeric addresses of a host, in the system's order."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        found = await in_own_thread(
            "pulsing-resolver", partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        )
    except OSError as error:
        raise DialFailed(addr or join_address(host, port), f"the name is not known ({error.strerror})") from None
    return list(dict.fromkeys(cast(str, entry[4][0]) for entry in found))


def _text_of(error: OSError) -> str:
    return error.strerror or str(error) or "the connection broke while it was made"
