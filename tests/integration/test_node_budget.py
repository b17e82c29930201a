"""What messages of other nodes may take: in one mailbox, and on a node."""

from __future__ import annotations

import asyncio
import gc
import struct
from typing import Any

import pytest

import pulsing as pul
from pulsing.core import get_system_actor
from pulsing.exceptions import Overloaded
from pulsing.ids import NodeId
from pulsing.node.arrivals import HELD_BYTES
from pulsing.node.budget import Budget
from pulsing.testing import cluster, run_virtual, wait_until
from pulsing.wire import Codec, Failure, Frame, FrameCodec, Goodbye, Tell
from pulsing.wire.frames import Ask

KIB = 1024
EMPTY_MAPS: Any = [{}] * 65_000
"""64 KiB on the wire, and four MiB here."""


@pul.remote(max_concurrency=1)
class Slow:
    """Takes the next message when it is told to go on."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.done = 0

    async def take(self, value: Any) -> int:
        await self.gate.wait()
        self.done += 1
        return self.done


@pul.remote
class Quick:
    def echo(self, value: Any) -> Any:
        return value


SLOW: Any = Slow
QUICK: Any = Quick


async def elsewhere(systems: Any, cls: Any, name: str) -> Any:
    """A proxy, on the second system, of an actor of the first."""
    await cls.spawn(name=name, system=systems[0])
    return await cls.resolve(name, system=systems[1], timeout=5)


def slow_one(systems: Any) -> Any:
    return systems[0].inner.registry.by_path("actors/slow")


def budget_of(system: Any) -> Budget:
    budget: Budget = node_of(system).budget
    return budget


def node_of(system: Any) -> Any:
    return system.inner.router


def network_of(systems: Any) -> Any:
    return systems._network


def test_a_mailbox_full_by_its_bytes_holds_back_what_is_meant_for_it_and_nothing_else() -> None:
    async def scenario() -> None:
        async with cluster(2, mailbox_bytes=1024 * KIB) as systems:
            slow, quick = await elsewhere(systems, SLOW, "slow"), await elsewhere(systems, QUICK, "quick")
            calls = [asyncio.ensure_future(slow.take(bytes(300 * KIB))) for _ in range(100)]
            for n in range(20):
                assert await quick.with_options(timeout=1).echo(n) == n
            await asyncio.sleep(1)
            mailbox = slow_one(systems).mailbox
            assert mailbox.bytes < 1400 * KIB
            assert len(mailbox) == 4
            # What was under way when it was full is bounded by the window of the link.
            assert 0 < mailbox.in_line < 40
            assert node_of(systems[1]).peer(systems[0].node_id).waiting > 50
            # Messages of the node's own actors stand in the same line.
            here = asyncio.ensure_future(slow_one(systems).ref.request("take", (b"",), None, 30.0))
            await asyncio.sleep(0.1)
            assert len(mailbox) == 4
            slow_one(systems).actor.gate.set()
            assert await asyncio.gather(*calls, here)
            assert sorted(call.result() for call in [*calls, here]) == list(range(1, 102))
            assert mailbox.bytes == 0

    run_virtual(scenario)


def test_messages_are_counted_until_nobody_holds_them() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            slow = await elsewhere(systems, SLOW, "slow")
            calls = [asyncio.ensure_future(slow.take(bytes(100 * KIB))) for _ in range(10)]
            await asyncio.sleep(1)
            # One of them is being worked on.
            assert len(slow_one(systems).mailbox) == 9
            assert budget_of(systems[0]).held >= 1000 * KIB
            slow_one(systems).actor.gate.set()
            await asyncio.gather(*calls)
            await asyncio.sleep(0)
            gc.collect()
            assert budget_of(systems[0]).held == 0

    run_virtual(scenario)


def test_above_the_budget_of_a_node_messages_are_refused_unrun_and_below_it_they_are_taken_again() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            slow, quick = await elsewhere(systems, SLOW, "slow"), await elsewhere(systems, QUICK, "quick")
            budget_of(systems[0]).limit = 1000 * KIB
            calls = [asyncio.ensure_future(slow.take(bytes(300 * KIB))) for _ in range(5)]
            done, waiting = await asyncio.wait(calls, timeout=1)
            assert len(waiting) == 3
            for call in done:
                error = call.exception()
                assert isinstance(error, Overloaded)
                assert not error.maybe_executed
            with pytest.raises(Overloaded):
                await quick.echo(bytes(200 * KIB))
            assert systems[0].dead_letters.counts["mailbox_full"] == 3
            # The system's own actors are reached all the same, else nobody could look what is the matter.
            budget_of(systems[0]).limit = 0
            assert await (await get_system_actor(systems[1], systems[0].node_id)).ping()
            budget_of(systems[0]).limit = 1000 * KIB
            slow_one(systems).actor.gate.set()
            assert sorted(await asyncio.gather(*waiting)) == [1, 2, 3]
            assert await quick.echo(1) == 1

    run_virtual(scenario)


def numbered(head: bytes, request: int, sequence: int) -> bytes:
    """A message with other numbers; to encode the value again would take most of a test's time."""
    return head[:11] + struct.pack(">QQ", request, sequence) + head[27:]


