"""The links of membership: small, of its own, and only to the neighbours that it talks to.

They lead to the control port of a node, which is announced to whoever proves itself at the node port, and in the
node's record. So a newcomer asks a node port who lives there; all others know where to go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from pulsing.cluster.channel import Connected, DialFailed, LinkEvent, LinkLost
from pulsing.cluster.member import Member
from pulsing.cluster.messages import MAX_PAYLOAD
from pulsing.cluster.neighbours import Line, Neighbours
from pulsing.exceptions import AuthFailed
from pulsing.logs import logger_of
from pulsing.tasks import TaskScope
from pulsing.transport import Connection, DialledSelf, Limits, Listener, Transport
from pulsing.transport import DialFailed as NoConnection
from pulsing.transport.address import join_address, split_address
from pulsing.transport.doorkeeper import AUTH_PAUSE_S

logger = logger_of(__name__)

CONTROL_PATH = "/v1/control"
CONTROL_LIMITS = Limits(max_message=MAX_PAYLOAD, max_fragment=MAX_PAYLOAD)
WAITING = 64
"""Payloads that wait for a line to one node."""
LATELY_S = 1.0
"""A line over which bytes came within so many seconds proves as much as a new one would."""
GOODBYE_S = 0.6


class Receiver(Protocol):
    """Who is told what links bring."""

    def member(self, node_id: int) -> Member | None:
        """One member's record, None for an unknown id."""
        ...

    def received(self, node_id: int, payload: bytes) -> bool:
        """Take a payload from a node that proved its id; False where it is no message."""
        ...

    def report(self, event: LinkEvent) -> None:
        """Take a report about links."""
        ...


