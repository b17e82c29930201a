"""Whose turn it is when the messages of one node come over several links: nothing overtakes what was sent before it.

A sender uses one link at a time for new messages, and says goodbye on the one that it leaves. It numbers its messages
over all links, so that a link that takes over where another one ended is known by its first number. Within one link
messages to the same actor keep their order by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Way(Protocol):
    """A link, as far as order is concerned."""

    @property
    def first_message(self) -> int | None:
        """Number of the first message that came over it; None before there was one."""
        ...

    @property
    def has_parted(self) -> bool:
        """Whether the sender has left it."""
        ...

    @property
    def is_drained(self) -> bool:
        """Whether no message that came over it waits for the rest of a large value."""
        ...


def is_in_turn(way: Way, others: Iterable[Way], delivered: int) -> bool:
    """Whether the messages of a link may be delivered, now and from now on.

    Args:
        way: a link over which messages have come.
        others: the other links to the same node.
        delivered: the highest number that was delivered so far.
    """
    open_ways = [other for other in others if not (other.has_parted and other.is_drained)]
    if way.has_parted and len(open_ways) == 1 and not open_ways[0].has_parted:
        # The sender has left this link for that one.
        return True
    return all(_comes_after(way, other, delivered) for other in open_ways)


def _comes_after(way: Way, other: Way, delivered: int) -> bool:
    """Whether nothing that was sent before the messages of `way` can still come over `other`."""
    first = way.first_message
    if first is not None and other.first_message is not None and other.first_message > first:
        return True
    return other.is_drained and first == delivered + 1
