"""Starts the demo's node processes, follows what they report, and ends with none of them left."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pulsing.demo.nodes import NodePlan, parse_report
from pulsing.demo.story import Effect, Ended, Event, Finish, Rested, Say, ShowProgress, ShowSummary, StartNode, Story
from pulsing.demo.view import View

_NODES = 2
# With these two the whole demo is gone within five seconds.
_REST_GRACE_S = 2.0
_STOP_GRACE_S = 2.5
# A report is one line; the summary is the longest.
_LONGEST_LINE = 1024 * 1024


async def supervise(path: Path, once: bool, view: View) -> int:
    """Run the demo until its input is done, nobody is left to do it, or somebody interrupts it.

    Args:
        path: The folder or file to analyse.
        once: Stop after one pass over the input, which is then made at full speed.
        view: Where to show what happens.

    Returns:
        The exit code.
    """
    supervisor = _Supervisor(path, once, view)
    with _interrupts() as interrupted:
        try:
            return await supervisor.run(interrupted)
        finally:
            view.close()
            await supervisor.stop_all()


class _Supervisor:
    def __init__(self, path: Path, once: bool, view: View) -> None:
        self._path = path
        self._once = once
        self._view = view
        self._story = Story(_NODES)
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._nodes: list[_NodeProcess] = []

    async def run(self, interrupted: asyncio.Event) -> int:
        effects = self._story.begin()
        interrupt = asyncio.create_task(interrupted.wait(), name="demo interrupt")
        try:
            while (exit_code := await self._perform(effects)) is None:
                event = await self._next_event(interrupt)
                if event is None:
                    # Without --once an interrupt is how the demo is meant to end.
                    return 128 + signal.SIGINT if self._once else 0
                effects = self._story.handle(event)
            return exit_code
        finally:
            interrupt.cancel()

    async def stop_all(self) -> None:
        # All agents rest before any node leaves: else what remains would take the leaving for a loss.
        for node in self._nodes:
            node.ask_to_rest()
        await asyncio.gather(*(node.wait_for_rest(_REST_GRACE_S) for node in self._nodes))
        for node in self._nodes:
            node.ask_to_stop()
        await asyncio.gather(*(node.wait_or_kill(_STOP_GRACE_S) for node in self._nodes))

    async def _perform(self, effects: list[Effect]) -> int | None:
        for effect in effects:
            match effect:
                case StartNode(number, seeds):
                    plan = NodePlan(number, _NODES, seeds, str(self._path), self._once)
                    self._nodes.append(await _NodeProcess.start(plan, self._events, self._view))
                case Say(text):
                    self._view.say(text)
                case ShowProgress(done, known, skipped):
                    self._view.show_progress(done, known, skipped)
                case ShowSummary(summary, lost_nodes):
                    self._view.show_summary(summary, lost_nodes)
                case Finish(exit_code):
                    return exit_code
        return None

    async def _next_event(self, interrupt: asyncio.Task[Any]) -> Event | None:
        event = asyncio.create_task(self._events.get(), name="demo event")
        await asyncio.wait({event, interrupt}, return_when=asyncio.FIRST_COMPLETED)
        if interrupt.done():
            event.cancel()
            return None
        return event.result()


class _NodeProcess:
    """One node process: reports come on its standard output, and closing its standard input stops it."""

    def __init__(self, number: int, process: asyncio.subprocess.Process) -> None:
        self._number = number
        self._process = process
        self._follower: asyncio.Task[None] | None = None
        self._rested = asyncio.Event()

    @classmethod
    async def start(cls, plan: NodePlan, events: asyncio.Queue[Event], view: View) -> _NodeProcess:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pulsing.demo.nodes",
            json.dumps(asdict(plan)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            # A Ctrl-C at the terminal is for the supervisor, which then stops the nodes in order.
            start_new_session=True,
        )
        node = cls(plan.number, process)
        node._follower = asyncio.create_task(node._follow(events, view), name=f"demo node {plan.number}")
        return node

    def ask_to_rest(self) -> None:
        assert self._process.stdin is not None
        if self._process.returncode is None:
            self._process.stdin.write(b"rest\n")

    async def wait_for_rest(self, grace: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._rested.wait(), grace)

    def ask_to_stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def wait_or_kill(self, grace: float) -> None:
        assert self._follower is not None
        try:
            await asyncio.wait_for(asyncio.shield(self._follower), grace)
        except asyncio.TimeoutError:
            self._process.kill()
            await self._follower

    async def _follow(self, events: asyncio.Queue[Event], view: View) -> None:
        await asyncio.gather(self._follow_reports(events), self._follow_log(view))
        self._rested.set()
        events.put_nowait(Ended(self._number, await self._process.wait()))

    async def _follow_reports(self, events: asyncio.Queue[Event]) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = parse_report(self._number, line)
            if isinstance(event, Rested):
                self._rested.set()
            events.put_nowait(event)

    async def _follow_log(self, view: View) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            view.say(f"node {self._number}: {line.decode(errors='replace').rstrip()}")


@contextmanager
def _interrupts() -> Iterator[asyncio.Event]:
    """An event that is set by SIGINT and SIGTERM."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, interrupted.set)
    try:
        yield interrupted
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
