"""A system's place in the network: its peers, the links to them, and the dials by which links come about."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from pulsing.core.envelope import Envelope
from pulsing.core.lifecycle import Terminated
from pulsing.core.system import System
from pulsing.exceptions import AuthFailed, LinkLost, NodeDead, NodeLeaving, PulsingRuntimeError
from pulsing.ids import ActorId, NodeId
from pulsing.logs import logger_of
from pulsing.node.budget import USER_BYTES, Budget
from pulsing.node.busy_poll import BusyPoll
from pulsing.node.link import Link
from pulsing.node.membership import Membership
from pulsing.node.peer import Peer
from pulsing.node.redials import Redials
from pulsing.node.references import teach
from pulsing.node.rows import closed_row, link_rows, totals_row
from pulsing.node.totals import Connect, LinkTotals
from pulsing.node.watching import Watches
from pulsing.tasks import TaskScope
from pulsing.transport.base import Connection, ConnectionHandler, DialFailed, DialledSelf, Listener, Transport
from pulsing.transport.doorkeeper import AUTH_PAUSE_S
from pulsing.wire.limits import Limits
from pulsing.wire.registry import default_registry
from pulsing.wire.session import Bounds
from pulsing.wire.values import Codec

logger = logger_of(__name__)

CLOSED_KEPT = 256
"""Links whose end can still be looked at."""
MAX_MESSAGE = Limits().message
PARTING_S = 1.0
"""How long two nodes that take leave of each other wait for what is open between them."""


class Node:
    """Routes messages to other nodes, and finds out who lives at an address.

    Args:
        system: the actors of this node.
        transport: the way to other nodes.
        allow_pickle: agree to pickled values on links whose other end agrees too.
        closed_kept: closed links that can still be listed.
        user_bytes: bytes that messages of other nodes may take together.
        bounds: how much of what the protocol grants each link uses; None for all of it.
        max_message: bytes that one value may take, with its attachments.
        busy_poll_s: seconds for which the loop is kept awake after a message.
    """

    def __init__(
        self,
        system: System,
        transport: Transport,
        *,
        allow_pickle: bool = False,
        closed_kept: int = CLOSED_KEPT,
        user_bytes: int = USER_BYTES,
        bounds: Bounds | None = None,
        max_message: int = MAX_MESSAGE,
        busy_poll_s: float = 0.0,
    ) -> None:
        self.system = system
        self.auth_failure: AuthFailed | None = None
        """The last refusal of this node's secret; None where there was none."""
        self.membership: Membership
        """Set by `begin`."""
        self._transport = transport
        self._allow_pickle = allow_pickle
        self.budget = Budget(user_bytes)
        self.bounds = bounds
        self._limits = Limits(message=max_message)
        self.busy_poll = BusyPoll(system.loop, busy_poll_s)
        self.totals = LinkTotals()
        self.listener: Listener | None = None
        """Where other nodes knock, once it is open."""
        self._registry = default_registry.child()
        self._tasks = TaskScope(f"node {system.node_id}")
        self._peers: dict[int, Peer] = {}
        self._parting: set[Peer] = set()
        """Peers that have left, until their links have ended."""
        self._dialling: dict[str, list[Peer]] = {}
        self._refusals: dict[str, tuple[float, str]] = {}
        """Until when an address is not dialled, and why."""
        self._redials = Redials(system.random)
        self._closed: deque[dict[str, Any]] = deque(maxlen=closed_kept)
        self._watches = Watches(self)
        self._stopped = False
        self._last_sequence = 0
        teach(self._registry, system)

    def begin(self, membership: Membership) -> None:
        """Carry the system's messages to the members that `membership` knows."""
        self.membership = membership
        self.system.router = self
        self.system.inspectors["links"] = self._link_rows
        self.system.tallies["links"] = lambda: len(self.links())
        self.system.inspectors["link_totals"] = lambda params: totals_row(self)

    # --- routing (pulsing.core.system.Router) ----------------------------------------------------------------------

    def ask(self, envelope: Envelope) -> None:
        peer = self._peers.get(envelope.target.id >> 64)
        if peer is not None and peer.link is not None:
            peer.ask(envelope)
            return
        try:
            peer = self._peer_of(envelope.target)
        except PulsingRuntimeError as error:
            self.system.deadlines.done(envelope)
            self.system.dead_letters.record(envelope, "node_dead")
            envelope.fail(error)
            return
        peer.ask(envelope)

    def holds(self, envelope: Envelope) -> bool:
        peer = self._peers.get(envelope.target.id >> 64)
        return peer is not None and peer.holds(envelope)

    def tell(self, envelope: Envelope) -> Awaitable[None]:
        try:
            peer = self._peer_of(envelope.target)
        except PulsingRuntimeError:
            self.system.dead_letters.record(envelope, "node_dead")
            raise
        return peer.tell(envelope)

    def watch(self, actor_id: ActorId, told: Callable[[Terminated], None]) -> None:
        try:
            self._peer_of(actor_id)
        except (NodeDead, NodeLeaving) as gone:
            reason = "node_dead" if isinstance(gone, NodeDead) else "shutdown"
            told(Terminated(actor_id, None, actor_id.node_id, reason))
        else:
            self._watches.add(actor_id, told)

    def check_node(self, node_id: NodeId) -> None:
        self.membership.address_of(node_id)

    def _peer_of(self, target: ActorId) -> Peer:
        peer = self._peers.get(target.id >> 64)
        if peer is not None and peer.links:
            return peer
        self.check_node(target.node_id)
        return self.peer(target.node_id)

    def peer(self, node_id: NodeId) -> Peer:
        """The peer of a node, made on first use."""
        peer = self._peers.get(node_id.id)
        if peer is None:
            peer = self._peers[node_id.id] = Peer(self, node_id, self._last_sequence)
        return peer

    # --- dialling --------------------------------------------------------------------------------------------------

    def dial(self, addr: str) -> None:
        """Connect to an address; `connected` or `dial_failed` is reported when it is over."""
        lively = self._lively_at(addr)
        if lively is None:
            self._dial(addr, None)
        else:
            self.membership.connected(lively.node_id, addr, lively.control_port)

    def _lively_at(self, addr: str) -> Peer | None:
        return next((peer for peer in self._peers.values() if peer.dialled_addr == addr and peer.heard_lately), None)

    def connect(self, peer: Peer) -> None:
        """Open a link to a peer for what waits there; if none comes about, what waits fails.

        An address that could not be reached is left alone for a moment, for which everything waits.
        """
        try:
            addr = self.membership.address_of(peer.node_id)
        except PulsingRuntimeError as error:
            peer.fail_waiting(error)
            return
        pause = self._redials.pause(addr, self.system.now())
        if pause:
            peer.redial_in(pause)
        else:
            self._dial(addr, peer)

    def _dial(self, addr: str, peer: Peer | None) -> None:
        if self._stopped:
            return
        refusal = self._refusals.get(addr)
        if refusal is not None and self.system.now() < refusal[0]:
            if peer is not None:
                self._fail_waiting(peer, refusal[1])
            self.membership.dial_failed(addr, False, refusal[1])
            return
        waiting = self._dialling.get(addr)
        if waiting is None:
            waiting = self._dialling[addr] = []
            self._tasks.start(self._dial_now(addr), f"dial {addr}")
        if peer is not None and peer not in waiting:
            waiting.append(peer)

    async def _dial_now(self, addr: str) -> None:
        try:
            connection = await self._transport.dial(addr, self.attach_dialled)
        except DialledSelf:
            self._end_attempt(addr, "the address leads to this very node")
            self.membership.connected(self.system.node_id, addr, None)
        except DialFailed as error:
            outcome: Connect = "refused" if error.refused else "timeout" if error.timed_out else "failed"
            self._dial_failed(addr, outcome, error.reason)
        except AuthFailed as error:
            self._secret_refused(addr, error)
        except OSError as error:
            self._dial_failed(addr, "failed", str(error))
        else:
            self._refusals.pop(addr, None)
            self._redials.succeeded(addr)
            self._end_attempt(addr, "another node answers there")
            self.membership.connected(connection.peer.node_id, addr, connection.peer.control_port)

    def _dial_failed(self, addr: str, outcome: Connect, reason: str) -> None:
        """Nobody could be reached at an address: it is left alone for a moment."""
        self.totals.connects[outcome] += 1
        self._redials.failed(addr, self.system.now())
        self._end_attempt(addr, reason)
        self.membership.dial_failed(addr, outcome == "refused", reason)

    def _secret_refused(self, addr: str, error: AuthFailed) -> None:
        """The node at an address has another secret: it is left alone for longer, since guesses are counted there."""
        self.totals.connects["auth"] += 1
        self.totals.errors["auth"] += 1
        if self.auth_failure is None:
            logger.warning("%s", error)
        self.auth_failure = error
        self._refusals[addr] = self.system.now() + AUTH_PAUSE_S, str(error)
        self._end_attempt(addr, str(error))
        self.membership.dial_failed(addr, False, str(error))

    def _end_attempt(self, addr: str, reason: str) -> None:
        """Fail what waited for a link that did not come about by this attempt."""
        for peer in self._dialling.pop(addr, []):
            if peer.link is None:
                self._fail_waiting(peer, reason)

    def _fail_waiting(self, peer: Peer, reason: str) -> None:
        """Nothing that waits for a link was sent; whoever leaves is not to be waited for."""
        is_leaving = self.membership.is_leaving(peer.node_id)
        peer.fail_waiting(NodeLeaving(peer.node_id) if is_leaving else LinkLost(peer.node_id, False, reason))

    def attach_dialled(self, connection: Connection) -> ConnectionHandler:
        """A connection that this node dialled is open."""
        return self.peer(connection.peer.node_id).attach(connection, dialled=True)

    def attach_accepted(self, connection: Connection) -> ConnectionHandler:
        """A connection that another node dialled is open."""
        link = self.peer(connection.peer.node_id).attach(connection, dialled=False)
        self.membership.connected(connection.peer.node_id, "", None)
        return link

    def codec_for(self, connection: Connection) -> Codec:
        """The codec of a link, by what its two ends agreed to."""
        agreed = self._allow_pickle and connection.peer.pickle and connection.peer.authenticated
        return Codec(self._registry, allow_pickle=agreed, limits=self._limits)

    # --- links and members come and go -----------------------------------------------------------------------------

    def links(self) -> list[Link]:
        """The open links."""
        return [link for peer in self._peers.values() for link in peer.links]

    @property
    def redialling(self) -> int:
        """To how many nodes there is no link although messages wait for one."""
        return sum(peer.link is None and peer.waiting > 0 for peer in self._peers.values())

    async def _link_rows(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        await self.membership.look()
        return link_rows(self.links(), self._closed, bool(params.get("closed")))

    @property
    def encrypted(self) -> bool:
        """Whether any open link is encrypted."""
        return any(link.connection.peer.tls for link in self.links())

    def link_opened(self, link: Link) -> None:
        """A link is in use."""
        self.totals.connects["ok"] += 1
        self._publish("link.opened", link.peer.node_id, {"direction": "out" if link.dialled else "in"})

    def link_closed(self, link: Link, reason: str) -> None:
        """A link is gone."""
        if self._stopped:
            return
        self._closed.appendleft(closed_row(link, reason, self.system.clock.wall()))
        self._publish("link.closed", link.peer.node_id, {"reason": reason or "closed"})
        if link.peer.link is None:
            link.peer.reconnects += 1
            self.membership.link_lost(link.peer.node_id)
            if not link.peer.waiting and not self._is_member(link.peer.node_id):
                self._drop_stranger(link.peer)

    def forget(self, node_id: NodeId) -> None:
        """A node is dead: nobody waits for it any longer."""
        peer = self._drop(node_id)
        if peer is not None:
            peer.gone(NodeDead(node_id))
        self._watches.node_gone(node_id)

    def part_from(self, node_id: NodeId) -> None:
        """A node has left: what it was asked before is still answered, if only by a refusal; nothing new goes there."""
        peer = self._peers.pop(node_id.id, None)
        if peer is not None:
            self._parting.add(peer)
            self._tasks.start(self._part_from(peer), f"part from {node_id}")
        self._watches.node_gone(node_id)

    async def _part_from(self, peer: Peer) -> None:
        leaving = NodeLeaving(peer.node_id)
        peer.fail_waiting(leaving)
        await self._wait_for_partings([peer])
        peer.gone(leaving)
        self._parting.discard(peer)

    async def _wait_for_partings(self, peers: Iterable[Peer]) -> None:
        """Say goodbye, and wait a moment for what is open to end: the links close by themselves then."""
        links = [link for peer in peers for link in peer.links]
        for link in links:
            link.retire("leaving")
        if links:
            await asyncio.wait([link.ended for link in links], timeout=PARTING_S)

    def _is_member(self, node_id: NodeId) -> bool:
        try:
            self.check_node(node_id)
        except PulsingRuntimeError:
            return False
        return True

    def _drop_stranger(self, peer: Peer) -> None:
        """Keep nothing of those who prove the secret under ever new names."""
        if self._peers.get(peer.node_id.id) is peer:
            self._drop(peer.node_id)

    def _drop(self, node_id: NodeId) -> Peer | None:
        """Keep nothing of a node but what it would miss if it came back: the numbers of what it got from here."""
        peer = self._peers.pop(node_id.id, None)
        if peer is not None:
            self._last_sequence = max(self._last_sequence, peer.sequence)
        return peer

    def _publish(self, type: str, node_id: NodeId, data: dict[str, Any]) -> None:
        self.system.events.publish(type, kind="link", id=str(node_id), data=data)

    async def close(self) -> None:
        """Answer what is still asked, take leave of every peer, and close every link."""
        self._stopped = True
        await self._watches.close()
        await self._wait_for_partings(self._peers.values())
        for peer in [*self._peers.values(), *self._parting]:
            await peer.close()
        await self._tasks.close()
