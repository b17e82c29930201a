"""What is counted while messages flow."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pulsing as pul
from pulsing import testing
from pulsing.core.statistics import LATENCY_BOUNDS, ClassStatistics, LatencyCounters
from tests.unit.core.acting import GATE, Counter, Echo, Source, spawn, turns


@given(st.lists(st.floats(0, 100), max_size=50))
def test_each_observation_is_counted_under_its_bound(seconds: list[float]) -> None:
    counters = LatencyCounters()
    for one in seconds:
        counters.observe(one)
    found = counters.snapshot()
    bounds = (*LATENCY_BOUNDS, float("inf"))
    expected = [0] * len(bounds)
    for one in seconds:
        expected[next(place for place, bound in enumerate(bounds) if one <= bound)] += 1
    assert list(found.counts) == expected
    assert found.count == len(seconds)
    assert found.total_s == pytest.approx(sum(seconds))
    assert found.maximum_s == max(seconds, default=0.0)


def test_a_quantile_is_the_bound_of_its_slot() -> None:
    counters = LatencyCounters()
    assert counters.snapshot().quantile(0.5) is None
    for one in [0.0001] * 99 + [0.02]:
        counters.observe(one)
    assert counters.snapshot().quantile(0.5) == 0.0002
    assert counters.snapshot().quantile(0.999) == 0.02


def of_class(system: pul.ActorSystem, name: str) -> ClassStatistics:
    classes: tuple[ClassStatistics, ...] = system.statistics().classes
    return next(one for one in classes if one.name.endswith(name))


async def test_outcomes_are_counted_by_method() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        await counter.incr()
        await counter.slow_incr()
        await counter.with_options(one_way=True).incr()
        for error in (ValueError(), RuntimeError(), TimeoutError(), pul.PulsingUnsupportedError("x")):
            with pytest.raises(pul.PulsingError):
                await counter.fail(error)
        for name in ("a", "b", "c"):
            with pytest.raises(pul.PulsingError):
                await getattr(counter.as_any(), name)()
        found = of_class(system, "acting.Counter")
        methods = {method.method: method for method in found.methods}
        assert (methods["incr"].ok, methods["slow_incr"].ok) == (2, 1)
        fail = methods["fail"]
        assert (fail.business_errors, fail.system_errors, fail.timeout_errors, fail.unsupported_errors) == (1, 1, 1, 1)
        assert fail.errors == fail.messages == 4
        assert methods["(unknown)"].errors == 3
        assert set(methods) == {"incr", "slow_incr", "fail", "(unknown)"}
        assert methods["incr"].handle.count == 2
        assert found.wait.count == 10
        assert (found.messages, found.errors, found.tells) == (10, 7, 1)
        kinds = system.statistics().messages_by_kind
        assert (kinds["ask"], kinds["tell"]) == (9, 1)


async def test_streams_and_given_up_calls_are_counted() -> None:
    async with testing.system() as system:
        source = await spawn(Source, system=system)
        assert [n async for n in source.anumbers(5)] == list(range(5))
        await turns()
        found = of_class(system, "Source")
        assert (found.streams, found.streams_open) == (1, 0)
        assert found.methods[0].stream_items == 5
        assert found.first_item.count == 1
        gate = await spawn(GATE.with_options(max_concurrency=1), system=system)
        running = asyncio.ensure_future(gate.enter(1))
        await turns()
        given_up = asyncio.ensure_future(gate.enter(2))
        await turns()
        given_up.cancel()
        gate.ref._cell.actor.open.set()
        await running
        await turns()
        assert of_class(system, "Gate").methods[0].cancelled == 1


async def test_the_population_and_its_backlog_are_told() -> None:
    async with testing.system() as system:
        gates = [await spawn(GATE.with_options(max_concurrency=1), system=system) for _ in range(3)]
        calls = [gates[0].ref.request("enter", (1,), None, None) for _ in range(4)]
        await turns()
        found = of_class(system, "Gate")
        assert found.actors_by_state == {"running": 3}
        assert (found.actors, found.spawned) == (3, 3)
        assert (found.mailbox_messages, found.mailbox_max_messages) == (3, 3)
        assert found.mailbox_oldest_s >= 0
        gates[0].ref._cell.actor.open.set()
        await asyncio.gather(*calls)
        await system.stop(gates[1])
        found = of_class(system, "Gate")
        assert found.actors_by_state == {"running": 2}
        assert (found.mailbox_messages, found.mailbox_oldest_s) == (0, 0.0)
        assert found.stopped == {"stopped": 1}
        assert system.inner.waiting == set()


async def test_a_snapshot_looks_at_no_idle_actor() -> None:
    async with testing.system() as system:
        for _ in range(100):
            await system.spawn(Echo())
        await turns()
        assert system.inner.waiting == set()
        assert of_class(system, "Echo").actors == 100


async def test_totals_outlive_their_actors() -> None:
    async with testing.system() as system:
        for _ in range(3):
            counter = await spawn(Counter, name="c", system=system)
            await counter.incr()
            await system.stop("c")
        found = of_class(system, "acting.Counter")
        assert (found.messages, found.spawned, found.actors) == (3, 3, 0)


async def test_values_are_frozen() -> None:
    async with testing.system() as system:
        await spawn(Counter, system=system)
        figures: Any = system.statistics()
        for value in (figures, figures.classes[0], figures.classes[0].wait):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, dataclasses.fields(value)[0].name, "x")


async def test_counts_and_times_of_one_actor_are_told_in_its_row() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="c", system=system)
        await counter.incr()
        with pytest.raises(pul.PulsingError):
            await counter.fail(ValueError("bad"))
        row = next(row for row in await system.inspect("actors") if row["name"] == "actors/c")
        assert (row["messages_total"], row["errors_total"], row["state"]) == (2, 1, "running")
        assert 0 < row["handle_max_s"] <= row["handle_total_s"]
        detail = await system.inspect("actor", {"actor": "c"})
        mailbox = detail["mailbox_detail"]
        assert 0 < mailbox["wait_mean_s"] <= mailbox["wait_max_s"] <= row["wait_total_s"]
        assert of_class(system, "acting.Counter").wait.total_s == row["wait_total_s"]
        assert detail["errors"][0]["message"] == "ValueError: bad"
        with pytest.raises(ValueError, match="nothing to inspect"):
            await system.inspect("weather")


class Keyed:
    def __init__(self, size: int, api_key: str, *more: int, **rest: Any) -> None:
        self.size = size

    def work(self) -> int:
        return self.size


async def test_what_an_actor_was_made_with_is_told_without_secrets() -> None:
    async with testing.system() as system:
        await pul.remote(Keyed).spawn(3, "hush", 7, 8, color="red", token="hush", name="k", system=system)
        await system.spawn(Echo(), name="plain")
        told = (await system.inspect("actor", {"actor": "k"}))["arguments"]
        plain = (await system.inspect("actor", {"actor": "plain"}))["arguments"]
    assert "size=3" in told and "red" in told and "7, 8" in told
    assert "hush" not in told
    assert plain is None


async def test_what_a_full_mailbox_lost_is_told_of_its_actor() -> None:
    async with testing.system() as system:
        bound = pul.MailboxOptions(1, "drop_oldest")
        gate = await spawn(GATE.with_options(max_concurrency=1, mailbox=bound), name="g", system=system)
        calls = [asyncio.ensure_future(gate.enter(number)) for number in range(4)]
        await turns()
        calls += [asyncio.ensure_future(gate.enter(number)) for number in range(2)]
        await turns()
        detail = await system.inspect("actor", {"actor": "g"})
        lost = sum(of_class(system, "Gate").dropped.values())
        assert detail["mailbox_detail"]["dropped_total"] == detail["dropped_total"] == lost > 0
        gate.ref._cell.actor.open.set()
        await asyncio.gather(*calls, return_exceptions=True)
