"""Clusters of one process under faults, which mean the same over a network in memory and over loopback."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import DeadlineExceeded, LinkLost, NodeDead
from pulsing.testing import TestCluster, assert_no_leaks, cluster, run_virtual, wait_until
from pulsing.transport.address import split_address

PATIENCE_S = 60.0
"""For what a busy machine may take long to do; nothing waits that long on an idle one."""

Scenario = Callable[[TestCluster], Awaitable[None]]
Play = Callable[[int, Scenario], None]


@pul.remote
class Diary:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.entries: list[int] = []

    async def note(self, entry: int) -> list[int]:
        self.entries.append(entry)
        return self.entries

    async def hang(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture(params=["memory", "websocket"])
def play(request: pytest.FixtureRequest) -> Play:
    """A function that runs a scenario in a cluster of so many, which must leave nothing behind."""

    def _play(size: int, scenario: Scenario) -> None:
        async def scene() -> None:
            async with assert_no_leaks(), cluster(size, transport=request.param, detector="fast") as systems:
                await scenario(systems)

        if request.param == "memory":
            run_virtual(scene)
        else:
            asyncio.run(scene())

    return _play


async def diary_on(systems: TestCluster, home: int, reader: int) -> Any:
    """An actor of one system, as another one sees it over a link that is open."""
    await Diary.spawn(name=f"diary{home}", public=True, system=systems[home])
    diary = await Diary.resolve(f"diary{home}", system=systems[reader], timeout=PATIENCE_S)
    await diary.note(0)
    return diary


def calls_dead(systems: TestCluster, one: int, other: int) -> bool:
    """Whether a system has declared another one dead at any time."""
    return str(systems[other].node_id) in ids_of(systems, one, "member.dead")


def ids_of(systems: TestCluster, one: int, kind: str) -> list[str]:
    return [event.subject_id for event in systems[one].inner.events if event.type == kind]


def status_of(systems: TestCluster, one: int, other: int) -> str:
    """What a system thinks of another one."""
    rows = systems[one].inner.members_view()
    return next(str(row.status) for row in rows if row.node_id == systems[other].node_id)


def knock_at(addr: str) -> int:
    """The error number of a connection to an address, 0 for none."""
    with socket.socket() as door:
        return door.connect_ex(split_address(addr))


async def waits(work: Awaitable[Any], seconds: float = 0.3) -> asyncio.Future[Any]:
    """The work, as a task that is not done after a while."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=seconds)
    assert not done
    return task


def test_what_is_sent_to_and_by_a_frozen_node_arrives_afterwards_and_in_order(play: Play) -> None:
    async def scenario(systems: TestCluster) -> None:
        inwards, outwards = await diary_on(systems, 1, 0), await diary_on(systems, 0, 1)
        now = asyncio.get_running_loop().time
        began = now()
        systems.freeze(1, 0.8)
        first = [asyncio.ensure_future(diary.note(1)) for diary in (inwards, outwards)]
        second = [asyncio.ensure_future(diary.note(2)) for diary in (inwards, outwards)]
        done, _ = await asyncio.wait([*first, *second], return_when=asyncio.FIRST_COMPLETED)
        assert done and now() - began >= 0.8
        await asyncio.gather(*first)
        assert await asyncio.gather(*second) == [[0, 1, 2]] * 2
        assert not calls_dead(systems, 0, 1), "less than a second is no death"

    play(2, scenario)


def test_nodes_that_are_frozen_do_not_hold_up_the_others(play: Play) -> None:
    async def scenario(systems: TestCluster) -> None:
        frozen, lively = await diary_on(systems, 1, 0), await diary_on(systems, 2, 0)
        systems.freeze(1, 30)
        call = await waits(frozen.note(1))
        assert await lively.note(1) == [0, 1]
        call.cancel()

    play(3, scenario)


def test_the_membership_of_a_frozen_node_is_frozen_too(play: Play) -> None:
    async def scenario(systems: TestCluster) -> None:
        diary = await diary_on(systems, 1, 0)
        systems.freeze(1, 30)
        call = asyncio.ensure_future(diary.note(1))
        await wait_until(lambda: calls_dead(systems, 0, 1) and calls_dead(systems, 1, 0), PATIENCE_S)
        with pytest.raises((NodeDead, LinkLost)):
            await call

    play(2, scenario)


