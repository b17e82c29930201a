from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from pulsing.cluster import Cluster, Connected, DialFailed, Entry, JoinPlan, LinkLost, Member, MemberChanged
from pulsing.cluster.messages import Gossip, Rumour, encode
from pulsing.cluster.rows import cluster_row, member_rows, name_rows, traffic_row
from pulsing.testing.virtual import VirtualLoop, run_virtual

DELAY_S = 0.001


class Network:
    """Clusters in one process and the lines between them."""

    def __init__(self) -> None:
        self.nodes: dict[int, Cluster] = {}
        self.addresses: dict[int, str] = {}
        self.sent = 0

    def add(self, node_id: int, **options: Any) -> Cluster:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.addresses[node_id] = f"h{node_id}:1"
        me = Member(node_id, self.addresses[node_id], name=f"n{node_id}")
        node = Cluster(me, Line(self, node_id), clock=loop.clock, random=Random(node_id), **options)
        self.nodes[node_id] = node
        node.start()
        return node

    def kill(self, node_id: int) -> None:
        self.nodes.pop(node_id).stop()
        for node in self.nodes.values():
            node.report(LinkLost(node_id))

    def stop(self) -> None:
        for node in self.nodes.values():
            node.stop()


class Line:
    """A channel over the network."""

    def __init__(self, network: Network, own_id: int) -> None:
        self._network = network
        self._own_id = own_id

    def send(self, node_id: int, payload: bytes) -> None:
        self._network.sent += 1
        asyncio.get_running_loop().call_later(DELAY_S, self._arrive, node_id, payload)

    def dial(self, addr: str, node_id: int) -> None:
        asyncio.get_running_loop().call_later(DELAY_S, self._answer, addr)

    def _arrive(self, node_id: int, payload: bytes) -> None:
        if node_id in self._network.nodes:
            self._network.nodes[node_id].driver.received(self._own_id, payload)
        elif self._own_id in self._network.nodes:
            self._network.nodes[self._own_id].report(DialFailed(self._network.addresses[node_id], refused=True))

    def _answer(self, addr: str) -> None:
        me = self._network.nodes.get(self._own_id)
        found = [n for n, node in self._network.nodes.items() if node.me.addr == addr]
        if me is not None:
            me.report(Connected(found[0], addr) if found else DialFailed(addr, refused=True))


def in_network(test: Callable[[Network], Awaitable[None]]) -> None:
    """Run a test against a fresh network in virtual time."""

    async def scenario() -> None:
        network = Network()
        try:
            await test(network)
        finally:
            network.stop()

    run_virtual(scenario)


async def joined(network: Network, count: int) -> list[Cluster]:
    nodes = [network.add(n) for n in range(1, count + 1)]
    for node in nodes[1:]:
        assert await node.join(["h1:1"])
    await asyncio.sleep(1.0)
    return nodes


def test_joining_brings_members_and_names_at_once() -> None:
    async def test(network: Network) -> None:
        first = network.add(1)
        first.directory.publish("actors/a", Entry(7, "A", "app"))
        second = network.add(2)
        before = asyncio.get_running_loop().time()
        assert await second.join(["h1:1"])
        assert asyncio.get_running_loop().time() - before < 0.1
        assert [m.node_id for m in second.members()] == [2, 1]
        assert second.directory.lookup("actors/a")[0].entry.actor_id == 7

    in_network(test)


def test_an_unreachable_seed_lets_the_node_begin_alone_and_is_tried_again() -> None:
    async def test(network: Network) -> None:
        alone = network.add(2)
        assert not await alone.join(["h1:1"])
        assert asyncio.get_running_loop().time() < 0.1
        network.add(1)
        await asyncio.sleep(12.0)
        assert len(alone.members()) == 2

    in_network(test)


def test_with_a_timeout_joining_waits_for_a_seed_that_comes_late() -> None:
    async def test(network: Network) -> None:
        node = network.add(2)
        asyncio.get_running_loop().call_later(3.0, network.add, 1)
        assert await node.join(["h1:1"], timeout=20.0)
        assert not await network.add(3).join(["nowhere:1"], timeout=5.0)

    in_network(test)


def test_the_own_address_among_the_seeds_is_no_member() -> None:
    async def test(network: Network) -> None:
        node = network.add(1)
        assert not await node.join(["h1:1"])
        assert [m.node_id for m in node.members()] == [1]

    in_network(test)


