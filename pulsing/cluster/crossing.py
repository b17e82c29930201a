"""The way between a node's own loop and the one on which its membership runs, which may be the same.

Only frozen values cross: commands one way, reports the other. Nothing is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Crossing(Protocol):
    """Both ways, each in the order of the calls."""

    def post(self, command: Callable[..., object], *values: Any) -> None:
        """Run a command of the node where its membership runs."""
        ...

    def back(self, command: Callable[..., object], *values: Any) -> None:
        """Run a command of the membership on the node's loop."""
        ...

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where the membership runs, and wait for its result on the node's loop."""
        ...

    def watch_lag(self, changed: Callable[[float], None]) -> None:
        """Tell, where the membership runs and from where this is called, how late the node's loop is, in seconds."""
        ...

    async def close(self) -> None:
        """End; later commands are dropped."""
        ...


class SameLoop:
    """Both are one loop: for networks in memory, and for virtual time."""

    def post(self, command: Callable[..., object], *values: Any) -> None:
        command(*values)

    def back(self, command: Callable[..., object], *values: Any) -> None:
        command(*values)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        return await work

    def watch_lag(self, changed: Callable[[float], None]) -> None:
        """A loop that is late cannot tell itself."""

    async def close(self) -> None:
        """Nothing to end."""
