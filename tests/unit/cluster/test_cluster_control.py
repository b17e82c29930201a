"""Links of membership over a network in memory, in virtual time: who is found, who is not, and what is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pulsing.cluster.channel import Connected, DialFailed, LinkEvent, LinkLost
from pulsing.cluster.control import ControlLinks
from pulsing.cluster.member import Member
from pulsing.ids import NodeId
from pulsing.testing.virtual import run_virtual
from pulsing.transport.memory import Network


class Desk:
    """Control links of one node, and what they reported."""

    def __init__(self, network: Network, node_id: int, host: str) -> None:
        self.links = ControlLinks(network.transport(host, NodeId(node_id)), node_id)
        self.members: dict[int, Member] = {}
        self.payloads: list[tuple[int, bytes]] = []
        self.events: list[LinkEvent] = []
        self.asked: list[str] = []
        self.record = Member(node_id, f"{host}:1")

    @classmethod
    async def open(cls, network: Network, node_id: int, host: str) -> Desk:
        made = cls(network, node_id, host)
        port = await made.links.listen(host, 0)
        made.record = Member(node_id, f"{host}:1", control_port=port)
        made.links.begin(made, made.asked.append)
        return made

    def knows(self, other: Member) -> None:
        self.members[other.node_id] = other

    def member(self, node_id: int) -> Member | None:
        return self.members.get(node_id)

    def received(self, node_id: int, payload: bytes) -> bool:
        self.payloads.append((node_id, payload))
        return True

    def report(self, event: LinkEvent) -> None:
        self.events.append(event)


def between(test: Callable[[Network, Desk, Desk], Awaitable[None]]) -> None:
    """Run a test with two nodes on two hosts."""

    async def scenario() -> None:
        network = Network(delay=0.001)
        a, b = await Desk.open(network, 1, "a"), await Desk.open(network, 2, "b")
        try:
            await test(network, a, b)
        finally:
            await a.links.close()
            await b.links.close()

    run_virtual(scenario)


def test_a_payload_opens_a_line_and_the_answer_comes_back_on_it() -> None:
    async def test(network: Network, a: Desk, b: Desk) -> None:
        a.knows(b.record)
        for n in range(3):
            a.links.send(2, bytes([n]))
        await asyncio.sleep(0.1)
        b.links.send(1, b"back")
        await asyncio.sleep(0.1)
        assert b.payloads == [(1, b"\0"), (1, b"\1"), (1, b"\2")]
        assert a.payloads == [(2, b"back")]
        assert (a.events, b.events) == ([Connected(2, "b:1")], [Connected(1)])

    between(test)


def test_only_the_node_port_can_say_who_lives_at_an_address() -> None:
    async def test(network: Network, a: Desk, b: Desk) -> None:
        a.links.dial("b:1", 0)
        assert a.asked == ["b:1"]
        a.links.found(2, "b:1", b.record.control_port)
        await asyncio.sleep(0.1)
        assert a.events == [Connected(2, "b:1")]

    between(test)


def test_a_newcomer_is_told_when_it_is_the_control_port_that_cannot_be_reached() -> None:
    async def test(network: Network, a: Desk, b: Desk) -> None:
        a.links.found(2, "b:1", 9)
        a.links.found(3, "c:1", None)
        await asyncio.sleep(0.1)
        reasons = {event.addr: event for event in a.events if isinstance(event, DialFailed)}
        assert "control port 9 cannot be reached: nobody listens there" in reasons["b:1"].reason
        assert not reasons["b:1"].refused
        assert "no control port" in reasons["c:1"].reason

    between(test)


def test_a_killed_node_is_lost_and_then_refused() -> None:
    async def test(network: Network, a: Desk, b: Desk) -> None:
        a.knows(b.record)
        a.links.send(2, b"x")
        await asyncio.sleep(0.1)
        network.kill("b")
        await asyncio.sleep(0.1)
        assert a.events[-1] == LinkLost(2)
        a.links.dial("b:1", 2)
        await asyncio.sleep(0.1)
        last = a.events[-1]
        assert isinstance(last, DialFailed)
        assert (last.refused, last.node_id) == (True, 2)

    between(test)


def test_another_node_at_the_port_of_a_member_means_that_the_member_is_gone() -> None:
    async def test(network: Network, a: Desk, b: Desk) -> None:
        a.knows(Member(7, "b:1", control_port=b.record.control_port))
        a.links.dial("b:1", 7)
        await asyncio.sleep(0.1)
        assert a.events == [DialFailed("b:1", True, "another node is there", 7)]

    between(test)


def test_an_open_line_is_proof_only_while_something_comes_over_it() -> None:
    async def test(network: Network, a: Desk, b: Desk) -> None:
        a.knows(b.record)
        a.links.send(2, b"x")
        await asyncio.sleep(0.1)
        a.events.clear()
        a.links.dial("b:1", 2)
        assert a.events == [Connected(2, "b:1")]
        await asyncio.sleep(5.0)
        network.partition("a", "b")
        a.links.dial("b:1", 2)
        assert len(a.events) == 1
        await asyncio.sleep(3.0)
        assert isinstance(a.events[-1], DialFailed)
        assert not a.events[-1].refused
        network.heal()

    between(test)


def test_what_cannot_be_sent_is_dropped_and_one_attempt_is_made_at_a_time() -> None:
    async def test(network: Network, a: Desk, b: Desk) -> None:
        a.knows(b.record)
        network.partition("a", "b")
        for _ in range(200):
            a.links.send(2, b"x")
        await asyncio.sleep(3.0)
        assert len(a.events) == 1
        network.heal()
        await asyncio.sleep(1.0)
        assert b.payloads == []

    between(test)