def test_a_dns_seed_is_resolved_to_all_its_addresses() -> None:
    async def test(network: Network) -> None:
        async def resolver(host: str, port: int) -> list[str]:
            assert (host, port) == ("workers.local", 1)
            return ["h1:1", "h9:1"]

        network.add(1)
        node = network.add(2, resolver=resolver)
        assert await node.join(["dns://workers.local:1"])

    in_network(test)


def test_a_name_that_cannot_be_looked_up_is_reported_and_no_error() -> None:
    async def test(network: Network) -> None:
        async def resolver(host: str, port: int) -> list[str]:
            raise OSError("no such host")

        node = network.add(2, resolver=resolver)
        assert not await node.join(["dns://workers.local:1"])
        [seed] = (await cluster_row(node))["seeds"]
        assert (seed["addr"], seed["reachable"]) == ("dns://workers.local:1", False)
        assert seed["reason"] == "workers.local cannot be looked up: no such host"

    in_network(test)


def test_a_bad_seed_is_an_error_before_anything_happens() -> None:
    async def test(network: Network) -> None:
        node = network.add(1)
        with pytest.raises(ValueError, match="invalid socket address syntax"):
            await node.join(["h2:1", "nonsense"])
        assert network.sent == 0

    in_network(test)


def test_a_killed_node_is_dead_everywhere_at_once_with_its_names_already_gone() -> None:
    async def test(network: Network) -> None:
        nodes = await joined(network, 5)
        nodes[1].directory.publish("actors/a", Entry(7))
        await asyncio.sleep(1.0)
        seen: list[tuple[int, list[str]]] = []

        def on_change(change: MemberChanged) -> None:
            if change.kind == "dead":
                seen.append((change.after.node_id, nodes[0].directory.paths()))

        nodes[0].on_change(on_change)
        network.kill(2)
        await asyncio.sleep(0.1)
        assert seen == [(2, [])]
        assert all(n.member(2) is not None and n.member(2).status == "dead" for n in network.nodes.values())  # type: ignore[union-attr]

    in_network(test)


def test_changes_that_come_together_make_one_change_of_the_view() -> None:
    async def test(network: Network) -> None:
        nodes = await joined(network, 2)
        views: list[int] = []
        changes: list[MemberChanged] = []
        nodes[0].on_view(lambda: views.append(len(nodes[0].members())))
        nodes[0].on_change(changes.append)
        crowd = tuple(Rumour(Member(n, "h9:1"), n) for n in range(100, 130))
        nodes[0].driver.received(2, encode(Gossip(crowd)))
        nodes[0].describe(name="other")
        assert (len(changes), views) == (31, [32])

    in_network(test)


def test_leaving_is_heard_by_all_and_ends_with_their_acks() -> None:
    async def test(network: Network) -> None:
        nodes = await joined(network, 3)
        nodes[2].start_leaving()
        await asyncio.sleep(0.1)
        assert nodes[0].member(3) == nodes[2].me
        assert nodes[0].owner("key") in (nodes[0].me, nodes[1].me)
        before = asyncio.get_running_loop().time()
        await nodes[2].leave()
        await nodes[2].leave()
        assert asyncio.get_running_loop().time() - before < 0.1
        assert [m.status for m in nodes[0].members()] == ["alive", "alive", "left"]

    in_network(test)


def test_all_nodes_choose_the_same_owner() -> None:
    async def test(network: Network) -> None:
        nodes = await joined(network, 4)
        for key in map(str, range(50)):
            assert len({n.owner(key).node_id for n in nodes}) == 1

    in_network(test)


def test_what_a_node_says_of_itself_reaches_the_others() -> None:
    async def test(network: Network) -> None:
        nodes = await joined(network, 3)
        nodes[0].describe(admin_url="http://h1:8700", metadata={"zone": "a"})
        await asyncio.sleep(0.1)
        member = nodes[2].member(1)
        assert member is not None
        assert (member.admin_url, dict(member.metadata)) == ("http://h1:8700", {"zone": "a"})

    in_network(test)


def test_hostile_bytes_are_counted_and_change_nothing() -> None:
    async def test(network: Network) -> None:
        nodes = await joined(network, 2)
        nodes[0].driver.received(2, b"\xff\x00garbage")
        assert (await nodes[0].observe()).bad_messages == 1
        assert len(nodes[0].members()) == 2

    in_network(test)


def test_a_callback_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def test(network: Network) -> None:
        node = network.add(1)

        def fail(change: MemberChanged) -> None:
            raise RuntimeError("oops")

        node.on_change(fail)
        changes: list[MemberChanged] = []
        stop = node.on_change(changes.append)
        await network.add(2).join(["h1:1"])
        assert [c.kind for c in changes] == ["joined"]
        stop()
        network.kill(2)
        await asyncio.sleep(1.0)
        assert len(changes) == 1

    in_network(test)
    assert "oops" in caplog.text


