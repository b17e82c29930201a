"""On which node a process is started: the candidates of a placement, asked in order until one takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulsing.core.messages import Message
from pulsing.core.ref import ActorRef
from pulsing.core.service import pick_other_node
from pulsing.core.streams import StreamReader
from pulsing.core.system import System
from pulsing.exceptions import Forbidden, LinkLost, NodeDead, NodeLeaving, PulsingError, PulsingRuntimeError
from pulsing.ids import ActorId, NodeId
from pulsing.logs import logger_of
from pulsing.subprocess.host import HOST, HOST_NUMBER, host_of
from pulsing.subprocess.order import Order
from pulsing.subprocess.outlet import RAY, end, is_placed_by_ray, place

logger = logger_of("pulsing.subprocess")

PLACE_S = 30.0
"""How long a place is looked for."""
AGAIN_S = 0.1


@dataclass(frozen=True)
class Started:
    """A process that runs on a node, for as long as its stream is held."""

    node_id: NodeId
    ref: ActorRef
    pid: int
    stream: StreamReader


async def start(system: System, placement: Any, order: Order, resources: Mapping[str, Any]) -> Started:
    """Start a process where there is room for it.

    Args:
        system: the caller's.
        placement: as of `Popen`.
        order: what is to be started.
        resources: what it needs, in the words of Ray, where that finds the place.

    Raises:
        Forbidden: no node that has room allows it.
        OSError: the program cannot be started, as of `subprocess.Popen`.
        PulsingRuntimeError: there is no place.
        ValueError: there is no such placement.
    """
    if is_placed_by_ray(placement):
        return await _start_by_ray(system, order, resources)
    deadline = system.now() + PLACE_S
    while True:
        outcomes = []
        for node_id in _candidates(system, placement):
            outcome = await _try(system, node_id, order)
            if isinstance(outcome, Started):
                return outcome
            outcomes.append(outcome)
        if True not in outcomes or system.now() >= deadline:
            raise _no_place(order, outcomes)
        await asyncio.sleep(AGAIN_S)


def _candidates(system: System, placement: Any) -> list[NodeId]:
    if placement == "local":
        others = [m.node_id for m in system.members_view() if m.status == "Alive" and m.takes_work]
        return [system.node_id, *(node_id for node_id in others if node_id != system.node_id)]
    if placement == "process":
        # Every program runs in a process of its own.
        return [system.node_id]
    if placement == "remote":
        other = pick_other_node(system)
        if other is None:
            logger.warning("there is no other node to start a process on, so it runs here")
        return [other or system.node_id]
    if isinstance(placement, (int, NodeId)) and not isinstance(placement, bool):
        node_id = placement if isinstance(placement, NodeId) else NodeId(placement)
        system.check_node(node_id)
        return [node_id]
    raise ValueError(f"Invalid placement {placement!r}. Use 'local', 'remote', 'process', 'ray', or an int node_id.")


async def _try(system: System, node_id: NodeId, order: Order) -> Started | bool | PulsingError:
    """Start it on one node; else whether there may be room later, or why it must not run there."""
    try:
        answer = await _ask(system, node_id, order)
    except (Forbidden, NodeLeaving, NodeDead) as error:
        return error
    except LinkLost as error:
        if error.maybe_executed:
            raise
        return error
    if isinstance(answer, Message):
        return await _started(system, answer)
    if "later" in answer:
        return bool(answer["later"])
    raise _os_error(answer)


async def _start_by_ray(system: System, order: Order, resources: Mapping[str, Any]) -> Started:
    outlet = await place(system, order, resources)
    note = host_of(system).note
    try:
        answer = await outlet.request("start", (), None, PLACE_S)
        if not isinstance(answer, Message):
            raise _os_error(answer)
        started = await _started(system, answer)
    except BaseException:
        note(order, "failed", str(system.node_id), by=RAY)
        end(system, outlet)
        raise
    note(order, "started", str(system.node_id), by=RAY)
    system.watch(started.ref, lambda _: end(system, outlet))
    return started


async def _started(system: System, answer: Message) -> Started:
    stream = answer.stream_reader()
    text, pid = await stream.__anext__()
    actor_id = ActorId.from_str(text)
    return Started(actor_id.node_id, system.bind(actor_id), pid, stream)


def _os_error(answer: Mapping[str, Any]) -> OSError:
    return OSError(answer["errno"], answer["strerror"], answer["filename"])


async def _ask(system: System, node_id: NodeId, order: Order) -> Any:
    if node_id == system.node_id:
        return host_of(system).start_here(order)
    host = system.bind(ActorId.of(node_id.id, HOST_NUMBER), HOST)
    return await host.request("start", (order.to_values(),), None, PLACE_S)


def _no_place(order: Order, outcomes: list[bool | PulsingError]) -> PulsingError:
    refusals = [outcome for outcome in outcomes if isinstance(outcome, PulsingError)]
    if refusals and len(refusals) == len(outcomes):
        return refusals[0]
    reasons = "".join(f"; {refusal}" for refusal in refusals)
    when = f"has had room for it within {PLACE_S:g} s" if True in outcomes else "has what it needs"
    return PulsingRuntimeError(f"no node {when}: {_in_words(order.needs or {})}{reasons}")


def _in_words(needs: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={need:g}" for name, need in needs.items())
