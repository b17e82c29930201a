"""The actors of a node as rows of listings, and which of very many a window shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from operator import attrgetter, itemgetter
from typing import Any

from pulsing.core.cell import Cell
from pulsing.core.lifecycle import Ended
from pulsing.core.moments import timestamp, wall_of
from pulsing.core.system import System
from pulsing.core.window import Selection, Window, select
from pulsing.ids import ActorId

CELLS_AT_ONCE = 5_000
ROWS_AT_ONCE = 1_000
"""So many actors are looked at, or shown, before the loop does other things: about 5 ms."""


async def actor_rows(system: System, params: Mapping[str, Any]) -> list[dict[str, Any]] | dict[str, Any]:
    """Live actors, or with `ended` the last that have ended; Pulsing's own only with `system`.

    With `waiting` only those whose mailbox was not empty of late: of many actors they are few. With `ids` only the live
    ones among those, in any order.

    Returns:
        All rows. With a `window` (see `Window.to_params`): `{"rows", "total", "filtered"}`, the rows only of that part;
        with `bare` as well, of each row only its id and what it is sorted by.
    """
    if params.get("ids") is not None:
        found = (system.registry.by_id(ActorId.from_str(text)) for text in params["ids"])
        return [actor_row(cell) for cell in found if cell is not None]
    window = Window.from_params(params["window"]) if params.get("window") else None
    if params.get("ended"):
        rows = [ended_row(system, ended) for ended in reversed(system.ended)]
        return rows if window is None else _windowed(select(rows, window, _row_reader, itemgetter("id")))
    cells = live_cells(system, params)
    if window is None:
        return [row async for part in slices(cells, ROWS_AT_ONCE) for row in map(actor_row, part)]
    chosen = await _chosen(cells, window)
    row_of = _bare_row(window, system.clock.wall()) if params.get("bare") else actor_row
    rows = [row async for part in slices(chosen.objects, ROWS_AT_ONCE) for row in map(row_of, part)]
    return _windowed(Selection(rows, chosen.total, chosen.filtered))


def _bare_row(window: Window, wall: float) -> Callable[[Cell], dict[str, Any]]:
    read = reader_at(wall)
    fields = {name: read(name) for name in ("id", *(name for name, _ in window.sort))}
    return lambda cell: {name: field(cell) for name, field in fields.items()}


def live_cells(system: System, params: Mapping[str, Any]) -> list[Cell]:
    """The live actors that a question is about: `waiting` and `system` are as in `actor_rows`."""
    cells = system.waiting if params.get("waiting") else system.registry
    return [cell for cell in cells if params.get("system") or not cell.spec.internal]


async def _chosen(cells: list[Cell], window: Window) -> Selection[Cell]:
    """The part of many actors that a window asks for: the best of all are among the best of each slice."""
    if not cells:
        return Selection([], 0, 0)
    read = reader_at(cells[0].system.clock.wall())
    parts = [_select(part, window, read) async for part in slices(cells, CELLS_AT_ONCE)]
    best = [cell for part in parts for cell in part.objects]
    last = _select(best, Window(sort=window.sort, limit=window.limit), read)
    return Selection(last.objects, sum(part.total for part in parts), sum(part.filtered for part in parts))


def _select(cells: list[Cell], window: Window, read: Callable[[str], Callable[[Cell], Any]]) -> Selection[Cell]:
    return select(cells, window, read, attrgetter("actor_id.id"), _id_number)


async def slices(cells: list[Cell], size: int) -> AsyncIterator[list[Cell]]:
    """Actors in slices, between which the loop does other things."""
    for start in range(0, len(cells), size):
        if start:
            await asyncio.sleep(0)
        yield cells[start : start + size]


def _windowed(chosen: Selection[dict[str, Any]]) -> dict[str, Any]:
    return {"rows": chosen.objects, "total": chosen.total, "filtered": chosen.filtered}


def _row_reader(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda row: row.get(name)


def _cell_reader(name: str) -> Callable[[Cell], Any]:
    """Reads one field of an actor's row, without making the whole row where that can be avoided."""
    return _CELL_FIELDS.get(name) or (lambda cell: actor_row(cell).get(name))


def reader_at(wall: float) -> Callable[[str], Callable[[Cell], Any]]:
    """Readers of the fields of rows, all at one moment: asking the clock for each actor costs more than all else."""
    of_now: Mapping[str, Callable[[Cell], Any]] = {
        "rate": lambda cell: cell.messages / age if (age := wall - cell.created_at) > 1.0 else float(cell.messages),
        "age_s": lambda cell: wall - cell.created_at,
    }
    return lambda name: of_now.get(name) or _cell_reader(name)


