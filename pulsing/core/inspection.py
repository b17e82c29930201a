"""What a node tells of its actors, classes, events and dead letters: plain rows for listings, one function a kind."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime, timezone
from operator import attrgetter, itemgetter
from typing import Any

from pulsing.core.actor_class import ActorClass
from pulsing.core.cell import Cell
from pulsing.core.classes import registered_classes
from pulsing.core.conversation import AgentCell, Exchange
from pulsing.core.dead_letters import DeadLetter
from pulsing.core.events import Event
from pulsing.core.lifecycle import Ended
from pulsing.core.methods import ASYNC, STREAMS
from pulsing.core.registry import lookup_path
from pulsing.core.statistics import ClassStatistics, Latency, MethodStatistics
from pulsing.core.system import System
from pulsing.core.ties import QUEUE, TOPIC
from pulsing.core.vitals import Vitals
from pulsing.core.window import Selection, Window, select
from pulsing.ids import ActorId

LIST_LIMIT = 1_000
CELLS_AT_ONCE = 5_000
ROWS_AT_ONCE = 1_000
"""So many actors are looked at, or shown, before the loop does other things: about 5 ms."""
METADATA_TIMEOUT_S = 5.0
"""After this long an actor's own hook is not waited for, and what it said last is shown."""


def register_inspectors(system: System) -> None:
    """Let the system answer for its actors."""
    vitals = Vitals(system)
    system.inspectors.update(
        node=lambda params: {**vitals.row(params), "started_at": timestamp(system.started_wall)},
        actors=lambda params: actor_rows(system, params),
        actor=lambda params: actor_detail(system, str(params.get("actor", ""))),
        ties=lambda params: ties_row(system, str(params.get("actor", ""))),
        metadata=lambda params: actor_metadata(system, str(params.get("actor", ""))),
        classes=lambda params: class_rows(system),
        methods=lambda params: method_rows(system),
        agents=lambda params: agent_rows(system),
        names=lambda params: name_rows(system),
        members=lambda params: member_rows(system),
        cluster=lambda params: cluster_row(system),
        events=lambda params: [event_row(system, e) for e in system.events.recent(_limit(params))],
        dead_letters=lambda params: [letter_row(system, e) for e in system.dead_letters.recent(_limit(params))],
    )


async def actor_rows(system: System, params: Mapping[str, Any]) -> list[dict[str, Any]] | dict[str, Any]:
    """Live actors, or with `ended` the last that have ended; Pulsing's own only with `system`.

    With `waiting` those alone whose mailbox was not empty of late: of many actors they are few.

    Returns:
        All rows; with a `window` (see `Window.to_params`) `{"rows", "total", "filtered"}` of that part alone.
    """
    window = Window.from_params(params["window"]) if params.get("window") else None
    if params.get("ended"):
        rows = [ended_row(system, ended) for ended in reversed(system.ended)]
        return rows if window is None else _windowed(select(rows, window, _row_reader, itemgetter("id")))
    cells = list(_shown(system.waiting if params.get("waiting") else system.registry, bool(params.get("system"))))
    if window is None:
        return [row async for part in _slices(cells, ROWS_AT_ONCE) for row in map(actor_row, part)]
    chosen = await _chosen(cells, window)
    return _windowed(Selection([actor_row(cell) for cell in chosen.objects], chosen.total, chosen.filtered))


async def _chosen(cells: list[Cell], window: Window) -> Selection[Cell]:
    """The part of many actors that a window asks for: the best of all are among the best of each slice."""
    if not cells:
        return Selection([], 0, 0)
    read = _reader_at(cells[0].system.clock.wall())
    parts = [_select(part, window, read) async for part in _slices(cells, CELLS_AT_ONCE)]
    best = [cell for part in parts for cell in part.objects]
    last = _select(best, Window(sort=window.sort, limit=window.limit), read)
    return Selection(last.objects, sum(part.total for part in parts), sum(part.filtered for part in parts))


def _select(cells: list[Cell], window: Window, read: Callable[[str], Callable[[Cell], Any]]) -> Selection[Cell]:
    return select(cells, window, read, attrgetter("actor_id.id"), _id_number)


async def _slices(cells: list[Cell], size: int) -> AsyncIterator[list[Cell]]:
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
    """Reads what `actor_row` says in one field, without making the row where that can be."""
    return _CELL_FIELDS.get(name) or (lambda cell: actor_row(cell).get(name))


def _reader_at(wall: float) -> Callable[[str], Callable[[Cell], Any]]:
    """The same at one moment for all actors: to ask the clock for each costs more than all else."""
    of_now: Mapping[str, Callable[[Cell], Any]] = {
        "rate": lambda cell: cell.messages / age if (age := wall - cell.created_at) > 1.0 else float(cell.messages),
        "age_s": lambda cell: wall - cell.created_at,
    }
    return lambda name: of_now.get(name) or _cell_reader(name)


