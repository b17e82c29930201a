"""Real links over loopback, with the partitions, freezes and kills of the network in memory.

Each node's ways to the others are wrapped, those of actors and those of membership. What a fault holds back is not
read at its target: bytes wait in the buffers of both ends, as they do when a process is stopped or a cable is cut.

Nodes of one process have a thread each for membership. A fault is in force as soon as its call returns, on all
threads: whoever delivers or dials looks at the network first. What follows from it is posted to the loop concerned.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from pulsing.ids import NodeId
from pulsing.transport import (
    Attach,
    Buffer,
    Connection,
    ConnectionHandler,
    DialFailed,
    Limits,
    Listener,
    PeerInfo,
    Transport,
)
from pulsing.transport.address import split_address
from pulsing.transport.faults import Faults

_LIMITS = Limits()


class LoopbackNetwork(Faults):
    """The hosts of one process, and what has happened to them. All methods belong to the loop of the nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.is_over = False
        """Whether the cluster ends, so that nobody need wait for what will not come."""
        self._ways: list[LoopbackTransport] = []
        self._hosts: dict[NodeId, str] = {}
        self._ports: dict[int, str] = {}

    def transport(self, host: str, node_id: NodeId, inner: Transport) -> LoopbackTransport:
        """One way of the node on `host` to the others, `inner`, under the faults of this network."""
        self._hosts[node_id] = host
        way = LoopbackTransport(self, host, inner)
        self._ways.append(way)
        return way

    def end(self) -> None:
        """End all faults but deaths, and let the dead know that they have no connections."""
        self.is_over = True
        self._frozen.clear()
        self.heal()

    def host_at(self, addr: str) -> str:
        """Who listens at an address; nobody's name for one outside of this network."""
        return self._ports.get(split_address(addr)[1], "")

    def host_of(self, node_id: NodeId) -> str:
        """Where a node runs; nobody's name for one outside of this network."""
        return self._hosts.get(node_id, "")

    def listens(self, host: str, addr: str) -> None:
        """A host has opened a port."""
        self._ports[split_address(addr)[1]] = host

    def _on_change(self) -> None:
        for way in self._ways:
            way.post(way.look)

    # What is being read must be stopped, so news of either kind are looked at.
    _on_fault = _on_change


