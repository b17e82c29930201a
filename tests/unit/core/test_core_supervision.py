"""Whether and when a failed actor is started again."""

from __future__ import annotations

import asyncio
import gc
import random
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pulsing as pul
from pulsing import testing
from pulsing.core.supervision import JITTER, RestartPolicy, Supervisor
from pulsing.exceptions import ActorNotFound, ActorStopped, PulsingSystemError
from tests.unit.core.acting import in_virtual_time, spawn, turns

BROKEN = PulsingSystemError("broken", recoverable=False)


class Never(random.Random):
    """Draws no jitter."""

    def random(self) -> float:
        return 0.0


def supervisor(**options: Any) -> Supervisor:
    return Supervisor(RestartPolicy(**{"policy": "on-failure", **options}), Never())


@pytest.mark.parametrize(
    "options",
    [
        {"policy": "sometimes"},
        {"policy": None},
        {"max_restarts": -1},
        {"min_backoff": -0.1},
        {"min_backoff": 2.0, "max_backoff": 1.0},
        {"window": 0},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(options: Any) -> None:
    with pytest.raises(ValueError):
        RestartPolicy(**options)


def test_both_spellings_of_on_failure_are_one_policy() -> None:
    assert RestartPolicy("on_failure") == RestartPolicy("on-failure")


def test_the_delay_doubles_up_to_its_bound() -> None:
    machine = supervisor(max_restarts=6, min_backoff=0.1, max_backoff=1.0)
    assert [machine.after_failure(0.0) for _ in range(7)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, None]


def test_restarts_are_counted_in_a_sliding_window() -> None:
    machine = supervisor(max_restarts=2, window=60.0)
    assert machine.after_failure(0.0) is not None
    assert machine.after_failure(30.0) is not None
    assert machine.after_failure(59.0) is None
    assert machine.restarts_left(59.0) == 0
    assert machine.after_failure(60.0) is not None
    assert machine.after_failure(61.0) is None


def test_only_always_restarts_an_actor_that_ended_by_itself() -> None:
    assert supervisor(policy="on-failure").after_own_end(0.0) is None
    assert supervisor(policy="always").after_own_end(0.0) is not None
    assert supervisor(policy="never").after_failure(0.0) is None
    assert supervisor(policy="never").restarts_left(0.0) == 0


@given(st.integers(0, 2**32), st.integers(0, 200), st.floats(0.0, 10.0), st.floats(0.0, 100.0))
def test_a_delay_keeps_its_bounds_whatever_the_chance(seed: int, earlier: int, low: float, more: float) -> None:
    machine = Supervisor(RestartPolicy("always", 1000, low, low + more), random.Random(seed))
    delays = [machine.after_failure(0.0) for _ in range(earlier + 1)]
    assert delays[-1] is not None
    assert low * (1 - JITTER) <= delays[-1] <= low + more


class Fragile:
    """Fails when it is told to."""

    built = 0
    starts: list[int] = []
    stops: list[int] = []

    def __init__(self, start: int = 0) -> None:
        type(self).built += 1
        self.number = type(self).built
        self.value = start

    def on_start(self, actor_id: pul.ActorId) -> None:
        type(self).starts.append(self.number)

    def on_stop(self) -> None:
        type(self).stops.append(self.number)

    def incr(self) -> int:
        self.value += 1
        return self.value

    def fall(self) -> None:
        raise PulsingSystemError("broken", recoverable=False)

    async def fall_later(self) -> None:
        await asyncio.sleep(0)
        raise PulsingSystemError("broken", recoverable=False)

    def slip(self) -> None:
        raise RuntimeError("recoverable")

    def leave(self) -> None:
        pul.current_actor().stop()

    def who(self) -> Any:
        return pul.current_actor().actor_id, self.ref.actor_id  # type: ignore[attr-defined]


def fragile(**options: Any) -> Any:
    cls = type("Fragile", (Fragile,), {"built": 0, "starts": [], "stops": [], "__module__": __name__})
    return pul.remote(**options)(cls)


def test_a_failure_restarts_with_the_original_arguments_under_the_same_id_and_name() -> None:
    async def test(system: pul.ActorSystem) -> None:
        cls = fragile(restart_policy="on-failure")
        actor = await spawn(cls, 10, name="f", system=system)
        assert await actor.incr() == 11
        with pytest.raises(PulsingSystemError, match="broken") as caught:
            await actor.fall()
        assert not caught.value.recoverable
        assert await actor.incr() == 11
        assert (await system.resolve("f")).actor_id == actor.ref.actor_id
        assert await actor.who() == (actor.ref.actor_id, actor.ref.actor_id)
        assert (cls.built, cls.starts, cls.stops) == (2, [1, 2], [1])
        assert actor.ref._cell.restarts == 1

    in_virtual_time(test)


def test_messages_wait_for_the_restart_and_the_failing_one_is_not_repeated() -> None:
    async def test(system: pul.ActorSystem) -> None:
        cls = fragile(restart_policy="on-failure", min_backoff=1.0)
        actor = await spawn(cls, system=system)
        calls = [actor.ref.request(name, (), None, 30.0) for name in ("incr", "fall", "incr", "incr")]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [results[0], *results[2:]] == [1, 1, 2]
        assert isinstance(results[1], PulsingSystemError)
        assert asyncio.get_running_loop().time() >= 0.8

    in_virtual_time(test)


def test_an_async_method_fails_its_actor_too() -> None:
    async def test(system: pul.ActorSystem) -> None:
        actor = await spawn(fragile(restart_policy="always"), system=system)
        await actor.incr()
        with pytest.raises(PulsingSystemError):
            await actor.fall_later()
        assert await actor.incr() == 1

    in_virtual_time(test)


def test_other_errors_keep_the_actor_and_its_state() -> None:
    async def test(system: pul.ActorSystem) -> None:
        cls = fragile(restart_policy="always")
        actor = await spawn(cls, system=system)
        await actor.incr()
        with pytest.raises(RuntimeError):
            await actor.slip()
        assert await actor.incr() == 2
        assert cls.built == 1

    in_virtual_time(test)


def test_an_actor_that_is_never_restarted_is_gone_after_a_failure() -> None:
    async def test(system: pul.ActorSystem) -> None:
        actor = await spawn(fragile(), name="f", system=system)
        end = actor.ref.watch()
        waiting = [actor.ref.request(name, (), None, 30.0) for name in ("fall", "incr", "incr")]
        told = await end
        assert (told.reason, told.name, told.node_id) == ("failed", "actors/f", system.node_id)
        assert isinstance(told.error, PulsingSystemError)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        for result in results[1:]:
            assert isinstance(result, ActorStopped)
            assert (result.reason, result.maybe_executed) == ("failed", False)
            assert isinstance(result.cause, PulsingSystemError)
            assert "broken" in str(result)
        with pytest.raises(ActorNotFound):
            await system.resolve("f")
        await spawn(fragile(), name="f", system=system)

    in_virtual_time(test)


@pytest.mark.parametrize("budget", [0, 1])
@pytest.mark.parametrize("method", ["fall", "fall_later"])
def test_whoever_learns_of_a_failure_finds_the_name_free(method: str, budget: int) -> None:
    async def test(system: pul.ActorSystem) -> None:
        cls = fragile(restart_policy="on-failure", max_restarts=budget)
        actor = await spawn(cls, name="f", public=True, system=system)
        for _ in range(budget + 1):
            with pytest.raises(PulsingSystemError):
                await getattr(actor, method)()
        await spawn(cls, name="f", public=True, system=system)
        await asyncio.sleep(1.0)
        # The end of the first one has not taken the name from the second.
        assert await (await system.resolve("f")).request("incr", (), None, 30.0) == 1

    in_virtual_time(test)


def test_after_its_budget_an_actor_ends_and_its_watchers_are_told_once() -> None:
    async def test(system: pul.ActorSystem) -> None:
        actor = await spawn(fragile(restart_policy="on-failure", max_restarts=2), name="f", system=system)
        end = actor.ref.watch()
        for _ in range(3):
            with pytest.raises(PulsingSystemError):
                await actor.fall()
        told = await end
        assert told.reason == "restart_limit"
        with pytest.raises(ActorStopped) as caught:
            await actor.incr()
        assert caught.value.reason == "restart_limit"
        assert system.statistics().classes[-1].stopped == {"restart_limit": 1}

    in_virtual_time(test)


def test_always_restarts_an_actor_that_ends_by_itself() -> None:
    async def test(system: pul.ActorSystem) -> None:
        cls = fragile(restart_policy="always")
        actor = await spawn(cls, system=system)
        await actor.incr()
        await actor.leave()
        assert await actor.incr() == 1
        assert cls.stops == [1]
        assert system.statistics().classes[-1].restarts == {"always": 1}

    in_virtual_time(test)


def test_an_actor_may_end_by_itself() -> None:
    async def test(system: pul.ActorSystem) -> None:
        actor = await spawn(fragile(restart_policy="on-failure"), name="f", system=system)
        end = actor.ref.watch()
        assert await actor.leave() is None
        assert (await end).reason == "stopped"
        assert (await end).error is None
        assert not await system.stop("f")

    in_virtual_time(test)


def test_an_order_to_stop_never_restarts() -> None:
    async def test(system: pul.ActorSystem) -> None:
        cls = fragile(restart_policy="always")
        actor = await spawn(cls, name="f", system=system)
        await system.stop("f")
        await asyncio.sleep(100)
        assert cls.built == 1
        with pytest.raises(ActorStopped):
            await actor.incr()

    in_virtual_time(test)


def test_a_stop_during_the_backoff_ends_the_actor() -> None:
    async def test(system: pul.ActorSystem) -> None:
        cls = fragile(restart_policy="always", min_backoff=10.0)
        actor = await spawn(cls, name="f", system=system)
        with pytest.raises(PulsingSystemError):
            await actor.fall()
        waiting = actor.ref.request("incr", (), None, 30.0)
        assert await system.stop("f")
        with pytest.raises(ActorStopped):
            await waiting
        await asyncio.sleep(100)
        assert (cls.built, cls.stops) == (1, [1])

    in_virtual_time(test)


def test_a_constructor_that_fails_at_a_restart_counts_as_a_failure() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Once:
            built = 0

            def __init__(self) -> None:
                type(self).built += 1
                if type(self).built > 1:
                    raise OSError("no luck")

            def fall(self) -> None:
                raise PulsingSystemError("broken", recoverable=False)

        actor = await spawn(pul.remote(restart_policy="on-failure", max_restarts=3)(Once), system=system)
        end = actor.ref.watch()
        with pytest.raises(PulsingSystemError):
            await actor.fall()
        told = await end
        assert told.reason == "restart_limit"
        assert isinstance(told.error, OSError)
        assert Once.built == 4

    in_virtual_time(test)


def test_on_start_that_fails_is_a_failure() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Slow:
            tries = 0

            async def on_start(self, actor_id: pul.ActorId) -> None:
                type(self).tries += 1
                if type(self).tries < 3:
                    raise ConnectionError("not yet")

            def ping(self) -> str:
                return "pong"

        actor = await spawn(pul.remote(restart_policy="on-failure")(Slow), system=system)
        assert await actor.ping() == "pong"
        assert Slow.tries == 3

    in_virtual_time(test)


def test_on_start_that_fails_without_a_policy_ends_the_actor_and_tells_its_callers_why() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Broken:
            def on_start(self, actor_id: pul.ActorId) -> None:
                raise ConnectionError("nobody there")

            def ping(self) -> None: ...

        actor = await spawn(pul.remote(Broken), name="b", system=system)
        end = actor.ref.watch()
        with pytest.raises(ActorStopped, match="nobody there") as caught:
            await actor.ping()
        assert isinstance(caught.value.cause, ConnectionError)
        assert (await end).reason == "failed"

    in_virtual_time(test)


def test_on_start_that_waited_for_what_was_cancelled_has_failed() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Broken:
            async def on_start(self, actor_id: pul.ActorId) -> None:
                await given_up

            def ping(self) -> None: ...

        given_up = asyncio.get_running_loop().create_future()
        given_up.cancel()
        actor = await spawn(pul.remote(Broken), system=system)
        end = actor.ref.watch()
        with pytest.raises(ActorStopped, match="CancelledError"):
            await actor.ping()
        assert (await end).reason == "failed"

    in_virtual_time(test)


def test_an_instance_restarts_from_the_copy_made_at_spawn() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Collector(pul.Actor):
            def __init__(self) -> None:
                self.seen: list[Any] = ["original"]

            async def receive(self, msg: Any) -> Any:
                if msg == "fall":
                    raise PulsingSystemError("broken", recoverable=False)
                self.seen.append(msg)
                return list(self.seen)

        ref = await system.spawn(Collector(), restart_policy="on-failure")
        for _ in range(2):
            assert await ref.ask("a") == ["original", "a"]
            with pytest.raises(PulsingSystemError):
                await ref.ask("fall")

    in_virtual_time(test)


async def test_an_instance_that_cannot_be_copied_asks_for_a_factory() -> None:
    class Holder(pul.Actor):
        def __init__(self) -> None:
            self.stream = (n for n in range(3))

        async def receive(self, msg: Any) -> Any: ...

    async with testing.system() as system:
        with pytest.raises(ValueError, match="factory"):
            await system.spawn(Holder(), restart_policy="always")
        await system.spawn(Holder(), name="h")


def test_pending_delayed_calls_end_at_a_restart() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Ticker:
            def __init__(self) -> None:
                self.ticks = 0

            def on_start(self, actor_id: pul.ActorId) -> None:
                self.delayed(5).tick()  # type: ignore[attr-defined]

            def tick(self) -> int:
                self.ticks += 1
                return self.ticks

            def fall(self) -> None:
                raise PulsingSystemError("broken", recoverable=False)

            def count(self) -> int:
                return self.ticks

        ticker = await spawn(pul.remote(restart_policy="always", min_backoff=0.0)(Ticker), system=system)
        with pytest.raises(PulsingSystemError):
            await ticker.fall()
        await asyncio.sleep(20)
        assert await ticker.count() == 1

    in_virtual_time(test)


def test_a_running_call_fails_when_its_actor_restarts() -> None:
    async def test(system: pul.ActorSystem) -> None:
        class Busy:
            async def wait(self) -> None:
                await asyncio.sleep(1000)

            def fall(self) -> None:
                raise PulsingSystemError("broken", recoverable=False)

        busy = await spawn(pul.remote(restart_policy="always")(Busy), system=system)
        running = busy.ref.request("wait", (), None, 30.0)
        await turns()
        with pytest.raises(PulsingSystemError):
            await busy.fall()
        with pytest.raises(ActorStopped) as caught:
            await running
        assert caught.value.maybe_executed

    in_virtual_time(test)


def test_ten_thousand_crashes_leave_no_task_and_no_memory() -> None:
    async def test(system: pul.ActorSystem) -> None:
        cls = fragile(restart_policy="on-failure", max_restarts=20_000, min_backoff=0.01, max_backoff=0.01)
        actor = await spawn(cls, system=system)
        await crash(actor, 1_000)
        await turns()
        tasks, memory = len(asyncio.all_tasks()), rss_bytes()
        await crash(actor, 10_000)
        await turns()
        assert len(asyncio.all_tasks()) == tasks
        assert rss_bytes() - memory <= 5 * 2**20
        assert cls.built == 11_001

    in_virtual_time(test)


async def crash(actor: Any, times: int) -> None:
    for _ in range(times):
        with pytest.raises(PulsingSystemError):
            await actor.fall()
        assert await actor.incr() == 1


def rss_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def test_an_operator_may_restart_an_actor_that_can_be_built_again() -> None:
    async with testing.system() as system:
        actor = await spawn(fragile(), 5, system=system)
        await actor.incr()
        cell = actor.ref._cell
        cell.restart_by_operator()
        assert await actor.incr() == 6
        with pytest.raises(pul.PulsingUnsupportedError):
            plainly: Any = await system.spawn(Plainly())
            plainly._cell.restart_by_operator()


class Plainly:
    def receive(self, msg: Any) -> Any: ...
