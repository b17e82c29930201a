"""The thread of membership: commands one way, reports the other, and an end with its node."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from pulsing.cluster.thread import HeartbeatThread
from pulsing.exceptions import NodeNotFound
from pulsing.ids import NodeId
from pulsing.testing import wait_until

DEADLINE_S = 20.0


async def test_commands_and_reports_arrive_in_order_each_on_its_own_loop() -> None:
    thread = await HeartbeatThread.start("beats")
    here, there = threading.current_thread().name, []
    back: list[tuple[int, str]] = []

    def report(number: int) -> None:
        back.append((number, threading.current_thread().name))

    def command(number: int) -> None:
        there.append((number, threading.current_thread().name))
        thread.back(report, number)

    for number in range(100):
        thread.post(command, number)
    await wait_until(lambda: len(back) == 100, DEADLINE_S)
    await thread.close()
    assert there == [(n, "beats") for n in range(100)]
    assert back == [(n, here) for n in range(100)]


async def test_a_coroutine_gives_its_result_or_its_error() -> None:
    async def name() -> str:
        return threading.current_thread().name

    async def fail() -> None:
        raise NodeNotFound(NodeId(1))

    thread = await HeartbeatThread.start("beats")
    assert await thread.run(name()) == "beats"
    with pytest.raises(NodeNotFound):
        await thread.run(fail())
    await thread.close()


async def test_after_the_end_commands_are_dropped_and_the_end_comes_once() -> None:
    thread = await HeartbeatThread.start("beats")
    await thread.close()
    thread.post(pytest.fail, "the thread has ended")
    await thread.close()


async def test_a_loop_that_is_held_is_late_while_it_is_held() -> None:
    lags: list[tuple[float, float]] = []
    thread = await HeartbeatThread.start("beats")
    thread.post(thread.watch_lag, lambda lag: lags.append((time.monotonic(), lag)))
    await wait_until(lambda: lags, DEADLINE_S)
    began = time.monotonic()
    time.sleep(3.5)  # noqa: ASYNC251 - what this is about
    ended = time.monotonic()
    seen = [lag for at, lag in lags if began < at < ended]
    await thread.close()
    assert seen and max(seen) >= 1.0


def test_a_thread_whose_node_has_no_loop_any_more_ends() -> None:
    asyncio.run(HeartbeatThread.start("orphan"))
    deadline = time.monotonic() + DEADLINE_S
    while any(t.name == "orphan" for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
