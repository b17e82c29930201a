"""The seam between membership and the network: what it may ask of links, and what links report back.

The network opens a link to a node when something is to be sent, and looks up where the node lives by asking for the
member's record. Every attempt to connect, whether asked for by `dial` or made for a `send`, ends in one report:
`Connected` or `DialFailed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Channel(Protocol):
    """What membership asks of the network. None of these blocks, waits or raises."""

    def send(self, node_id: int, payload: bytes) -> None:
        """Send a payload of at most 64 KiB, opening a link when there is none; it may be lost without a report."""
        ...

    def dial(self, addr: str, node_id: int) -> None:
        """Connect to an address and prove who is there; a link that is already open to it is proof enough only
        while bytes arrive on it, so a dial after a lost link makes a new attempt.

        Args:
            addr: the address of a node.
            node_id: the member that is looked for, 0 for whoever lives there.
        """
        ...


@dataclass(frozen=True, slots=True)
class Connected:
    """A link is open and its other end has proved its id; with this node's own id, the address leads to itself."""

    node_id: int
    addr: str = ""
    """The address that was dialled; empty for a link that the other end opened."""


@dataclass(frozen=True, slots=True)
class DialFailed:
    """Nobody proved an id at this address."""

    addr: str
    refused: bool = False
    """The host answered that nothing listens there (ECONNREFUSED); False for silence and for failed handshakes."""
    reason: str = ""
    node_id: int = 0
    """The member that was looked for; 0 where it was whoever lives there."""


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The link to a node broke, or the node closed it without being asked to."""

    node_id: int


@dataclass(frozen=True, slots=True)
class Heard:
    """Some bytes arrived from a node; as good a sign of life as an answer to a probe."""

    node_id: int


LinkEvent = Connected | DialFailed | LinkLost | Heard
