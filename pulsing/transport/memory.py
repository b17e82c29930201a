"""A network in memory, for tests: the same seam, with partitions, delays, freezes and kills at will.

Everything happens on one loop and by its clock, in the order in which it was caused: on a loop of virtual time the
same script gives the same history. There are no credentials; each end says who it is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from pulsing.exceptions import AddressInUse
from pulsing.ids import NodeId
from pulsing.transport.address import join_address, split_address
from pulsing.transport.base import Attach, Buffer, ConnectionHandler, DialFailed, DialledSelf, PeerInfo
from pulsing.transport.faults import Faults, both_ways, host_of
from pulsing.transport.limits import Limits

_GOOD_CODES = (1000, 1001)
_FIRST_FREE_PORT = 49152


class Network(Faults):
    """Hosts, what lies between them, and what has happened to them.

    A host is known by its name; wherever one is asked for, an address of it will do.

    Args:
        delay: seconds that a message takes between any two hosts.
        limits: the sizes and times of its connections.
    """

    def __init__(self, *, delay: float = 0.0, limits: Limits | None = None) -> None:
        super().__init__()
        self.limits = limits or Limits()
        self._delay = delay
        self._delays: dict[tuple[str, str], float] = {}
        self._listeners: dict[str, MemoryListener] = {}
        self._pipes: dict[_Pipe, None] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._next_port = _FIRST_FREE_PORT

    def transport(
        self, host: str, node_id: NodeId, *, pickle: bool = False, control_port: int | None = None
    ) -> MemoryTransport:
        """The network as the node on `host` sees it."""
        return MemoryTransport(self, host, _Identity(node_id, pickle, control_port))

    def set_delay(self, a: str, b: str, seconds: float) -> None:
        """Let messages between two hosts, in both directions, take `seconds`."""
        for pair in both_ways(a, b):
            self._delays[pair] = seconds

    def kill(self, host: str) -> None:
        """End a host as `kill -9` does: the others see resets, later dials are refused. Its own side sees nothing."""
        host = host_of(host)
        for addr in [addr for addr in self._listeners if host_of(addr) == host]:
            del self._listeners[addr]
        for pipe in [pipe for pipe in self._pipes if pipe.source == host]:
            pipe.kill()
        super().kill(host)

    def delay(self, source: str, target: str) -> float:
        """Seconds that a message takes from one host to the other."""
        return self._delays.get((source, target), self._delay)

    def _on_change(self) -> None:
        for pipe in list(self._pipes):
            pipe.pump()
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def _change(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def _free_port(self) -> int:
        self._next_port += 1
        return self._next_port


@dataclass(frozen=True)
class _Identity:
    node_id: NodeId
    pickle: bool
    control_port: int | None


class MemoryTransport:
    """A `pulsing.transport.base.Transport` of one host; made by `Network.transport`."""

    def __init__(self, network: Network, host: str, identity: _Identity) -> None:
        self.host = host
        self.identity = identity
        self._network = network

    async def listen(self, addr: str, attach: Attach) -> MemoryListener:
        """Accept connections at `host:port` of this host; port 0 is any free one."""
        _, port = split_address(addr)
        bound = join_address(self.host, port or self._network._free_port())
        if bound in self._network._listeners:
            raise AddressInUse(bound)
        listener = MemoryListener(self._network, self, bound, attach)
        self._network._listeners[bound] = listener
        return listener

    async def dial(self, addr: str, attach: Attach) -> MemoryConnection:
        """Open a connection to another host's listener."""
        timeout = self._network.limits.dial_timeout
        try:
            return await asyncio.wait_for(self._dial(addr, attach), timeout)
        except asyncio.TimeoutError:
            raise DialFailed(addr, f"no answer within {timeout:g} s", timed_out=True) from None

    async def _dial(self, addr: str, attach: Attach) -> MemoryConnection:
        network, target = self._network, host_of(addr)
        await asyncio.sleep(network.delay(self.host, target) + network.delay(target, self.host))
        while not (network.passes(self.host, target) and network.passes(target, self.host)):
            await network._change()
        if network.is_dead(self.host):
            raise DialFailed(addr, "this host was killed")
        listener = network._listeners.get(addr)
        if listener is None:
            raise DialFailed(addr, "nobody listens there", refused=True)
        if listener.transport is self:
            raise DialledSelf(addr)
        return _connect(network, self, attach, listener)


class MemoryListener:
    """An open port in memory, where nobody has to prove anything."""

    refused = 0

    def __init__(self, network: Network, transport: MemoryTransport, addr: str, attach: Attach) -> None:
        self.addr = addr
        self.transport = transport
        self.attach = attach
        self._network = network

    async def close(self) -> None:
        """Close the port; connections stay. Idempotent."""
        if self._network._listeners.get(self.addr) is self:
            del self._network._listeners[self.addr]


