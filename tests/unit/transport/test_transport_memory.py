"""The network in memory behaves like one: order, delays, partitions, freezes, kills."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pulsing.exceptions import AddressInUse
from pulsing.ids import NodeId
from pulsing.testing import wait_until
from pulsing.transport import Connection, DialFailed, DialledSelf, Limits
from pulsing.transport.memory import MemoryConnection, MemoryTransport, Network

A, B = NodeId(1), NodeId(2)
FAST = Limits(dial_timeout=0.05, write_timeout=0.05, close_timeout=0.02, write_high=100)


class Handler:
    """Records what a connection delivers."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.messages: list[bytes] = []
        self.writable: list[bool] = []
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def on_message(self, data: bytes | bytearray) -> None:
        self.messages.append(bytes(data))

    def on_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)

    def on_blocked(self) -> None:
        self.writable.append(False)

    def on_writable(self) -> None:
        self.writable.append(True)


class Pair:
    """Two hosts, a and b, and a connection from the first to the second."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.a = network.transport("a", A, pickle=True)
        self.b = network.transport("b", B, pickle=True, control_port=7001)
        self.handlers: list[Handler] = []

    def attach(self, connection: Connection) -> Handler:
        self.handlers.append(Handler(connection))
        return self.handlers[-1]

    async def connect(self) -> tuple[Handler, Handler]:
        await self.b.listen("b:1", self.attach)
        await self.a.dial("b:1", self.attach)
        at_b, at_a = self.handlers
        return at_a, at_b


async def test_each_end_knows_who_the_other_is() -> None:
    at_a, at_b = await Pair(Network()).connect()
    assert (at_a.connection.peer.node_id, at_a.connection.peer.control_port) == (B, 7001)
    assert (at_b.connection.peer.node_id, at_b.connection.peer.control_port) == (A, None)
    assert at_a.connection.peer.pickle and at_b.connection.peer.pickle


async def test_messages_arrive_whole_and_in_order_and_never_inside_send() -> None:
    at_a, at_b = await Pair(Network()).connect()
    for number in range(100):
        at_a.connection.send([b"%d" % number, b"!"])
    assert at_b.messages == []
    await wait_until(lambda: len(at_b.messages) == 100)
    assert at_b.messages == [b"%d!" % number for number in range(100)]


async def test_a_message_takes_its_pairs_delay() -> None:
    network = Network()
    at_a, at_b = await Pair(network).connect()
    network.set_delay("a", "b:1", 0.03)
    sent = asyncio.get_running_loop().time()
    at_a.connection.send(b"x")
    await wait_until(lambda: at_b.messages)
    assert asyncio.get_running_loop().time() - sent >= 0.03


async def test_what_a_partition_holds_arrives_after_it_heals() -> None:
    network = Network()
    at_a, at_b = await Pair(network).connect()
    network.partition("a", "b")
    at_a.connection.send(b"1")
    at_a.connection.send(b"2")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert at_b.messages == []
    network.heal()
    await wait_until(lambda: at_b.messages)
    assert at_b.messages == [b"1", b"2"]


async def test_a_one_way_partition_lets_the_other_way_through() -> None:
    network = Network()
    at_a, at_b = await Pair(network).connect()
    network.partition("a", "b", one_way=True)
    at_a.connection.send(b"lost")
    at_b.connection.send(b"arrives")
    await wait_until(lambda: at_a.messages)
    assert at_b.messages == []


async def test_a_partition_breaks_only_a_connection_that_is_written_to() -> None:
    network = Network(limits=FAST)
    at_a, at_b = await Pair(network).connect()
    network.partition("a", "b")
    at_a.connection.send(b"x")
    assert isinstance(await asyncio.wait_for(at_a.lost, 5), ConnectionError)
    assert not at_b.lost.done()


async def test_a_dial_into_a_partition_ends_in_silence() -> None:
    network = Network(limits=FAST)
    pair = Pair(network)
    await pair.b.listen("b:1", pair.attach)
    network.partition("a", "b")
    with pytest.raises(DialFailed) as caught:
        await pair.a.dial("b:1", pair.attach)
    assert not caught.value.refused


async def test_a_dial_to_nobody_is_refused() -> None:
    pair = Pair(Network())
    with pytest.raises(DialFailed) as caught:
        await pair.a.dial("b:1", pair.attach)
    assert caught.value.refused


async def test_a_dial_of_oneself_is_recognised() -> None:
    pair = Pair(Network())
    await pair.a.listen("a:1", pair.attach)
    with pytest.raises(DialledSelf):
        await pair.a.dial("a:1", pair.attach)


async def test_a_port_can_be_taken_once_and_again_after_its_close() -> None:
    pair = Pair(Network())
    listener = await pair.a.listen("a:0", pair.attach)
    with pytest.raises(AddressInUse):
        await pair.a.listen(listener.addr, pair.attach)
    await listener.close()
    await pair.a.listen(listener.addr, pair.attach)


async def test_a_killed_host_resets_its_connections_and_refuses_new_ones() -> None:
    network = Network()
    pair = Pair(network)
    at_a, at_b = await pair.connect()
    at_b.connection.send(b"last words")
    network.kill("b")
    assert isinstance(await asyncio.wait_for(at_a.lost, 5), ConnectionResetError)
    assert at_a.messages == [b"last words"]
    assert not at_b.lost.done()
    with pytest.raises(DialFailed, match="nobody"):
        await pair.a.dial("b:1", pair.attach)


async def test_a_frozen_host_takes_part_again_when_it_thaws() -> None:
    network = Network()
    at_a, at_b = await Pair(network).connect()
    network.freeze("b", 0.03)
    frozen_at = asyncio.get_running_loop().time()
    at_a.connection.send(b"to")
    at_b.connection.send(b"from")
    await wait_until(lambda: at_a.messages and at_b.messages)
    assert asyncio.get_running_loop().time() - frozen_at >= 0.03


async def test_a_close_arrives_after_what_was_sent_before_it() -> None:
    at_a, at_b = await Pair(Network()).connect()
    at_a.connection.send(b"x")
    at_a.connection.close()
    at_a.connection.send(b"too late")
    assert await asyncio.wait_for(at_b.lost, 5) is None
    assert await asyncio.wait_for(at_a.lost, 5) is None
    assert at_b.messages == [b"x"]


async def test_a_close_for_a_fault_tells_its_code() -> None:
    at_a, at_b = await Pair(Network()).connect()
    at_a.connection.close(1008, "bad frame")
    error = await asyncio.wait_for(at_b.lost, 5)
    assert "1008" in str(error) and "bad frame" in str(error)


async def test_a_close_into_a_partition_ends_here_after_its_timeout() -> None:
    network = Network(limits=FAST)
    at_a, _ = await Pair(network).connect()
    network.partition("a", "b")
    at_a.connection.close()
    assert await asyncio.wait_for(at_a.lost, 5) is None


async def test_an_abort_drops_what_was_queued() -> None:
    at_a, at_b = await Pair(Network()).connect()
    at_a.connection.send(b"x")
    at_a.connection.abort()
    assert isinstance(await asyncio.wait_for(at_b.lost, 5), ConnectionResetError)
    assert await asyncio.wait_for(at_a.lost, 5) is None
    assert at_b.messages == []


async def test_a_sender_is_told_to_hold_back_and_to_go_on() -> None:
    network = Network(limits=FAST)
    at_a, _ = await Pair(network).connect()
    network.freeze("b", 0.01)
    at_a.connection.send(bytes(80))
    assert at_a.writable == []
    at_a.connection.send(bytes(80))
    assert (at_a.writable, at_a.connection.buffered_bytes) == ([False], 160)
    await wait_until(lambda: at_a.connection.buffered_bytes == 0)
    assert at_a.writable == [False, True]


async def test_an_oversize_message_is_refused_at_the_sender() -> None:
    at_a, _ = await Pair(Network(limits=Limits(max_message=10))).connect()
    with pytest.raises(ValueError, match="11 bytes"):
        at_a.connection.send(bytes(11))


@pytest.mark.parametrize("end", [MemoryConnection.close, MemoryConnection.abort])
async def test_a_network_forgets_connections_that_are_gone(end: Callable[[MemoryConnection], None]) -> None:
    network = Network()
    at_a, at_b = await Pair(network).connect()
    assert isinstance(at_a.connection, MemoryConnection)
    at_b.connection.send(b"crossing")
    end(at_a.connection)
    await asyncio.wait_for(asyncio.gather(at_a.lost, at_b.lost), 5)
    await wait_until(lambda: not network._pipes)


async def test_the_same_script_gives_the_same_history() -> None:
    assert await _history() == await _history()


async def _history() -> list[tuple[str, bytes]]:
    network = Network()
    hosts = {name: network.transport(name, NodeId(number)) for number, name in enumerate("abc", 1)}
    history: list[tuple[str, bytes]] = []

    class Noting(Handler):
        def on_message(self, data: bytes | bytearray) -> None:
            history.append((str(self.connection.peer.node_id), bytes(data)))

    for name, transport in hosts.items():
        await transport.listen(f"{name}:1", Noting)
    dials: list[Callable[[], Awaitable[MemoryConnection]]] = [
        lambda s=source, t=target: s.dial(f"{t}:1", Noting)  # type: ignore[misc]
        for source in _in_order(hosts)
        for target in hosts
        if target != source.host
    ]
    connections = [await dial() for dial in dials]
    for round_ in range(3):
        for number, connection in enumerate(connections):
            connection.send(b"%d.%d" % (round_, number))
    await wait_until(lambda: len(history) == 18)
    return history


def _in_order(hosts: dict[str, MemoryTransport]) -> list[MemoryTransport]:
    return [hosts[name] for name in sorted(hosts)]


async def test_a_connection_whose_goodbye_was_lost_is_reset_when_it_is_written_to() -> None:
    pair = Pair(Network(limits=FAST))
    at_a, at_b = await pair.connect()
    pair.network.partition("b", "a", one_way=True)
    at_b.connection.send(b"lost")
    at_b.connection.close()
    await asyncio.wait_for(at_b.lost, 10.0)
    await asyncio.sleep(0.2)
    pair.network.heal()

    at_a.connection.send(b"anybody there?")
    assert isinstance(await asyncio.wait_for(at_a.lost, 10.0), ConnectionError)
