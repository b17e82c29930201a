"""What the cluster says about one node, and which of two sayings wins. Knows nothing of time or the network.

Two numbers decide. The *incarnation* belongs to the member alone: it raises it to contradict an accusation, so
whatever carries the higher one was said later. At the same incarnation the graver *status* wins, because an
accusation that could be outshouted by an older "alive" would never spread. `left` is a farewell and stands for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

Status = Literal["alive", "leaving", "suspect", "dead", "left"]

GRAVITY: Mapping[Status, int] = MappingProxyType({"alive": 0, "leaving": 1, "suspect": 2, "dead": 3, "left": 4})
"""How much a status outweighs another at the same incarnation."""

NOTHING: Mapping[str, str] = MappingProxyType({})

GUEST = "guest_of"
"""The key in the metadata of a guest; its value is the id of the node that started it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One node as the cluster knows it."""

    node_id: int
    """New at each process start, so a restarted process is another member."""
    addr: str
    """Where others dial it, "host:port"; empty for a node that has no listener."""
    status: Status = "alive"
    incarnation: int = 0
    """Raised by the member itself and by nobody else."""
    name: str = ""
    admin_url: str = ""
    control_port: int = 0
    """Port of its membership listener, 0 where membership shares the node port."""
    version: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: NOTHING, hash=False)

    @property
    def is_present(self) -> bool:
        """Whether the node may still answer: its names count and others probe it."""
        return self.status not in ("dead", "left")

    @property
    def takes_work(self) -> bool:
        """Whether new work may be placed on the node."""
        return self.status in ("alive", "suspect") and not self.is_guest

    @property
    def is_guest(self) -> bool:
        """Whether the node is the process of one actor of another node, and serves nothing else."""
        return GUEST in self.metadata

    def with_status(self, status: Status) -> Member:
        """The same member, at the same incarnation, in another status."""
        return replace(self, status=status)


def wins(heard: Member, held: Member) -> bool:
    """Whether what was just heard about a member replaces what is held about it."""
    if held.status == "left":
        return False
    if heard.status == "left":
        return True
    if heard.incarnation != held.incarnation:
        return heard.incarnation > held.incarnation
    return GRAVITY[heard.status] > GRAVITY[held.status]
