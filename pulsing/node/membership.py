"""What a node asks of whoever knows the members of the cluster, and what it reports in return."""

from __future__ import annotations

from typing import Protocol

from pulsing.ids import NodeId


class Membership(Protocol):
    """The cluster, as links see it."""

    def address_of(self, node_id: NodeId) -> str:
        """Where to dial a member.

        Raises:
            NodeNotFound: it is not a member.
            NodeDead: it was one, and died.
            NodeLeaving: it was one, and left.
        """
        ...

    def is_leaving(self, node_id: NodeId) -> bool:
        """Whether a member has said that it is about to leave, or has left."""
        ...

    def name_of(self, node_id: NodeId) -> str | None:
        """A member's name, for people."""
        ...

    def rtt_of(self, node_id: NodeId) -> float | None:
        """A member's round trip in seconds, where it was measured, as of the last `look`."""
        ...

    async def look(self) -> None:
        """Bring what is measured of members up to date."""
        ...

    def connected(self, node_id: NodeId, addr: str, control_port: int | None) -> None:
        """A link is open.

        Args:
            node_id: its other end.
            addr: what was dialled; empty where the other side dialled.
            control_port: what the other end announced for membership, where this side dialled.
        """
        ...

    def dial_failed(self, addr: str, refused: bool, reason: str) -> None:
        """Nobody proved an id at this address; `refused` says that nothing listens there."""
        ...

    def link_lost(self, node_id: NodeId) -> None:
        """The last link to a node is gone."""
        ...

    def heard(self, node_id: NodeId) -> None:
        """Bytes of a node arrived."""
        ...
