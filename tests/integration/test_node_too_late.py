"""An actor that is asked for ten times what it can do does what it can, wherever its callers are."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import Overloaded, PulsingRuntimeError
from pulsing.testing import cluster
from pulsing.testing.virtual import run_virtual

TAKES_S = 0.01
SECONDS = 8
PATIENCE_S = 3.0


@pul.remote(max_concurrency=1)
class Clerk:
    """Does one thing at a time."""

    async def work(self) -> None:
        """Takes its time."""
        await asyncio.sleep(TAKES_S)


@pytest.mark.parametrize("is_here", [True, False], ids=["from its node", "from another node"])
@pytest.mark.parametrize("mailbox", [1_000, 100], ids=["all fit into the mailbox", "most wait outside"])
def test_an_actor_asked_for_ten_times_what_it_can_do_does_what_it_can(is_here: bool, mailbox: int) -> None:
    outcomes: Counter[type] = Counter()

    async def body() -> None:
        async with cluster(2, delay=0.001) as (here, there):
            made: Any = await Clerk.with_options(mailbox=mailbox).spawn(system=here if is_here else there)
            clerk = made if is_here else (await here.refer(made.ref.actor_id)).as_any()
            clerk = clerk.with_options(timeout=PATIENCE_S)
            calls = set()
            for _ in range(int(SECONDS / TAKES_S)):
                calls |= {asyncio.ensure_future(_outcome(clerk)) for _ in range(10)}
                await asyncio.sleep(TAKES_S)
            outcomes.update(await asyncio.gather(*calls))

    run_virtual(body)
    assert outcomes[str] >= 0.95 * SECONDS / TAKES_S
    assert set(outcomes) == {str, Overloaded}


async def _outcome(clerk: Any) -> type:
    try:
        await clerk.work()
    except PulsingRuntimeError as error:
        assert not error.maybe_executed  # type: ignore[attr-defined]
        return type(error)
    return str


def test_calls_that_all_have_the_time_to_wait_are_all_answered() -> None:
    async def body() -> None:
        async with cluster(2, delay=0.001) as (here, there):
            made: Any = await Clerk.spawn(system=there)
            clerk = (await here.refer(made.ref.actor_id)).as_any().with_options(timeout=45.0)
            await asyncio.gather(*(clerk.work() for _ in range(4_000)))

    run_virtual(body)
