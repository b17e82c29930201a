from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pulsing.cluster.directory import Directory
from pulsing.cluster.member import Member, Status
from pulsing.cluster.names import Change, Entry
from pulsing.exceptions import NameTaken, Overloaded
from pulsing.testing.virtual import run_virtual


class Desk:
    """A directory, the members it knows, and what it announced."""

    def __init__(self, max_public: int = 10_000) -> None:
        self.members = {n: Member(n, f"h{n}:1") for n in (1, 2, 3)}
        self.announced: list[tuple[str, bool]] = []
        self.directory = Directory(1, self.members.get, self._announce, max_public=max_public)

    def _announce(self, path: str, entry: Entry | None) -> None:
        self.announced.append((path, entry is not None))

    def remote(self, node_id: int, path: str, class_name: str = "W") -> list[str]:
        return self.directory.update(node_id, [Change(1, path, Entry(node_id, class_name))])

    def set_status(self, node_id: int, status: Status) -> None:
        self.members[node_id] = replace(self.members[node_id], status=status)

    def turns(self, path: str, count: int) -> list[int]:
        found = [self.directory.resolve(path) for _ in range(count)]
        return [i.node_id for i in found if i is not None]


def test_a_public_name_is_announced_and_a_private_one_is_not() -> None:
    desk = Desk()
    desk.directory.publish("a", Entry(1, public=True))
    desk.directory.publish("b", Entry(2, public=False))
    assert desk.announced == [("a", True)]
    assert desk.directory.paths() == ["a", "b"]
    desk.directory.withdraw("a", 1)
    desk.directory.withdraw("b", 2)
    desk.directory.withdraw("never there", 3)
    assert desk.announced == [("a", True), ("a", False)]
    assert desk.directory.paths() == []


def test_one_node_cannot_hold_a_name_twice() -> None:
    desk = Desk()
    desk.directory.publish("a", Entry(1))
    with pytest.raises(NameTaken):
        desk.directory.publish("a", Entry(2))


def test_a_name_is_not_withdrawn_for_an_actor_that_no_longer_has_it() -> None:
    desk = Desk()
    desk.directory.publish("a", Entry(1))
    desk.directory.withdraw("a", 1)
    desk.directory.publish("a", Entry(2))
    desk.directory.withdraw("a", 1)
    assert desk.directory.paths() == ["a"]


def test_public_names_are_bounded_and_withdrawing_makes_room() -> None:
    desk = Desk(max_public=1)
    desk.directory.publish("a", Entry(1))
    with pytest.raises(Overloaded):
        desk.directory.publish("b", Entry(2))
    desk.directory.publish("private", Entry(2, public=False))
    desk.directory.withdraw("a", 1)
    desk.directory.publish("b", Entry(2))


def test_replicas_take_turns() -> None:
    desk = Desk()
    for node_id in (1, 2, 3):
        desk.remote(node_id, "a")
    assert sorted(desk.turns("a", 3)) == [1, 2, 3]
    assert desk.turns("a", 6).count(2) == 2


def test_leaving_and_suspected_replicas_come_last_and_gone_ones_never() -> None:
    desk = Desk()
    for node_id in (1, 2, 3):
        desk.remote(node_id, "a")
    desk.set_status(1, "leaving")
    desk.set_status(2, "suspect")
    assert desk.turns("a", 3) == [3, 3, 3]
    desk.set_status(3, "dead")
    assert desk.turns("a", 3) == [2, 2, 2]
    desk.set_status(2, "left")
    assert desk.turns("a", 3) == [1, 1, 1]


def test_one_node_can_be_asked_for() -> None:
    desk = Desk()
    desk.remote(2, "a")
    found = desk.directory.resolve("a", node_id=2)
    assert found is not None and found.entry.actor_id == 2
    assert desk.directory.resolve("a", node_id=3) is None


def test_different_classes_under_one_name_are_a_conflict() -> None:
    desk = Desk()
    assert desk.remote(2, "a") == []
    assert desk.remote(3, "a") == []
    assert desk.remote(1, "a", "Other") == ["a"]


def test_names_are_counted_by_node() -> None:
    desk = Desk()
    desk.remote(2, "a")
    desk.remote(2, "a")
    desk.remote(2, "b")
    assert (desk.directory.count_of(2), desk.directory.count_of(3)) == (2, 0)


def test_waiting_ends_when_the_name_appears() -> None:
    async def scenario() -> float:
        desk, loop = Desk(), asyncio.get_running_loop()
        loop.call_later(3.0, desk.remote, 2, "a")
        found = await desk.directory.wait_for("a", timeout=10.0)
        assert found is not None and found.node_id == 2
        return loop.time()

    assert run_virtual(scenario) == pytest.approx(3.0)


def test_waiting_for_one_node_passes_over_others() -> None:
    async def scenario() -> None:
        desk, loop = Desk(), asyncio.get_running_loop()
        loop.call_later(1.0, desk.remote, 2, "a")
        loop.call_later(2.0, desk.remote, 3, "a")
        found = await desk.directory.wait_for("a", timeout=10.0, node_id=3)
        assert found is not None and found.node_id == 3

    run_virtual(scenario)


def test_waiting_gives_up_at_the_timeout_and_leaves_nothing_behind() -> None:
    async def scenario() -> float:
        desk = Desk()
        assert await desk.directory.wait_for("a", timeout=5.0) is None
        assert await desk.directory.wait_for("a", timeout=0.0) is None
        assert desk.directory._waiting == {}
        return asyncio.get_running_loop().time()

    assert run_virtual(scenario) == pytest.approx(5.0)
