"""When an address is dialled again that could not be reached."""

from __future__ import annotations

from random import Random

from pulsing.node.redials import ADDRESSES_KEPT, FIRST_S, LONGEST_S, Redials


def test_an_address_that_never_failed_is_dialled_at_once() -> None:
    assert Redials(Random(1)).pause("a:1", 5.0) == 0.0


def test_the_pause_doubles_up_to_its_bound_and_is_spread() -> None:
    redials, pauses, now = Redials(Random(1)), [], 0.0
    for _ in range(20):
        redials.failed("a:1", now)
        pauses.append(redials.pause("a:1", now))
        now += pauses[-1]
        assert redials.pause("a:1", now) == 0.0
    for number, pause in enumerate(pauses):
        whole = min(LONGEST_S, FIRST_S * 2**number)
        assert whole / 2 <= pause <= whole
    assert len(set(pauses)) == len(pauses)


def test_who_was_reached_begins_anew() -> None:
    redials = Redials(Random(1))
    for _ in range(10):
        redials.failed("a:1", 0.0)
    redials.succeeded("a:1")
    assert redials.pause("a:1", 0.0) == 0.0
    redials.failed("a:1", 0.0)
    assert redials.pause("a:1", 0.0) <= FIRST_S


def test_ever_new_addresses_take_bounded_memory() -> None:
    redials = Redials(Random(1))
    for number in range(3 * ADDRESSES_KEPT):
        redials.failed(f"a:{number}", 0.0)
    assert len(redials._failed) <= ADDRESSES_KEPT
    assert redials.pause(f"a:{3 * ADDRESSES_KEPT - 1}", 0.0) > 0
