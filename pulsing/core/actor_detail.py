"""One actor in full: what it is at work on, what it was told and what went wrong, whom it watches."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import Any

from pulsing.core.actor_rows import actor_row, dropped, ended_row
from pulsing.core.cell import Cell
from pulsing.core.class_rows import shown_kind
from pulsing.core.conversation import AgentCell, Exchange
from pulsing.core.lifecycle import Ended
from pulsing.core.moments import timestamp
from pulsing.core.system import System
from pulsing.core.ties import QUEUE, TOPIC
from pulsing.ids import ActorId

METADATA_TIMEOUT_S = 5.0
"""Seconds to wait for an actor's own hook; after that, what it gave the last time is shown."""


def actor_detail(system: System, actor: str) -> dict[str, Any] | None:
    """One actor by id, path or bare name, live or ended; None if this node does not know it."""
    cell = system.registry.find(actor)
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
            "dropped_total": dropped(cell),
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
        "last_messages": last_messages(cell),
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


def last_messages(cell: Cell) -> list[dict[str, Any]] | None:
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
    cell = system.registry.find(actor)
    if cell is None:
        return None
    try:
        metadata = await asyncio.wait_for(cell.read_metadata(), METADATA_TIMEOUT_S)
    except asyncio.TimeoutError:
        metadata = cell.metadata or {}
    return {
        "metadata": metadata,
        "agent": None if cell.spec.card is None else dict(cell.spec.card),
        "tags": dict(cell.tags or {}),
    }


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