def test_a_name_of_two_classes_is_reported_as_a_conflict() -> None:
    async def test(network: Network) -> None:
        nodes = await joined(network, 3)
        conflicts: list[str] = []
        nodes[2].on_conflict(conflicts.append)
        nodes[0].directory.publish("actors/a", Entry(1, "A"))
        nodes[1].directory.publish("actors/a", Entry(2, "B"))
        await asyncio.sleep(1.0)
        assert conflicts == ["actors/a"]
        assert name_rows(nodes[2])[0]["conflict"] is True

    in_network(test)


def test_a_standalone_node_has_one_member_its_names_and_no_timer() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        node = Cluster(Member(1, ""), clock=loop.clock, random=Random(1))
        node.start()
        node.directory.publish("actors/a", Entry(1))
        found = node.directory.resolve("actors/a")
        assert found is not None and found.node_id == 1
        assert node.owner("key") == node.me
        assert node.mode == "standalone"
        assert node.driver._timer is None
        await node.leave()
        node.stop()
        node.stop()

    run_virtual(scenario)


def test_messages_round_trips_and_refutations_are_counted() -> None:
    async def test(network: Network) -> None:
        nodes = await joined(network, 2)
        await asyncio.sleep(9.0)
        lie = Gossip((Rumour(nodes[0].me.with_status("suspect"), 2),))
        nodes[0].driver.received(2, encode(lie))
        row = await traffic_row(nodes[0])
        assert json.loads(json.dumps(row)) == row
        assert row["refutations"] == 1
        assert row["messages"]["ping"]["out"] == row["messages"]["ack"]["in"] == 10
        assert row["messages"]["gossip"]["in"] >= 1
        assert sum(row["round_trips"]["counts"]) == row["messages"]["ack"]["in"]
        assert row["round_trips"]["maximum_s"] == pytest.approx(2 * DELAY_S)

    in_network(test)


def test_the_rows_for_operators_are_json_and_tell_what_is_known() -> None:
    async def test(network: Network) -> None:
        nodes = await joined(network, 3)
        nodes[1].directory.publish("actors/a", Entry(2 << 64 | 5, "A", "app"))
        await asyncio.sleep(3.0)
        network.kill(3)
        await asyncio.sleep(8.0)
        rows = {row["id"]: row for row in await member_rows(nodes[0], detail=True)}
        assert json.loads(json.dumps(rows)) == rows
        me, other, dead = (rows[f"{n:016x}"] for n in (1, 2, 3))
        assert (me["self"], me["status"], me["name"]) == (True, "alive", "n1")
        assert (other["names"], other["suspected_by"]) == (1, [])
        assert other["rtt_s"] is not None and other["last_heard_s"] is not None
        assert dead["status"] == "dead"
        assert [(h["from"], h["to"]) for h in dead["history"]] == [
            (None, "alive"),
            ("alive", "suspect"),
            ("suspect", "dead"),
        ]
        row = await cluster_row(nodes[0])
        assert (row["size"], row["by_status"], row["agreed"]) == (2, {"alive": 2, "dead": 1}, True)
        [name] = name_rows(nodes[0], "actors/")
        assert name["instances"] == [
            {"node": f"{2:016x}", "actor": f"{2:016x}:{5:016x}", "class": "app.A", "public": True}
        ]
        assert name_rows(nodes[0], "other/") == []

    in_network(test)


class TestJoinPlan:
    def test_a_worker_contacts_its_head_only(self) -> None:
        plan = JoinPlan.of(seeds=["h9:1"], head_addr="h2:1")
        assert (plan.mode, plan.seeds, plan.head) == ("head", ("h2:1",), "h2:1")

    def test_the_head_waits_for_workers(self) -> None:
        plan = JoinPlan.of("h1:1", is_head_node=True)
        assert (plan.mode, plan.seeds, plan.head) == ("head", (), None)

    def test_without_addresses_a_node_stands_alone(self) -> None:
        assert JoinPlan.of().mode == "standalone"
        assert JoinPlan.of("h1:1").mode == "gossip"
        assert JoinPlan.of(seeds=["h1:1"]).seeds == ("h1:1",)

    @pytest.mark.parametrize("bad", [{"addr": "h1"}, {"seeds": ["h1"]}, {"head_addr": "h1:x"}])
    def test_bad_addresses_are_named(self, bad: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="invalid socket address syntax"):
            JoinPlan.of(**bad)
