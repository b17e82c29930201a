"""What a membership machine wants done, in order, until its driver takes it."""

from __future__ import annotations

from pulsing.cluster.events import ClusterEffect, Send
from pulsing.cluster.member import Member
from pulsing.cluster.messages import Message
from pulsing.cluster.seeds import Dial


class Outbox:
    """Effects of the event that is being handled."""

    def __init__(self) -> None:
        self._effects: list[ClusterEffect] = []

    def put(self, *effects: ClusterEffect) -> None:
        """Add effects as they are."""
        self._effects += effects

    def send(self, node_id: int, message: Message) -> None:
        """Ask for a message to a member."""
        self._effects.append(Send(node_id, message))

    def dial(self, member: Member) -> None:
        """Ask for a connection to a member's host, if it has a listener: whether it refuses tells much."""
        if member.addr:
            self._effects.append(Dial(member.addr, member.node_id))

    def take(self) -> list[ClusterEffect]:
        """Hand over everything."""
        effects, self._effects = self._effects, []
        return effects
