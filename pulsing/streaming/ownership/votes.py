"""Whom a node has given the next epoch of a bucket: to one claimant each, and for a while to no other one.

So two claimants who ask a common member never get the same epoch. Knows nothing of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

HOLD_S = 3.0
"""How long a promise keeps others off: news of the new owner have come by then."""


@dataclass(frozen=True, slots=True)
class Promise:
    """An epoch that was promised."""

    epoch: int
    claimant: int
    until: float
    """when others may ask for a later one"""


class Votes:
    """The promises of one node."""

    def __init__(self) -> None:
        self._promises: dict[str, Promise] = {}

    def vote(self, key: str, epoch: int, claimant: int, now: float, lives: Callable[[int], bool]) -> bool:
        """Promise an epoch of a key, unless that would be against an earlier promise.

        Args:
            key: of the bucket.
            epoch: above the last that is known.
            claimant: the node that wants it.
            now: the time.
            lives: whether a node may still make use of what it was promised.
        """
        known = self._promises.get(key)
        if known is not None:
            is_same = known.claimant == claimant
            is_kept = now < known.until and lives(known.claimant)
            if epoch < known.epoch or (not is_same and (epoch == known.epoch or is_kept)):
                return False
        self._promises[key] = Promise(epoch, claimant, now + HOLD_S)
        return True

    def withdraw(self, key: str, claimant: int) -> None:
        """Let others ask for a later epoch at once: the claimant has not got it."""
        known = self._promises.get(key)
        if known is not None and known.claimant == claimant:
            self._promises[key] = Promise(known.epoch, claimant, float("-inf"))

    def settle(self, key: str, epoch: int) -> None:
        """Take what was promised up to an epoch for settled: its owner, or that of a later one, is known."""
        known = self._promises.get(key)
        if known is not None and known.epoch <= epoch:
            del self._promises[key]

    def promised(self, key: str) -> int:
        """The last epoch that was promised; 0 for none."""
        known = self._promises.get(key)
        return 0 if known is None else known.epoch
