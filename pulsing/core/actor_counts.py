"""How many actors of each kind a node has: counted where they are, so that only sums travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from pulsing.core.actor_rows import live_cells, reader_at, slices, waiting
from pulsing.core.cell import Cell
from pulsing.core.system import System
from pulsing.core.window import Window, fitting

CELLS_AT_ONCE = 1_000
"""So many actors are counted before the loop does other things: about 5 ms."""


async def actor_counts(system: System, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Live actors in groups that share the values of the fields `by`; Pulsing's own only with `system`.

    With a `window` (see `Window.to_params`) those alone that pass its filters and its search.

    Returns:
        One row a group: `key` has the values of `by` in their order, as text.
    """
    by: Sequence[str] = params["by"]
    window = Window.from_params(params["window"]) if params.get("window") else Window()
    read = reader_at(system.clock.wall())
    readers = [_role_of if name == "role" else read(name) for name in by]
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    async for part in slices(live_cells(system, params), CELLS_AT_ONCE):
        for cell in fitting(part, window, read):
            _count(cell, groups, tuple(str(value(cell)) for value in readers))
    return [{"key": list(key), **sums} for key, sums in sorted(groups.items())]


def _role_of(cell: Cell) -> str:
    return str((cell.spec.card or {}).get("role") or "")


def _count(cell: Cell, groups: dict[tuple[str, ...], dict[str, Any]], key: tuple[str, ...]) -> None:
    sums = groups.get(key)
    if sums is None:
        sums = groups[key] = {"actors": 0, "by_state": {}, **dict.fromkeys(_SUMS, 0), "mailbox_max": 0}
    sums["actors"] += 1
    sums["by_state"][cell.state] = sums["by_state"].get(cell.state, 0) + 1
    for name, value in _SUMS.items():
        sums[name] += value(cell)
    sums["mailbox_max"] = max(sums["mailbox_max"], waiting(cell))


_SUMS: Mapping[str, Callable[[Any], Any]] = {
    "messages_total": attrgetter("messages"),
    "errors_total": attrgetter("errors"),
    "restarts_total": attrgetter("restarts"),
    "mailbox_messages": waiting,
    "handle_total_s": attrgetter("handle_s"),
}
