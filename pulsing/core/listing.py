"""The names, instances and figures of one node, as plain values for those who look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pulsing.core.registry import Instance, lookup_path
from pulsing.core.statistics import Backlog, ClassStatistics, SystemStatistics

if TYPE_CHECKING:
    from pulsing.core.cell import Cell
    from pulsing.core.system import System


def named_actors(system: System) -> list[dict[str, Any]]:
    """Every public name with its instances, and the private names of this node."""
    private = [cell for cell in system.registry if cell.path is not None and not cell.public]
    paths = {*system.names.paths(), *(cell.path for cell in private if cell.path)}
    return [_named(system, path) for path in sorted(paths)]


def named_instances(system: System, name: str) -> list[dict[str, Any]]:
    """The instances behind a name, with the address and status of their nodes."""
    members = {member.node_id: member for member in system.members_view()}
    rows = []
    for one in _known_instances(system, lookup_path(name)):
        member = members.get(one.node_id)
        rows.append(
            {
                "node_id": str(one.node_id.id),
                "addr": member.addr if member else "",
                "status": member.status if member else "Dead",
                "actor_id": str(one.actor_id.id),
                **_class_fields(one.info),
            }
        )
    return rows


def _named(system: System, path: str) -> dict[str, Any]:
    detailed = [
        {"actor_id": str(one.actor_id.id), "node_id": str(one.node_id.id), **_class_fields(one.info)}
        for one in _known_instances(system, path)
    ]
    return {
        "path": path,
        "instance_count": len(detailed),
        "instances": [one["node_id"] for one in detailed],
        "detailed_instances": detailed,
    }


def _known_instances(system: System, path: str) -> list[Instance]:
    here = system.registry.by_path(path)
    if here is not None and not here.public:
        return [system.instance_of(here), *system.names.instances(path)]
    return system.names.instances(path)


def figures_of(system: System) -> SystemStatistics:
    """This node's figures at this moment, as frozen values."""
    backlogs = _backlogs(system)
    classes = tuple(c.snapshot(backlogs.get(c.name, Backlog())) for c in system.counters.values())
    return SystemStatistics(
        node_id=str(system.node_id),
        addr=system.addr,
        started_at=system.started_wall,
        uptime_s=system.uptime_s,
        actors=len(system.registry),
        spawned=sum(c.spawned for c in classes),
        stopped=sum(sum(c.stopped.values()) for c in classes),
        asks_inflight=len(system.deadlines),
        asks=system.asks.snapshot(),
        messages_by_kind=_by_kind(classes),
        dead_letters_by_reason=dict(system.dead_letters.counts),
        classes=classes,
    )


def _backlogs(system: System) -> dict[str, Backlog]:
    now = system.now()
    backlogs: dict[str, Backlog] = {}
    for cell in list(system.waiting):
        mailbox = cell.mailbox
        oldest = None if mailbox is None else mailbox.oldest
        if mailbox is None or oldest is None:
            system.waiting.discard(cell)
            continue
        backlog = backlogs.setdefault(cell.spec.class_name, Backlog())
        backlog.messages += len(mailbox)
        backlog.fullest = max(backlog.fullest, len(mailbox))
        backlog.oldest_s = max(backlog.oldest_s, now - oldest.accepted_at)
    return backlogs


def _by_kind(classes: Iterable[ClassStatistics]) -> dict[str, int]:
    """Messages by kind; those to Pulsing's own actors are the system's."""
    kinds = {"ask": 0, "tell": 0, "stream": 0, "system": 0}
    for one in classes:
        if one.internal:
            kinds["system"] += one.messages
        else:
            kinds["tell"] += one.tells
            kinds["stream"] += one.streams
            kinds["ask"] += max(0, one.messages - one.tells - one.streams)
    return kinds


def describe_class(cell: Cell) -> dict[str, Any]:
    """Class, module and file of an actor, and its card where it has one."""
    module, name = cell.spec.home
    info: dict[str, Any] = {"class": name, "module": module, "file": cell.spec.file, "kind": cell.spec.kind}
    if cell.spec.card is not None:
        info["card"] = dict(cell.spec.card)
    return info


def _class_fields(info: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "class": info.get("class", "").rpartition(".")[2],
        "module": info.get("module", ""),
        "file": info.get("file", ""),
    }
