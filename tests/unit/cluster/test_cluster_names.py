from __future__ import annotations

from random import Random

from pulsing.cluster.events import NamesChanged, Send
from pulsing.cluster.messages import MAX_PAYLOAD, Delta, Pull, Versions, encode
from pulsing.cluster.names import REMEMBERED_WITHDRAWALS, Change, Entry, NameMap
from pulsing.cluster.replication import RETRY_S, Replication


def entry(number: int = 1) -> Entry:
    return Entry(number, "Worker", "app.workers", "/srv/app/workers.py")


class Pair:
    """Two nodes that exchange names over a perfect line."""

    def __init__(self) -> None:
        self.nodes = {n: Replication(n, Random(n), max_names=20_000) for n in (1, 2)}
        self.deltas: list[Delta] = []
        self.changes: list[Change] = []

    def meet(self, now: float = 0.0) -> None:
        self.carry(1, self.nodes[1].node_came(2, now), now)
        self.carry(2, self.nodes[2].node_came(1, now), now)

    def carry(self, source: int, effects: list[Send | NamesChanged], now: float) -> None:
        for effect in effects:
            if isinstance(effect, NamesChanged):
                self.changes += effect.changes if source == 2 else ()
                continue
            message = effect.message
            assert isinstance(message, (Versions, Pull, Delta))
            assert len(encode(message)) <= MAX_PAYLOAD
            if isinstance(message, Delta):
                self.deltas.append(message)
            self.carry(effect.node_id, self.nodes[effect.node_id].receive(source, message, now), now)

    def settle(self, now: float) -> None:
        for node_id, node in self.nodes.items():
            self.carry(node_id, node.tick(now), now)


def test_a_map_gives_the_difference_to_any_version() -> None:
    names = NameMap()
    for path in ("a", "b", "c"):
        names.write(path, entry())
    names.write("b", None)
    assert [(c.version, c.path) for c in names.since(1)] == [(3, "c"), (4, "b")]
    assert sorted(path for path, _ in names.entries()) == ["a", "c"]
    assert len(names) == 2


def test_old_withdrawals_are_forgotten_and_the_floor_says_so() -> None:
    names = NameMap()
    for number in range(3 * REMEMBERED_WITHDRAWALS):
        names.write(f"n{number}", entry())
        names.write(f"n{number}", None)
    assert len(names) == 0
    assert 0 < names.floor < names.version
    assert len(names.since(0)) <= REMEMBERED_WITHDRAWALS


def test_a_name_reaches_the_other_node_and_goes_again() -> None:
    pair = Pair()
    pair.meet()
    pair.nodes[1].write("actors/a", entry(), 1.0)
    pair.settle(1.1)
    assert pair.nodes[2].names_of(1) == {"actors/a": entry()}
    pair.nodes[1].write("actors/a", None, 2.0)
    pair.settle(2.1)
    assert pair.nodes[2].names_of(1) == {}


def test_many_changes_make_one_announcement() -> None:
    pair = Pair()
    pair.meet()
    for number in range(100):
        pair.nodes[1].write(f"n{number}", entry(), 1.0)
    assert [e.message for e in pair.nodes[1].tick(1.1) if isinstance(e, Send)] == [Versions(((1, 100),))]


def test_a_lost_announcement_is_made_good_by_the_next_comparison() -> None:
    pair = Pair()
    pair.meet()
    pair.nodes[1].write("a", entry(), 1.0)
    pair.nodes[1].tick(1.1)
    pair.carry(1, pair.nodes[1].compare(2), 6.0)
    assert pair.nodes[2].names_of(1) == {"a": entry()}


def test_a_lost_answer_is_asked_for_again() -> None:
    pair = Pair()
    pair.meet()
    pair.nodes[2].receive(1, Versions(((1, 5),)), 1.0)
    assert not pair.nodes[2].is_level
    assert pair.nodes[2].tick(1.0 + RETRY_S) == [Send(1, Pull(1, 0))]


def test_ten_thousand_names_travel_in_bounded_parts() -> None:
    pair = Pair()
    for number in range(10_000):
        pair.nodes[1].write(f"actors/worker-{number}", entry(number), 0.0)
    pair.meet(1.0)
    assert len(pair.nodes[2].names_of(1)) == 10_000
    assert len(pair.deltas) > 10
    assert pair.nodes[2].is_level


def test_a_replica_that_is_far_behind_gets_the_whole_map_and_loses_what_is_gone() -> None:
    pair = Pair()
    pair.nodes[1].write("first", entry(), 0.0)
    pair.nodes[1].write("kept", entry(), 0.0)
    pair.meet()
    pair.nodes[1].write("first", None, 1.0)
    for number in range(2 * REMEMBERED_WITHDRAWALS):
        pair.nodes[1].write(f"n{number}", entry(), 1.0)
        pair.nodes[1].write(f"n{number}", None, 1.0)
    pair.deltas.clear()
    pair.settle(1.2)
    assert pair.deltas[0].whole
    assert set(pair.nodes[2].names_of(1)) == {"kept"}
    assert [c.path for c in pair.changes if c.entry is None] == ["first"]