def _id_number(text: str) -> int:
    """The place of an id among those of a node's actors; what is none comes after all."""
    try:
        return ActorId.from_str(text).id
    except ValueError:
        return 1 << 128


def _id_of(cell: Cell) -> str:
    return str(cell.actor_id)


def _kind_of(cell: Cell) -> str:
    return "threaded" if cell.spec.threaded and cell.spec.kind == "remote" else cell.spec.kind


def _waiting(cell: Cell) -> int:
    return len(cell.mailbox) + cell.mailbox.in_line if cell.mailbox is not None else 0


def _dropped(cell: Cell) -> int:
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
    "mailbox": _waiting,
    "mailbox_oldest_s": _oldest_s,
    "messages_total": attrgetter("messages"),
    "errors_total": attrgetter("errors"),
    "rate": _rate,
    "handle_total_s": attrgetter("handle_s"),
    "handle_mean_s": _handle_mean_s,
    "handle_max_s": _handle_max_s,
    "wait_total_s": attrgetter("wait_s"),
    "dropped_total": _dropped,
    "restarts": attrgetter("restarts"),
    "node": lambda cell: str(cell.system.node_id),
    "created_at": lambda cell: timestamp(cell.created_at),
    "last_message_at": lambda cell: _wall_of(cell.system, cell.last_message_at),
    "age_s": _age_s,
    "tags": attrgetter("tags"),
    "agent": attrgetter("spec.card"),
}


def _shown(cells: Iterable[Cell], internal: bool) -> Iterable[Cell]:
    return (cell for cell in cells if internal or not cell.spec.internal)


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
        "mailbox": _waiting(cell),
        "mailbox_oldest_s": _oldest_s(cell),
        "messages_total": cell.messages,
        "errors_total": cell.errors,
        "rate": _rate(cell),
        "handle_total_s": cell.handle_s,
        "handle_mean_s": _handle_mean_s(cell),
        "handle_max_s": _handle_max_s(cell),
        "wait_total_s": cell.wait_s,
        "dropped_total": _dropped(cell),
        "restarts": cell.restarts,
        "created_at": timestamp(cell.created_at),
        "age_s": _age_s(cell),
        "last_message_at": _wall_of(system, cell.last_message_at),
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


def actor_detail(system: System, actor: str) -> dict[str, Any] | None:
    """One actor by id, path or bare name, live or ended; None if this node does not know it."""
    cell = find_cell(system, actor)
    if cell is None:
        ended = _find_ended(system, actor)
        return None if ended is None else ended_row(system, ended)
    policy, options = cell.spec.policy, cell.spec.mailbox
    return {
        **actor_row(cell),
        "arguments": _arguments(cell),
        "methods": _methods(cell),
        "policy": {
            "restart_policy": policy.policy,
            "max_restarts": policy.max_restarts,
            "restart_window_s": policy.window,
            "min_backoff": policy.min_backoff,
            "max_backoff": policy.max_backoff,
            "restarts_left": cell.restarts_left,
        },
        "mailbox_detail": {
            "capacity": options.capacity,
            "policy": options.policy,
            "waiting": cell.mailbox.in_line if cell.mailbox is not None else 0,
            "dropped_total": _dropped(cell),
            "bytes": cell.mailbox.bytes if cell.mailbox is not None else 0,
            "wait_mean_s": cell.wait_s / cell.messages if cell.messages else None,
            "wait_max_s": cell.wait_max_s if cell.messages else None,
        },
        "current": [
            {
                "method": envelope.method or "receive",
                "sender": None if envelope.sender is None else str(envelope.sender),
                "since_s": system.now() - envelope.accepted_at,
                "trace_id": None if envelope.trace is None else envelope.trace[:16].hex(),
            }
            for envelope in cell.in_progress[:20]
        ],
        "last_messages": _last_messages(cell),
        "by_method": _by_method(cell),
        "errors": [
            {"at": timestamp(at), "method": method, "type": type_name, "message": text}
            for at, method, type_name, text in reversed(cell.last_errors or [])
        ],
        "replicas": [
            {"node": str(one.node_id), "id": str(one.actor_id)}
            for one in (system.names.instances(cell.path) if cell.path else [])
            if one.actor_id != cell.actor_id
        ],
        **ties_row(system, str(cell.actor_id)),
        "watching": sorted(map(str, system.ties.watching(cell.actor_id))),
        "queue_readers": system.ties.read_by(cell.actor_id, QUEUE),
    }


