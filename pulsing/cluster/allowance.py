"""How much one sender may send: a bucket that refills steadily, so that bursts pass and floods do not."""

from __future__ import annotations


class Allowance:
    """What a sender may spend. Knows no clock.

    Args:
        per_second: how fast it refills.
        most: how much it holds when full, as it is at first.
    """

    __slots__ = ("_at", "_left", "_most", "_per_second")

    def __init__(self, per_second: float, most: float) -> None:
        self._per_second = per_second
        self._most = most
        self._left = most
        self._at = float("-inf")

    def spend(self, amount: float, now: float) -> bool:
        """Take an amount if there is enough; False leaves what there is."""
        if self._at != float("-inf"):
            self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