class Hostile:
    """A proven connection that keeps no rule."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.received: list[Frame] = []
        self.codec = FrameCodec(Codec())

    def on_message(self, data: bytes | bytearray) -> None:
        self.received += self.codec.decode(bytes(data))

    def on_lost(self, error: Exception | None) -> None: ...

    def on_blocked(self) -> None: ...

    def on_writable(self) -> None: ...


def test_large_values_that_come_in_are_bounded_on_the_node_and_not_only_on_each_link() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            slow, quick = await elsewhere(systems, SLOW, "slow"), await elsewhere(systems, QUICK, "quick")
            budget_of(systems[0]).limit = 3500 * KIB
            found: list[Hostile] = []

            def attach(connection: Any) -> Hostile:
                found.append(Hostile(connection))
                return found[-1]

            chunks = []
            for n in range(6):
                await network_of(systems).transport(f"evil{n}", NodeId()).dial(systems[0].addr, attach)
                encoded = FrameCodec(Codec()).encode(
                    Ask(1, slow.ref.actor_id.id, "take", (bytes(1024 * KIB),), sequence=1)
                )
                assert encoded.chunks is not None
                found[n].connection.send(encoded.head)
                found[n].connection.send(next(encoded.chunks))
                chunks.append(encoded.chunks)
            await asyncio.sleep(0.1)
            coming = [link._codec.assembler.begun_bytes // KIB for link in node_of(systems[0]).links()]
            assert sorted(coming) == [0, 0, 0, 0, 1024, 1024, 1024]
            for peer, rest in zip(found, chunks, strict=True):
                for parts in rest:
                    peer.connection.send(parts)
            await wait_until(lambda: sum(type(frame) is Failure for peer in found for frame in peer.received) == 3)
            refusals = [frame.failure for peer in found for frame in peer.received if type(frame) is Failure]
            assert {failure.category for failure in refusals} == {"Overloaded"}
            assert await quick.echo(1) == 1
            slow_one(systems).actor.gate.set()
            await wait_until(lambda: slow_one(systems).actor.done == 3)

    run_virtual(scenario)


def test_messages_that_wait_for_another_link_are_bounded_and_refused_unrun() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            slow, quick = await elsewhere(systems, SLOW, "slow"), await elsewhere(systems, QUICK, "quick")
            found: list[Hostile] = []

            def attach(connection: Any) -> Hostile:
                found.append(Hostile(connection))
                return found[-1]

            evil, target, codec = (
                network_of(systems).transport("evil", NodeId()),
                slow.ref.actor_id.id,
                FrameCodec(Codec()),
            )
            await evil.dial(systems[0].addr, attach)
            # The value never comes, and so nothing that comes over the next link is in turn.
            announced = codec.encode(Tell(target, "take", (bytes(300 * KIB),), sequence=1)).head
            found[0].connection.send([announced, codec.encode(Goodbye("replaced")).head])
            await asyncio.sleep(0.1)
            await evil.dial(systems[0].addr, attach)
            ask = codec.encode(Ask(1, target, "take", (EMPTY_MAPS,))).head
            for n in range(1, 31):
                found[1].connection.send(numbered(ask, n, n + 1))
            await wait_until(lambda: sum(type(frame) is Failure for frame in found[1].received) > 10)
            (held,) = [link.arrivals for link in node_of(systems[0]).links() if link.arrivals.holds_back]
            assert held._held_bytes <= HELD_BYTES
            assert len(slow_one(systems).mailbox or ()) == 0
            assert await quick.echo(1) == 1

    run_virtual(scenario)


def test_messages_that_grow_when_they_are_decoded_are_counted_by_what_they_become() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            slow, quick = await elsewhere(systems, SLOW, "slow"), await elsewhere(systems, QUICK, "quick")
            budget_of(systems[0]).limit = limit = 20_000 * KIB
            found: list[Hostile] = []

            def attach(connection: Any) -> Hostile:
                found.append(Hostile(connection))
                return found[0]

            await network_of(systems).transport("evil", NodeId()).dial(systems[0].addr, attach)
            target, codec = slow.ref.actor_id.id, FrameCodec(Codec())
            ask = codec.encode(Ask(1, target, "take", (EMPTY_MAPS,))).head
            tell = codec.encode(Tell(target, "take", (EMPTY_MAPS,))).head
            for n in range(1, 21):
                found[0].connection.send(numbered(ask, n, n))
                found[0].connection.send(numbered(tell, 0, n))
                await asyncio.sleep(0)
                assert budget_of(systems[0]).held <= limit + 5_000 * KIB
            await wait_until(lambda: sum(type(frame) is Failure for frame in found[0].received) > 10)
            assert len(slow_one(systems).mailbox) < 10
            slow_one(systems).actor.gate.set()
            found[0].connection.abort()
            await wait_until(lambda: budget_of(systems[0]).held < limit // 4)
            assert await quick.echo(1) == 1

    run_virtual(scenario)
