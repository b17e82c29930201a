"""What has happened to the hosts of a network that tests break: who is cut off, who stands still, who is dead.

Knows nothing of connections: what a fault does to those is for the network that keeps this book.
"""

from __future__ import annotations

import asyncio

from pulsing.transport.address import split_address


class Faults:
    """The book of them. A host is known by its name; whoever writes to the book may give an address of it instead."""

    def __init__(self) -> None:
        self._cuts: dict[tuple[str, str], None] = {}
        self._frozen: dict[str, int] = {}
        self._dead: set[str] = set()

    def partition(self, a: str, b: str, *, one_way: bool = False) -> None:
        """Let nothing through between `a` and `b`, or from `a` to `b` only, without a word to either.

        Connections stay open until something sent into them has waited for the write timeout.
        """
        for pair in both_ways(a, b)[: 1 if one_way else 2]:
            self._cuts[pair] = None
        self._on_fault()

    def heal(self, a: str | None = None, b: str | None = None) -> None:
        """End the partition between two hosts, or all of them. What was under way arrives."""
        for pair in list(self._cuts) if a is None or b is None else both_ways(a, b):
            self._cuts.pop(pair, None)
        self._on_change()

    def freeze(self, host: str, seconds: float) -> None:
        """Stop the traffic of a host, as if its process were stopped; afterwards everything arrives, in order.

        A host that is frozen more than once thaws with the last.
        """
        host = host_of(host)
        self._frozen[host] = self._frozen.get(host, 0) + 1
        asyncio.get_running_loop().call_later(seconds, self._thaw, host)
        self._on_fault()

    def kill(self, host: str) -> None:
        """End a host as `kill -9` does: the others see its connections end, later dials are refused."""
        host = host_of(host)
        self._dead.add(host)
        # The kernel answers for a process that is gone, also for one that was stopped before.
        self._frozen.pop(host, None)
        self._on_change()

    def passes(self, source: str, target: str) -> bool:
        """Whether a message from one host would reach the other now."""
        return (source, target) not in self._cuts and source not in self._frozen and target not in self._frozen

    def cut(self, source: str, target: str) -> bool:
        """Whether a partition keeps messages of one host from the other."""
        return (source, target) in self._cuts

    def is_dead(self, host: str) -> bool:
        """Whether a host was killed."""
        return host in self._dead

    def _thaw(self, host: str) -> None:
        left = self._frozen.pop(host, 1) - 1
        if left > 0:
            self._frozen[host] = left
        self._on_change()

    def _on_fault(self) -> None:
        """Less passes than before: a network that must act on it does so here."""

    def _on_change(self) -> None:
        """More may pass than before, or a host is gone."""
        raise NotImplementedError


def both_ways(a: str, b: str) -> list[tuple[str, str]]:
    """From one host to the other, and back."""
    a, b = host_of(a), host_of(b)
    return [(a, b), (b, a)]


def host_of(text: str) -> str:
    """The host of an address, or the host itself."""
    return split_address(text)[0] if ":" in text else text
