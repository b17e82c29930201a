"""Where a process for an actor comes from: the seam at which another engine than this machine may be put."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

PLACEMENTS = ("process", "ray")
"""Words that a launcher may stand behind."""


@dataclass(frozen=True)
class Launch:
    """One process that is wanted."""

    bootstrap: bytes = field(repr=False)
    """For `pulsing.placement.child.serve` in the new process. It holds the secrets of the cluster: it belongs on no
    command line, in no environment and in no log."""
    label: str
    """What people call the actor."""
    resources: Mapping[str, Any]
    """What the actor was said to need, in the words of the engine."""


class Process(Protocol):
    """A process that was launched."""

    @property
    def pid(self) -> int | None:
        """Its number on its machine, None where that is not known."""
        ...

    async def wait(self) -> str:
        """Wait for its end, and say how it ended in a few words, such as "was killed by SIGKILL"."""
        ...

    def terminate(self) -> None:
        """Ask it to end; nothing if it has."""
        ...

    def kill(self) -> None:
        """End it now; nothing if it has ended."""
        ...


class Launcher(Protocol):
    """Starts processes; never starts one again by itself, because the actor's supervisor does."""

    @property
    def host(self) -> str:
        """The interface by which its processes reach this one, for a system that has no address yet."""
        ...

    async def launch(self, wanted: Launch) -> Process:
        """Start a process that serves the bootstrap; it need not be ready when this returns.

        Raises:
            PulsingRuntimeError: there cannot be such a process.
        """
        ...
