"""Checks: thresholds held against figures, changes told as events, a probe that fails when it is critical."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any

import pytest

from pulsing.admin.checks import CHECKS, Figures
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
    assert {row["status"] for row in well["items"]} <= {"ok", "off"}
    assert {"error_ratio"} <= {row["name"] for row in failing}
    assert (probe.status_code, fine.status_code, unknown.status_code) == (503, 200, 404)
    assert "error_ratio" in {event["subject"]["name"] for event in events if event["type"] == "check.failing"}
    assert 'pulsing_check_failing{check="error_ratio"} 1.0' in metrics