def test_the_names_of_a_node_go_in_one_step_with_it() -> None:
    pair = Pair()
    for path in ("a", "b"):
        pair.nodes[1].write(path, entry(), 0.0)
    pair.meet()
    [gone] = pair.nodes[2].node_went(1)
    assert isinstance(gone, NamesChanged)
    assert {(c.path, c.entry) for c in gone.changes} == {("a", None), ("b", None)}
    assert pair.nodes[2].names_of(1) == {}


def test_a_difference_that_nobody_asked_for_is_ignored() -> None:
    pair = Pair()
    pair.meet()
    pair.nodes[2].receive(1, Delta(1, 0, 9, False, True, (Change(9, "x", entry()),)), 1.0)
    pair.nodes[2].receive(1, Delta(7, 0, 9, False, True, (Change(9, "x", entry()),)), 1.0)
    assert pair.nodes[2].names_of(1) == {}


def test_more_names_than_a_node_may_hold_are_not_kept() -> None:
    replica = Replication(2, Random(2), max_names=10)
    replica.node_came(1, 0.0)
    changes = tuple(Change(n + 1, f"n{n}", entry()) for n in range(50))
    replica.receive(1, Delta(1, 0, 50, False, True, changes), 0.1)
    assert len(replica.names_of(1)) == 10


def test_the_names_of_a_node_are_taken_from_that_node_alone() -> None:
    pair = Pair()
    pair.meet()
    pair.nodes[1].write("true", entry(), 1.0)
    pair.nodes[2].receive(3, Versions(((1, 1),)), 1.0)
    pair.nodes[2].receive(3, Delta(1, 0, 1, False, True, (Change(1, "false", entry()),)), 1.0)
    pair.nodes[2].receive(3, Delta(1, 0, 1, True, True, (Change(1, "false", entry()),)), 1.0)
    assert pair.nodes[2].names_of(1) == {}
    assert not pair.nodes[2].is_level
    pair.settle(1.0 + RETRY_S)
    assert pair.nodes[2].names_of(1) == {"true": entry()}
    assert pair.nodes[2].is_level


def test_news_of_a_third_node_are_asked_of_that_node_once_in_a_while() -> None:
    pair = Pair()
    pair.nodes[1].write("a", entry(), 0.0)
    pair.meet()
    assert pair.nodes[2].receive(3, Versions(((1, 2),)), RETRY_S) == [Send(1, Pull(1, 1))]
    pair.nodes[2].receive(1, Delta(1, 1, 1, False, True, ()), RETRY_S)
    for version in (2, 500, 2**60):
        assert pair.nodes[2].receive(3, Versions(((1, version),)), 1.1 * RETRY_S) == []
    assert pair.nodes[2].tick(1.9 * RETRY_S) == []
    assert pair.nodes[2].next_deadline() == 2.0 * RETRY_S
    assert pair.nodes[2].tick(2.0 * RETRY_S) == [Send(1, Pull(1, 1))]


def test_a_version_that_somebody_made_up_is_not_asked_for_without_end() -> None:
    pair = Pair()
    pair.nodes[1].write("a", entry(), 0.0)
    pair.meet()
    pair.nodes[2].receive(3, Versions(((1, 500),)), 1.0)
    pair.settle(1.0 + RETRY_S)
    assert pair.nodes[2].is_level
    assert pair.nodes[2].names_of(1) == {"a": entry()}


def test_what_others_say_of_a_writer_does_not_hold_up_its_own_announcement() -> None:
    pair = Pair()
    pair.meet()
    assert pair.nodes[2].receive(3, Versions(((1, 500),)), 0.5) == []
    pair.nodes[1].write("a", entry(), 0.5)
    pair.settle(0.6)
    assert pair.nodes[2].names_of(1) == {"a": entry()}
    assert pair.nodes[2].is_level


def test_announcements_do_not_repeat_a_pull_that_is_under_way() -> None:
    replica = Replication(2, Random(2))
    assert replica.node_came(1, 0.0) == [Send(1, Pull(1, 0))]
    assert replica.receive(1, Versions(((1, 5),)), 0.1) == []
    assert replica.receive(1, Versions(((1, 6),)), 0.2) == []


def test_a_lost_part_of_an_answer_is_asked_for_again() -> None:
    replica = Replication(2, Random(2))
    replica.node_came(1, 0.0)
    replica.receive(1, Delta(1, 1, 2, False, True, (Change(2, "b", entry()),)), 0.1)
    assert not replica.is_level
    assert replica.tick(0.1 + RETRY_S) == [Send(1, Pull(1, 0))]


def test_a_writer_is_told_nothing_about_its_own_names() -> None:
    pair = Pair()
    pair.nodes[1].write("a", entry(), 0.0)
    pair.meet()
    assert pair.nodes[1].receive(2, Versions(((1, 500),)), 1.0) == []
    assert pair.nodes[1].version_of(1) == 1
    assert pair.nodes[1].receive(3, Pull(2, 0), 1.0) == []


def test_whoever_pulls_without_end_gets_only_so_much() -> None:
    pair = Pair()
    for number in range(10_000):
        pair.nodes[1].write(f"n{number}", entry(), 0.0)
    pair.meet()

    def pulls(sender: int, now: float) -> int:
        return sum(len(pair.nodes[1].receive(sender, Pull(1, 0), now)) > 0 for _ in range(100))

    assert pulls(2, 1.0) < 5
    assert pulls(77, 1.0) < 5
    assert pulls(78, 1.0) == 0  # strangers share what they get
    assert pulls(2, 2.5) == 2
