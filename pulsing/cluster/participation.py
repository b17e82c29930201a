"""A node's part in its cluster: the cluster hears what links report, the system learns who its members are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulsing.cluster.channel import Connected, DialFailed, Heard, LinkLost
from pulsing.cluster.cluster import Cluster
from pulsing.cluster.control import ControlLinks
from pulsing.cluster.events import MemberChanged
from pulsing.cluster.member import Member
from pulsing.cluster.naming import ClusterNames
from pulsing.cluster.rows import cluster_row, member_rows, name_rows, traffic_row
from pulsing.core.seams import MemberView
from pulsing.exceptions import NodeDead, NodeLeaving, NodeNotFound
from pulsing.ids import NodeId
from pulsing.node import Node

STATUS_SHOWN = {"alive": "Alive", "suspect": "Suspect", "leaving": "Leaving", "dead": "Dead", "left": "Dead"}


class Participation:
    """Stands between a node and a cluster (`pulsing.node.membership.Membership`)."""

    def __init__(self, node: Node, cluster: Cluster, control: ControlLinks) -> None:
        self.node = node
        self.cluster = cluster
        self._control = control
        self._system = node.system
        self._plain_name: str | None = None
        """what a number may be put behind; None for a name that was given"""
        self._comes_late = False

    def begin(self) -> None:
        """Take part: from here on the system's names and members are those of the cluster."""
        system, cluster = self._system, self.cluster
        cluster.on_change(self._member_changed)
        cluster.on_view(self._view_changed)
        cluster.on_conflict(self._name_conflict)
        cluster.on_joined(self._joined)
        names = ClusterNames(cluster)
        for cell in system.registry:
            if cell.public:
                names.publish(system.instance_of(cell))
        system.names = names
        system.members_view = self.members
        system.announce = cluster.describe
        system.may_be_cut_off = lambda: cluster.may_be_cut_off
        system.may_lack_members = lambda: cluster.may_lack_members
        system.inspectors.update(
            members=self._member_rows,
            cluster=self._cluster_row,
            cluster_traffic=self._traffic_row,
            names=lambda params: name_rows(cluster, str(params.get("prefix", ""))),
        )
        self.node.begin(self)
        cluster.crossing.post(self._control.begin, cluster.driver, self._ask_node)
        cluster.start()

    def _ask_node(self, addr: str) -> None:
        """Let the node find out who lives at an address; the links of membership ask."""
        self.cluster.crossing.back(self.node.dial, addr)

    def keep_free_name(self, *, comes_late: bool) -> None:
        """Put a number behind this node's name if another member has it already, as on a host with several nodes.

        Of two that took the same number at once, the one with the smaller id keeps it. A name without one is kept in
        any case: who comes has it too, until he has chosen.

        Args:
            comes_late: there may be others, and none has answered yet; the name is chosen when one has.
        """
        self._plain_name = self._system.node_name
        self._comes_late = comes_late
        self._take_free_name()

    def _joined(self) -> None:
        if self._comes_late:
            self._comes_late = False
            self._take_free_name()

    def _shares_number_with(self, member: Member) -> bool:
        return self._plain_name is not None and self._plain_name != member.name == self._system.node_name

    def _take_free_name(self) -> None:
        taken = {member.name for member in self.cluster.members()[1:] if member.is_present}
        if self._system.node_name not in taken:
            return
        name = plain = str(self._plain_name)
        number = 1
        while name in taken:
            number += 1
            name = f"{plain}-{number}"
        self._system.node_name = name
        self.cluster.describe(name=name)

    def members(self) -> list[MemberView]:
        """The members of the cluster, this node first; those that have left are not among them."""
        return [
            MemberView(
                NodeId(member.node_id),
                member.addr,
                STATUS_SHOWN[member.status],
                not member.is_guest,
                member.node_id in self.cluster.ended,
            )
            for member in self.cluster.members()
            if member.status != "left"
        ]

    # --- what the node asks (pulsing.node.membership.Membership) ---------------------------------------------------

    def address_of(self, node_id: NodeId) -> str:
        member = self.cluster.member(node_id.id)
        if member is None:
            raise NodeNotFound(node_id)
        if not member.is_present:
            raise NodeLeaving(node_id) if member.status == "left" else NodeDead(node_id)
        return member.addr

    def is_leaving(self, node_id: NodeId) -> bool:
        member = self.cluster.member(node_id.id)
        return member is not None and member.status in ("leaving", "left")

    def name_of(self, node_id: NodeId) -> str | None:
        member = self.cluster.member(node_id.id)
        return None if member is None else member.name

    def rtt_of(self, node_id: NodeId) -> float | None:
        sighting = self.cluster.seen.sightings.get(node_id.id)
        return None if sighting is None else sighting.rtt

    async def look(self) -> None:
        await self.cluster.observe()

    # --- what the node reports -------------------------------------------------------------------------------------

    def connected(self, node_id: NodeId, addr: str, control_port: int | None) -> None:
        if addr:
            self.cluster.crossing.post(self._control.found, node_id.id, addr, control_port)
        else:
            self.cluster.report(Connected(node_id.id))

    def dial_failed(self, addr: str, refused: bool, reason: str) -> None:
        self.cluster.report(DialFailed(addr, refused, reason))

    def link_lost(self, node_id: NodeId) -> None:
        self.cluster.report(LinkLost(node_id.id))

    def heard(self, node_id: NodeId) -> None:
        self.cluster.report(Heard(node_id.id))

    # --- what the cluster reports ----------------------------------------------------------------------------------

    def _member_changed(self, change: MemberChanged) -> None:
        member = change.after
        if member.node_id == self._system.node_id.id:
            return
        node_id = NodeId(member.node_id)
        if change.kind != "updated":
            data = {"addr": member.addr, "by": str(NodeId(change.by))}
            self._system.events.publish(
                f"member.{change.kind}", kind="member", id=str(node_id), name=member.name, data=data
            )
        if member.is_present and member.node_id < self._system.node_id.id and self._shares_number_with(member):
            self._take_free_name()
        if member.status == "left":
            self.node.part_from(node_id)
        elif not member.is_present:
            self.node.forget(node_id)

    def _view_changed(self) -> None:
        for listener in list(self._system.member_listeners):
            listener()

    def _name_conflict(self, path: str) -> None:
        self._system.events.publish("name.conflict", kind="name", id=path, name=path)

    async def _cluster_row(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {**await cluster_row(self.cluster), "tls": self.node.encrypted}

    async def _traffic_row(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **await traffic_row(self.cluster),
            "refused": self._control.refused,
            "dropped": self._control.neighbours.dropped,
        }

    async def _member_rows(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        return await member_rows(self.cluster, detail=bool(params.get("detail")))

    # --- the end ---------------------------------------------------------------------------------------------------

    async def say_leaving(self) -> None:
        """Tell the others that this node takes no new work."""
        self.cluster.start_leaving()

    async def close(self) -> None:
        """Leave the cluster and close every link."""
        await self.cluster.leave()
        self.cluster.stop()
        await self.node.close()
