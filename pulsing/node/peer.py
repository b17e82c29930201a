"""One other node: the links to it, what waits for one, and the order of messages over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from pulsing.core.envelope import Envelope
from pulsing.core.late import waited_too_long
from pulsing.exceptions import LinkLost, NotSendable, PulsingRuntimeError
from pulsing.ids import NodeId
from pulsing.node.lines import Lines
from pulsing.node.link import Link
from pulsing.node.order import is_in_turn
from pulsing.transport.base import Connection
from pulsing.wire.session import WINDOW_BYTES

if TYPE_CHECKING:
    from pulsing.core.system import System
    from pulsing.node.node import Node

PATIENCE_S = 5.0
"""How long messages wait for those that were sent before them over another link."""
HEARD_EVERY_S = 0.1
LATELY_S = 1.0
"""A link over which bytes came within so many seconds proves as much as a new one would."""


class Peer:
    """Everything that this node has to do with one other node.

    New messages go over one link. There are two only while the nodes dialled each other at once, or while a broken
    one has not been noticed: the link dialled by the node with the smaller id then carries what is new, and the other
    one ends with its open requests.
    """

    def __init__(self, node: Node, node_id: NodeId, sequence: int = 0) -> None:
        self.node = node
        self.node_id = node_id
        self.system: System = node.system
        self.links: list[Link] = []
        self.link: Link | None = None
        """The link for what is new."""
        self.reconnects = 0
        self.last_error: str | None = None
        self.sequence = sequence
        """Number of the last message that was sent."""
        self.delivered = 0
        """Highest number among the messages that were delivered here."""
        self.holds_back = False
        """Whether messages wait for those that another link may still bring."""
        self._patience: asyncio.TimerHandle | None = None
        self._redial: asyncio.TimerHandle | None = None
        self._lines = Lines(self.system.now, self.system.deadlines.done, self._refuse_too_late)
        self._heard_at = 0.0

    # --- sending ---------------------------------------------------------------------------------------------------

    def ask(self, envelope: Envelope) -> None:
        """Send an ask as soon as a link, and the actor, have room for it."""
        link = self.link
        goes_now = link is not None and self._lines.empty and link.session.may_send_message
        if link is None or not goes_now or not self._send(link, envelope, None):
            self._stand_in_line(envelope, None)

    def holds(self, envelope: Envelope) -> bool:
        """Whether a message is known not to have been sent yet."""
        return self._lines.holds(envelope)

    def tell(self, envelope: Envelope) -> Awaitable[None]:
        """Send a tell; the future is done when a link has taken it."""
        taken: asyncio.Future[None] = self.system.loop.create_future()
        self._stand_in_line(envelope, taken)
        return taken

    def _stand_in_line(self, envelope: Envelope, taken: asyncio.Future[None] | None) -> None:
        self._lines.add((envelope, taken))
        if self.link is None:
            self.node.connect(self)
        else:
            self._send_waiting()

    def room_again(self) -> None:
        """A link has room: send what waits."""
        if self._lines and self.link is not None:
            if self.link.session.has_room_for(WINDOW_BYTES):
                self._lines.take_large()
            self._send_waiting()

    def _send_waiting(self) -> None:
        lines = self._lines
        while (link := self.link) is not None and link.session.may_send_message and (first := lines.first()):
            if self._send(link, *first):
                lines.remove_first()
            else:
                lines.set_first_aside()
        if link is not None and bool(lines) is not link.backpressure.runs:
            watch = link.backpressure
            (watch.start if lines else watch.stop)(self.system.now())

    def _send(self, link: Link, envelope: Envelope, taken: asyncio.Future[None] | None) -> bool:
        """Send a message, or find that it cannot be sent; False where it has to wait."""
        try:
            if not link.send_message(envelope, self.sequence + 1):
                return False
        except (NotSendable, ValueError) as error:
            self.system.deadlines.done(envelope)
            envelope.fail(error)
            if taken is not None and not taken.done():
                taken.set_exception(error)
            return True
        self.sequence += 1
        if taken is not None and not taken.done():
            taken.set_result(None)
        return True

    def _refuse_too_late(self, envelope: Envelope) -> None:
        """A call in line would be answered too late: its caller learns so while there is time to ask elsewhere."""
        system = self.system
        system.deadlines.done(envelope)
        system.asks.error.observe(system.now() - envelope.accepted_at)
        system.dead_letters.record(envelope, "mailbox_full")
        envelope.fail(waited_too_long(envelope))

    def actor_full(self, target: int) -> None:
        """An actor has no room: what is meant for it waits, and holds up nothing else."""
        self._lines.hold(target)

    def actor_has_room(self, target: int) -> None:
        """What waits for an actor is sent as soon as a link has room."""
        self._lines.release(target)
        self._send_waiting()

    def fail_waiting(self, error: PulsingRuntimeError) -> None:
        """Nothing that waits can be sent."""
        for envelope, taken in self._lines.drain():
            self.system.deadlines.done(envelope)
            self.system.dead_letters.record(envelope, "node_dead")
            envelope.fail(error)
            if taken is not None and not taken.done():
                taken.set_exception(error)

    @property
    def waiting(self) -> int:
        """Messages that wait for a link, for room on it, or for an actor."""
        return len(self._lines)

    # --- links come and go -----------------------------------------------------------------------------------------

    def attach(self, connection: Connection, dialled: bool) -> Link:
        """Take a new connection into use."""
        for old in list(self.links):
            if old.dialled == dialled and not old.closing:
                # Whoever dials again has given the earlier link up.
                old.connection.abort()
        link = Link(self, connection, self.node.codec_for(connection), dialled)
        self.links.append(link)
        self._choose()
        self.node.link_opened(link)
        for other in self.links:
            if other is not self.link:
                other.retire()
        self.room_again()
        return link

    def _choose(self) -> None:
        usable = [link for link in self.links if not link.closing]
        ours_first = self.system.node_id.id < self.node_id.id
        preferred = [link for link in usable if link.dialled == ours_first]
        before, self.link = self.link, next(reversed(preferred or usable), None)
        if before is not self.link:
            # The link over which an actor was said to be full will not tell when it has room.
            self._lines.release_all()

    def redial_in(self, seconds: float) -> None:
        """Ask for a link again after a pause, if anything still waits then."""
        if self._redial is None:
            self._redial = self.system.loop.call_later(seconds, self._dial_again)

    def _dial_again(self) -> None:
        self._redial = None
        if self._lines and self.link is None:
            self.node.connect(self)

    def _stop_timers(self) -> None:
        for timer in (self._patience, self._redial):
            if timer is not None:
                timer.cancel()

    def link_closing(self) -> None:
        """One of the links carries nothing new any more."""
        self._choose()
        if self._lines and self.link is None:
            self.node.connect(self)

    def link_lost(self, link: Link, detail: str) -> None:
        """A link is gone."""
        if link in self.links:
            self.links.remove(link)
        self._choose()
        self.last_error = detail or None
        self.release()
        self.node.link_closed(link, detail)
        if self._lines and self.link is None:
            self.node.connect(self)

    def gone(self, error: PulsingRuntimeError) -> None:
        """The node has been declared dead, or has left: nobody waits for it any longer."""
        for link in list(self.links):
            link.connection.abort()
            link.on_lost(error)
        self.fail_waiting(error)
        self._stop_timers()

    @property
    def dialled_addr(self) -> str | None:
        """The address behind the link in use, if this node dialled it."""
        return self.link.connection.peer.addr if self.link is not None and self.link.dialled else None

    @property
    def control_port(self) -> int | None:
        """What the node announced for membership, if this node dialled the link in use."""
        return None if self.link is None else self.link.connection.peer.control_port

    @property
    def heard_lately(self) -> bool:
        """Whether bytes came within the last second."""
        return self.system.now() - self._heard_at < LATELY_S

    def heard(self) -> None:
        """Bytes have arrived: a sign of life, passed on ten times a second at most."""
        now = self.system.now()
        if now - self._heard_at >= HEARD_EVERY_S:
            self._heard_at = now
            self.node.membership.heard(self.node_id)

    async def close(self) -> None:
        """Close all links."""
        self._stop_timers()
        self.fail_waiting(LinkLost(self.node_id, False, "this node is shutting down"))
        for link in list(self.links):
            await link.close()

    # --- the order of what arrives ---------------------------------------------------------------------------------

    def release(self) -> None:
        """Deliver what was held back on links whose turn has come."""
        while (link := self._next_in_turn()) is not None:
            link.arrivals.take_turn()
        self.holds_back = any(link.arrivals.holds_back for link in self.links)
        if self.holds_back and self._patience is None:
            self._patience = self.system.loop.call_later(PATIENCE_S, self._give_up)

    def _next_in_turn(self) -> Link | None:
        for link in self.links:
            if link.arrivals.holds_back and is_in_turn(
                link, (other for other in self.links if other is not link), self.delivered
            ):
                return link
        return None

    def _give_up(self) -> None:
        """Links that hold up the others have been silent for too long: their sender no longer knows them."""
        self._patience = None
        for link in list(self.links):
            if self.holds_back and not link.arrivals.holds_back:
                link.connection.abort()
