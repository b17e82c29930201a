"""Calls that have waited for most of their time are run only if the rest is enough."""

from __future__ import annotations

from typing import Any

import pytest

from pulsing.core.envelope import Envelope
from pulsing.core.late import comes_too_late, waited_too_long
from pulsing.core.mailbox import still_waits
from pulsing.ids import ActorId


def call(timeout: float | None, *, size: int = 0, at: float = 0.0) -> Any:
    envelope = Envelope(ActorId(1), "work", (), None, None, timeout, None if timeout is None else at + timeout, at)
    if size:
        envelope = _Arrived(*(getattr(envelope, name) for name in ("target", "method", "args", "kwargs")))
        envelope.timeout, envelope.deadline = timeout, None if timeout is None else at + timeout
    return envelope


class _Arrived(Envelope):
    """From another node."""

    size = 100


@pytest.mark.parametrize(
    ("timeout", "now", "usual", "late"),
    [
        (10.0, 9.0, 0.5, False),
        (10.0, 9.3, 0.5, True),
        (10.0, 9.999, 0.0, False),  # where nothing is known of the method, all is run
        (10.0, 4.9, 4.0, False),  # it has not waited for half of its time
        (10.0, 5.1, 4.0, True),
        (1.0, 0.9, 20.0, False),  # whoever never granted enough has a reason of its own
        (None, 1e9, 1.0, False),
    ],
)
def test_a_call_is_late_if_the_rest_of_its_time_is_less_than_its_method_takes(
    timeout: float | None, now: float, usual: float, late: bool
) -> None:
    assert comes_too_late(call(timeout), now, usual) is late


def test_an_answer_that_goes_to_another_node_needs_time_for_the_way() -> None:
    assert not comes_too_late(call(10.0), 9.85, 0.0)
    assert comes_too_late(call(10.0, size=100), 9.85, 0.0)
    assert not comes_too_late(call(10.0, size=100), 9.75, 0.0)


def test_whoever_grants_a_day_is_not_refused_half_an_hour_before_its_end() -> None:
    assert not comes_too_late(call(86_400.0, size=100), 86_398.0, 0.0)
    assert comes_too_late(call(86_400.0, size=100), 86_399.5, 0.0)


def test_the_error_says_for_what_and_for_how_long() -> None:
    error = waited_too_long(call(5.0))
    assert (error.limit, error.maybe_executed) == (5.0, False)
    assert "wait for work of" in str(error)
    assert "limit of 5" in str(error)


def test_what_came_later_than_the_first_that_waits_still_waits() -> None:
    one, same, later, last = call(1.0), call(1.0), call(1.0, at=1.0), call(1.0, at=2.0)
    assert still_waits(later, iter([same, later, last]))
    assert not still_waits(one, iter([same, later]))
    assert not still_waits(one, iter([later, last]))
    assert not still_waits(one, iter([]))
    assert still_waits(one, iter([same, one, last]))
