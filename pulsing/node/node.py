"""A system's place in the network: its listener, its peers, and its cluster."""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from pulsing.cluster import Channel, Cluster, Connected, DialFailed, Heard, LinkLost, Member, MemberChanged
from pulsing.cluster.rows import cluster_row, member_detail, member_rows, name_rows
from pulsing.core.envelope import Envelope
from pulsing.core.lifecycle import Terminated
from pulsing.core.system import MemberView, System
from pulsing.exceptions import AuthFailed, NodeDead, NodeNotFound, PulsingRuntimeError
from pulsing.exceptions import LinkLost as LinkLostError
from pulsing.ids import ActorId, NodeId
from pulsing.node.link import Link
from pulsing.node.names import ClusterNames
from pulsing.node.peer import Peer
from pulsing.node.references import teach
from pulsing.node.rows import closed_row, link_rows
from pulsing.node.watching import Watches
from pulsing.tasks import TaskScope
from pulsing.transport.base import Connection, ConnectionHandler, DialledSelf, Transport
from pulsing.transport.base import DialFailed as TransportDialFailed
from pulsing.wire.registry import default_registry
from pulsing.wire.values import Codec

logger = logging.getLogger(__name__)

CLOSED_KEPT = 256

STATUS_SHOWN = {"alive": "Alive", "suspect": "Suspect", "leaving": "Leaving", "dead": "Dead", "left": "Dead"}


