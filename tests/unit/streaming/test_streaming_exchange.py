"""What managers tell each other, and what is said of those that do not answer."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from pulsing.clock import SystemClock
from pulsing.core.seams import MemberView
from pulsing.core.seldom import Seldom
from pulsing.exceptions import PulsingRuntimeError
from pulsing.ids import NodeId
from pulsing.streaming.ownership.catalogue import Catalogue
from pulsing.streaming.ownership.exchange import Exchange
from pulsing.tasks import TaskScope


async def test_of_many_managers_that_do_not_answer_one_is_named(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[int] = []

    async def ask(node_id: int, *_: Any, **__: Any) -> Any:
        asked.append(node_id)
        raise PulsingRuntimeError("nobody listens there")

    async def learn(_: Any) -> None: ...

    clock = SystemClock()
    inner: Any = SimpleNamespace(
        node_id=NodeId(1),
        now=clock.monotonic,
        members_view=lambda: [MemberView(NodeId(number), "127.0.0.1:9", "Alive") for number in range(1, 101)],
        tasks=TaskScope("test"),
        log_seldom=Seldom(clock),
    )
    exchange = Exchange(inner, Catalogue(lambda _node, _buckets: 1), ask, dict, learn)
    with caplog.at_level(logging.INFO, "pulsing.streaming"):
        await asyncio.gather(exchange.meet_all(), exchange.meet_all())
    assert sorted(asked) == list(range(2, 101))
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        f"storage manager of node {asked[0]:016x} does not answer"
    ]
    await inner.tasks.close()
