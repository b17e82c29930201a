"""What the cluster's machines are told, and what they ask for in return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pulsing.cluster.channel import LinkEvent
from pulsing.cluster.member import Member
from pulsing.cluster.messages import Message
from pulsing.cluster.names import Change, Entry
from pulsing.cluster.seeds import Dial, Resolve

MemberEvent = Literal["joined", "alive", "suspect", "leaving", "dead", "left", "updated"]


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline has come."""


@dataclass(frozen=True, slots=True)
class Received:
    """A member spoke; its id is proved by the link that the message came on."""

    sender: int
    message: Message


@dataclass(frozen=True, slots=True)
class Join:
    """Try these seeds, for as long as nobody alive answers there."""

    seeds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The addresses behind a `dns://` seed; none when the look-up failed."""

    seed: str
    addrs: tuple[str, ...]
    reason: str = ""
    """Why there are none."""


@dataclass(frozen=True, slots=True)
class Announce:
    """A path of this node got an entry, or lost it."""

    path: str
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Describe:
    """Change what this node's own record says beside its status: fields of `Member` by name."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoopLag:
    """The loop of this node's actors is late by so much; the others are told, and think no worse of the node."""

    seconds: float


@dataclass(frozen=True, slots=True)
class StartLeaving:
    """Take no new work from now on, and tell everybody."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Say farewell to everybody; `Departed` follows."""


ClusterInput = LinkEvent | Tick | Received | Join | Resolved | Announce | Describe | LoopLag | StartLeaving | Leave


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to a member."""

    node_id: int
    message: Message


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """The view of a member changed; `before` is None for one that was not known."""

    before: Member | None
    after: Member
    by: int
    """Who said so."""

    @property
    def kind(self) -> MemberEvent:
        """What to call the change: "joined", the new status, or "updated" when only the record changed."""
        if self.before is None:
            return "joined"
        return "updated" if self.before.status == self.after.status else self.after.status


@dataclass(frozen=True, slots=True)
class Compare:
    """A push-pull with this member is under way: the versions of the names are to be compared as well."""

    node_id: int


@dataclass(frozen=True, slots=True)
class NamesChanged:
    """Names of a node appeared or went, all at once."""

    node_id: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Synced:
    """Another member answered with everything it holds: this node has joined."""

    node_id: int


@dataclass(frozen=True, slots=True)
class Departed:
    """Everybody that could be reached has heard the farewell."""


ClusterEffect = Send | Dial | Resolve | MemberChanged | Compare | NamesChanged | Synced | Departed
