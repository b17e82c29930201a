"""The trace context of a caller is there in every handler that works for it, however far away."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pulsing as pul
from pulsing.core.actor import TRACE
from pulsing.testing import cluster, run_virtual, wait_until
from pulsing.tracing import traceparent

CONTEXT = bytes(range(1, 26))


@pul.remote
class Hop:
    """Tells which trace it saw, and passes the call on."""

    def __init__(self) -> None:
        self.told: list[bytes | None] = []

    async def through(self, hops: list[Any]) -> list[bytes | None]:
        seen = [TRACE.get()]
        return seen + (await hops[0].through(hops[1:]) if hops else [])

    def plain(self) -> bytes | None:
        return TRACE.get()

    async def tell(self, hops: list[Any]) -> None:
        self.told.append(TRACE.get())
        if hops:
            await hops[0].with_options(one_way=True).tell(hops[1:])

    async def stream(self, hops: list[Any]) -> AsyncIterator[bytes | None]:
        yield TRACE.get()
        if hops:
            async for seen in hops[0].stream(hops[1:]):
                yield seen
        yield TRACE.get()

    def heard(self) -> list[bytes | None]:
        return self.told


async def three_hops(systems: Any) -> list[Any]:
    """Proxies, on the first system, of one actor on each."""
    cls: Any = Hop
    for number, system in enumerate(systems):
        await cls.spawn(name=f"hop{number}", system=system)
    return [await cls.resolve(f"hop{n}", system=systems[0], timeout=5) for n in range(3)]


def test_asks_carry_the_trace_over_three_nodes() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            first, *rest = await three_hops(systems)
            token = TRACE.set(CONTEXT)
            assert await first.through(rest) == [CONTEXT] * 3
            assert await rest[0].plain() == CONTEXT
            TRACE.reset(token)

    run_virtual(scenario)


def test_a_message_to_another_node_begins_a_trace_where_there_is_none() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            _, *rest = await three_hops(systems)
            traces = [await rest[0].through(rest[1:]) for _ in range(2)]
            assert all(len(trace) == 2 and len(set(trace)) == 1 for trace in traces)
            assert all(seen is not None and len(seen) == 25 and seen[24] == 0 for seen, _ in traces)
            assert traces[0] != traces[1]

    run_virtual(scenario)


class Asked:
    """Asks for its trace, in each kind of method, and hands the call on to another actor of its node."""

    def plain(self) -> tuple[str | None, str | None]:
        return traceparent(), traceparent()

    def silent(self) -> bytes | None:
        return TRACE.get()

    async def on(self, other: Any) -> list[Any]:
        own = traceparent()
        return [own, *await other.plain(), *[item async for item in other.items()], traceparent()]

    async def items(self) -> AsyncIterator[str | None]:
        yield traceparent()

    async def out(self, hops: list[Any]) -> list[Any]:
        return [await hop.plain() for hop in hops] + [TRACE.get()]


def test_a_call_within_a_node_has_a_trace_as_soon_as_its_handler_asks() -> None:
    async def scenario() -> None:
        async with cluster(1) as systems:
            cls: Any = pul.remote(Asked)
            first, second = [await cls.spawn(system=systems[0]) for _ in range(2)]
            assert traceparent() is None
            ones = [await first.plain() for _ in range(3)]
            assert all(one == other and re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", one) for one, other in ones)
            assert len(set(ones)) == 3
            # The trace of one message is not that of the next.
            assert await first.silent() is None
            passed_on = [await first.on(second) for _ in range(2)]
            assert [len(set(seen)) for seen in passed_on] == [1, 1]
            assert passed_on[0] != passed_on[1]
            # A handler that asks its own actor finds itself in the same trace.
            assert len(set(await first.on(first))) == 1
            assert await first.silent() is None

    run_virtual(scenario)


def test_all_that_a_handler_sends_to_other_nodes_is_one_trace() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            cls: Any = pul.remote(Asked)
            here = await cls.spawn(system=systems[0])
            _, *hops = await three_hops(systems)
            first, second = [await here.out(hops) for _ in range(2)]
            assert (len(set(first)), len(set(second))) == (1, 1)
            assert first != second

    run_virtual(scenario)


def test_tells_carry_it_too() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            first, *rest = await three_hops(systems)
            token = TRACE.set(CONTEXT)
            await first.with_options(one_way=True).tell(rest)
            TRACE.reset(token)

            async def all_told() -> bool:
                return all([await hop.heard() == [CONTEXT] for hop in (first, *rest)])

            await wait_until(all_told)

    run_virtual(scenario)


def test_streams_carry_it_to_the_last_item() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            first, *rest = await three_hops(systems)
            token = TRACE.set(CONTEXT)
            assert [seen async for seen in first.stream(rest)] == [CONTEXT] * 6
            TRACE.reset(token)

    run_virtual(scenario)
