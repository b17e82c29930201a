"""How soon an address that could not be reached is dialled again: later each time, and not to the second."""

from __future__ import annotations

from random import Random

FIRST_S = 0.1
LONGEST_S = 5.0
ADDRESSES_KEPT = 1_024


class Redials:
    """The addresses that could not be reached.

    Args:
        random: spreads the attempts of several nodes.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failed: dict[str, tuple[int, float]] = {}
        """How often in a row, and when the next attempt is due."""

    def failed(self, addr: str, now: float) -> None:
        """An attempt has failed."""
        failures, _ = self._failed.pop(addr, (0, 0.0))
        if len(self._failed) >= ADDRESSES_KEPT:
            del self._failed[next(iter(self._failed))]
        pause = min(LONGEST_S, FIRST_S * 2 ** min(failures, 10))
        self._failed[addr] = failures + 1, now + pause * self._random.uniform(0.5, 1.0)

    def succeeded(self, addr: str) -> None:
        """The address is reached."""
        self._failed.pop(addr, None)

    def pause(self, addr: str, now: float) -> float:
        """Seconds until the address may be dialled."""
        _, due = self._failed.get(addr, (0, now))
        return max(0.0, due - now)
