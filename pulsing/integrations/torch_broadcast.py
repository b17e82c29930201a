"""The address of rank 0 by a collective of gloo: the way of ranks that have no store in common.

All ranks take part, and once for a process group: who asks again knows already.
"""

from __future__ import annotations

import weakref
from datetime import timedelta
from typing import Any

from pulsing.exceptions import JoinTimeout

SEED_RANK = 0
_SIZE = 256
"""Bytes of an address, and what is broadcast: no rank knows how long that of another is."""

_met: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
"""What was broadcast, by process group."""


class Broadcast:
    """Tells all ranks where rank 0 listens.

    Args:
        dist: `torch.distributed`, with a process group.
        rank: which one this is.
        host: the interface that leads to the others.
        timeout: seconds that all ranks have.
    """

    def __init__(self, dist: Any, rank: int, host: str, timeout: float) -> None:
        self.rank = rank
        self.host = host
        self._dist = dist
        self._timeout = timeout

    def publish(self, addr: str) -> None:
        """Take part; rank 0 tells its address."""
        self._exchange(addr)

    def give_up(self) -> None:
        """Spare the others waiting for a rank 0 that could not start."""
        if self.rank == SEED_RANK:
            self._exchange("")

    def known(self) -> dict[int, str]:
        """The address of rank 0, for the others."""
        return {} if self.rank == SEED_RANK else {SEED_RANK: self._exchange("")}

    def wait_for(self, rank: int, deadline: float) -> None:
        """Take part, and block until rank 0 has.

        Raises:
            JoinTimeout: not all ranks take part in time, or rank 0 could not start.
        """
        if not self._exchange(""):
            raise JoinTimeout([f"rank {rank}"], self._timeout, ["it could not start"])

    def _exchange(self, addr: str) -> str:
        group = self._dist.group.WORLD
        if group not in _met:
            try:
                _met[group] = self._broadcast(addr)
            except RuntimeError as error:
                missed = "the other ranks" if self.rank == SEED_RANK else f"rank {SEED_RANK}"
                reason = f"some rank did not call init_inside_torchrun: {str(error).splitlines()[0]}"
                raise JoinTimeout([missed], self._timeout, [reason]) from error
        return _met[group]

    def _broadcast(self, addr: str) -> str:
        import torch

        # Of its own, so that no device is touched and no other collective is in the way; it ends with the others.
        group = self._dist.new_group(backend="gloo", timeout=timedelta(seconds=self._timeout))
        text = torch.tensor(list(addr.encode().ljust(_SIZE, b"\0")), dtype=torch.uint8)
        self._dist.broadcast(text, src=SEED_RANK, group=group)
        return bytes(text.tolist()).rstrip(b"\0").decode()
