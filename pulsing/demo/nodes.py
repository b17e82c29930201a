"""One node process of the demo: hires its agents, shares the work with who is alive, and reports as lines of JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pulsing.demo.story import Event, Finished, Notice, Progress, Ready, Rested

if TYPE_CHECKING:
    from pulsing import ActorProxy, ActorSystem

_LOOK_S = 0.3
_DRAIN_S = 2.0
_STOP_LIMIT_S = 10.0
# A suspect may only be busy: its share is not taken from it before it is known to be dead.
_STILL_THERE = frozenset({"Alive", "Suspect"})
# So long the first node waits for the others before it begins with those who are there.
_MUSTER_S = 10.0
# A file every so often is enough to watch, and leaves the machine to its user.
_GENTLE_S = 0.25

_REPORTS: dict[str, type[Ready | Progress | Notice | Finished | Rested]] = {
    "ready": Ready,
    "progress": Progress,
    "notice": Notice,
    "finished": Finished,
    "rested": Rested,
}


@dataclass(frozen=True)
class NodePlan:
    """What a node process is told at its start."""

    number: int
    nodes: int
    seeds: tuple[str, ...]
    path: str
    once: bool


def parse_report(number: int, line: bytes) -> Event:
    """The event that a node reported; a line that is no report is something that the user should read."""
    try:
        fields = json.loads(line)
        return _REPORTS[fields.pop("event")](number=number, **fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Notice(number, line.decode(errors="replace").rstrip())


def report(event: str, **fields: Any) -> None:
    """Tell the supervisor."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


class Crew:
    """The agents of one node, and their share of the work."""

    def __init__(self, system: ActorSystem, plan: NodePlan) -> None:
        self._system = system
        self._plan = plan
        self._alive: list[int] = []
        self._begun_at = asyncio.get_running_loop().time()
        self._analyst: ActorProxy | None = None
        self._archivist: ActorProxy | None = None
        self._reader: ActorProxy | None = None

    async def hire(self) -> None:
        """Spawn the agents that every node has."""
        from pulsing.demo.agents import Analyst, Archivist

        number, pause = self._plan.number, 0.0 if self._plan.once else _GENTLE_S
        name = f"archivist-{number}"
        self._archivist = await self._spawn(Archivist, name, name=name)
        name = f"analyst-{number}"
        self._analyst = await self._spawn(Analyst, name, pause, name=name)

    async def dismiss(self) -> None:
        """Let the agents finish what they are at; whoever hands out work goes first."""
        for agent in (self._reader, self._analyst, self._archivist):
            if agent is not None:
                await self._system.stop(agent, timeout=_DRAIN_S)

    async def look_around(self) -> None:
        """Share the work anew when the members have changed, and take over reading when nobody does it."""
        members = await self._system.members()
        alive = sorted(int(row["node_id"]) for row in members if row["status"] in _STILL_THERE)
        if not self._mustered(alive):
            return
        if alive != self._alive:
            await self._share(alive)
        if self._leads(alive):
            await self._lead()

    async def progress(self) -> dict[str, Any] | None:
        """How far the work has come, if it is led from here."""
        return None if self._reader is None else dict(await self._reader.progress())

    async def summary(self) -> dict[str, Any]:
        """The results, as the archivist and the reader of this node have them."""
        assert self._archivist is not None and self._reader is not None
        return {**await self._archivist.summary(), **await self._reader.summary()}

    def _mustered(self, alive: list[int]) -> bool:
        waited = asyncio.get_running_loop().time() - self._begun_at
        return bool(self._alive) or len(alive) >= self._plan.nodes or waited > _MUSTER_S

    async def _share(self, alive: list[int]) -> None:
        assert self._analyst is not None
        gone = set(self._alive) - set(alive)
        self._alive = alive
        buckets = await self._analyst.assign(alive.index(self._system.node_id.id), len(alive))
        report("notice", text=f"its analyst takes buckets {', '.join(map(str, buckets))}")
        if gone and self._reader is not None:
            report("notice", text=f"{await self._reader.distrust()} texts were under way and are put again")

    def _leads(self, alive: list[int]) -> bool:
        first_of_all = self._plan.number == 1
        return first_of_all or len(alive) == 1

    async def _lead(self) -> None:
        if self._reader is not None:
            return
        from pulsing.demo.agents import Reader

        pause = 0.02 if self._plan.once else _GENTLE_S
        plan = self._plan
        self._reader = await self._spawn(Reader, plan.path, self._archivist, plan.once, pause, name="reader")

    async def _spawn(self, agent_class: Any, *arguments: Any, name: str) -> ActorProxy:
        # Type checkers do not see what a class decorator makes of a class.
        proxy: ActorProxy = await agent_class.spawn(*arguments, name=name, system=self._system)
        return proxy


async def serve(plan: NodePlan, rest: asyncio.Event) -> None:
    """Run one node: agents work until the input is done or `rest` is set, the node stays until it is cancelled."""
    from pulsing import ActorSystem
    from pulsing.admin.serving import login_link
    from pulsing.config import config_from

    config = config_from(addr="127.0.0.1:0", seeds=plan.seeds, node_name=f"node-{plan.number}")
    system = await ActorSystem.create(config)
    try:
        report("ready", addr=system.addr, dashboard=await login_link(system) or "off")
        crew = Crew(system, plan)
        try:
            await crew.hire()
            await _work(crew, rest)
        finally:
            await crew.dismiss()
        # A node that left now would seem lost to agents that still work elsewhere.
        report("rested")
        await asyncio.Event().wait()
    finally:
        await system.shutdown(drain=_DRAIN_S)


async def _work(crew: Crew, rest: asyncio.Event) -> None:
    while not rest.is_set():
        await crew.look_around()
        progress = await crew.progress()
        if progress is not None:
            report("progress", **{name: progress[name] for name in ("done", "known", "skipped")})
            if progress["finished"]:
                report("finished", summary=await crew.summary())
                return
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(rest.wait(), _LOOK_S)


async def _serve_until_stdin_closes(plan: NodePlan) -> None:
    rest = asyncio.Event()
    service = asyncio.create_task(serve(plan, rest), name="demo node")
    closed = asyncio.create_task(_stdin_closed(rest), name="demo stdin")
    await asyncio.wait({service, closed}, return_when=asyncio.FIRST_COMPLETED)
    if closed.done():
        # Nobody may be left to end a node that hangs in its shutdown.
        asyncio.get_running_loop().call_later(_STOP_LIMIT_S, os._exit, 1)
    for task in (service, closed):
        task.cancel()
    try:
        await service
    except asyncio.CancelledError:
        pass


async def _stdin_closed(rest: asyncio.Event) -> None:
    """Wait until the supervisor closes its end, or is gone: then nobody is there to work for. A line asks for rest."""
    stdin = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(stdin)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    try:
        while await stdin.readline():
            rest.set()
    finally:
        transport.close()


def main(argument: str) -> None:
    """Run the node that `argument`, a plan in JSON, describes."""
    fields = json.loads(argument)
    plan = NodePlan(**{**fields, "seeds": tuple(fields["seeds"])})
    asyncio.run(_serve_until_stdin_closes(plan))


if __name__ == "__main__":
    main(sys.argv[1])
