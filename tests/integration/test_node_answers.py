"""Answers that wait for a node that does not take them: bounded, and no burden for anybody else."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from typing import Any

import pulsing as pul
from pulsing.exceptions import Overloaded
from pulsing.node.arrivals import AT_ONCE
from pulsing.node.outbox import PILE
from pulsing.testing import cluster, wait_until
from pulsing.transport.limits import Limits

MIB = 1024 * 1024


@pul.remote(max_concurrency=10_000)
class Source:
    """Answers with more than it was asked with."""

    def __init__(self) -> None:
        self.begun = 0
        self.gate = asyncio.Event()

    def give(self, size: int) -> bytes:
        self.begun += 1
        return bytes(size)

    async def give_at_once(self, size: int) -> bytes:
        self.begun += 1
        await self.gate.wait()
        return bytes(size)

    def give_items(self, count: int, size: int) -> Iterator[bytes]:
        for _ in range(count):
            self.begun += 1
            yield bytes(size)


SOURCE: Any = Source


def node_of(system: Any) -> Any:
    return system.inner.router


def link_between(system: Any, other: Any) -> Any:
    return node_of(system).peer(other.node_id).link


async def sources(systems: Any) -> tuple[Source, list[Any]]:
    """An actor of the first system, and its proxies on the others, whose links outlive a stall on a busy machine."""
    for system in systems:
        node_of(system)._transport.inner._limits = dataclasses.replace(Limits(), write_timeout=60.0)
        for link in node_of(system).links():
            link.connection.abort()
    await SOURCE.spawn(name="source", system=systems[0])
    proxies = [await SOURCE.resolve("source", system=system, timeout=20) for system in systems[1:]]
    for proxy in proxies:
        assert await proxy.give(1) == b"\0"
    return systems[0].inner.registry.by_path("actors/source").actor, proxies


def stall(system: Any, other: Any) -> Any:
    """Let a system read nothing of what another one sends; returns the other's end of the link."""
    link_between(system, other).connection.pause_reading()
    return link_between(other, system)


def go_on(system: Any, other: Any) -> None:
    link_between(system, other).connection.resume_reading()


async def test_nothing_more_is_begun_for_a_node_that_does_not_take_its_answers_and_others_are_served() -> None:
    async with cluster(3, transport="websocket") as systems:
        source, (stalled, lively) = await sources(systems)
        link = stall(systems[1], systems[0])
        calls = [asyncio.ensure_future(stalled.give(MIB)) for _ in range(200)]
        await wait_until(lambda: link.outbox.waiting > PILE, timeout=20)
        for _ in range(20):
            assert len(await lively.with_options(timeout=20).give(MIB)) == MIB
        assert link.outbox.waiting < PILE + AT_ONCE * MIB + MIB
        assert source.begun < 2 + 20 + PILE // MIB + AT_ONCE + 10
        assert not any(call.done() for call in calls)
        go_on(systems[1], systems[0])
        assert [len(answer) for answer in await asyncio.gather(*calls)] == [MIB] * 200
        assert link.outbox.waiting == 0


async def test_answers_of_methods_that_were_begun_are_replaced_by_errors_above_the_bound() -> None:
    async with cluster(3, transport="websocket") as systems:
        source, (stalled, lively) = await sources(systems)
        node_of(systems[0]).budget.limit = 160 * MIB
        link = stall(systems[1], systems[0])
        calls = [asyncio.ensure_future(stalled.give_at_once(MIB)) for _ in range(200)]
        await wait_until(lambda: source.begun == 202, timeout=20)
        source.gate.set()
        await wait_until(lambda: link.outbox.waiting > 75 * MIB, timeout=20)
        assert len(await lively.give(MIB)) == MIB
        assert link.outbox.waiting <= 80 * MIB
        go_on(systems[1], systems[0])
        results = await asyncio.gather(*calls, return_exceptions=True)
        refused = [result for result in results if isinstance(result, Overloaded)]
        assert all(error.maybe_executed for error in refused)
        arrived = [result for result in results if isinstance(result, bytes)]
        assert len(arrived) + len(refused) == 200
        assert 70 <= len(arrived) <= 90
        assert len(await stalled.give(MIB)) == MIB


async def test_streams_wait_for_a_reader_that_takes_nothing() -> None:
    async with cluster(2, transport="websocket") as systems:
        source, (reader,) = await sources(systems)
        link = stall(systems[1], systems[0])

        async def sizes() -> list[int]:
            return [len(item) async for item in reader.give_items(40, MIB)]

        streams = [asyncio.ensure_future(sizes()) for _ in range(8)]
        # Each has made what may wait unread, and the next item; only one of them could put that in.
        await wait_until(lambda: source.begun == 1 + 8 * 33, timeout=20)
        assert PILE // 2 < link.outbox.waiting <= PILE + MIB
        go_on(systems[1], systems[0])
        assert await asyncio.gather(*streams) == [[MIB] * 40] * 8