class ControlLinks:
    """A `pulsing.cluster.channel.Channel` over control ports. All methods belong to the loop of membership.

    Args:
        transport: the way to other nodes.
        own_id: this node.
    """

    def __init__(self, transport: Transport, own_id: int) -> None:
        self.neighbours = Neighbours(self)
        self._transport = transport
        self._own_id = own_id
        self._receiver: Receiver
        self._ask_node: Callable[[str], None]
        self._listener: Listener
        self._waiting: dict[int, deque[bytes]] = {}
        self._dialling: set[int] = set()
        self._paused: dict[str, float] = {}
        self._tasks = TaskScope(f"control links of {own_id:016x}")
        self._begun = self._closed = False

    async def listen(self, host: str, port: int) -> int:
        """Open the control port; 0 is any free one. Returns the real one.

        Raises:
            AddressInUse: somebody else has the port.
        """
        self._listener = await self._transport.listen(join_address(host, port), self._accepted)
        return split_address(self._listener.addr)[1]

    @property
    def refused(self) -> int:
        """How many connections the control port has turned away."""
        return self._listener.refused

    def begin(self, receiver: Receiver, ask_node: Callable[[str], None]) -> None:
        """Start to report.

        Args:
            receiver: who is told.
            ask_node: asks the node port at an address who lives there; the answer is given to `found`.
        """
        self._receiver, self._ask_node = receiver, ask_node
        self._begun = True

    # --- what membership asks (pulsing.cluster.channel.Channel) ----------------------------------------------------

    def send(self, node_id: int, payload: bytes) -> None:
        """Send a payload, opening a line where there is none; it may be lost."""
        if self.neighbours.send(node_id, payload) or self._closed:
            return
        member = self._receiver.member(node_id)
        if member is None or not member.control_port:
            return
        self._waiting.setdefault(node_id, deque(maxlen=WAITING)).append(payload)
        self._look_for(member)

    def dial(self, addr: str, node_id: int) -> None:
        """Connect to a member, or to whoever lives at the address of a node."""
        member = self._receiver.member(node_id)
        if member is None or not member.control_port:
            self._ask_node(addr)
        elif self.neighbours.heard_within(node_id, LATELY_S, self._now()):
            self._receiver.report(Connected(node_id, addr))
        else:
            self._look_for(member)

    # --- what the node tells ---------------------------------------------------------------------------------------

    def found(self, node_id: int, addr: str, control_port: int | None) -> None:
        """A node has proved itself at its node port."""
        member = self._receiver.member(node_id)
        if node_id in self.neighbours or node_id == self._own_id or (member is not None and member.is_present):
            self._receiver.report(Connected(node_id, addr))
        elif control_port is None:
            self._receiver.report(DialFailed(addr, reason="the node there has no control port"))
        elif not self._closed and node_id not in self._dialling:
            self._dialling.add(node_id)
            self._tasks.start(self._greet(node_id, addr, control_port), f"dial {addr}")

    # --- dialling --------------------------------------------------------------------------------------------------

    def _look_for(self, member: Member) -> None:
        if member.node_id not in self._dialling and not self._closed:
            self._dialling.add(member.node_id)
            self._tasks.start(self._reach(member), f"dial {member.addr}")

    async def _reach(self, member: Member) -> None:
        """Connect to a member; another one at its port means that it is gone, since a port has one owner."""
        node_id, addr = member.node_id, member.addr
        event: LinkEvent
        try:
            proved = await self._connect(addr, member.control_port)
        except NoConnection as error:
            event = DialFailed(addr, error.refused or isinstance(error, DialledSelf), error.reason, node_id)
        except (AuthFailed, OSError) as error:
            event = DialFailed(addr, False, str(error), node_id)
        else:
            same = proved == node_id
            event = Connected(node_id, addr) if same else DialFailed(addr, True, "another node is there", node_id)
        self._end_dial(node_id, event)

    async def _greet(self, node_id: int, addr: str, control_port: int) -> None:
        """Connect to the control port of a node that is no member here yet."""
        try:
            await self._connect(addr, control_port)
        except (AuthFailed, OSError) as error:
            text = error.reason if isinstance(error, NoConnection) else str(error)
            reason = f"the node at {addr} answers, but its control port {control_port} cannot be reached: {text}"
            logger.warning("%s", reason)
            self._end_dial(node_id, DialFailed(addr, False, reason))
        else:
            self._end_dial(node_id, Connected(node_id, addr))

    async def _connect(self, addr: str, control_port: int) -> int:
        """Open a line; returns who proved itself.

        Raises:
            AuthFailed, DialFailed, OSError
        """
        target = join_address(split_address(addr)[0], control_port)
        if self._now() < self._paused.get(target, 0.0):
            raise NoConnection(target, "it refused the secret of this node lately")
        self._paused.pop(target, None)
        try:
            connection = await self._transport.dial(target, partial(self.neighbours.add, dialled=True))
        except AuthFailed:
            self._paused[target] = self._now() + AUTH_PAUSE_S
            raise
        return connection.peer.node_id.id

    def _end_dial(self, node_id: int, event: LinkEvent) -> None:
        self._dialling.discard(node_id)
        self._send_waiting(node_id)
        if not self._closed:
            self._receiver.report(event)

    # --- lines -----------------------------------------------------------------------------------------------------

    def _accepted(self, connection: Connection) -> Line:
        line = self.neighbours.add(connection, dialled=False)
        if self._begun and not self._closed:
            self._receiver.report(Connected(line.node_id))
            # It may send only once it is in use, which is when this has returned.
            asyncio.get_running_loop().call_soon(self._send_waiting, line.node_id)
        else:
            connection.abort()
        return line

    def _send_waiting(self, node_id: int) -> None:
        """Send what waits for the end of an attempt: over the line that there is now, or it is lost."""
        for payload in self._waiting.pop(node_id, ()):
            self.neighbours.send(node_id, payload)

    def taken(self, node_id: int, payload: bytes) -> bool:
        """A payload has arrived (`pulsing.cluster.neighbours.Owner`)."""
        return self._closed or self._receiver.received(node_id, payload)

    def lost(self, node_id: int) -> None:
        """The last line to a node has broken (`pulsing.cluster.neighbours.Owner`)."""
        if not self._closed:
            self._receiver.report(LinkLost(node_id))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Close the port and all lines; waits until they are closed at the other end too, or half a second."""
        self._closed = True
        await self._listener.close()
        await self._tasks.close()
        self.neighbours.close()
        deadline = self._now() + GOODBYE_S
        while len(self.neighbours) and self._now() < deadline:  # noqa: ASYNC110 - the lines end one by one
            await asyncio.sleep(0.005)
        self.neighbours.abort()
        await asyncio.sleep(0)
