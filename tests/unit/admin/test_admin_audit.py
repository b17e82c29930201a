"""What the audit trail keeps, and what strangers can push out of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from pulsing.admin.audit import Audit
from tests.unit.admin.admin_world import Hands


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