def _id_number(text: str) -> int:
    """The place of an id among those of a node's actors; a text that is no id comes after all."""
    try:
        return ActorId.from_str(text).id
    except ValueError:
        return 1 << 128


def _id_of(cell: Cell) -> str:
    return str(cell.actor_id)


def _kind_of(cell: Cell) -> str:
    return "threaded" if cell.spec.threaded and cell.spec.kind == "remote" else cell.spec.kind


def waiting(cell: Cell) -> int:
    """Messages in an actor's mailbox, and those that wait for room in it."""
    return len(cell.mailbox) + cell.mailbox.in_line if cell.mailbox is not None else 0


def dropped(cell: Cell) -> int:
    """Messages that a full mailbox refused or lost."""
    return cell.mailbox.dropped if cell.mailbox is not None else 0


def _oldest_s(cell: Cell) -> float | None:
    oldest = cell.mailbox.oldest if cell.mailbox is not None else None
    return None if oldest is None else cell.system.now() - oldest.accepted_at


def _handle_mean_s(cell: Cell) -> float | None:
    return cell.handle_s / cell.messages if cell.messages else None


def _handle_max_s(cell: Cell) -> float | None:
    return cell.handle_max_s if cell.messages else None


def _rate(cell: Cell) -> float:
    """Messages a second since it was made; an actor counts as a second old at least."""
    return cell.messages / max(1.0, cell.system.clock.wall() - cell.created_at)


def _age_s(cell: Cell) -> float:
    return cell.system.clock.wall() - cell.created_at


_CELL_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "id": _id_of,
    "name": attrgetter("path"),
    "class": attrgetter("spec.class_name"),
    "kind": _kind_of,
    "state": attrgetter("state"),
    "busy": attrgetter("busy"),
    "public": attrgetter("public"),
    "mailbox": waiting,
    "mailbox_oldest_s": _oldest_s,
    "messages_total": attrgetter("messages"),
    "errors_total": attrgetter("errors"),
    "rate": _rate,
    "handle_total_s": attrgetter("handle_s"),
    "handle_mean_s": _handle_mean_s,
    "handle_max_s": _handle_max_s,
    "wait_total_s": attrgetter("wait_s"),
    "dropped_total": dropped,
    "restarts": attrgetter("restarts"),
    "node": lambda cell: str(cell.system.node_id),
    "created_at": lambda cell: timestamp(cell.created_at),
    "last_message_at": lambda cell: wall_of(cell.system, cell.last_message_at),
    "age_s": _age_s,
    "tags": attrgetter("tags"),
    "agent": attrgetter("spec.card"),
}


def actor_row(cell: Cell) -> dict[str, Any]:
    """One live actor."""
    system = cell.system
    return {
        "id": str(cell.actor_id),
        "name": cell.path,
        "class": cell.spec.class_name,
        "kind": _kind_of(cell),
        "node": str(system.node_id),
        "state": cell.state,
        "busy": cell.busy,
        "public": cell.public,
        "mailbox": waiting(cell),
        "mailbox_oldest_s": _oldest_s(cell),
        "messages_total": cell.messages,
        "errors_total": cell.errors,
        "rate": _rate(cell),
        "handle_total_s": cell.handle_s,
        "handle_mean_s": _handle_mean_s(cell),
        "handle_max_s": _handle_max_s(cell),
        "wait_total_s": cell.wait_s,
        "dropped_total": dropped(cell),
        "restarts": cell.restarts,
        "created_at": timestamp(cell.created_at),
        "age_s": _age_s(cell),
        "last_message_at": wall_of(system, cell.last_message_at),
        "tags": dict(cell.tags or {}),
        "agent": None if cell.spec.card is None else dict(cell.spec.card),
        "process": cell.process,
    }


def ended_row(system: System, ended: Ended) -> dict[str, Any]:
    """One actor that has ended."""
    return {
        "id": str(ended.actor_id),
        "name": ended.name,
        "class": ended.class_name,
        "kind": ended.kind,
        "node": str(system.node_id),
        "state": "failed" if ended.error is not None else "stopped",
        "messages_total": ended.messages,
        "errors_total": ended.errors,
        "restarts": ended.restarts,
        "created_at": timestamp(ended.created_at),
        "exit": {
            "at": timestamp(ended.at),
            "reason": ended.reason,
            "error": ended.error,
            "traceback": ended.traceback,
        },
    }
