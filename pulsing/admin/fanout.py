"""One question to many nodes, each with a deadline: what came back, and who did not answer.

Nodes are asked over their links, never over HTTP, so that a node without an admin app answers as well.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulsing.admin.credible import is_credible
from pulsing.admin.problems import ProblemError, problem_of
from pulsing.core.seams import NothingToInspect
from pulsing.exceptions import PulsingActorError, PulsingRuntimeError
from pulsing.ids import NodeId

Params = Mapping[str, Any]
AskRemote = Callable[[Any, str, str, Params], Awaitable[Any]]


async def ask_over_link(system: Any, node: str, kind: str, params: Params) -> Any:
    """Ask another node's system actor."""
    from pulsing.core import get_system_actor

    actor = await get_system_actor(system, NodeId.from_str(node))
    return await actor.inspect(kind, dict(params))


@dataclass
class Answers:
    """What the asked nodes said, by node, and the faults of those that said nothing."""

    values: dict[str, Any] = field(default_factory=dict)
    faults: list[dict[str, str]] = field(default_factory=list)
    asked: int = 0

    @property
    def partial(self) -> bool:
        """Whether a node is missing."""
        return bool(self.faults)

    def rows(self) -> list[dict[str, Any]]:
        """All rows of all lists, each with its node; a single object counts as a list of one."""
        return [{**row, "node": node} for node, value in self.values.items() for row in _rows_of(value)]

    def sum_of(self, name: str) -> int:
        """The sum of a number that each node's window tells."""
        return sum(value[name] for value in self.values.values() if isinstance(value, dict))

    def require_one(self) -> None:
        """Fail when no node at all answered.

        Raises:
            ProblemError: with the reason of the first.
        """
        if self.asked and not self.values:
            raise ProblemError("unavailable", f"no node answered: {self.faults[0]['detail']}", nodes=self.faults)


class Fanout:
    """Asks this node and the others.

    Args:
        system: the actor system of this node.
        deadline_s: how long one node may take.
        ask_remote: how another node is asked.
    """

    def __init__(self, system: Any, deadline_s: float, ask_remote: AskRemote = ask_over_link) -> None:
        self._system = system
        self._deadline_s = deadline_s
        self._ask_remote = ask_remote

    @property
    def here(self) -> str:
        """This node's id."""
        return str(self._system.node_id)

    @property
    def actors(self) -> int:
        """How many actors this node has, Pulsing's own among them."""
        return len(self._system.registry)

    async def nodes(self) -> list[str]:
        """Ids of the nodes that are worth asking: this one, and members that may still answer."""
        members = await self._system.members()
        others = [
            f"{int(m['node_id']):016x}" for m in members if str(m["status"]).lower() in ("alive", "suspect", "leaving")
        ]
        return [self.here, *(node for node in others if node != self.here)]

    async def ids_by_name(self) -> dict[str, list[str]]:
        """The ids of the nodes by the names that people call them."""
        members = await self.ask_here("members") if self.offers("members") else []
        found: dict[str, set[str]] = {}
        # The cluster knows nodes by the names that they were given; a node alone has its host's.
        for row in [row for row in members if row.get("name")] or [await self.ask_here("node")]:
            found.setdefault(str(row["name"]), set()).add(str(row["id"]))
        return {name: sorted(ids) for name, ids in found.items()}

    def offers(self, kind: str) -> bool:
        """Whether this node answers a kind of question."""
        return kind in self._system.inspectors

    async def ask(
        self,
        kind: str,
        params: Params | None = None,
        nodes: Sequence[str] | None = None,
        *,
        within_s: float | None = None,
    ) -> Answers:
        """Ask `nodes` (all, when None) at the same time; `within_s` is for what is not worth the usual deadline."""
        asked = await self.nodes() if nodes is None else list(nodes)
        answers = Answers(asked=len(asked))
        deadline = self._deadline_s if within_s is None else min(within_s, self._deadline_s)
        await asyncio.gather(*(self._ask_one(node, kind, params or {}, answers, deadline) for node in asked))
        return answers

    async def ask_here(self, kind: str, params: Params | None = None) -> Any:
        """Ask this node alone."""
        value = self._system.inspect(kind, dict(params or {}))
        return await value if inspect.isawaitable(value) else value

    async def _ask_one(self, node: str, kind: str, params: Params, answers: Answers, deadline_s: float) -> None:
        try:
            # A future that the wait cancels must not be one that others share: each question is its own task.
            value = await asyncio.wait_for(self._value(node, kind, params), deadline_s)
            if node == self.here or is_credible(kind, value, params):
                answers.values[node] = value
            else:
                answers.faults.append(_fault(node, "unavailable", f"its answer makes no sense as {kind}"))
        except asyncio.TimeoutError:
            answers.faults.append(_fault(node, "node-timeout", f"no answer in {deadline_s:g} s"))
        except PulsingRuntimeError as error:
            problem = problem_of(error)
            answers.faults.append(_fault(node, problem.slug, problem.detail))
        except PulsingActorError as error:
            if str(error.remote_type).rpartition(".")[2] == NothingToInspect.__name__:
                # Such a node has no admin app: it has nothing to tell, and nobody is missing.
                answers.values[node] = []
                return
            answers.faults.append(_fault(node, "unavailable", str(error)))

    async def _value(self, node: str, kind: str, params: Params) -> Any:
        if node == self.here:
            if not self.offers(kind):
                return []
            return await self.ask_here(kind, params)
        return await self._ask_remote(self._system, node, kind, params)


def _rows_of(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        rows: list[dict[str, Any]] = value.get("rows", [value])
        return rows
    return value or []


def _fault(node: str, slug: str, detail: str) -> dict[str, str]:
    return {"node": node, "type": f"/problems/{slug}", "detail": detail}
