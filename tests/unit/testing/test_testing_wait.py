"""Waiting for a condition."""

from __future__ import annotations

import pytest

from pulsing.testing import wait_until


async def test_the_first_true_answer_is_returned() -> None:
    answers = iter([0, "", 7])

    assert await wait_until(lambda: next(answers)) == 7


async def test_an_async_predicate_is_awaited() -> None:
    async def ready() -> str:
        return "yes"

    assert await wait_until(ready) == "yes"


async def test_a_condition_that_never_holds_ends_with_its_last_answer() -> None:
    with pytest.raises(TimeoutError, match=r"not true after 0.01 s, last answer: \[\]"):
        await wait_until(list, timeout=0.01)


async def test_an_error_of_the_predicate_is_not_swallowed() -> None:
    def broken() -> bool:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await wait_until(broken)
