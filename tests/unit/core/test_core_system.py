"""Looking actors up, and what a system knows of itself."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.core import Terminated
from pulsing.core.envelope import Envelope
from pulsing.core.registry import Instance, LocalNames
from pulsing.core.seams import MemberView
from pulsing.exceptions import ActorNotFound, NodeNotFound, NotInitialized
from pulsing.ids import ActorId, NodeId
from tests.unit.core.acting import Counter, Echo, Gate, in_virtual_time, spawn, turns, users_actors


async def test_an_actor_is_resolved_by_its_name() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="c", system=system)
        for name in ("c", "actors/c"):
            ref = await system.resolve(name)
            assert ref == counter.ref
            assert (ref.name, ref.node_id, ref.is_local()) == ("actors/c", system.node_id, True)
        assert await system.resolve_named("c") == counter.ref
        assert await system.resolve("c", node_id=system.node_id) == counter.ref
        assert await system.resolve("c", node_id=system.node_id.id) == counter.ref
        assert repr(ref) == f"ActorRef(id={ref.actor_id}, local=true)"


async def test_a_name_that_nobody_has_is_not_found() -> None:
    async with testing.system() as system:
        with pytest.raises(ActorNotFound, match="Named actor not found: actors/x") as caught:
            await system.resolve("x")
        assert caught.value.name == "actors/x"
        for timeout in (0, 0.01):
            with pytest.raises(ActorNotFound):
                await system.resolve("x", timeout=timeout)
        with pytest.raises(NodeNotFound, match="Node not found"):
            await system.resolve("x", node_id=system.node_id)
        with pytest.raises(NodeNotFound):
            await system.resolve("x", node_id=77)
        with pytest.raises(ValueError):
            await system.resolve("no name")


@pytest.mark.parametrize("public", [True, False])
async def test_a_lookup_waits_for_the_name_to_appear(public: bool) -> None:
    async with testing.system() as system:
        looking = asyncio.ensure_future(system.resolve("late", timeout=5))
        there = asyncio.ensure_future(system.resolve("late", node_id=system.node_id, timeout=5))
        await turns()
        counter = await spawn(Counter, name="late", public=public, system=system)
        assert await asyncio.wait_for(looking, 1) == counter.ref
        assert await asyncio.wait_for(there, 1) == counter.ref


def test_a_lookup_during_a_stop_waits_without_holding_the_loop() -> None:
    async def test(system: pul.ActorSystem) -> None:
        gate = await spawn(Gate, name="g", system=system)
        running = gate.ref.request("enter", (1,), None, None)
        await turns()
        stopping = asyncio.ensure_future(system.stop("g"))
        await turns()
        with pytest.raises(ActorNotFound):
            await system.resolve("g")
        looking = asyncio.ensure_future(system.resolve("g", timeout=60))
        await turns()
        gate.ref._cell.actor.open.set()
        await asyncio.gather(running, stopping)
        again = await spawn(Gate, name="g", system=system)
        assert await looking == again.ref

    in_virtual_time(test)


class Elsewhere(LocalNames):
    """Names that other nodes have as well."""

    def __init__(self, *others: Instance) -> None:
        super().__init__()
        self.others = others

    def instances(self, path: str) -> list[Instance]:
        return [*super().instances(path), *(one for one in self.others if one.path == path)]


async def test_resolve_rotates_over_replicas_and_takes_leaving_nodes_last() -> None:
    async with testing.system() as system:
        other = Instance("actors/r", ActorId.of(2, 20), NodeId(2))
        leaving = Instance("actors/r", ActorId.of(3, 20), NodeId(3), leaving=True)
        system.inner.names = Elsewhere(other, leaving)
        here = await spawn(Counter, name="r", system=system)
        found = [await system.resolve("r") for _ in range(6)]
        assert {ref.actor_id for ref in found} == {here.ref.actor_id, other.actor_id}
        assert found[0] != found[1]
        assert (await system.resolve("r", node_id=2)).actor_id == other.actor_id
        await system.stop("r")
        system.inner.names = Elsewhere(leaving)
        assert (await system.resolve("r")).actor_id == leaving.actor_id


async def test_an_actor_is_referred_to_by_every_spelling_of_its_id() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, system=system)
        actor_id = counter.ref.actor_id
        for spelling in (actor_id, str(actor_id), actor_id.uuid(), str(actor_id.id), actor_id.id):
            assert await system.refer(spelling) == counter.ref
        assert await system.actor_ref(actor_id) == counter.ref
        with pytest.raises(ActorNotFound, match="Actor not found: "):
            await system.refer(ActorId.of(system.node_id.id, 12345))
        with pytest.raises(NodeNotFound):
            await system.refer(ActorId.of(77, 1))
        with pytest.raises(ValueError, match="Invalid ActorId format: 'nonsense'"):
            await system.refer("nonsense")


async def test_stop_takes_names_ids_refs_and_proxies() -> None:
    async with testing.system() as system:
        spellings: list[Callable[[Any], Any]] = [
            lambda proxy: "c",
            lambda proxy: "actors/c",
            lambda proxy: proxy.ref.actor_id,
            lambda proxy: str(proxy.ref.actor_id),
            lambda proxy: proxy.ref.actor_id.id,
            lambda proxy: proxy.ref,
            lambda proxy: proxy,
        ]
        for spelling in spellings:
            counter = await spawn(Counter, name="c", system=system)
            assert await system.stop(spelling(counter)) is True
            assert await system.stop(spelling(counter)) is False
        assert await system.stop("unknown") is False
        assert await system.stop(ActorId.of(77, 1)) is False
        with pytest.raises(TypeError):
            await system.stop(1.5)
        with pytest.raises(ValueError, match="name 'no name' may hold letters"):
            await system.stop("no name")


async def test_actors_of_the_system_cannot_be_stopped() -> None:
    async with testing.system() as system:
        assert await system.stop("system/core") is False
        assert await system.stop(await system.system()) is False


async def test_a_lost_name_can_be_taken_again_at_once() -> None:
    async with testing.system() as system:
        for _ in range(3):
            await spawn(Counter, name="c", system=system)
            await system.stop("c")
        assert users_actors(system) == []


async def test_refs_are_equal_by_id_and_can_be_pickled() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="c", system=system)
        again = pickle.loads(pickle.dumps(counter.ref))
        assert again == counter.ref
        assert hash(again) == hash(counter.ref)
        assert again.name == "actors/c"
        assert counter.ref != await system.system()
        with pytest.raises(NotInitialized):
            await again.ask("x")


async def test_a_listing_names_public_and_private_actors() -> None:
    async with testing.system() as system:
        public = await spawn(Counter, name="public", system=system)
        await spawn(Counter, name="private", public=False, system=system)
        anonymous = await spawn(Counter, system=system)
        rows = {row["path"]: row for row in await system.all_named_actors()}
        assert {"actors/public", "actors/private"} <= set(rows)
        row = rows["actors/public"]
        assert row["instance_count"] == 1
        assert row["instances"] == [str(system.node_id.id)]
        assert row["detailed_instances"] == [
            {
                "actor_id": str(public.ref.actor_id.id),
                "node_id": str(system.node_id.id),
                "class": "Counter",
                "module": "tests.unit.core.acting",
                "file": row["detailed_instances"][0]["file"],
            }
        ]
        instances = await system.get_named_instances("public")
        assert (instances[0]["status"], instances[0]["addr"]) == ("Alive", "")
        assert str(anonymous.ref.actor_id) in system.local_actor_names()
        assert await system.members() == [{"node_id": str(system.node_id.id), "addr": "", "status": "Alive"}]


async def test_a_system_tells_of_itself() -> None:
    async with testing.system() as system:
        assert repr(system) == f"ActorSystem(node_id={system.node_id}, addr=)"
        assert system.addr == ""
        assert (await system.system()).name == "system/core"
        assert (await system.remote_system(system.node_id)) == await system.system()
        with pytest.raises(NodeNotFound):
            await system.remote_system(77)


class Recorder:
    """A router that keeps what it is given."""

    def __init__(self) -> None:
        self.asked: list[Envelope] = []
        self.told: list[Envelope] = []

    def ask(self, envelope: Envelope) -> None:
        self.asked.append(envelope)

    def holds(self, envelope: Envelope) -> bool:
        return False

    async def _taken(self) -> None: ...

    def tell(self, envelope: Envelope) -> Any:
        self.told.append(envelope)
        return self._taken()

    def watch(self, actor_id: ActorId, told: Callable[[Terminated], None]) -> None:
        told(Terminated(actor_id, None, actor_id.node_id, "node_dead"))

    def check_node(self, node_id: NodeId) -> None:
        if node_id.id != 2:
            raise NodeNotFound(node_id)


async def test_messages_for_other_nodes_go_through_the_router() -> None:
    async with testing.system() as system:
        router = system.inner.router = Recorder()
        ref = system.inner.bind(ActorId.of(2, 20), "actors/far")
        assert not ref.is_local()
        asked = ref.ask("hello", timeout=5)
        await ref.tell("psst")
        with pytest.raises(ValueError, match="deadline"):
            await ref.ask("forever", timeout=None)
        assert [one.args for one in router.asked] == [("hello",)]
        assert [one.args for one in router.told] == [("psst",)]
        assert (await ref.watch()).reason == "node_dead"
        router.asked[0].reply.set_result("answer")  # type: ignore[union-attr]
        system.inner.deadlines.done(router.asked[0])
        assert await asked == "answer"


async def test_a_message_to_another_node_fails_without_a_network() -> None:
    async with testing.system() as system:
        ref = system.inner.bind(ActorId.of(2, 20))
        with pytest.raises(NodeNotFound):
            await ref.ask("x")
        with pytest.raises(NodeNotFound):
            await ref.tell("x")


async def test_a_message_from_another_node_is_delivered_or_refused() -> None:
    async with testing.system() as system:
        loop = asyncio.get_running_loop()
        ref = await system.spawn(Echo())
        reply = loop.create_future()
        system.inner.deliver(Envelope(ref.actor_id, None, ("hi",), None, reply, accepted_at=system.inner.now()))
        assert await reply == "hi"
        nobody = loop.create_future()
        system.inner.deliver(Envelope(ActorId.of(system.node_id.id, 999), None, ("hi",), None, nobody))
        with pytest.raises(ActorNotFound):
            await nobody


async def test_members_of_a_cluster_are_listed_as_given() -> None:
    async with testing.system() as system:
        system.inner.members_view = lambda: [
            MemberView(system.node_id, "a:1", "Alive"),
            MemberView(NodeId(2), "b:2", "Suspect"),
        ]
        assert [member["status"] for member in await system.members()] == ["Alive", "Suspect"]
