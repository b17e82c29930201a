"""What a node has for processes, and what of it is taken: bookkeeping, not limits.

Each process says what it needs; one that does not fit beside the others is not started here. Nothing keeps a process
from taking more than it said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

GPUS_VARIABLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Share:
    """What one process was given."""

    needs: Mapping[str, float]
    gpus: tuple[str, ...] = ()

    @property
    def threads(self) -> dict[str, str]:
        """The variable by which programs learn how many threads to start."""
        cpus = self.needs.get("num_cpus")
        return {"OMP_NUM_THREADS": str(max(1, int(cpus)))} if cpus else {}

    @property
    def devices(self) -> dict[str, str]:
        """The variable by which programs see their devices alone."""
        return {GPUS_VARIABLE: ",".join(self.gpus)} if "num_gpus" in self.needs else {}


class Ledger:
    """What one node has and what is taken.

    Args:
        capacity: how much of each resource there is.
        gpus: the devices behind `num_gpus`.
    """

    def __init__(self, capacity: Mapping[str, float], gpus: tuple[str, ...] = ()) -> None:
        self.capacity = {**capacity, "num_gpus": float(len(gpus))}
        self._taken: dict[str, float] = {}
        self._gpus = {gpu: 0.0 for gpu in gpus}

    def fits_ever(self, needs: Mapping[str, float]) -> bool:
        """Whether it would fit if nothing were taken."""
        return all(need <= self.capacity.get(name, 0.0) for name, need in needs.items())

    def take(self, needs: Mapping[str, float]) -> Share | None:
        """Take what is needed; None if it does not fit now."""
        if any(self._taken.get(name, 0.0) + need > self.capacity.get(name, 0.0) for name, need in needs.items()):
            return None
        gpus = self._free_gpus(needs.get("num_gpus", 0.0))
        if gpus is None:
            return None
        self._change(needs, gpus, 1.0)
        return Share(dict(needs), gpus)

    def give_back(self, share: Share) -> None:
        """The process has ended."""
        self._change(share.needs, share.gpus, -1.0)

    def _free_gpus(self, need: float) -> tuple[str, ...] | None:
        """Whole devices, or the fullest one that still has room for a part."""
        if need >= 1:
            free = [gpu for gpu, taken in self._gpus.items() if taken == 0.0]
            return tuple(free[: int(need)]) if len(free) >= need else None
        room = [gpu for gpu, taken in self._gpus.items() if taken + need <= 1.0]
        if not need or not room:
            return None if need else ()
        return (max(room, key=self._gpus.__getitem__),)

    def _change(self, needs: Mapping[str, float], gpus: tuple[str, ...], sign: float) -> None:
        for name, need in needs.items():
            self._taken[name] = self._taken.get(name, 0.0) + sign * need
        for gpu in gpus:
            self._gpus[gpu] += sign * min(1.0, needs["num_gpus"])


@dataclass
class Machine:
    """Where the figures of this machine come from."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    devices: Path = Path("/dev")

    def ledger(self, more: Mapping[str, float] | None = None) -> Ledger:
        """A ledger of this machine, with what there is beside, or instead."""
        return Ledger({"num_cpus": float(_cpus()), "memory": float(_memory()), **(more or {})}, self._gpus())

    def _gpus(self) -> tuple[str, ...]:
        chosen = self.environment.get(GPUS_VARIABLE)
        if chosen is not None:
            return tuple(gpu for part in chosen.split(",") if (gpu := part.strip()))
        numbers = (path.name.removeprefix("nvidia") for path in self.devices.glob("nvidia*"))
        return tuple(sorted((number for number in numbers if number.isdecimal()), key=int))


def check_needs(resources: Mapping[str, object]) -> dict[str, float]:
    """What a process needs, as numbers.

    Raises:
        ValueError: a need is no number, or less than nothing.
    """
    needs = {}
    for name, need in resources.items():
        if isinstance(need, bool) or not isinstance(need, (int, float)) or not 0 <= need < float("inf"):
            raise ValueError(f"resources[{name!r}] is a number that is not negative, got {need!r}")
        needs[str(name)] = float(need)
    if (gpus := needs.get("num_gpus", 0.0)) > 1 and gpus != int(gpus):
        raise ValueError(f"num_gpus is a whole number or less than one, got {gpus:g}")
    return needs


def _cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
