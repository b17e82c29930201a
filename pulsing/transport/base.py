"""The seam between a node and its network: connections that carry whole messages, and the two ways to get one.

Everything above sees this file only, so a node runs the same over WebSocket and over a network in memory.
Delivery is by callback, not by task: a message costs a function call. All methods belong to the thread of the
loop on which the connection was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from pulsing.ids import NodeId

Buffer: TypeAlias = "bytes | bytearray | memoryview"


@dataclass(frozen=True)
class PeerInfo:
    """What the handshake proved about the other end, and agreed with it."""

    node_id: NodeId
    """The only node for which this connection may speak."""
    addr: str
    """The address that was dialled, or from which the other end dialled."""
    pickle: bool = False
    """Both ends agreed to pickled values."""
    control_port: int | None = None
    """The port of the other end's membership listener; known to the dialler only."""
    tls: bool = False
    """Whether the connection is encrypted."""
    authenticated: bool = True
    """False in insecure mode, where the node id is a claim."""


class Connection(Protocol):
    """One open, proven connection to another node."""

    @property
    def peer(self) -> PeerInfo:
        """Who is at the other end."""
        ...

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait for the network at this end."""
        ...

    def send(self, message: Buffer | Sequence[Buffer]) -> None:
        """Queue one message, given whole or as consecutive parts; never blocks.

        A connection that is closing or lost drops it: `on_lost` tells the handler that nothing more was delivered.

        Raises:
            ValueError: the message is over the transport's size limit, which the other end would refuse.
        """
        ...

    def pause_reading(self) -> None:
        """Read nothing more from the network; what has been read already may still come."""
        ...

    def resume_reading(self) -> None:
        """Take `pause_reading` back. Idempotent, and nothing on a connection that is gone."""
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued, then close and tell the other end why. Idempotent."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, with what is queued. Idempotent."""
        ...


class ConnectionHandler(Protocol):
    """The receiving side of a connection; called on its loop. Only `on_blocked` may come from inside `send`."""

    def on_message(self, data: bytes) -> None:
        """One whole message arrived."""
        ...

    def on_lost(self, error: Exception | None) -> None:
        """The connection is gone: by a clean close (None) or because of `error`. The last call, made once."""
        ...

    def on_blocked(self) -> None:
        """The network takes less than is sent: hold back until `on_writable`."""
        ...

    def on_writable(self) -> None:
        """The queue has drained after `on_blocked`."""
        ...


Attach: TypeAlias = Callable[[Connection], ConnectionHandler]
"""Called once a connection is proven and before its first message, to say who handles it."""


class Listener(Protocol):
    """An open door for other nodes."""

    @property
    def addr(self) -> str:
        """The bound `host:port`, with the real port."""
        ...

    @property
    def refused(self) -> int:
        """How many could not prove themselves here, or speak no version of this node."""
        ...

    async def close(self) -> None:
        """Close the door; connections that came through it stay. Idempotent."""
        ...


class Transport(Protocol):
    """Makes connections, in both directions."""

    async def listen(self, addr: str, attach: Attach) -> Listener:
        """Accept connections at `host:port` (port 0: any free one).

        Raises:
            AddressInUse: somebody else has the port.
        """
        ...

    async def dial(self, addr: str, attach: Attach) -> Connection:
        """Open and prove a connection to `host:port`; bounded by the transport's own timeouts.

        Raises:
            AuthFailed: the two ends do not share a secret, a cluster name, a mode or a version.
            DialledSelf: the address is this node's own.
            DialFailed: nobody answered.
        """
        ...


class DialFailed(ConnectionError):
    """No connection to an address came about; credentials had no part in it.

    `refused` is True where the machine answered that nobody listens there, which is a much stronger sign of a
    dead process than silence is; `timed_out` where nothing was heard in time.
    """

    def __init__(self, addr: str, reason: str, *, refused: bool = False, timed_out: bool = False) -> None:
        super().__init__(addr, reason)
        self.addr = addr
        self.reason = reason
        self.refused = refused
        self.timed_out = timed_out

    def __str__(self) -> str:
        return f"cannot connect to {self.addr}: {self.reason}"


FaultKind: TypeAlias = Literal["protocol", "oversize", "timeout"]


class ConnectionFault(ConnectionError):
    """A connection ended because one of its ends did what a node does not.

    Args:
        kind: the protocol was broken, a message was over its limit, or the other end took nothing in time.
        text: the same in a sentence.
    """

    def __init__(self, kind: FaultKind, text: str) -> None:
        super().__init__(text)
        self.kind: FaultKind = kind


class DialledSelf(DialFailed):
    """The address leads back to this very node. Not a fault: forget the address."""

    def __init__(self, addr: str) -> None:
        super().__init__(addr, "the address is this node's own")