class LoopbackTransport:
    """A `pulsing.transport.base.Transport` of one host; made by `LoopbackNetwork.transport`."""

    def __init__(self, network: LoopbackNetwork, host: str, inner: Transport) -> None:
        self.network = network
        self.host = host
        self.inner = inner
        """The way without faults."""
        self.connections: set[LoopbackConnection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: list[Listener] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._change = asyncio.Event()

    async def listen(self, addr: str, attach: Attach) -> Listener:
        """Accept connections at `host:port`; port 0 is any free one."""
        self._loop = asyncio.get_running_loop()
        listener = await self.inner.listen(addr, partial(self._take, attach))
        self._listeners.append(listener)
        self.network.listens(self.host, listener.addr)
        return listener

    async def dial(self, addr: str, attach: Attach) -> LoopbackConnection:
        """Open and prove a connection to `host:port`, once faults let it through."""
        timeout = _LIMITS.dial_timeout
        silence = DialFailed(addr, f"no answer within {timeout:g} s", timed_out=True)
        try:
            await asyncio.wait_for(self._until_open(self.network.host_at(addr)), timeout)
        except asyncio.TimeoutError:
            raise silence from None
        if self.network.is_dead(self.host):
            raise DialFailed(addr, "this host was killed")
        taken: list[LoopbackConnection] = []
        await self.inner.dial(addr, partial(self._take, attach, taken=taken))
        if not taken:
            raise silence
        return taken[0]

    def post(self, command: Callable[[], None]) -> None:
        """Run a command where this way is used; dropped where that has ended, or has not begun."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(command)

    def look(self) -> None:
        """See what a change of the network means here."""
        self._change.set()
        self._change = asyncio.Event()
        if self.network.is_dead(self.host):
            self._close_listeners()
        for connection in list(self.connections):
            connection.look()

    def _close_listeners(self) -> None:
        while self._listeners:
            task = asyncio.get_running_loop().create_task(self._listeners.pop().close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _take(
        self, attach: Attach, inner: Connection, taken: list[LoopbackConnection] | None = None
    ) -> LoopbackConnection:
        """Put a proven connection under the faults; one that was proven while a fault began does not come about."""
        connection = LoopbackConnection(self, inner)
        if not self._is_open(connection.peer_host) or self.network.is_dead(self.host):
            connection.abort()
            return connection
        self.connections.add(connection)
        connection.handler = attach(connection)
        if taken is not None:
            taken.append(connection)
        return connection

    def _is_open(self, other: str) -> bool:
        return self.network.passes(self.host, other) and self.network.passes(other, self.host)

    async def _until_open(self, other: str) -> None:
        while not (self._is_open(other) or self.network.is_dead(self.host)):
            await self._change.wait()


class LoopbackConnection:
    """One end of a real connection, towards its owner; and towards the connection, the one who handles it."""

    def __init__(self, way: LoopbackTransport, inner: Connection) -> None:
        self.inner = inner
        """The real connection."""
        self.handler: ConnectionHandler | None = None
        self.peer_host = way.network.host_of(inner.peer.node_id)
        self._way = way
        self._network = way.network
        self._host = way.host
        self._held: deque[Callable[[], None]] = deque()
        """What has come and may not be known yet."""
        self._owner_reads = True
        self._is_ended_here = self._is_gone = False
        self._fault: Exception | None = None
        self._patience: asyncio.TimerHandle | None = None

    # --- what its owner calls (pulsing.transport.base.Connection) --------------------------------------------------

    @property
    def peer(self) -> PeerInfo:
        """What the handshake proved about the other end."""
        return self.inner.peer

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait for the network at this end."""
        return self.inner.buffered_bytes

    def send(self, message: Buffer | Sequence[Buffer]) -> None:
        """Queue one message, given whole or as consecutive parts; never blocks."""
        if self._network.is_dead(self._host):
            return
        self.inner.send(message)
        if not self._network.passes(self._host, self.peer_host):
            self._lose_patience_later()

    def pause_reading(self) -> None:
        """Read nothing more from the network; what has been read already may still come."""
        self._owner_reads = False
        self.inner.pause_reading()

    def resume_reading(self) -> None:
        """Take `pause_reading` back, as far as faults allow. Idempotent."""
        self._owner_reads = True
        if self._hears and not self._held:
            self.inner.resume_reading()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued, then close and tell the other end why. Idempotent."""
        if self._network.is_dead(self._host):
            return
        self._is_ended_here = True
        self.inner.close(code, reason)
        self._end_if_gone()

    def abort(self) -> None:
        """Drop the connection at once, with what is queued. Idempotent."""
        self._is_ended_here = True
        self._held.clear()
        self.inner.abort()
        self._end_if_gone()

    # --- what the connection calls (pulsing.transport.base.ConnectionHandler) --------------------------------------

    def on_message(self, data: bytes) -> None:
        """A message has arrived, which a fault may hold back."""
        if self._network.is_dead(self._host) or self.handler is None:
            return
        if self._held or not self._hears:
            self._held.append(partial(self._pass_on, data))
            self.inner.pause_reading()
        else:
            self.handler.on_message(data)

    def on_lost(self, error: Exception | None) -> None:
        """The connection is gone; while a fault separates the two ends, only the one that ended it knows."""
        self._is_gone = True
        if self._is_ended_here:
            self._end(self._fault or error)
        elif self._network.is_dead(self._host):
            return
        elif self._held or not self._hears:
            self._held.append(partial(self._end, error))
            self._lose_patience_later()
        else:
            self._end(error)

    def on_blocked(self) -> None:
        """The network takes less than is sent."""
        if self.handler is not None:
            self.handler.on_blocked()

    def on_writable(self) -> None:
        """The queue has drained."""
        if self.handler is not None:
            self.handler.on_writable()

    # --- faults ----------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """See what a change of the network means for this connection."""
        if self._network.is_dead(self._host):
            self._vanish()
            return
        if self._patience is not None and self._hears and self._network.passes(self._host, self.peer_host):
            self._patience.cancel()
            self._patience = None
        while self._held and self._hears:
            self._held.popleft()()
        if not self._hears:
            self.inner.pause_reading()
        elif self._owner_reads:
            self.inner.resume_reading()

    @property
    def _hears(self) -> bool:
        return self._network.passes(self.peer_host, self._host)

    def _vanish(self) -> None:
        """The process at this end is gone: nobody here is told, before all is over."""
        self._held.clear()
        self.inner.abort()
        if self._network.is_over:
            self._end(ConnectionResetError("this host was killed"))

    def _lose_patience_later(self) -> None:
        if self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(_LIMITS.write_timeout, self._lose_patience)

    def _lose_patience(self) -> None:
        self._fault = ConnectionError(f"nothing arrived for {_LIMITS.write_timeout:g} s")
        self.abort()

    def _pass_on(self, data: bytes) -> None:
        if self.handler is not None:
            self.handler.on_message(data)

    def _end_if_gone(self) -> None:
        if self._is_gone:
            asyncio.get_running_loop().call_soon(self._end, self._fault)

    def _end(self, error: Exception | None) -> None:
        handler, self.handler = self.handler, None
        self._way.connections.discard(self)
        if self._patience is not None:
            self._patience.cancel()
        if handler is not None:
            handler.on_lost(error)
