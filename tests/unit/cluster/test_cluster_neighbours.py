"""Lines of membership: how many are kept, and what a node may send over them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from pulsing.cluster.allowance import Allowance
from pulsing.cluster.member import Member
from pulsing.cluster.messages import Delta, Gossip, Rumour, carries_names, encode
from pulsing.cluster.names import Change, Entry
from pulsing.cluster.neighbours import MAX_NEIGHBOURS, MOST_BYTES, MOST_MESSAGES, PAUSE_S, Line, Neighbours
from pulsing.ids import NodeId
from pulsing.testing.virtual import run_virtual
from pulsing.transport import Buffer, PeerInfo


@dataclass
class Wire:
    """A connection that keeps what is sent."""

    peer: PeerInfo
    buffered_bytes: int = 0
    sent: list[object] = field(default_factory=list)
    ended: str = ""
    is_read: bool = True

    def send(self, message: Buffer | object) -> None:
        self.sent.append(message)

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.ended = f"closed {code}"

    def abort(self) -> None:
        self.ended = "aborted"


class Desk:
    """Neighbours, and what they told."""

    def __init__(self) -> None:
        self.payloads: list[tuple[int, bytes]] = []
        self.broken: list[int] = []
        self.neighbours = Neighbours(self)

    def taken(self, node_id: int, payload: bytes) -> bool:
        self.payloads.append((node_id, payload))
        return payload != b"no message"

    def lost(self, node_id: int) -> None:
        self.broken.append(node_id)

    def line(self, node_id: int, *, dialled: bool = True) -> tuple[Line, Wire]:
        wire = Wire(PeerInfo(NodeId(node_id), "h:1"))
        return self.neighbours.add(wire, dialled=dialled), wire


@pytest.fixture
def desk() -> Desk:
    return Desk()


def in_loop(test: object) -> None:
    async def scenario() -> None:
        test()  # type: ignore[operator]

    run_virtual(scenario)


def test_what_is_sent_goes_over_one_of_two_lines_and_stays_in_order(desk: Desk) -> None:
    def test() -> None:
        _, first = desk.line(2)
        _, second = desk.line(2, dialled=False)
        assert all(desk.neighbours.send(2, bytes([n])) for n in range(3))
        assert (first.sent, second.sent) == ([b"\0", b"\1", b"\2"], [])
        assert not desk.neighbours.send(3, b"x")

    in_loop(test)


def test_a_line_that_brings_no_message_is_closed_and_its_node_is_not_lost(desk: Desk) -> None:
    def test() -> None:
        line, wire = desk.line(2)
        line.on_message(b"a message")
        assert wire.ended == ""
        line.on_message(b"no message")
        assert wire.ended == "closed 1002"
        line.on_lost(None)
        assert desk.broken == []

    in_loop(test)


def test_a_node_is_lost_with_its_last_line_and_only_where_that_broke(desk: Desk) -> None:
    def test() -> None:
        one, _ = desk.line(2)
        two, _ = desk.line(2, dialled=False)
        other, _ = desk.line(3)
        one.on_lost(ConnectionResetError())
        assert desk.broken == []
        two.on_lost(ConnectionResetError())
        other.on_lost(None)
        assert desk.broken == [2]
        assert 2 not in desk.neighbours and 3 not in desk.neighbours

    in_loop(test)


def test_whoever_dials_again_has_given_up_the_earlier_line(desk: Desk) -> None:
    def test() -> None:
        old, wire = desk.line(2, dialled=False)
        _, new = desk.line(2, dialled=False)
        old.on_lost(ConnectionResetError())
        assert wire.ended == "aborted"
        assert desk.broken == []
        assert desk.neighbours.send(2, b"x")
        assert new.sent == [b"x"]

    in_loop(test)


def test_the_least_used_line_makes_room_and_its_node_is_not_held_for_lost(desk: Desk) -> None:
    def test() -> None:
        wires = {}
        lines = {}
        for node_id in range(1, MAX_NEIGHBOURS + 1):
            lines[node_id], wires[node_id] = desk.line(node_id)
        desk.neighbours.send(1, b"x")
        desk.line(999)
        assert [n for n, wire in wires.items() if wire.ended] == [2]
        lines[2].on_lost(None)
        assert (len(desk.neighbours), desk.broken) == (MAX_NEIGHBOURS, [])

    in_loop(test)


def test_a_flood_is_dropped_unread_and_counted(desk: Desk) -> None:
    def test() -> None:
        line, _ = desk.line(2)
        for _ in range(int(MOST_MESSAGES) + 500):
            line.on_message(b"x")
        assert len(desk.payloads) == MOST_MESSAGES
        assert desk.neighbours.dropped == 500

    in_loop(test)


def test_one_that_floods_is_not_read_for_a_moment() -> None:
    async def scenario() -> None:
        desk = Desk()
        line, wire = desk.line(2)
        for _ in range(int(MOST_MESSAGES)):
            line.on_message(b"x")
        assert wire.is_read
        line.on_message(b"x")
        line.on_message(b"x")
        assert not wire.is_read
        await asyncio.sleep(PAUSE_S + 0.01)
        assert wire.is_read
        line.on_message(b"x")
        assert desk.neighbours.dropped == 2

    run_virtual(scenario)


def test_large_messages_about_members_are_a_flood_long_before_names_are(desk: Desk) -> None:
    large = encode(Gossip((Rumour(Member(7, "h:1", name="x" * 256), 7),) * 150))
    names = encode(Delta(2, 0, 1, False, True, (Change(1, "x" * 256, Entry(1, "x" * 4096)),) * 10))
    assert not carries_names(large)

    def test() -> None:
        line, _ = desk.line(2)
        for _ in range(200):
            line.on_message(large)
            line.on_message(names)
        assert sum(payload == large for _, payload in desk.payloads) == MOST_BYTES // len(large)
        assert sum(payload == names for _, payload in desk.payloads) == 200

    in_loop(test)


def test_a_new_line_brings_no_new_allowance(desk: Desk) -> None:
    def test() -> None:
        for _ in range(3):
            line, _ = desk.line(2, dialled=False)
            for _ in range(int(MOST_MESSAGES)):
                line.on_message(b"x")
        assert len(desk.payloads) == MOST_MESSAGES

    in_loop(test)


def test_a_node_that_takes_nothing_does_not_fill_the_memory(desk: Desk) -> None:
    def test() -> None:
        _, wire = desk.line(2)
        wire.buffered_bytes = 1 << 30
        assert desk.neighbours.send(2, b"x")
        assert wire.sent == []

    in_loop(test)


def test_an_allowance_is_spent_and_comes_back_with_time() -> None:
    allowance = Allowance(per_second=10, most=20)
    assert allowance.spend(20, now=100.0)
    assert not allowance.spend(1, now=100.0)
    assert allowance.spend(5, now=100.5)
    assert not allowance.spend(1, now=100.5)
    assert not allowance.spend(21, now=1000.0)
    assert allowance.spend(20, now=1000.0)
