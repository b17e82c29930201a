"""The last day in a few numbers: thinned without losing the largest, and of a fixed size."""

from __future__ import annotations

from typing import Any

from pulsing.admin.history import EMPTY, NAMES, SERIES, Level, joint_series
from pulsing.testing import wait_until
from tests.unit.admin.admin_world import API, Counter, site


def test_a_thinned_gauge_keeps_its_last_and_its_largest() -> None:
    level = Level(3, 2)
    for value in (1.0, 9.0, 2.0, 4.0, None, 3.0, 5.0):
        level.add((value, *EMPTY[1:]))
    assert [(last[0], most[0]) for last, most in level.rows] == [(2.0, 9.0), (3.0, 4.0)]


def test_a_level_knows_when_its_last_row_was_added() -> None:
    level = Level(2, 3)
    for at in (10.0, 11.0, 27.0):
        level.add(EMPTY, at)
    assert level.at == 11.0


def test_what_is_old_is_forgotten() -> None:
    level = Level(1, 3)
    for value in range(5):
        level.add((float(value), *EMPTY[1:]))
    assert [last[0] for last, _ in level.rows] == [2.0, 3.0, 4.0]


async def test_the_numbers_of_a_node_are_remembered() -> None:
    async with site() as world:
        counter = await Counter.spawn(system=world.system)
        client = await world.client("viewer")
        await counter.incr()
        asked = f"{API}/timeseries?names=actors,messages_total,rss_bytes"
        assert (await client.get(asked)).json()["series"][0]["values"] == []
        await wait_until(lambda: world.plane.history.series(["actors"], "10m")["series"][0]["values"])
        body = (await client.get(asked)).json()
        long = (await client.get(f"{asked}&range=6h")).json()
        wrong = await client.get(f"{API}/timeseries?names=surprise")
    actors, messages, memory = body["series"]
    assert body["step_s"] == 1
    assert (actors["name"], actors["kind"], actors["values"][0]) == ("actors", "gauge", 1)
    assert (messages["kind"], messages["values"][0]) == ("counter", 1)
    assert memory["values"][0] > 1_000_000
    assert [one["max"] for one in body["series"]] == [[], [], []]
    assert (long["step_s"], "max" in long["series"][0], "max" in long["series"][1]) == (15, True, True)
    assert wrong.status_code == 422


def test_every_series_has_a_place() -> None:
    assert len(NAMES) == len(EMPTY) == len(SERIES)
    for name, series in SERIES.items():
        assert name.endswith("_total") is (series.kind == "counter")


def told(kind: str, name: str, values: list[float | None]) -> dict[str, Any]:
    return {
        "step_s": 1,
        "start_at": f"{len(values)}",
        "series": [{"name": name, "kind": kind, "unit": "", "values": values}],
    }


def test_the_past_of_a_cluster_is_the_sum_of_its_nodes_counted_back_from_now() -> None:
    joint = joint_series([told("counter", "messages_total", [1, 2, 3]), told("counter", "messages_total", [None, 10])])
    assert joint["series"][0]["values"] == [1, 2, 13]
    assert joint["start_at"] == "3"


def test_a_reading_that_one_node_missed_makes_no_dip() -> None:
    steady: list[float | None] = [10.0] * 20
    gappy: list[float | None] = [5.0, None, None, 6.0, *[None] * 16]
    joint = joint_series([told("gauge", "actors", steady), told("gauge", "actors", gappy)])
    assert joint["series"][0]["values"] == [*[15.0] * 3, *[16.0] * 17]


def test_of_lags_and_percentiles_the_largest_counts() -> None:
    joint = joint_series([told("gauge", "loop_lag_s", [0.1, None]), told("gauge", "loop_lag_s", [0.3, None])])
    assert joint["series"][0]["values"] == [0.3, None]


async def test_the_cluster_has_a_past_and_the_last_minute_its_percentiles() -> None:
    async with site() as world:
        client = await world.client("viewer")
        counter = await Counter.spawn(name="c", system=world.system)
        for _ in range(20):
            await counter.incr()
        path = f"{API}/timeseries?names=messages_total,actors&scope=cluster"
        await client.get(path)
        await wait_until(lambda: world.plane.history.series(["actors"], "10m")["series"][0]["values"] != [], timeout=20)
        past = (await client.get(path)).json()
        latency = (await client.get(f"{API}/overview")).json()["latency"]
    assert (past["nodes"], past["partial"]) == (1, False)
    assert past["series"][0]["values"][-1] >= 20
    assert 0 < latency["handle_s"]["p50"] <= latency["handle_s"]["p99"] <= latency["handle_s"]["max"]
    assert latency["wait_s"]["p99"] is not None


async def test_a_node_tells_how_late_its_loop_was_in_the_last_minute() -> None:
    async with site() as world:
        world.plane.history.start()
        await wait_until(lambda: world.plane.lag.percentiles()["max"] is not None)
        [row] = (await (await world.client("viewer")).get(f"{API}/nodes")).json()["items"]
    assert 0 <= row["loop_lag_s"]["p50"] <= row["loop_lag_s"]["p99"] <= row["loop_lag_s"]["max"]


async def test_nothing_is_remembered_where_the_settings_say_so_and_checks_are_made() -> None:
    async with site(history_enabled=False) as world:
        world.plane.history.start()
        await wait_until(world.plane.checks.rows)
        await wait_until(lambda: world.plane.history.series(["actors"], "10m")["series"][0]["values"])
        values = world.plane.history.series(["actors"], "10m")["series"][0]["values"]
    assert set(values) == {None}
