"""What the audit trail keeps, and what strangers can push out of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from pulsing.admin.audit import MAX_PARAMETERS, MAX_TEXT, Audit, beginning, shortened
from tests.unit.admin.admin_world import API, COUNTER, Hands, site


def row(principal: str | None) -> dict[str, Any]:
    return {"principal": principal, "action": "actor.stop", "outcome": "refused"}


def test_rows_are_kept_newest_first_and_numbered() -> None:
    audit = Audit(2, lambda kept: None, Hands())
    for who in ("a", None, "b", "c"):
        audit.record(row(who))
    assert [(kept["seq"], kept["principal"]) for kept in audit] == [(4, "c"), (3, "b"), (2, None)]


def test_refusals_of_strangers_push_out_nobody_elses_rows() -> None:
    audit = Audit(100, lambda kept: None, Hands())
    audit.record(row("a"))
    for _ in range(1_000):
        audit.record(row(None))
    assert [kept["principal"] for kept in audit] == [None] * 100 + ["a"]


def test_strangers_make_one_event_a_second_and_a_line_in_the_log_each(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Mapping[str, Any]] = []
    clock = Hands()
    audit = Audit(100, told.append, clock)
    with caplog.at_level(logging.INFO, "pulsing.audit"):
        for who in (None, None, "a", "a", None):
            audit.record(row(who))
        clock.now += 1.0
        audit.record(row(None))
    assert [kept["seq"] for kept in told] == [1, 3, 4, 6]
    assert len(caplog.records) == 6


@pytest.mark.parametrize(
    "parameters",
    [
        {"args": [[{}] * 250_000]},
        {"args": [0] * 500_000},
        {"kwargs": {f"k{number}": number for number in range(80_000)}},
        {"args": ["x" * 1_000_000]},
        {"kwargs": {"y" * 1_000_000: 1}},
        {"args": [10**4_000] * 250},
    ],
    ids=["lists", "numbers", "keys", "text", "key", "large numbers"],
)
def test_of_parameters_without_end_a_row_has_the_beginning(parameters: Any) -> None:
    kept = json.dumps(shortened(beginning(parameters)))
    assert MAX_TEXT <= len(kept) <= 2 * MAX_PARAMETERS


def test_what_is_missing_of_parameters_is_counted_and_what_is_short_is_whole() -> None:
    short = {"args": [1, "two", None, True, 1.5, [{"a": []}]], "kwargs": {}}
    assert shortened(beginning(short)) == short
    assert beginning([0] * 10_000)[-1] == {"$more": 10_001 - len(beginning([0] * 10_000))}
    assert beginning(dict.fromkeys(map(str, range(10_000))))["$more"] > 8_000
    assert shortened({"a": "b" * 1_000}) == {"a": "b" * (MAX_TEXT - 1) + "…"}


async def test_calls_with_large_arguments_leave_little_in_the_audit() -> None:
    async with site() as world:
        operator, admin = await world.client("operator"), await world.client("admin")
        await operator.post(f"{API}/actors", json={"class": COUNTER, "name": "c"})
        asked = {"method": "incr", "args": [[{}] * 30_000, "redis://user:s3cret@host/" + "x" * 1_000]}
        await operator.post(f"{API}/actors/c/call", json=asked)
        await operator.post(f"{API}/actors/{'n' * 10_000}/call", json={"method": "incr"})
        answer = await admin.get(f"{API}/audit")
    unknown, called, _ = answer.json()["items"]
    assert (called["parameters"]["method"], len(unknown["target"])) == ("incr", MAX_TEXT)
    assert len(answer.content) < 64 * 1024
    assert b"s3cret" not in answer.content