def ties_row(system: System, actor: str) -> dict[str, list[str]]:
    """What this node knows of an actor of any node: which actors here watch it, and which topics it gets from here."""
    try:
        actor_id = ActorId.from_str(actor)
    except ValueError:
        return {"watchers": [], "topics": []}
    ties = system.ties
    watchers = [str(watcher) for watcher in ties.watchers(actor_id) if system.registry.by_id(watcher) is not None]
    return {
        "watchers": sorted(watchers),
        "topics": sorted({*ties.read_by(actor_id, TOPIC), *ties.subscribed_by_name(actor_id)}),
    }


def _arguments(cell: Cell) -> str | None:
    """What the actor was made with, as a short text; None where that is not kept."""
    made = cell.factory
    if not isinstance(made, functools.partial):
        return None
    try:
        bound = inspect.signature(made.func).bind(*made.args, **made.keywords)
    except (TypeError, ValueError):
        return cell.system.preview.call(made.args, made.keywords)
    # By name, because names say what is secret.
    return cell.system.preview.call((), bound.arguments)


def _last_messages(cell: Cell) -> list[dict[str, Any]] | None:
    """What an agent was told of late, newest first; None for other actors, which do not remember."""
    return [_exchange(each) for each in reversed(cell.exchanges)] if isinstance(cell, AgentCell) else None


def _exchange(exchange: Exchange) -> dict[str, Any]:
    shown = {name: getattr(exchange, name) for name in ("method", "sender", "said", "outcome", "answer", "took_s")}
    return {"at": timestamp(exchange.at), **shown}


def _by_method(cell: Cell) -> list[dict[str, Any]] | None:
    """The calls of an actor by method; known only of one that is the first and last of its class on this node.

    Calls are counted by class: counting them for each actor as well would cost every message.
    """
    if cell.counters.spawned != 1:
        return None
    methods = cell.counters.methods.items()
    return [
        {"method": name, "messages_total": m.ok + m.cancelled + m.expired + m.errors, "errors_total": m.errors}
        for name, m in methods
    ]


async def actor_metadata(system: System, actor: str) -> dict[str, Any] | None:
    """What the actor's `metadata()` hook says now, its card and its tags."""
    cell = find_cell(system, actor)
    if cell is None:
        return None
    try:
        said = await asyncio.wait_for(cell.read_metadata(), METADATA_TIMEOUT_S)
    except asyncio.TimeoutError:
        said = cell.said or {}
    return {
        "metadata": said,
        "agent": None if cell.spec.card is None else dict(cell.spec.card),
        "tags": dict(cell.tags or {}),
    }


def find_cell(system: System, actor: str) -> Cell | None:
    """The live actor of this node with an id, path or bare name."""
    try:
        if ":" in actor:
            return system.registry.by_id(ActorId.from_str(actor))
        return system.registry.by_path(lookup_path(actor))
    except ValueError:
        return None


def _find_ended(system: System, actor: str) -> Ended | None:
    for ended in reversed(system.ended):
        if actor == str(ended.actor_id) or (ended.name is not None and ended.name in (actor, f"actors/{actor}")):
            return ended
    return None


def _methods(cell: Cell) -> list[dict[str, str]]:
    table = cell.spec.table
    if table is None:
        return [{"name": "receive", "kind": "async"}]
    return [{"name": m.name, "kind": shown_kind(m.kind)} for m in sorted(table.methods.values(), key=lambda m: m.name)]


def shown_kind(kind: str) -> str:
    """method, async or stream."""
    return "stream" if kind in STREAMS else "async" if kind == ASYNC else "method"


def class_rows(system: System) -> list[dict[str, Any]]:
    """The registered classes and those of live actors, with their totals on this node."""
    counted = {c.name: c for c in system.statistics().classes if not c.internal}
    registered = {name: cls for name, cls in registered_classes().items() if not cls._spec.internal}
    return [
        _class_row(system, name, registered.get(name), counted.get(name)) for name in sorted({*counted, *registered})
    ]


def _class_row(
    system: System, name: str, cls: ActorClass[Any] | None, counted: ClassStatistics | None
) -> dict[str, Any]:
    kind = cls._spec.kind if cls is not None else "receive"
    doc = (inspect.getdoc(cls._cls) or "").partition("\n")[0] if cls is not None else ""
    return {
        "class": name,
        "doc": doc,
        "kind": kind,
        "spawnable": cls is not None,
        "why_not": None if cls is not None else "not registered by @remote",
        "nodes": [str(system.node_id)],
        "actors": counted.actors if counted else 0,
        "messages_total": counted.messages if counted else 0,
        "errors_total": counted.errors if counted else 0,
        "restarts_total": sum(counted.restarts.values()) if counted else 0,
    }


def method_rows(system: System) -> list[dict[str, Any]]:
    """One row for each method that was called on this node."""
    return [_method_row(c, m) for c in system.statistics().classes if not c.internal for m in c.methods]


