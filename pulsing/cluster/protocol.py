"""Membership and names as one machine: names come and go with the members that hold them."""

from __future__ import annotations

from random import Random

from pulsing.cluster.events import (
    Announce,
    ClusterEffect,
    ClusterInput,
    Compare,
    Leave,
    MemberChanged,
    Received,
)
from pulsing.cluster.member import Member
from pulsing.cluster.membership import Membership
from pulsing.cluster.messages import Delta, Pull, Versions
from pulsing.cluster.profile import LAN, Profile
from pulsing.cluster.replication import Replication


class ClusterProtocol:
    """All that a node decides about the cluster; one driver performs its effects.

    Args:
        me: this node's own record.
        random: the source of every random choice.
        profile: how patient to be.
    """

    def __init__(self, me: Member, random: Random, profile: Profile = LAN) -> None:
        self.membership = Membership(me, random, profile)
        self.names = Replication(me.node_id, random)

    def handle(self, event: ClusterInput, now: float) -> list[ClusterEffect]:
        """Take one event and return what is to be done, in order."""
        effects: list[ClusterEffect] = []
        match event:
            case Announce(path, entry):
                return list(self.names.write(path, entry, now))
            case Received(sender, Versions() | Pull() | Delta() as message):
                effects += self.names.receive(sender, message, now)
        for effect in self.membership.handle(event, now):
            effects += self._follow(effect, now)
            effects.append(effect)
        if not isinstance(event, Leave):
            effects += self.names.tick(now)
        return effects

    def next_deadline(self) -> float | None:
        """When the next tick is due."""
        dues = self.membership.next_deadline(), self.names.next_deadline()
        return min((due for due in dues if due is not None), default=None)

    def _follow(self, effect: ClusterEffect, now: float) -> list[ClusterEffect]:
        match effect:
            case MemberChanged(_, member) if member.node_id != self.membership.me.node_id:
                if member.is_present:
                    return list(self.names.node_came(member.node_id, now))
                return list(self.names.node_went(member.node_id))
            case Compare(node_id):
                return list(self.names.compare(node_id))
        return []
