"""What a node counts of its links since it began: how they came about, how they ended, and what went wrong on them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from pulsing.node.link import Link

Connect = Literal["ok", "refused", "auth", "timeout", "failed"]
"""What became of an attempt; `ok` counts the links that other nodes dialled too."""
Ending = Literal["closed", "replaced", "leaving", "shutdown", "lost", "dead", "protocol"]
"""Why a link ended. `lost` came unexpected; of a `dead` node nobody waited for more."""
Error = Literal["protocol", "auth", "oversize", "timeout", "decode"]
"""What went wrong. `auth` counts both who was refused here and where this node was refused."""
Goodbyes = Literal["replaced", "leaving", "shutdown"]
"""Reasons that nodes give when they take leave."""
GOODBYES: frozenset[str] = frozenset(get_args(Goodbyes))


class LinkTotals:
    """Plain integers; links that end leave theirs behind."""

    def __init__(self) -> None:
        self.connects: dict[Connect, int] = dict.fromkeys(get_args(Connect), 0)
        self.closed: dict[Ending, int] = dict.fromkeys(get_args(Ending), 0)
        self.errors: dict[Error, int] = dict.fromkeys(get_args(Error), 0)
        self._carried: Counter[str] = Counter()
        """What links had carried that have ended."""
        self._numbers = itertools.count(1)

    def next_link(self) -> int:
        """The number of a new link; no other of this node has it."""
        return next(self._numbers)

    def ended(self, link: Link) -> None:
        """A link has ended."""
        self.closed[link.ending] += 1
        self._carried.update(carried_by(link))

    def carried(self, open_links: Iterable[Link]) -> Counter[str]:
        """What all links have carried, those that are open now too."""
        total = self._carried.copy()
        for link in open_links:
            total.update(carried_by(link))
        return total


def carried_by(link: Link) -> dict[str, int]:
    """Frames, bytes and pickled values over one link, and for how many microseconds senders waited for room on it."""
    return {
        "frames_in": link.frames_in,
        "frames_out": link.outbox.frames,
        "bytes_in": link.bytes_in,
        "bytes_out": link.outbox.bytes,
        "pickled_in": link.values.pickled_in,
        "pickled_out": link.values.pickled_out,
        "backpressure_us": int(link.backpressure.total(link.system.now()) * 1e6),
    }
