"""Messages of one node that come over several links are delivered in the order in which they were sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from pulsing.node.order import is_in_turn


@dataclass(eq=False)
class Way:
    first_message: int | None = None
    has_parted: bool = False
    is_drained: bool = True
    in_turn: bool = False
    held: list[int] = field(default_factory=list)


def test_the_only_link_is_always_in_turn() -> None:
    assert is_in_turn(Way(first_message=9), [], delivered=0)


def test_a_link_that_goes_on_where_the_other_stopped_is_in_turn_at_once() -> None:
    assert is_in_turn(Way(first_message=6), [Way(first_message=1)], delivered=5)


def test_a_gap_is_waited_for_while_another_link_may_bring_it() -> None:
    assert not is_in_turn(Way(first_message=7), [Way(first_message=1)], delivered=5)
    assert is_in_turn(Way(first_message=7), [Way(first_message=1, has_parted=True)], delivered=5)


def test_a_large_value_under_way_on_the_link_that_was_left_is_waited_for() -> None:
    assert not is_in_turn(Way(first_message=6), [Way(1, has_parted=True, is_drained=False)], delivered=5)


def test_a_link_that_was_left_does_not_wait_for_the_one_in_use() -> None:
    assert is_in_turn(Way(first_message=7, has_parted=True), [Way()], delivered=5)
    assert is_in_turn(Way(first_message=7), [Way(first_message=8)], delivered=5)


PART = object()


@settings(max_examples=300, deadline=None)
@given(
    phases=st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=4),
    data=st.data(),
)
def test_no_number_is_delivered_after_a_higher_one(phases: list[tuple[int, bool]], data: st.DataObject) -> None:
    """A sender goes from link to link, and each is lost or left; the links race each other."""
    number, streams = 0, []
    for count, lost in phases:
        stream: list[object] = list(range(number + 1, number + 1 + count))
        number += count
        streams.append((Way(), [*stream, None if lost else PART]))
    streams[-1] = (streams[-1][0], streams[-1][1][:-1])
    delivered: list[int] = []
    alive = [way for way, _ in streams]

    def release() -> None:
        for _ in alive:
            for way in alive:
                others = (other for other in alive if other is not way)
                if way.held and is_in_turn(way, others, max(delivered, default=0)):
                    way.in_turn = True
                    delivered.extend(way.held)
                    way.held.clear()

    while any(rest for _, rest in streams):
        way, rest = data.draw(st.sampled_from([pair for pair in streams if pair[1]]))
        event = rest.pop(0)
        if event is None:
            alive.remove(way)
        elif event is PART:
            way.has_parted = True
        else:
            assert isinstance(event, int)
            way.first_message = way.first_message or event
            (delivered if way.in_turn else way.held).append(event)
        release()
    assert delivered == sorted(delivered)
    assert not any(way.held for way in alive)
