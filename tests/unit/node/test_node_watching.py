"""What the node of an actor answers to those who watch it from elsewhere."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pulsing.core.envelope import Envelope
from pulsing.core.lifecycle import Terminated
from pulsing.exceptions import ActorNotFound, LinkLost, NodeDead, PulsingSystemError
from pulsing.ids import ActorId, NodeId
from pulsing.node.watching import ATTEMPTS, Watches

ACTOR = ActorId.of(7, 20)
ERROR = PulsingSystemError("broken", recoverable=False)


class Line:
    """A node whose questions get the given answers, one after the other."""

    def __init__(self, answers: list[Any]) -> None:
        self.system = SimpleNamespace(loop=asyncio.get_running_loop())
        self._answers = answers

    def ask(self, envelope: Envelope) -> None:
        assert envelope.reply is not None
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            envelope.reply.set_exception(answer)
        else:
            envelope.reply.set_result(answer)


async def told(*answers: Any) -> Terminated:
    """What two watchers of the actor are told, the same."""
    watches = Watches(Line(list(answers)))  # type: ignore[arg-type]
    ends = [asyncio.get_running_loop().create_future() for _ in range(2)]
    for end in ends:
        watches.add(ACTOR, end.set_result)
    first, second = await asyncio.wait_for(asyncio.gather(*ends), 5)
    assert first is second
    await watches.close()
    assert isinstance(first, Terminated)
    return first


def end(name: str | None, reason: str, error: BaseException | None = None) -> Terminated:
    return Terminated(ACTOR, name, NodeId(7), reason, error)


async def test_the_error_is_told_with_the_reason() -> None:
    answer = {"name": "actors/a", "reason": "failed", "error": ERROR}
    assert await told(answer) == end("actors/a", "failed", ERROR)
    assert await told(LinkLost("cut"), answer) == end("actors/a", "failed", ERROR)


async def test_a_node_of_an_earlier_version_says_the_reason_alone() -> None:
    assert await told({"name": None, "reason": "failed"}) == end(None, "failed")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([ActorNotFound(actor_id=ACTOR)], end(None, "stopped")),
        ([LinkLost("cut") for _ in range(ATTEMPTS)], end(None, "node_dead")),
        ([gone := NodeDead(NodeId(7))], end(None, "node_dead", gone)),
    ],
)
async def test_a_node_that_cannot_tell(answers: list[Any], expected: Terminated) -> None:
    assert await told(*answers) == expected
