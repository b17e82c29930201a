"""What a node counts of its links: every attempt, end and error, and what was sent by pickle."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import AuthFailed
from pulsing.testing import cluster, wait_until
from tests.integration.hostile import rogue


class Unknown:
    """Neither registered nor able to describe its own fields."""

    content = 1


class MirrorActor:
    def echo(self, value: Any) -> Any:
        return value

    async def late(self) -> None:
        await asyncio.Event().wait()


Mirror: Any = pul.remote(MirrorActor)


async def totals(system: Any) -> Any:
    return await system.inspect("link_totals")


def links(system: Any) -> list[Any]:
    found: list[Any] = system.inner.router.links()
    return found


async def test_links_are_counted_as_they_come_and_go() -> None:
    async with cluster(3) as nodes:
        before = await totals(nodes[0])
        assert before["connects"]["ok"] >= 1
        await nodes[1].shutdown()
        await wait_until(lambda: len(links(nodes[0])) <= 1)
        left = await totals(nodes[0])
        nodes.kill(2)
        await wait_until(lambda: not links(nodes[0]), timeout=30)
        lost = await totals(nodes[0])
    assert not any(before["closed"].values())
    for what in ("frames", "bytes"):
        told = [one[what][way] for way in ("in", "out") for one in (before, left, lost)]
        assert told[:3] == sorted(told[:3]) and told[3:] == sorted(told[3:]) and max(told) > 0
    assert left["closed"]["shutdown"] + left["closed"]["leaving"] == 1
    assert sum(lost["closed"].values()) == 2


async def test_a_refused_secret_is_counted_at_both_ends() -> None:
    async with await pul.actor_system("127.0.0.1:0", admin=False, passphrase="right") as owner:
        with pytest.raises(AuthFailed):
            await pul.actor_system("127.0.0.1:0", admin=False, passphrase="wrong", seeds=[owner.addr])
        assert (await totals(owner))["errors"]["auth"] >= 1


async def test_a_dead_address_is_counted_as_refused() -> None:
    async with await pul.actor_system("127.0.0.1:0", admin=False, seeds=["127.0.0.1:9"]) as alone:

        async def was_refused() -> bool:
            return bool((await totals(alone))["connects"]["refused"])

        await wait_until(was_refused)
        counted = (await totals(alone))["connects"]
    assert counted["ok"] == 0


async def test_a_link_that_is_missed_is_counted_while_messages_wait_for_it() -> None:
    async with cluster(2) as nodes:
        mirror = await Mirror.spawn(name="mirror", system=nodes[1])
        far = nodes[0].bind(mirror.ref.actor_id)
        await far.request("echo", (1,), None, 20)
        assert (await totals(nodes[0]))["redialling"] == 0
        nodes.freeze(1, 2.0)
        for link in links(nodes[0]):
            link.connection.abort()
        await wait_until(lambda: not links(nodes[0]))
        call = asyncio.ensure_future(far.request("echo", (2,), None, 20))

        async def is_missed() -> bool:
            return bool((await totals(nodes[0]))["redialling"])

        await wait_until(is_missed)
        assert await call == 2
        assert (await totals(nodes[0]))["redialling"] == 0


async def test_a_caller_who_leaves_is_counted_with_its_wait() -> None:
    async with cluster(2) as nodes:
        await Mirror.spawn(name="mirror", system=nodes[1])
        mirror = await Mirror.resolve("mirror", system=nodes[0], timeout=20)
        call = asyncio.ensure_future(mirror.late())
        await wait_until(lambda: nodes[0].statistics().asks_inflight > 0)
        call.cancel()
        await wait_until(lambda: nodes[0].statistics().asks["remote", "cancelled"].count == 1)


async def test_pickled_values_are_counted_and_stay_so_when_their_link_has_gone() -> None:
    owner = await pul.actor_system("127.0.0.1:0", admin=False, allow_pickle=True)
    user = await pul.actor_system("127.0.0.1:0", admin=False, allow_pickle=True, seeds=[owner.addr])
    try:
        await Mirror.spawn(name="mirror", system=owner)
        mirror = await Mirror.resolve("mirror", system=user, timeout=20)
        await mirror.echo([Unknown(), Unknown(), 1])
        await mirror.echo({"large": bytes(100_000), "odd": Unknown()})
        counted = [(await totals(system))["pickled"] for system in (owner, user)]
        await user.shutdown()
        await wait_until(lambda: not links(owner), timeout=20)
        after = (await totals(owner))["pickled"]
    finally:
        await user.shutdown()
        await owner.shutdown()
    assert counted[0] == after == {"in": 3, "out": 3}
    assert counted[1] == {"in": 3, "out": 3}


async def test_whoever_breaks_the_protocol_is_counted() -> None:
    async with await pul.actor_system("127.0.0.1:0", admin=False) as victim:
        async with rogue(victim.addr) as hostile:
            hostile.connection.send(b"\xff\xff\xff\xff\xff")
            await hostile.ended
            await wait_until(lambda: not links(victim))
        counted = await totals(victim)
    assert counted["errors"]["protocol"] == counted["closed"]["protocol"] == 1
