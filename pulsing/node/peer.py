"""One other node: the links to it, what waits for one, and the order of messages over all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from pulsing.core.envelope import Envelope
from pulsing.exceptions import LinkLost, NotSendable, PulsingRuntimeError
from pulsing.ids import NodeId
from pulsing.node.link import Link
from pulsing.transport.base import Connection
from pulsing.wire.frames import Ask, Gossip, Tell

if TYPE_CHECKING:
    from pulsing.core.system import System
    from pulsing.node.node import Node

GOSSIP_WAITING = 64
HEARD_EVERY_S = 0.1


class Peer:
    """Everything that this node has to do with one other node.

    New messages go over one link. There are two only while the nodes dialled each other at once, or while a broken
    one has not been noticed: the link dialled by the node with the smaller id then carries what is new, and the other
    one ends with its open requests.
    """

    def __init__(self, node: Node, node_id: NodeId) -> None:
        self.node = node
        self.node_id = node_id
        self.system: System = node.system
        self.links: list[Link] = []
        self.reconnects = 0
        self.last_error: str | None = None
        self._waiting: deque[tuple[Envelope, asyncio.Future[None] | None]] = deque()
        self._gossip: deque[bytes] = deque(maxlen=GOSSIP_WAITING)
        self._sequence = 0
        self._admitted = 0
        self._held: dict[int, tuple[Link, Ask | Tell]] = {}
        self._heard_at = 0.0

    @property
    def link(self) -> Link | None:
        """The link for what is new."""
        usable = [link for link in self.links if not link.closing]
        if len(usable) < 2:
            return usable[0] if usable else None
        ours_first = self.system.node_id.id < self.node_id.id
        return next((link for link in usable if link.dialled == ours_first), usable[-1])

    # --- sending ---------------------------------------------------------------------------------------------------

    def ask(self, envelope: Envelope) -> None:
        """Send an ask as soon as a link has room for it."""
        self._submit(envelope, None)

    def tell(self, envelope: Envelope) -> Awaitable[None]:
        """Send a tell; the future is done when a link has taken it."""
        taken: asyncio.Future[None] = self.system.loop.create_future()
        self._submit(envelope, taken)
        return taken

    def gossip(self, payload: bytes) -> None:
        """Send a payload of the membership layer, opening a link for it where there is none."""
        link = self.link
        if link is not None:
            link.send(Gossip(payload))
            return
        self._gossip.append(payload)
        self.node.connect(self)

    def room_again(self) -> None:
        """A link has room: send what waits."""
        waiting = self._waiting
        while waiting and (link := self.link) is not None and link.has_room:
            envelope, taken = waiting.popleft()
            if not envelope.abandoned:
                self._send(link, envelope, taken)
            else:
                self.system.deadlines.done(envelope)

    def fail_waiting(self, error: PulsingRuntimeError) -> None:
        """Nothing that waits can be sent."""
        self._gossip.clear()
        while self._waiting:
            envelope, taken = self._waiting.popleft()
            self.system.deadlines.done(envelope)
            self.system.dead_letters.record(envelope, "node_dead")
            envelope.fail(error)
            if taken is not None and not taken.done():
                taken.set_exception(error)

    @property
    def waiting(self) -> int:
        """Messages that wait for a link or for room on it."""
        return len(self._waiting)

    def _submit(self, envelope: Envelope, taken: asyncio.Future[None] | None) -> None:
        link = self.link
        if link is not None and not self._waiting and link.has_room:
            self._send(link, envelope, taken)
            return
        self._waiting.append((envelope, taken))
        if link is None:
            self.node.connect(self)

    def _send(self, link: Link, envelope: Envelope, taken: asyncio.Future[None] | None) -> None:
        try:
            link.send_message(envelope, self._sequence + 1)
        except (NotSendable, ValueError) as error:
            self.system.deadlines.done(envelope)
            envelope.fail(error)
            if taken is not None and not taken.done():
                taken.set_exception(error)
            return
        self._sequence += 1
        if taken is not None and not taken.done():
            taken.set_result(None)

    # --- links come and go -----------------------------------------------------------------------------------------

    def attach(self, connection: Connection, dialled: bool) -> Link:
        """Take a new connection into use."""
        for old in list(self.links):
            if old.dialled == dialled:
                # Whoever dials again has given the earlier link up.
                old.connection.abort()
        link = Link(self, connection, self.node.codec_for(connection), dialled)
        self.links.append(link)
        self.node.link_opened(link)
        preferred = self.link
        for other in self.links:
            # Its dialler closes it, so that it does not vanish under an answer on its way.
            if other is not preferred and other.dialled:
                other.retire()
        while self._gossip:
            link.send(Gossip(self._gossip.popleft()))
        self.room_again()
        return link

    def link_closing(self, link: Link) -> None:
        """The other side sends nothing new over a link."""
        if self._waiting and self.link is None:
            self.node.connect(self)

    def link_lost(self, link: Link, detail: str) -> None:
        """A link is gone."""
        if link in self.links:
            self.links.remove(link)
        self.last_error = detail or None
        self._release_held()
        self.node.link_closed(link, detail)
        if self._waiting and self.link is None:
            self.node.connect(self)

    def gone(self, error: PulsingRuntimeError) -> None:
        """The node has been declared dead, or has left: nobody waits for it any longer."""
        for link in list(self.links):
            link.connection.abort()
            link.on_lost(error)
        self.fail_waiting(error)

    def heard(self) -> None:
        """Bytes have arrived: a sign of life, passed on ten times a second at most."""
        now = self.system.now()
        if now - self._heard_at >= HEARD_EVERY_S:
            self._heard_at = now
            self.node.membership.heard(self.node_id)

    async def close(self) -> None:
        """Close all links."""
        self.fail_waiting(LinkLost(self.node_id, False, "this node is shutting down"))
        for link in list(self.links):
            await link.close()

    # --- the order of what arrives ---------------------------------------------------------------------------------

    def admit(self, link: Link, frame: Ask | Tell) -> None:
        """Deliver messages in the order in which the other node sent them, over whichever link they come.

        A number below what has been delivered comes from a link that its sender has given up, and was reported to its
        caller as lost. A gap is waited for only while another link may still bring what is missing.
        """
        sequence = frame.sequence
        if sequence == self._admitted + 1 or (sequence > self._admitted and len(self.links) == 1):
            self._admitted = sequence
            link.deliver(frame)
            if self._held:
                self._release_held()
        elif sequence > self._admitted:
            self._held[sequence] = (link, frame)

    def forget_held(self, link: Link, request_id: int) -> None:
        """The caller of a message that waits for its turn has left."""
        for sequence, (held_link, frame) in list(self._held.items()):
            if held_link is link and isinstance(frame, Ask) and frame.request_id == request_id:
                self._held[sequence] = (held_link, Tell(frame.target, "", sequence=sequence))

    def _release_held(self) -> None:
        while self._held:
            following = min(self._held)
            if following != self._admitted + 1 and len(self.links) > 1:
                return
            link, frame = self._held.pop(following)
            self._admitted = following
            link.deliver(frame)
