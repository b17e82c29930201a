from __future__ import annotations

import asyncio
import math
import random
import threading

import pytest

from pulsing.testing.virtual import Deadlock, VirtualLoop, run_virtual


def test_an_hour_passes_at_once_and_timers_fire_in_order() -> None:
    async def scenario() -> tuple[list[str], float]:
        fired: list[str] = []
        loop = asyncio.get_running_loop()
        for delay in (3600.0, 2.0, 30.0):
            loop.call_later(delay, fired.append, str(delay))
        await asyncio.sleep(3601.0)
        return fired, loop.time()

    assert run_virtual(scenario, limit=4000.0) == (["2.0", "30.0", "3600.0"], 3601.0)


def test_the_same_seed_gives_the_same_choices_and_leaves_the_generator_as_it_was() -> None:
    async def scenario() -> float:
        return random.random()

    random.seed(99)
    before = random.getstate()
    assert run_virtual(scenario, seed=4) == run_virtual(scenario, seed=4) != run_virtual(scenario, seed=5)
    assert random.getstate() == before


def test_the_limit_ends_a_run_that_does_not_end() -> None:
    async def scenario() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="virtual seconds"):
        run_virtual(scenario, limit=10.0)


def test_errors_of_the_scenario_are_raised_its_own_timeouts_included() -> None:
    async def fail() -> None:
        raise KeyError("x")

    async def time_out() -> None:
        await asyncio.wait_for(asyncio.sleep(10.0), 1.0)

    with pytest.raises(KeyError):
        run_virtual(fail)
    with pytest.raises((TimeoutError, asyncio.TimeoutError)) as caught:
        run_virtual(time_out)
    assert "virtual seconds" not in str(caught.value)


def test_tasks_that_are_left_are_cancelled() -> None:
    cancelled = []

    async def worker() -> None:
        try:
            await asyncio.sleep(1000.0)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def scenario() -> None:
        task = asyncio.create_task(worker())
        await asyncio.sleep(1.0)
        assert not task.done()

    run_virtual(scenario)
    assert cancelled == [True]


def test_the_clock_stands_still_while_a_thread_works() -> None:
    release = threading.Event()

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(None, release.wait, 5.0)
        threading.Timer(0.05, release.set).start()
        timer = asyncio.create_task(asyncio.sleep(100.0))
        await job
        now = loop.time()
        timer.cancel()
        return now

    assert run_virtual(scenario) == 0.0


def test_a_loop_with_nothing_to_wait_for_says_so() -> None:
    loop = VirtualLoop()
    try:
        with pytest.raises(Deadlock):
            loop.run_until_complete(loop.create_future())
    finally:
        loop.close()


def test_the_clock_of_the_loop_shows_its_time() -> None:
    async def scenario() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        wall = loop.clock.wall()
        await asyncio.sleep(7.0)
        return loop.clock.monotonic(), loop.clock.wall() - wall

    assert run_virtual(scenario) == (7.0, 7.0)


def test_a_rest_of_a_timeout_that_the_clock_is_too_coarse_for_passes_too() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.301)
        deadline = math.nextafter(loop.time(), math.inf)
        while (remaining := deadline - loop.time()) > 0:  # noqa: ASYNC110 - as whoever waits for the rest of a time
            await asyncio.sleep(remaining / 4)

    run_virtual(scenario)