def _method_row(of: ClassStatistics, method: MethodStatistics) -> dict[str, Any]:
    return {
        "class": of.name,
        "method": method.method,
        "kind": _kind_of_method(of.name, method.method),
        "messages_total": method.messages,
        "errors_total": method.errors,
        "handle_total_s": method.handle.total_s,
        "handle_s": percentiles(method.handle),
        "long_turns_total": method.long_turns,
        "streams_open": method.streams_open,
    }


def _kind_of_method(class_name: str, method: str) -> str | None:
    """method, async or stream; None of a class that is not registered, or one that takes messages."""
    cls = registered_classes().get(class_name)
    table = cls._spec.table if cls is not None else None
    found = table.methods.get(method) if table is not None else None
    return shown_kind(found.kind) if found is not None else None


def percentiles(latency: Latency) -> dict[str, float | None]:
    """p50, p95, p99 and maximum in seconds; None before the first observation."""
    return {
        "p50": latency.quantile(0.5),
        "p95": latency.quantile(0.95),
        "p99": latency.quantile(0.99),
        "max": latency.maximum_s if latency.count else None,
    }


def agent_rows(system: System) -> list[dict[str, Any]]:
    """The live actors whose class has an agent's card."""
    return [_agent_row(cell) for cell in system.registry if cell.spec.card is not None]


def _agent_row(cell: Cell) -> dict[str, Any]:
    row = actor_row(cell)
    card = cell.spec.card or {}
    running = cell.in_progress
    current = None
    if running:
        current = {"method": running[0].method or "receive", "since_s": cell.now() - running[0].accepted_at}
    shared = ("id", "name", "class", "node", "state", "busy", "messages_total", "errors_total", "handle_mean_s")
    return {
        **{key: row[key] for key in shared},
        "role": card.get("role", ""),
        "goal": card.get("goal", ""),
        "backstory": str(card.get("backstory", ""))[:2048],
        "tags": {**card.get("tags", {}), **(cell.tags or {})},
        "current": current,
        "last_message_at": row["last_message_at"],
        "last_message": next(iter(_last_messages(cell) or ()), None),
        "gone": False,
    }


def name_rows(system: System) -> list[dict[str, Any]]:
    """The public names of the cluster, as this node knows them."""
    return [
        {
            "name": path,
            "instances": [
                {"node": str(one.node_id), "actor": str(one.actor_id), "class": _class_of(one.info), "public": True}
                for one in system.names.instances(path)
            ],
        }
        for path in sorted(system.names.paths())
    ]


def _class_of(info: Mapping[str, Any]) -> str:
    return f"{info.get('module', '')}.{info.get('class', '')}"


def member_rows(system: System) -> list[dict[str, Any]]:
    """The members of the cluster, as this node sees them."""
    return [
        {"id": str(m.node_id), "addr": m.addr, "status": m.status.lower(), "self": m.node_id == system.node_id}
        for m in system.members_view()
    ]


def cluster_row(system: System) -> dict[str, Any]:
    """The cluster of a node that has no other."""
    return {"name": "pulsing", "mode": "standalone", "size": 1, "by_status": {"alive": 1}, "agreed": True}


def event_row(system: System, event: Event) -> dict[str, Any]:
    """One event."""
    return {
        "id": str(event.seq),
        "at": timestamp(event.at),
        "node": str(system.node_id),
        "type": event.type,
        "subject": {"kind": event.subject_kind, "id": event.subject_id, "name": event.subject_name or None},
        "data": dict(event.data),
        "trace_id": event.trace_id,
    }


def letter_row(system: System, letter: DeadLetter) -> dict[str, Any]:
    """One dead letter."""
    kept = system.dead_letters.kept
    replays = None if kept is None else kept.replays(letter.seq)
    return {
        "id": f"{system.node_id}-{letter.seq}",
        "at": timestamp(letter.at),
        "node": str(system.node_id),
        "recipient": {"id": letter.recipient_id, "name": letter.recipient_name, "class": letter.recipient_class},
        "class": letter.recipient_class,
        "sender": letter.sender,
        "reason": letter.reason,
        "kind": letter.kind,
        "method": letter.method,
        "bytes": letter.size,
        "preview": letter.preview,
        "trace_id": letter.trace_id,
        "replayable": replays is not None,
        "replays": replays or 0,
    }


def timestamp(wall: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(wall, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wall_of(system: System, monotonic: float | None) -> str | None:
    return None if monotonic is None else timestamp(system.clock.wall() - (system.now() - monotonic))


def _limit(params: Mapping[str, Any]) -> int:
    return min(int(params.get("limit", 100)), LIST_LIMIT)
