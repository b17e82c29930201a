"""The actor that answers questions about its node, to this node and to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from pulsing.core.cell import Cell
from pulsing.core.dead_letters import DeadLetter
from pulsing.core.following import Missed
from pulsing.core.messages import Message
from pulsing.core.parts import in_parts
from pulsing.core.system import System
from pulsing.core.timers import check_seconds
from pulsing.exceptions import ActorNotFound
from pulsing.ids import ActorId

SILENCE_S = 2.0

_ABOUT_AN_ACTOR = frozenset({"GetActor", "StopActor"})
"""Questions that name one."""


class SystemActor:
    """Answers questions about its node, to this node and to others."""

    def __init__(self, system: System) -> None:
        self._system = system

    def receive(self, msg: Any) -> Message:
        """Answer a "SystemMessage" whose JSON names a type; anything else is answered with an error."""
        answers = self._answers()
        try:
            question = _question(msg, answers)
            answer = answers[question["type"]](question)
        except ValueError as error:
            answer = {"type": "Error", "message": f"not understood: {error}"}
        return Message.from_json("SystemResponse", answer)

    async def inspect(self, kind: str, params: Mapping[str, Any] | None = None) -> Any:
        """Answer a named question about the node; see `System.inspect`."""
        return await self._system.inspect(kind, params)

    async def inspect_in_parts(self, kind: str, params: Mapping[str, Any] | None = None) -> Any:
        """The same for answers of any length; see `pulsing.core.parts`."""
        return await in_parts(await self._system.inspect(kind, params))

    async def follow_events(self) -> AsyncGenerator[dict[str, Any], None]:
        """The events of this node from now on, as rows for listings; an empty one where nothing happens for long.

        A reader who has left is noticed when something is to be given to it.
        """
        # What makes the rows knows the system as a whole, and so this module.
        from pulsing.core.inspection import event_row

        async with self._system.events.subscribe() as events:
            while True:
                try:
                    event = await asyncio.wait_for(anext(events), SILENCE_S)
                except asyncio.TimeoutError:
                    yield {}
                except StopAsyncIteration:
                    return
                else:
                    if not isinstance(event, Missed):
                        yield event_row(self._system, event)

    def describe(self, actor: str) -> dict[str, Any] | None:
        """Name and class of a live actor given by id or name, None if there is none."""
        cell = self._system.registry.find(actor)
        return None if cell is None else {"name": cell.path, "class": cell.spec.class_name, "id": str(cell.actor_id)}

    def stop_actor(self, actor_id: str, timeout: float | None = 30.0) -> bool:
        """Begin to stop an actor of this node; returns whether there is one. Its end is told to those who watch it."""
        check_seconds(timeout, "timeout")
        cell = self._system.registry.by_id(ActorId.from_str(actor_id))
        if cell is None or cell.spec.kind == "system":
            return False
        cell.begin_end("stopped", None, timeout)
        return True

    async def end_actor(self, actor_id: str, wait_s: float) -> dict[str, Any]:
        """Stop an actor of this node, and wait for its end.

        The running message gets its usual time, however short the wait.

        Args:
            actor_id: text of its id.
            wait_s: seconds to wait.

        Returns:
            `{"stopped", "state", "failed_asks"}`: whether it has ended by now, its state, and how many asks failed
            because they still waited in its mailbox.

        Raises:
            ActorNotFound: it is not here any more.
        """
        cell = self._system.registry.find(actor_id)
        if cell is None or cell.spec.kind == "system":
            raise ActorNotFound(actor_id=ActorId.from_str(actor_id))
        failed = sum(envelope.is_ask and not envelope.abandoned for envelope in cell.mailbox or ())
        ending = asyncio.ensure_future(cell.stop())
        await asyncio.wait([ending], timeout=wait_s)
        ending.cancel()
        return {"stopped": cell.ended, "state": cell.state, "failed_asks": failed}

    async def wait_for_end(self, actor_id: str) -> dict[str, Any]:
        """Answer when an actor of this node has ended.

        Returns:
            `{"name", "reason", "error"}`, as in `Terminated`.

        Raises:
            ActorNotFound: this node has never known it, or has forgotten it.
        """
        end = await self._system.bind(ActorId.from_str(actor_id)).watch()
        return {"name": end.name, "reason": end.reason, "error": end.error}

    def restart_actor(self, actor_id: str) -> None:
        """Start an actor of this node afresh."""
        cell = self._system.registry.find(actor_id)
        if cell is None:
            raise LookupError(f"Actor not found: {actor_id}")
        cell.restart_by_operator()

    def tag_actor(self, actor_id: str, changes: dict[str, str | None]) -> dict[str, str]:
        """Set tags of an actor, take away those given as None, and return all it has."""
        cell = self._system.registry.find(actor_id)
        if cell is None:
            raise LookupError(f"Actor not found: {actor_id}")
        tags = {**(cell.tags or {}), **changes}
        cell.tags = {key: value for key, value in tags.items() if value is not None}
        self._system.report(cell, "actor.tagged", tags=dict(cell.tags))
        return dict(cell.tags)

    def clear_dead_letters(self) -> int:
        """Forget the kept dead letters; returns how many there were."""
        return self._system.dead_letters.clear()

    async def replay_dead_letter(self, number: int, to: str | None = None, dry_run: bool = False) -> str:
        """Send the message of a dead letter of this node again, as a tell: its first caller is gone.

        Args:
            number: of the letter.
            to: id of another actor that gets it; None for the first recipient, or the one that has its name now.
            dry_run: only say what would be done.

        Returns:
            "replayed", or why it was not tried: "gone" or "not kept".

        Raises:
            PulsingError: the message was not taken.
        """
        letters = self._system.dead_letters
        letter = letters.find(number)
        if letter is None:
            return "gone"
        call = None if letters.kept is None or letter.size is None else letters.kept.call(number)
        if call is None:
            return "not kept"
        if not dry_run:
            await self._system.bind(self._recipient(letter) if to is None else ActorId.from_str(to)).send(*call)
            letters.kept.count_replay(number)  # type: ignore[union-attr]
        return "replayed"

    def _recipient(self, letter: DeadLetter) -> ActorId:
        actor_id = ActorId.from_str(letter.recipient_id)
        registry = self._system.registry
        if letter.recipient_name is None or registry.by_id(actor_id) is not None:
            return actor_id
        namesake = registry.by_path(letter.recipient_name)
        return actor_id if namesake is None else namesake.actor_id

    def _answers(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        return {
            "Ping": lambda _: self._ping(),
            "HealthCheck": lambda _: self._health(),
            "GetNodeInfo": lambda _: self._node_info(),
            "GetMetrics": lambda _: self._metrics(),
            "ListActors": lambda _: {
                "type": "ActorList",
                "actors": [_listed(self._system, c) for c in self._system.registry],
            },
            "GetActor": lambda question: self._actor(question["name"]),
            "StopActor": lambda question: self._stop(question["name"]),
        }

    def _ping(self) -> dict[str, Any]:
        wall_ms = int(self._system.clock.wall() * 1000)
        return {"type": "Pong", "node_id": str(self._system.node_id.id), "timestamp": wall_ms}

    def _health(self) -> dict[str, Any]:
        status = "degraded" if self._system.draining else "healthy"
        return {"type": "Health", "status": status, "actors_count": len(self._system.registry), **self._uptime()}

    def _node_info(self) -> dict[str, Any]:
        system = self._system
        return {"type": "NodeInfo", "node_id": str(system.node_id.id), "addr": system.addr, **self._uptime()}

    def _metrics(self) -> dict[str, Any]:
        figures = self._system.statistics()
        return {
            "type": "Metrics",
            "actors_count": figures.actors,
            "messages_total": figures.messages,
            "actors_created": figures.spawned,
            "actors_stopped": figures.stopped,
            **self._uptime(),
        }

    def _uptime(self) -> dict[str, int]:
        return {"uptime_secs": int(self._system.uptime_s)}

    def _actor(self, name: str) -> dict[str, Any]:
        cell = self._system.registry.find(name)
        if cell is None:
            return {"type": "Error", "message": f"Actor not found: {name}"}
        return {"type": "ActorInfo", **_listed(self._system, cell)}

    def _stop(self, name: str) -> dict[str, Any]:
        if not self._system.creates_for_others:
            return {"type": "Error", "message": "StopActor needs links that are proven: this node runs insecure"}
        cell = self._system.registry.find(name)
        if cell is None or cell.spec.kind == "system":
            return {"type": "Error", "message": f"Actor not found: {name}"}
        cell.begin_end("stopped", None, 30.0)
        return {"type": "Ok"}


def _question(msg: Any, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """What a message asks.

    Raises:
        ValueError: it is none of the questions that there are.
    """
    if not isinstance(msg, Message):
        raise ValueError(f"a {type(msg).__name__} is no Message")
    read = msg.to_json()
    question: dict[str, Any] = read if isinstance(read, dict) else {}
    kind = question.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"its JSON says no type of {', '.join(kinds)}")
    if kind in _ABOUT_AN_ACTOR and not isinstance(question.get("name"), str):
        raise ValueError(f"{kind} takes a name")
    return question


def _listed(system: System, cell: Cell) -> dict[str, Any]:
    card = cell.spec.card or {}
    return {
        "name": cell.label,
        "actor_id": str(cell.actor_id.id),
        "actor_type": cell.spec.class_name,
        "uptime_secs": int(system.clock.wall() - cell.created_at),
        "metadata": {"kind": cell.spec.kind, "state": cell.state, **card, **(cell.tags or {}), **(cell.metadata or {})},
    }
