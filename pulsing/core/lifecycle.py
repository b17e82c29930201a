"""The states of an actor, which may follow which, and how its hooks are run.

starting ──▶ running ──▶ stopping ──▶ stopped
   │ ▲          │            ▲           ▲
   │ └─ restarting ──────────┘           │
   └──────────▶ failed ◀─────────────────┘  (a failure that no restart follows)
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulsing.core.actor import Actor
from pulsing.exceptions import PulsingError
from pulsing.ids import ActorId, NodeId

STARTING = "starting"
RUNNING = "running"
RESTARTING = "restarting"
STOPPING = "stopping"
STOPPED = "stopped"
FAILED = "failed"

TRANSITIONS: Mapping[str, frozenset[str]] = {
    STARTING: frozenset({RUNNING, RESTARTING, STOPPING, FAILED}),
    RUNNING: frozenset({RESTARTING, STOPPING, FAILED}),
    RESTARTING: frozenset({STARTING, STOPPING, FAILED}),
    STOPPING: frozenset({STOPPED, FAILED}),
    STOPPED: frozenset(),
    FAILED: frozenset(),
}

ENDED = frozenset({STOPPED, FAILED})
CLOSED = frozenset({STOPPING, STOPPED, FAILED})
"""States in which no message is taken."""


def advance(state: str, following: str) -> str:
    """Return `following` if it may come after `state`.

    Raises:
        RuntimeError: it may not; a fault of the runtime, never of the user.
    """
    if following not in TRANSITIONS[state]:
        raise RuntimeError(f"an actor cannot become {following} while it is {state}")
    return following


@dataclass(frozen=True, slots=True)
class Terminated:
    """How an actor ended, as its watchers are told."""

    actor_id: ActorId
    name: str | None
    node_id: NodeId
    reason: str
    """stopped, failed, restart_limit, node_dead or shutdown"""
    error: BaseException | None = None
    """what the actor failed by, as a caller would have seen it, or why its node cannot be asked; None where nothing
    went wrong, and of actors on nodes of earlier versions"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What is remembered of an actor after its end."""

    actor_id: ActorId
    name: str | None
    class_name: str
    kind: str
    reason: str
    at: float
    """wall clock, seconds since 1970"""
    created_at: float
    messages: int
    errors: int
    restarts: int
    error: str | None = None
    traceback: str | None = None
    failure: PulsingError | None = None
    """the error itself, as watchers are told that come late"""


async def run_hook(actor: Any, hook: str, *args: Any) -> Any:
    """Run an optional hook of an actor, sync or async, and return what it gives; None where there is no such hook."""
    function = getattr(actor, hook, None)
    if function is None:
        return None
    result = function(*args)
    return await result if inspect.isawaitable(result) else result


def has_hook(actor: Any, hook: str) -> bool:
    """Whether the class of `actor` defines the hook; the defaults of `Actor` do nothing, so they are none."""
    cls: Any = type(actor)
    return _defines(cls, hook)


@functools.lru_cache(maxsize=4096)
def _defines(cls: Any, hook: str) -> bool:
    found = getattr(cls, hook, None)
    return callable(found) and found is not getattr(Actor, hook)
