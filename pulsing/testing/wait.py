"""Wait for a condition with a deadline, where a test would otherwise sleep and hope."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05


@overload
async def wait_until(predicate: Callable[[], Awaitable[T]], timeout: float = 5.0) -> T: ...


@overload
async def wait_until(predicate: Callable[[], T], timeout: float = 5.0) -> T: ...


async def wait_until(predicate: Callable[[], T | Awaitable[T]], timeout: float = 5.0) -> T:
    """Ask `predicate` again and again until its answer is true.

    Args:
        predicate: A plain or an async function without arguments.
        timeout: Seconds until it is given up.

    Returns:
        The first true answer.

    Raises:
        TimeoutError: there was none in time; the text shows the last answer.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    pause = _FIRST_PAUSE_S
    while True:
        answer = await _ask(predicate)
        if answer:
            return answer
        if asyncio.get_running_loop().time() >= deadline:
            raise TimeoutError(f"not true after {timeout:g} s, last answer: {answer!r}")
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_S)


async def _ask(predicate: Callable[[], T | Awaitable[T]]) -> T:
    answer = predicate()
    if inspect.isawaitable(answer):
        return await answer
    return answer
