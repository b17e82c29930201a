"""A node that reads nothing holds up those who send to it, and nobody else; after a while it loses its link."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pulsing as pul
from pulsing.exceptions import LinkLost
from pulsing.testing import cluster, wait_until
from pulsing.transport.limits import Limits

MIB = 1024 * 1024


@pul.remote
class Sink:
    """Takes what it gets."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, value: bytes) -> int:
        self.taken += 1
        return len(value)


SINK: Any = Sink


def node_of(system: Any) -> Any:
    return system.inner.router


def taken_by(system: Any) -> int:
    """How much the actor of the second system has taken."""
    return int(system.inner.registry.by_path("actors/sink1").actor.taken)


def link_between(system: Any, other: Any) -> Any:
    """The link that a system has to another one."""
    return node_of(system).peer(other.node_id).link


async def stall(systems: Any, reader: int, sender: int) -> Any:
    """Let one node read nothing of what another one sends; returns its end of the link."""
    await wait_until(lambda: link_between(systems[reader], systems[sender]) is not None, timeout=20)
    stalled = link_between(systems[reader], systems[sender]).connection
    stalled.pause_reading()
    return stalled


async def sinks(systems: Any) -> list[Any]:
    """Proxies, on the first system, of an actor on each of the others."""
    for number, system in enumerate(systems):
        await SINK.spawn(name=f"sink{number}", system=system)
    found = [await SINK.resolve(f"sink{n}", system=systems[0], timeout=20) for n in range(1, len(systems))]
    for sink in found:
        assert await sink.take(b"x") == 1
    return found


async def test_a_node_that_does_not_read_holds_up_its_senders_and_nobody_else() -> None:
    async with cluster(3, transport="websocket") as systems:
        stalled, lively = await sinks(systems)
        connection = await stall(systems, reader=1, sender=0)
        calls = [asyncio.ensure_future(stalled.take(bytes(MIB))) for _ in range(40)]
        for _ in range(50):
            assert await lively.with_options(timeout=20).take(bytes(MIB)) == MIB
        assert not any(call.done() for call in calls)
        peer = node_of(systems[0]).peer(systems[1].node_id)
        # What is under way is bounded by the window; the others wait at their sender.
        assert peer.link.session.window.bytes <= 10 * MIB
        assert peer.waiting >= 30
        connection.resume_reading()
        assert await asyncio.gather(*calls) == [MIB] * 40


async def test_a_node_that_takes_nothing_for_too_long_loses_its_link_and_what_was_sent_over_it() -> None:
    assert Limits().write_timeout == 10.0
    async with cluster(3, transport="websocket") as systems:
        for system in systems:
            node_of(system)._transport.inner._limits = dataclasses.replace(Limits(), write_timeout=0.5)
        for link in node_of(systems[0]).links():
            # Those that come after it have the shorter patience.
            link.connection.abort()
        stalled, lively = await sinks(systems)
        await stall(systems, reader=1, sender=0)
        taken = taken_by(systems[1])
        calls = [asyncio.ensure_future(stalled.take(bytes(MIB))) for _ in range(40)]
        results = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 20)
        lost = [result for result in results if isinstance(result, LinkLost)]
        assert lost and all(error.maybe_executed for error in lost)
        # What had not been sent went over the next link.
        assert [result for result in results if not isinstance(result, LinkLost)] == [MIB] * (40 - len(lost))
        assert taken_by(systems[1]) >= taken + 40 - len(lost)
        assert await lively.take(b"xyz") == 3
