"""What a node counts of its links since it began: how they came about, how they ended, and what went wrong on them."""

from __future__ import annotations

from typing import Literal, get_args

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
        self.pickled = {"in": 0, "out": 0}
        """Values that links which have ended had carried by pickle."""
        self.errors: dict[Error, int] = dict.fromkeys(get_args(Error), 0)