class MemoryConnection:
    """One end of a connection in memory."""

    def __init__(self, peer: PeerInfo, limits: Limits) -> None:
        self.peer = peer
        self._limits = limits
        self._out: _Pipe
        self._handler: ConnectionHandler | None = None
        self._closing = False
        self._blocked = False

    @property
    def buffered_bytes(self) -> int:
        """Bytes that have not arrived yet."""
        return self._out.bytes

    def send(self, message: Buffer | Sequence[Buffer]) -> None:
        """Queue one message, given whole or as consecutive parts; never blocks."""
        parts = message if isinstance(message, (list, tuple)) else (cast(Buffer, message),)
        data = b"".join(parts)
        if len(data) > self._limits.max_message:
            raise ValueError(f"a message of {len(data)} bytes is over the limit of {self._limits.max_message}")
        if self._closing or self._handler is None:
            return
        self._out.put(_Parcel("message", data))
        if self._out.bytes > self._limits.write_high and not self._blocked:
            self._blocked = True
            self._handler.on_blocked()

    def pause_reading(self) -> None:
        """Nothing: what is sent in memory has been read already."""

    def resume_reading(self) -> None:
        """Nothing."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued, then close and tell the other end why. Idempotent."""
        if self._closing or self._handler is None:
            return
        self._closing = True
        self._out.put(_Parcel("close", code=code, reason=reason))
        asyncio.get_running_loop().call_later(self._limits.close_timeout, self.lose, None)

    def abort(self) -> None:
        """Drop the connection at once, with what is queued. Idempotent."""
        if self._handler is None:
            return
        self._closing = True
        self._out.break_off()
        asyncio.get_running_loop().call_soon(self.lose, None)

    def receive(self, parcel: _Parcel) -> None:
        """Something has arrived from the other end."""
        if self._handler is None:
            if parcel.kind == "message":
                # The goodbye was lost on the way: the host answers for a connection that is no more.
                self._out.put(_Parcel("reset"))
            return
        if parcel.kind == "message":
            self._handler.on_message(parcel.data)
        elif parcel.kind == "reset":
            self.lose(None if self._closing else ConnectionResetError("the other end is gone without a goodbye"))
        else:
            self._out.put(_Parcel("reset"))
            good = self._closing or parcel.code in _GOOD_CODES
            self.lose(None if good else ConnectionError(f"the other end closed with {parcel.code} {parcel.reason!r}"))

    def drained(self) -> None:
        """Something has arrived at the other end."""
        if self._blocked and self._out.bytes <= self._limits.write_high // 4:
            self._blocked = False
            if self._handler is not None:
                self._handler.on_writable()

    def lose(self, error: Exception | None) -> None:
        """The connection is gone at this end."""
        handler, self._handler = self._handler, None
        self._closing = True
        self._out.retire()
        if handler is not None:
            handler.on_lost(error)

    def vanish(self) -> None:
        """The process at this end is gone: nobody is told."""
        self._handler = None

    @property
    def lost(self) -> bool:
        """Whether this end is gone."""
        return self._handler is None


@dataclass(frozen=True)
class _Parcel:
    kind: str
    data: bytes = b""
    code: int = 1000
    reason: str = ""


class _Pipe:
    """One direction of a connection: first in, first out, never before its time."""

    def __init__(
        self, network: Network, source: str, target: str, near: MemoryConnection, far: MemoryConnection
    ) -> None:
        self.source = source
        self.bytes = 0
        self._target = target
        self._network = network
        self._near = near
        self._far = far
        self._queue: deque[tuple[float, _Parcel]] = deque()
        self._loop = asyncio.get_running_loop()
        network._pipes[self] = None

    def put(self, parcel: _Parcel) -> None:
        due = self._loop.time() + self._network.delay(self.source, self._target)
        due = max(due, self._queue[-1][0]) if self._queue else due
        self._queue.append((due, parcel))
        self.bytes += len(parcel.data)
        if len(self._queue) == 1:
            self._pump_at(due)
        if self._network.cut(self.source, self._target):
            self._loop.call_later(self._network.limits.write_timeout, self._give_up, parcel)

    def pump(self) -> None:
        """Deliver what is due, if the network lets it through."""
        while self._queue and self._network.passes(self.source, self._target):
            due, parcel = self._queue[0]
            if due > self._loop.time():
                self._pump_at(due)
                return
            self._queue.popleft()
            self.bytes -= len(parcel.data)
            self._far.receive(parcel)
            self._near.drained()
            if parcel.kind != "message" or (self._near.lost and not self._queue):
                self._end()

    def break_off(self) -> None:
        """Forget what is under way and tell the other end that there is no more."""
        self._queue.clear()
        self.bytes = 0
        self.put(_Parcel("reset"))

    def retire(self) -> None:
        """The sender is done: end with the last parcel."""
        if not self._queue:
            self._end()

    def kill(self) -> None:
        """The sending process is gone; what it had sent still arrives, then a reset."""
        self._near.vanish()
        self.put(_Parcel("reset"))

    def _pump_at(self, due: float) -> None:
        if due <= self._loop.time():
            self._loop.call_soon(self.pump)
        else:
            self._loop.call_at(due, self.pump)

    def _give_up(self, parcel: _Parcel) -> None:
        if any(waiting is parcel for _, waiting in self._queue):
            self._end()
            self._near.lose(ConnectionError(f"nothing arrived for {self._network.limits.write_timeout:g} s"))

    def _end(self) -> None:
        self._queue.clear()
        self.bytes = 0
        self._network._pipes.pop(self, None)


def _connect(network: Network, dialler: MemoryTransport, attach: Attach, listener: MemoryListener) -> MemoryConnection:
    mine, theirs = dialler.identity, listener.transport.identity
    pickle = mine.pickle and theirs.pickle
    here = MemoryConnection(PeerInfo(theirs.node_id, listener.addr, pickle, theirs.control_port), network.limits)
    from_addr = join_address(dialler.host, network._free_port())
    there = MemoryConnection(PeerInfo(mine.node_id, from_addr, pickle), network.limits)
    here._out = _Pipe(network, dialler.host, listener.transport.host, here, there)
    there._out = _Pipe(network, listener.transport.host, dialler.host, there, here)
    there._handler = listener.attach(there)
    here._handler = attach(here)
    return here