def test_nodes_that_are_cut_apart_are_dead_to_each_other_until_they_are_healed(play: Play) -> None:
    async def scenario(systems: TestCluster) -> None:
        diary = await diary_on(systems, 1, 0)
        systems.partition(0, 1)
        with pytest.raises(DeadlineExceeded):
            await diary.with_options(timeout=0.3).note(1)
        await wait_until(lambda: calls_dead(systems, 0, 1) and calls_dead(systems, 1, 0), PATIENCE_S)
        with pytest.raises(NodeDead):
            await diary.note(2)
        systems.heal()
        await systems.wait_joined(PATIENCE_S)
        assert (await diary.note(3))[-1] == 3

    play(2, scenario)


def test_a_third_node_reaches_both_sides_of_a_partition(play: Play) -> None:
    async def scenario(systems: TestCluster) -> None:
        cut = await diary_on(systems, 1, 0)
        other: Any = await Diary.resolve("diary1", system=systems[2], timeout=PATIENCE_S)
        await other.note(0)
        systems.partition(0, 1)
        call = await waits(cut.note(1))
        assert await other.note(2) == [0, 0, 2]
        systems.heal()
        assert await call == [0, 0, 2, 1]

    play(3, scenario)


def test_one_way_partitions_lose_the_answers_only(play: Play) -> None:
    async def scenario(systems: TestCluster) -> None:
        diary = await diary_on(systems, 1, 0)
        here = systems[1].inner.registry.by_path("actors/diary1").actor  # type: ignore[union-attr]
        systems.partition(1, 0, one_way=True)
        call = await waits(diary.note(1))
        assert here.entries == [0, 1]
        systems.heal()
        assert await call == [0, 1]

    play(2, scenario)


def test_nodes_that_are_cut_apart_do_not_get_new_links(play: Play) -> None:
    async def scenario(systems: TestCluster) -> None:
        await Diary.spawn(name="diary", public=True, system=systems[1])
        diary: Any = await Diary.resolve("diary", system=systems[0], timeout=PATIENCE_S)
        systems.partition(0, 1)
        routers: list[Any] = [system.inner.router for system in systems]
        for link in [link for router in routers for link in router.links()]:
            link.connection.abort()
        await wait_until(lambda: not any(router.links() for router in routers), PATIENCE_S)
        with pytest.raises((LinkLost, NodeDead)):
            await diary.note(1)
        assert not any(router.links() for router in routers)
        systems.heal()
        await systems.wait_joined(PATIENCE_S)
        assert await diary.note(2) == [2]

    play(2, scenario)


def test_a_killed_node_is_gone_without_a_goodbye(play: Play) -> None:
    async def scenario(systems: TestCluster) -> None:
        diary = await diary_on(systems, 1, 0)
        hanging = await waits(diary.hang())
        systems.kill(1)
        with pytest.raises(LinkLost) as lost:
            await hanging
        assert lost.value.maybe_executed
        await wait_until(lambda: calls_dead(systems, 0, 1) and calls_dead(systems, 2, 1), PATIENCE_S)
        for survivor in (0, 2):
            assert status_of(systems, survivor, 1) == "Dead"
            assert not ids_of(systems, survivor, "member.left") + ids_of(systems, survivor, "member.leaving")
        with pytest.raises(NodeDead):
            await diary.note(1)
        assert await (await diary_on(systems, 2, 0)).note(1) == [0, 1]
        await systems.add(detector="fast")
        await systems.wait_joined(PATIENCE_S)

    play(3, scenario)


def test_the_ports_of_a_killed_node_refuse() -> None:
    async def scenario() -> None:
        async with assert_no_leaks(), cluster(2, transport="websocket", detector="fast") as systems:
            systems.kill(1)
            await wait_until(lambda: calls_dead(systems, 0, 1), PATIENCE_S)
            await wait_until(lambda: knock_at(systems[1].addr) == errno.ECONNREFUSED, PATIENCE_S)

    asyncio.run(scenario())


def test_a_cluster_that_is_killed_cut_and_frozen_can_be_ended_at_once(play: Play) -> None:
    async def scenario(systems: TestCluster) -> None:
        await diary_on(systems, 1, 0)
        systems.kill(2)
        systems.partition(0, 1)
        systems.freeze(0, 30)

    play(3, scenario)


async def test_other_transports_are_refused() -> None:
    with pytest.raises(ValueError, match="'pigeon'"):
        async with cluster(1, transport="pigeon"):
            pass
