"""What a node answers about itself, by the kind of question: plain rows for listings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulsing.core.actor_counts import actor_counts
from pulsing.core.actor_detail import actor_detail, actor_metadata, last_messages, ties_row
from pulsing.core.actor_rows import actor_row, actor_rows
from pulsing.core.cell import Cell
from pulsing.core.class_rows import class_rows, method_rows
from pulsing.core.dead_letters import DeadLetter
from pulsing.core.events import Event
from pulsing.core.moments import timestamp
from pulsing.core.system import System
from pulsing.core.vitals import Vitals

LIST_LIMIT = 1_000


def register_inspectors(system: System) -> None:
    """Let the system answer for its actors."""
    vitals = Vitals(system)
    system.inspectors.update(
        node=lambda params: {**vitals.row(params), "started_at": timestamp(system.started_wall)},
        actors=lambda params: actor_rows(system, params),
        actor_counts=lambda params: actor_counts(system, params),
        actor=lambda params: actor_detail(system, str(params.get("actor", ""))),
        ties=lambda params: ties_row(system, str(params.get("actor", ""))),
        metadata=lambda params: actor_metadata(system, str(params.get("actor", ""))),
        classes=lambda params: class_rows(system),
        methods=lambda params: method_rows(system),
        agents=lambda params: agent_rows(system),
        names=lambda params: name_rows(system),
        members=lambda params: member_rows(system),
        cluster=lambda params: standalone_row(),
        events=lambda params: [event_row(system, e) for e in system.events.recent(_limit(params))],
        dead_letters=lambda params: [letter_row(system, e) for e in system.dead_letters.recent(_limit(params))],
    )


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
        "tags": {**(cell.tags or {}), **card.get("tags", {})},
        "current": current,
        "last_message_at": row["last_message_at"],
        "last_message": next(iter(last_messages(cell) or ()), None),
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


def standalone_row() -> dict[str, Any]:
    """What a node without a cluster says of its cluster."""
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


def _limit(params: Mapping[str, Any]) -> int:
    return min(int(params.get("limit", 100)), LIST_LIMIT)
