"""How a node finds the others: by seeds, through one head node, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pulsing.cluster.seeds import parse_address

Mode = Literal["standalone", "gossip", "head"]


@dataclass(frozen=True, slots=True)
class JoinPlan:
    """Whom a node contacts first.

    A worker contacts its head and nobody else to join; from then on it is a member like every other, which is why
    workers survive a restart of the head.
    """

    mode: Mode
    seeds: tuple[str, ...] = ()
    head: str | None = None
    """Address of the head as a worker was told; None on the head itself and without one."""

    @classmethod
    def of(
        cls,
        addr: str | None = None,
        seeds: Sequence[str] | None = None,
        head_addr: str | None = None,
        is_head_node: bool = False,
    ) -> JoinPlan:
        """Read the settings with which a node is started; they have been checked not to exclude each other.

        Raises:
            ValueError: an address cannot be read.
        """
        for text in [addr, head_addr, *(seeds or ())]:
            if text is not None:
                parse_address(text)
        if head_addr:
            return cls("head", (head_addr,), head_addr)
        if is_head_node:
            return cls("head", tuple(seeds or ()))
        if addr is None and not seeds:
            return cls("standalone")
        return cls("gossip", tuple(seeds or ()))
