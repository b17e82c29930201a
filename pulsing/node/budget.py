"""How much memory messages of other nodes may take on this one, from when they come until nobody holds them."""

from __future__ import annotations

from pulsing.core.envelope import Envelope

USER_BYTES = 512 << 20


class Budget:
    """What all messages of other nodes may take together.

    Args:
        limit: bytes.
    """

    __slots__ = ("held", "limit")

    def __init__(self, limit: int = USER_BYTES) -> None:
        self.limit = limit
        self.held = 0
        """Bytes that messages take now: those that wait, and those that methods are at work on."""

    def takes_values(self, coming: int) -> bool:
        """Whether large values of so many bytes may be coming in, from all nodes; what is complete counts as held."""
        return coming <= self.limit

    def takes_answer(self, waiting: int, waiting_in_all: int) -> bool:
        """Whether answers may wait for the other nodes to take them.

        Args:
            waiting: bytes of those for one node; so that it leaves room for others, half of the limit at most.
            waiting_in_all: bytes of those for all.
        """
        return waiting <= self.limit // 2 and self.held + waiting_in_all <= self.limit


class Arrival(Envelope):
    """A message of another node: counted as long as it lives, whoever holds it.

    Whoever makes one takes its size from the budget; it would be one more call if that was done here.
    """

    __slots__ = ("budget", "size")

    budget: Budget
    size: int

    def __del__(self) -> None:
        self.budget.held -= self.size