class Node(Channel):
    """Routes messages to other nodes, carries the cluster's gossip, and tells the system of its members.

    Args:
        system: the actors of this node.
        transport: the way to other nodes.
        allow_pickle: agree to pickled values on links whose other end agrees too.
    """

    def __init__(self, system: System, transport: Transport, *, allow_pickle: bool = False) -> None:
        self.system = system
        self.auth_failure: AuthFailed | None = None
        self.cluster: Cluster
        self._transport = transport
        self._allow_pickle = allow_pickle
        self._registry = default_registry.child()
        self._tasks = TaskScope(f"node {system.node_id}")
        self._peers: dict[int, Peer] = {}
        self._dialling: dict[str, list[Peer]] = {}
        self._closed: deque[dict[str, Any]] = deque(maxlen=CLOSED_KEPT)
        self._watches = Watches(self)
        self._stopped = False
        teach(self._registry, system)

    def begin(self, me: Member, *, name: str, mode: Any, head: str | None, random: random.Random) -> None:
        """Take part in the cluster, and put the node between the system and its names, members and other nodes."""
        system = self.system
        self.cluster = Cluster(me, self, clock=system.clock, random=random, name=name, mode=mode, head=head)
        self.cluster.on_change(self._member_changed)
        self.cluster.on_conflict(self._name_conflict)
        names = ClusterNames(self.cluster)
        for cell in system.registry:
            if cell.public:
                names.publish(system.instance_of(cell))
        system.names = names
        system.router = self
        system.members_view = self.members
        system.announce = self.cluster.describe
        system.inspectors.update(
            members=lambda params: self._member_rows(params),
            cluster=lambda params: {**cluster_row(self.cluster), "tls": self.encrypted},
            names=lambda params: name_rows(self.cluster, str(params.get("prefix", ""))),
            links=lambda params: link_rows(self.links(), self._closed, bool(params.get("closed"))),
        )

    # --- routing (pulsing.core.system.Router) ----------------------------------------------------------------------

    def ask(self, envelope: Envelope) -> None:
        try:
            peer = self._peer_of(envelope.target)
        except PulsingRuntimeError as error:
            self.system.deadlines.done(envelope)
            self.system.dead_letters.record(envelope, "node_dead")
            envelope.fail(error)
            return
        peer.ask(envelope)

    def tell(self, envelope: Envelope) -> Awaitable[None]:
        return self._peer_of(envelope.target).tell(envelope)

    def watch(self, actor_id: ActorId, told: Callable[[Terminated], None]) -> None:
        self._peer_of(actor_id)
        self._watches.add(actor_id, told)

    def check_node(self, node_id: NodeId) -> None:
        member = self.cluster.member(node_id.id)
        if member is None:
            raise NodeNotFound(node_id)
        if not member.is_present:
            raise NodeDead(node_id)

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
            peer = self._peers[node_id.id] = Peer(self, node_id)
        return peer

    # --- the cluster's way to other nodes (pulsing.cluster.Channel) ------------------------------------------------

    def send(self, node_id: int, payload: bytes) -> None:
        if not self._stopped:
            self.peer(NodeId(node_id)).gossip(payload)

    def dial(self, addr: str) -> None:
        self._dial(addr, None)

    def gossip_received(self, node_id: NodeId, payload: bytes) -> None:
        """A peer's payload for the cluster."""
        self.cluster.received(node_id.id, payload)

    def heard(self, node_id: NodeId) -> None:
        """Bytes of a peer arrived."""
        self.cluster.report(Heard(node_id.id))

    # --- dialling --------------------------------------------------------------------------------------------------

    def connect(self, peer: Peer) -> None:
        """Open a link to a peer for what waits there; if none comes about, what waits fails."""
        member = self.cluster.member(peer.node_id.id)
        if member is None or not member.addr:
            peer.fail_waiting(NodeNotFound(peer.node_id))
        elif not member.is_present:
            peer.fail_waiting(NodeDead(peer.node_id))
        else:
            self._dial(member.addr, peer)

    def _dial(self, addr: str, peer: Peer | None) -> None:
        if self._stopped:
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
            self._dialled(addr, Connected(self.system.node_id.id, addr), "the address leads to this very node")
        except TransportDialFailed as error:
            self._dialled(addr, DialFailed(addr, error.refused, error.reason), error.reason)
        except AuthFailed as error:
            if self.auth_failure is None:
                logger.warning("%s", error)
            self.auth_failure = error
            self._dialled(addr, DialFailed(addr, False, str(error)), str(error))
        except OSError as error:
            self._dialled(addr, DialFailed(addr, False, str(error)), str(error))
        else:
            self._dialled(addr, Connected(connection.peer.node_id.id, addr), "another node answers there")

    def _dialled(self, addr: str, report: Connected | DialFailed, reason: str) -> None:
        """An attempt is over: tell the cluster, and those that hoped for a link by it."""
        hoping = self._dialling.pop(addr, [])
        if self._stopped:
            return
        self.cluster.report(report)
        for peer in hoping:
            if peer.link is None:
                peer.fail_waiting(LinkLostError(peer.node_id, False, reason))

    def attach_dialled(self, connection: Connection) -> ConnectionHandler:
        """A connection that this node dialled is open."""
        return self.peer(connection.peer.node_id).attach(connection, dialled=True)

    def attach_accepted(self, connection: Connection) -> ConnectionHandler:
        """A connection that another node dialled is open."""
        link = self.peer(connection.peer.node_id).attach(connection, dialled=False)
        self.cluster.report(Connected(connection.peer.node_id.id))
        return link

    def codec_for(self, connection: Connection) -> Codec:
        """The codec of a link, by what its two ends agreed to."""
        agreed = self._allow_pickle and connection.peer.pickle and connection.peer.authenticated
        return Codec(self._registry, allow_pickle=agreed)

    # --- links and members come and go -----------------------------------------------------------------------------

    def links(self) -> list[Link]:
        """The open links."""
        return [link for peer in self._peers.values() for link in peer.links]

    @property
    def encrypted(self) -> bool:
        """Whether any open link is encrypted."""
        return any(link.connection.peer.tls for link in self.links())

    def link_opened(self, link: Link) -> None:
        """A link is in use."""
        self._publish("link.opened", "link", link.peer.node_id, {"direction": "out" if link.dialled else "in"})

    def link_closed(self, link: Link, reason: str) -> None:
        """A link is gone."""
        if self._stopped:
            return
        self._closed.appendleft(closed_row(link, reason, self.system.clock.wall()))
        self._publish("link.closed", "link", link.peer.node_id, {"reason": reason or "closed"})
        if link.peer.link is None:
            link.peer.reconnects += 1
            self.cluster.report(LinkLost(link.peer.node_id.id))

    def members(self) -> list[MemberView]:
        """The members of the cluster, this node first; those that have left are not among them."""
        return [
            MemberView(NodeId(member.node_id), member.addr, STATUS_SHOWN[member.status])
            for member in self.cluster.members()
            if member.status != "left"
        ]

    def _member_rows(self, params: Any) -> list[dict[str, Any]]:
        if params.get("detail"):
            rows = (member_detail(self.cluster, member.node_id) for member in self.cluster.members())
            return [row for row in rows if row is not None]
        return member_rows(self.cluster)

    def _member_changed(self, change: MemberChanged) -> None:
        member = change.after
        if member.node_id == self.system.node_id.id:
            return
        node_id = NodeId(member.node_id)
        if change.kind != "updated":
            data = {"addr": member.addr, "by": str(NodeId(change.by))}
            self._publish(f"member.{change.kind}", "member", node_id, data, member.name)
        if not member.is_present:
            peer = self._peers.pop(member.node_id, None)
            if peer is not None:
                peer.gone(NodeDead(node_id, maybe_executed=True))
            self._watches.node_gone(node_id)
        for listener in list(self.system.member_listeners):
            listener()

    def _name_conflict(self, path: str) -> None:
        self.system.events.publish("name.conflict", kind="name", id=path, name=path)

    def _publish(self, type: str, kind: str, node_id: NodeId, data: dict[str, Any], name: str = "") -> None:
        self.system.events.publish(type, kind=kind, id=str(node_id), name=name, data=data)

    # --- the end ---------------------------------------------------------------------------------------------------

    async def say_leaving(self) -> None:
        """Tell the others that this node takes no new work."""
        self.cluster.start_leaving()

    async def close(self) -> None:
        """Leave the cluster and close every link."""
        await self.cluster.leave()
        self._stopped = True
        self.cluster.stop()
        for peer in list(self._peers.values()):
            await peer.close()
        await self._watches.close()
        await self._tasks.close()
