"""Two nodes whose links lead through lines that are slow, that crumble, that forget, stand still or break in a frame.

`PULSING_LINE_MESSAGES=5000 pytest tests/integration/test_node_bad_lines.py --timeout 3600` is the campaign.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import DeadlineExceeded, LinkLost
from pulsing.testing import wait_until
from pulsing.transport.limits import Limits
from tests.campaigns.noted import note
from tests.integration.faulty_proxy import FaultyProxy, proxy_to
from tests.integration.order_storm import REGISTER, SENDERS, Storm

MESSAGES = int(os.environ.get("PULSING_LINE_MESSAGES", "400"))
DEADLINE_S = 60.0
DROPPED_S = 10.0
"""Within this a peer is given up that takes nothing."""
KIB = 1024
FIRST_RESET = 500 * KIB


@dataclasses.dataclass
class Lines:
    """Two systems, whose links pass a proxy each, and a register on the second."""

    here: pul.ActorSystem
    there: pul.ActorSystem
    proxies: tuple[FaultyProxy, FaultyProxy]
    register: Any
    """as the second system has it"""
    far_register: Any
    """as the first system has it"""

    def link(self) -> Any:
        """The first system's link to the second; None while there is none."""
        router: Any = self.here.inner.router
        return router.peer(self.there.node_id).link


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextlib.asynccontextmanager
async def lines(limits: Limits | None = None) -> AsyncIterator[Lines]:
    """Nodes that others dial at a proxy; only by a passphrase can they prove themselves through one."""
    ports = free_ports(2)
    async with contextlib.AsyncExitStack() as stack:
        doors = [await stack.enter_async_context(proxy_to(port, port)) for port in ports]
        systems: list[pul.ActorSystem] = []
        for port, (_, addr) in zip(ports, doors, strict=True):
            system = await pul.actor_system(
                f"127.0.0.1:{port}",
                advertise=addr,
                seeds=[other.addr for other in systems],
                passphrase="a line that cannot be relied on",
                admin=False,
            )
            systems.append(await stack.enter_async_context(system))
            if limits is not None:
                router: Any = system.inner.router
                router._transport._limits = limits
        here, there = systems
        register = await REGISTER.spawn(name="register", public=True, system=there)
        far = await REGISTER.resolve("register", system=here, timeout=DEADLINE_S)
        yield Lines(here, there, (doors[0][0], doors[1][0]), register, far)


async def test_a_slow_line_delays_and_loses_nothing() -> None:
    async with lines() as between:
        for proxy in between.proxies:
            proxy.delay_s = (0.1, 0.3)
        storm = Storm([between.far_register], at_once=MESSAGES // 4)
        await asyncio.gather(*(storm.send(sender, MESSAGES // SENDERS) for sender in range(SENDERS)))
        assert storm.lost == 0
        assert await storm.check([between.register]) == storm.sent
        note(messages_over_a_slow_line=storm.sent)


async def test_a_line_that_passes_single_bytes_loses_nothing() -> None:
    async with lines() as between:
        for proxy in between.proxies:
            proxy.piece = 1
        storm = Storm([between.far_register])
        await asyncio.gather(*(storm.send(sender, MESSAGES // SENDERS) for sender in range(SENDERS)))
        assert storm.lost == 0
        assert await storm.check([between.register]) == storm.sent
        note(messages_in_single_bytes=storm.sent)


async def test_resets_inside_of_frames_lose_what_is_reported_and_no_more() -> None:
    async with lines() as between:
        storm = Storm([between.far_register], at_once=10, ballast=bytes(20 * KIB))
        for number, proxy in enumerate(between.proxies):
            proxy.reset_after = FIRST_RESET + number
        sending = asyncio.gather(*(storm.send(sender, MESSAGES // SENDERS) for sender in range(SENDERS)))
        while not sending.done():
            for proxy in between.proxies:
                if proxy.reset_after is None:
                    # Each time somewhere else in a frame.
                    proxy.reset_after = FIRST_RESET + 977 * proxy.resets
            await asyncio.wait([sending], timeout=0.05)
        await sending
        for proxy in between.proxies:
            proxy.reset_after = None
        await storm.check([between.register])
        resets = sum(proxy.resets for proxy in between.proxies)
        assert storm.lost > 0
        assert resets > 1
        note(messages_while_reset=storm.sent, resets=resets, reported_lost=storm.lost)


async def test_a_link_of_which_only_one_end_is_left_costs_a_call_its_time_and_is_replaced() -> None:
    async with lines() as between:
        back = await REGISTER.spawn(name="back", public=True, system=between.here)
        far_back = await REGISTER.resolve("back", system=between.there, timeout=DEADLINE_S)
        before = between.link()
        for proxy in between.proxies:
            proxy.forget_diallers()
        # Nothing tells this end, for the line takes what it sends.
        with pytest.raises(DeadlineExceeded) as caught:
            await between.far_register.with_options(timeout=1).note(0, 1)
        assert caught.value.maybe_executed
        # The other end knows, and dials when it has something to say.
        await far_back.note(0, 1)
        await wait_until(lambda: between.link() not in (None, before), DEADLINE_S)
        storm = Storm([between.far_register])
        await storm.send(1, MESSAGES)
        assert storm.lost == 0
        assert await storm.check([between.register]) == storm.sent
        assert (await back.result())[0] == 1


async def test_a_line_that_stands_still_is_given_up_and_replaced() -> None:
    assert Limits().write_timeout == DROPPED_S
    async with lines(dataclasses.replace(Limits(), write_timeout=2.0)) as between:
        await REGISTER.spawn(name="other", public=True, system=between.there)
        other = await REGISTER.resolve("other", system=between.here, timeout=DEADLINE_S)
        before = between.link()
        before.connection.abort()

        async def has_another() -> bool:
            """The link that is made for the next call has the shorter patience."""
            with contextlib.suppress(LinkLost):
                await other.note(0, 1)
            return between.link() not in (None, before)

        await wait_until(has_another, DEADLINE_S)
        storm = Storm([between.far_register], at_once=16, ballast=bytes(1024 * KIB))
        for proxy in between.proxies:
            proxy.stand_still()
        await asyncio.wait_for(storm.send(0, 16), DEADLINE_S)
        assert storm.perhaps_lost > 0
        await storm.check([between.register])
        await other.note(0, 2)
