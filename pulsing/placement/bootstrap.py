"""What the process of an actor must know before it can talk to the node that started it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import msgpack  # type: ignore[import-untyped]

from pulsing.node.credentials import Credentials, Mode, Secret
from pulsing.placement.origin import Origin


@dataclass(frozen=True)
class Bootstrap:
    """The whole of it, as plain values.

    Ids are written as texts, because they may take more bits than an integer may have on the way.
    """

    node_id: str
    """The id that the new node takes."""
    parent_id: str
    parent_addr: str
    host: str
    """The interface to listen on: that of the parent, so that whoever reaches one reaches the other."""
    node_name: str
    actor_id: str
    cluster: str
    mode: Mode
    roots: tuple[bytes, ...] = field(repr=False)
    """The stretched secrets of the parent's links; the passphrase itself does not travel."""
    tls: tuple[str, str, str] | None
    """The files of a site's own certificates: authorities, certificate, key."""
    allow_pickle: bool
    may_create: bool
    key: bytes = field(repr=False)
    """What the parent says with each of its orders."""
    origin: Origin
    start_timeout: float
    parent_pid: int
    sys_path: tuple[str, ...]
    argv: tuple[str, ...]
    log_level: int
    uvloop: bool

    @property
    def credentials(self) -> Credentials:
        """The secrets of the new node."""
        return Credentials.of_roots(self.mode, [Secret(root) for root in self.roots], self.cluster)

    def to_bytes(self) -> bytes:
        """Everything, for the new process alone."""
        packed: bytes = msgpack.packb(asdict(self))
        return packed

    @classmethod
    def from_bytes(cls, data: bytes) -> Bootstrap:
        """Read what `to_bytes` wrote."""
        fields: dict[str, Any] = msgpack.unpackb(data, use_list=False)
        return cls(**{**fields, "origin": Origin(**fields["origin"])})
