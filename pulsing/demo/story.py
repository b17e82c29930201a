"""What the reports of the demo's nodes amount to: reports and ends of processes go in, what to say and do comes out."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Ready:
    """A node listens."""

    number: int
    addr: str
    dashboard: str


@dataclass(frozen=True)
class Progress:
    """How far the node that leads the work has come, in its current pass over the input."""

    number: int
    done: int
    known: int
    skipped: int


@dataclass(frozen=True)
class Notice:
    """Something that the user should read."""

    number: int
    text: str


@dataclass(frozen=True)
class Finished:
    """The input is done."""

    number: int
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class Rested:
    """The agents of a node have put down their work."""

    number: int


@dataclass(frozen=True)
class Ended:
    """A process is gone, wanted or not."""

    number: int
    exit_code: int


Event = Ready | Progress | Notice | Finished | Rested | Ended


@dataclass(frozen=True)
class StartNode:
    """Start one more node process."""

    number: int
    seeds: tuple[str, ...]


@dataclass(frozen=True)
class Say:
    """Show a line."""

    text: str


@dataclass(frozen=True)
class ShowProgress:
    """Move the bar."""

    done: int
    known: int
    skipped: int


@dataclass(frozen=True)
class ShowSummary:
    """Show the table of the results."""

    summary: Mapping[str, Any]
    lost_nodes: tuple[int, ...]


@dataclass(frozen=True)
class Finish:
    """Stop what still runs and exit."""

    exit_code: int


Effect = StartNode | Say | ShowProgress | ShowSummary | Finish


@dataclass
class Story:
    """The course of one demo over its node processes."""

    nodes: int
    _ready: dict[int, Ready] = field(default_factory=dict)
    _lost: list[int] = field(default_factory=list)

    def begin(self) -> list[Effect]:
        """The first node is started alone: the others need its address."""
        return [StartNode(1, ())]

    def handle(self, event: Event) -> list[Effect]:
        """Take one report and return what is to be done about it, in order."""
        match event:
            case Ready():
                return self._on_ready(event)
            case Progress(_, done, known, skipped):
                return [ShowProgress(done, known, skipped)]
            case Notice(number, text):
                return [Say(f"node {number}: {text}")]
            case Finished(_, summary):
                return [ShowSummary(summary, tuple(self._lost)), Finish(0)]
            case Rested():
                return []
            case Ended():
                return self._on_ended(event)

    def _on_ready(self, event: Ready) -> list[Effect]:
        self._ready[event.number] = event
        if event.number > 1:
            return [Say(f"node {event.number} has joined")]
        followers = [StartNode(number, (event.addr,)) for number in range(2, self.nodes + 1)]
        return [Say(f"dashboard: {event.dashboard}"), *followers]

    def _on_ended(self, event: Ended) -> list[Effect]:
        if event.number not in self._ready:
            return [Say(f"node {event.number} could not start ({_how(event.exit_code)})"), Finish(1)]
        del self._ready[event.number]
        self._lost.append(event.number)
        died = f"node {event.number} died ({_how(event.exit_code)})"
        if not self._ready:
            return [Say(f"{died}; no node is left"), Finish(1)]
        heir = self._ready[min(self._ready)]
        return [
            Say(f"{died}; node {heir.number} goes on alone, and what was not yet analysed is put again"),
            *([Say(f"dashboard: {heir.dashboard}")] if event.number < heir.number else []),
        ]


def _how(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    return f"killed by {signal.Signals(-exit_code).name}"
