"""Names the method that holds the loop, also where it is asynchronous: each of its steps from one wait to the next.

A loop that is late knows only that somebody held it. The task that runs a method is therefore driven through here,
which reads the clock before and after each step; a task that the method starts for itself is not.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from types import coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from pulsing.core.answers import count_long_turn
from pulsing.core.statistics import LONG_TURN_S, MethodCounters

if TYPE_CHECKING:
    from pulsing.core.progress import Progress

T = TypeVar("T")


@coroutine
def in_steps(
    cell: Progress, method: str | None, counters: MethodCounters, work: Coroutine[Any, None, T]
) -> Generator[Any, None, T]:
    """Await `work` for a method of `cell`, and note each of its steps that holds the loop too long."""
    now = cell.now
    thrown: BaseException | None = None
    while True:
        began = now()
        try:
            awaited = work.send(None) if thrown is None else work.throw(thrown)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            # Kept, it would hold the frame that holds it.
            thrown = None
            took = now() - began
            if took > LONG_TURN_S:
                count_long_turn(cell, method, counters, took)
        try:
            yield awaited
        except BaseException as raised:
            thrown = raised
