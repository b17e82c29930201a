"""Checks: thresholds held against figures, changes told as events, a probe that fails when it is critical."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

import pytest

from pulsing.admin.alerts import ALERTS
from pulsing.admin.checks import CHECKS, Figures
from pulsing.settings import THRESHOLDS, Threshold
from tests.unit.admin.admin_world import API, Counter, site

WELL = Figures(
    at=0.0,
    loop_lag_s=0.0,
    long_turns=0,
    drops=0,
    messages=0,
    errors=0,
    restarts={},
    dead_letters=0,
    asks=0,
    timeouts=0,
    mailbox_oldest_s=0.0,
    mailbox_fill=0.0,
    suspicions=0,
    unavailable_buckets=0,
    dead_members=0,
    members=3,
    agreed=True,
    slow_subscribers=0,
    descriptors=0.1,
    capped=0,
    scrape_s=None,
    backpressure_s=0.0,
    oldest_unread_s=None,
    disk_free=0.5,
)


def past(**last: Any) -> deque[Figures]:
    return deque([WELL, dataclasses.replace(WELL, at=100.0, **last)])


CASES: list[tuple[str, dict[str, Any], float | None]] = [
    ("event_loop_lag", {}, 0.0),
    ("long_turns", {"long_turns": 20}, 0.2),
    ("mailbox_wait", {"mailbox_oldest_s": 7.0}, 7.0),
    ("mailbox_drops", {"drops": 1}, 0.01),
    ("error_ratio", {"messages": 99, "errors": 99}, None),
    ("error_ratio", {"messages": 200, "errors": 20}, 0.1),
    ("restart_loop", {"restarts": {"a": 3, "b": 7}}, 7),
    ("dead_letters", {"dead_letters": 300}, 3.0),
    ("mailbox_saturation", {"mailbox_fill": 1.5}, 1.5),
    ("flapping", {"suspicions": 7}, 7),
    ("queue_buckets", {"unavailable_buckets": 1}, 1),
    ("ask_timeouts", {"asks": 200, "timeouts": 20}, 0.1),
    ("ask_timeouts", {"asks": 50, "timeouts": 20}, None),
    ("members", {"dead_members": 1}, 1 / 3),
    ("agreement", {"agreed": False}, 0.0),
    ("queue_lag", {"oldest_unread_s": 61.0}, 61.0),
    ("disk", {"disk_free": 0.05}, 0.05),
    ("file_descriptors", {"descriptors": None}, None),
    ("scrape_time", {"scrape_s": 0.2}, 0.2),
]


@pytest.mark.parametrize(("name", "last", "value"), CASES)
def test_a_check_reads_its_value(name: str, last: dict[str, Any], value: float | None) -> None:
    assert CHECKS[name].value(past(**last)) == value


def test_a_mailbox_that_is_full_for_a_moment_is_no_fault() -> None:
    moments = [
        dataclasses.replace(WELL, at=float(at), mailbox_fill=fill) for at, fill in ((0, 0.0), (5, 0.1), (10, 1.0))
    ]
    assert CHECKS["mailbox_saturation"].value(deque(moments)) == 0.0
    assert CHECKS["mailbox_saturation"].value(deque(moments[1:])) == 0.1


def test_backpressure_is_a_share_of_the_last_minute() -> None:
    moments = [
        dataclasses.replace(WELL, at=float(at), backpressure_s=s) for at, s in ((0, 0.0), (40, 10.0), (100, 40.0))
    ]
    assert CHECKS["link_backpressure"].value(deque(moments)) == 0.5
    assert CHECKS["link_backpressure"].value(deque(moments[:1])) is None


@pytest.mark.parametrize(
    ("name", "value", "threshold", "fails"),
    [
        ("queue_lag", 60.0, 60.0, True),
        ("queue_lag", 59.9, 60.0, False),
        ("mailbox_drops", 0.0, 0.0, False),
        ("mailbox_drops", 0.001, 0.0, True),
        ("disk", 0.1, 0.1, True),
        ("disk", 0.11, 0.1, False),
        ("disk", 0.0, None, False),
    ],
)
def test_a_check_fails_at_its_threshold(name: str, value: float, threshold: float | None, fails: bool) -> None:
    assert CHECKS[name].fails(value, threshold) is fails


def test_every_check_has_thresholds_and_an_alert() -> None:
    assert set(CHECKS) == set(THRESHOLDS) == set(ALERTS) - {"node_down"}


async def test_thresholds_are_settings() -> None:
    never = {name: threshold._replace(enabled=False) for name, threshold in THRESHOLDS.items()}
    strict = {**never, "disk": Threshold(1.0, 1.0), "event_loop_lag": Threshold(5.0, None)}
    async with site(thresholds=strict) as world:
        await world.plane.checks.run(5.0)
        rows = {row["name"]: row for row in world.plane.checks.rows()}
    assert (rows["disk"]["status"], rows["event_loop_lag"]["status"]) == ("critical", "warn")
    assert 0 < rows["disk"]["value"] <= 1
    assert {row["status"] for name, row in rows.items() if name not in ("disk", "event_loop_lag")} == {"off"}


def test_disagreement_counts_from_its_beginning() -> None:
    moments = [dataclasses.replace(WELL, at=float(at), agreed=at < 10) for at in (0, 5, 10, 15, 20)]
    assert CHECKS["agreement"].value(deque(moments)) == 10.0


async def test_a_check_that_fails_is_shown_told_and_counted() -> None:
    async with site() as world:
        client = await world.client("viewer")
        counter = await Counter.spawn(name="c", system=world.system)
        well = (await client.get(f"{API}/health/checks")).json()
        for _ in range(200):
            with pytest.raises(ValueError, match="no"):
                await counter.fail("no")
        await world.plane.checks.run(2.0)
        failing = (await client.get(f"{API}/health/checks?status=critical")).json()["items"]
        probe = await client.get(f"{API}/health/checks/error_ratio")
        fine = await client.get(f"{API}/health/checks/dead_letters")
        unknown = await client.get(f"{API}/health/checks/error_ration")
        events = (await client.get(f"{API}/events?type=check.*")).json()["items"]
        metrics = (await client.get("/metrics")).text
        told = {row["name"]: row for row in (await client.get(f"{API}/overview")).json()["checks"]}
        [node] = (await client.get(f"{API}/nodes")).json()["items"]
    assert told["error_ratio"]["value"] == next(row["value"] for row in failing if row["name"] == "error_ratio")
    assert (told["error_ratio"]["node"], told["error_ratio"]["node_name"]) == (node["id"], node["name"])
    assert {row["status"] for row in well["items"]} <= {"ok", "off"}
    assert {"error_ratio"} <= {row["name"] for row in failing}
    assert (probe.status_code, fine.status_code, unknown.status_code) == (503, 200, 404)
    assert "error_ratio" in {event["subject"]["name"] for event in events if event["type"] == "check.failing"}
    assert 'pulsing_check_failing{check="error_ratio"} 1.0' in metrics
